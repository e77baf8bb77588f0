/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's call: one request and one reply, or streams of them. Events have one shape for both and
 * come from the loop only, never from inside a function of this header.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_CALL_H
#define SIGNET_CORE_RUNTIME_RPC_CALL_H

#include "core/runtime/rpc/channel.h"
#include "core/runtime/rpc/event.h"

struct rpc_call;

/* One entry of metadata to send along: lower-case key, printable value. */
struct rpc_metadata {
    const char *key;
    const char *value;
};

struct rpc_call_options {
    const char *method;   /* "/mesh.v1.Certificates/Renew"; borrowed for the start */
    uint32_t limit_ms;    /* the call ends with DEADLINE_EXCEEDED after this; not 0 */
    bool streaming;       /* false: `request` is the one request, and one reply is awaited */
    struct bytes request; /* copied; the copy is wiped when gRPC has written it */
    const struct rpc_metadata *metadata; /* borrowed for the start */
    size_t num_metadata;                 /* at most 8 */
};

typedef void (*rpc_call_fn)(void *user, const struct rpc_event *event);

/*
 * rpc_call_start begins a call; event(user, …) comes on the loop: MESSAGE for each message of the
 * server, SENT after each rpc_call_send(), END last and exactly once. Nothing is sent before the
 * server's identity has been verified. A unary call that ends OK has given exactly one MESSAGE.
 *
 * STATUS_LIMIT "rpc/message-too-long". Home's thread.
 */
enum status rpc_call_start(struct rpc_channel *channel, const struct rpc_call_options *options,
                           rpc_call_fn event, void *user, struct rpc_call **out_call,
                           struct failure *why) MUST_USE;

/*
 * rpc_call_send sends a message of a streaming call; copied. One at a time: STATUS_WAIT until SENT has
 * come for the last one. STATUS_LIMIT "rpc/message-too-long"; STATUS_CLOSED after END or rpc_call_finish.
 */
enum status rpc_call_send(struct rpc_call *call, struct bytes message,
                          struct failure *why) MUST_USE;

/* rpc_call_finish says that no more messages follow (streaming calls); the server may go on. */
void rpc_call_finish(struct rpc_call *call);

/*
 * rpc_call_drop gives the call up, cancels it when it is not over, and sets *call to NULL. No event
 * comes after that. Must be called once for each started call, also after END; also from its event.
 */
void rpc_call_drop(struct rpc_call **call);

#endif
