/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the small server: reads a request, answers it, and again. Within this package
 * only.
 */
#ifndef SIGNET_CORE_RUNTIME_WEB_CONNECTION_H
#define SIGNET_CORE_RUNTIME_WEB_CONNECTION_H

#include "core/runtime/base/list.h"
#include "core/runtime/http/h1.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/net/stream.h"
#include "core/runtime/web/server.h"

struct web_connection {
    struct list_link link;                    /* in its server's list while it is open */
    struct worker *worker;                    /* borrowed */
    struct web_server *server;                /* borrowed: outlives its connections */
    const struct web_server_options *options; /* the server's */
    struct stream *stream;                    /* owned; NULL once closed */
    struct timer limit;
    struct h1_parser parser;
    struct buffer body; /* of the request being read */
    struct buffer out;  /* what is left to send, from `sent` on */
    size_t sent;
    bool answered; /* `out` ends with an answer */
    bool closes;   /* nothing is read behind this answer */
    bool is_unix;
    uid_t peer_uid;
    pid_t peer_pid;
    void (*closed)(
        struct web_connection *connection); /* the server's; runs last, then we are gone */
};

/*
 * web_connection_start serves the connected socket `fd`, which it takes over. closed(connection)
 * runs from the loop when all is over, and the memory goes after it.
 */
struct web_connection *web_connection_start(struct worker *worker, struct web_server *server,
                                            const struct web_server_options *options, int fd,
                                            void (*closed)(struct web_connection *connection));

/* web_connection_close ends it now; again does nothing. */
void web_connection_close(struct web_connection *connection);

/* web_connection_is_idle: it is between two requests, with nothing left to send. */
bool web_connection_is_idle(const struct web_connection *connection);

/*
 * web_respond answers a request by the routes and rules of server.h. Pure but for the route's own
 * function. The head's `connection` line is the caller's.
 */
void web_respond(const struct web_server_options *options, const struct web_request *request,
                 struct web_answer *answer);

#endif
