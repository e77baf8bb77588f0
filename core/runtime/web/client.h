/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP/1.1 client that waits for its answer: for the `signet` tool, which has no loop.
 * Never call it on a worker's thread.
 */
#ifndef SIGNET_CORE_RUNTIME_WEB_CLIENT_H
#define SIGNET_CORE_RUNTIME_WEB_CLIENT_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/status.h"

struct web_reply {
    unsigned status;    /* as the server said: 404 is no failure of the call */
    struct buffer body; /* owned; bound given with web_client_call() */
};

struct web_call {
    const char *address; /* "unix:PATH", "127.0.0.1:15000", "name:port" */
    const char *method;  /* "GET" */
    const char *target;  /* "/identity?x=1" */
    struct bytes body;   /* borrowed; sent as application/json when not empty */
    unsigned limit_ms;   /* for all of it; 0: 5000 */
    size_t answer_max;   /* bytes of the answer's body; 0: 16 MiB */
};

/*
 * web_client_call sends one request, reads the answer and closes. `out_reply` is to be given back
 * with web_reply_clear().
 *
 * STATUS_CONFIG "web/address" (no such form or name); STATUS_NOT_FOUND "web/no-server" (nobody
 * listens there, or no such socket); STATUS_DENIED "web/no-permission" (the socket is another
 * user's); STATUS_IO "web/io"; STATUS_LIMIT "web/too-slow", "web/answer-too-long"; STATUS_PROTOCOL
 * "http/...".
 */
enum status web_client_call(const struct web_call *call, struct web_reply *out_reply,
                            struct failure *why) MUST_USE;

/* web_reply_clear frees a reply. A zeroed struct may be cleared. */
void web_reply_clear(struct web_reply *reply);

#endif
