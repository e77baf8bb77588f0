/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call at the server, from its arrival to the moment that gRPC has given back all of it. Inside this
 * folder only; handlers see struct rpc_exchange through server.h.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_EXCHANGE_H
#define SIGNET_CORE_RUNTIME_RPC_EXCHANGE_H

#include <grpc/grpc.h>

#include "core/runtime/base/list.h"
#include "core/runtime/rpc/operation.h"
#include "core/runtime/rpc/server.h"

/* What exchanges need of their server. */
struct rpc_exchange_home {
    struct rpc_queue *queue;
    struct rpc_judge judge;
    const struct rpc_method *methods;
    size_t num_methods;
    struct list open; /* exchanges whose call has arrived */
    size_t num_open;
    void (*left)(struct rpc_exchange_home *home); /* one has gone: there is room */
};

struct rpc_exchange {
    struct list_link link;           /* in home->open, once arrived */
    struct rpc_exchange_home *home;  /* borrowed: the server outlives its exchanges */
    const struct rpc_method *method; /* borrowed; NULL: there is no such method */
    grpc_call *raw;                  /* owned; NULL until arrived */
    grpc_call_details details;
    grpc_metadata_array first;
    struct rpc_operation closing;   /* gRPC says how the call ended */
    struct rpc_operation reading;   /* one message */
    struct rpc_operation sending;   /* one message of a stream */
    struct rpc_operation answering; /* the status, with the message of a unary call */
    grpc_byte_buffer *received;     /* owned; between gRPC and us */
    char *address;                  /* gRPC's; gpr_free() */
    void *peer;                     /* owned: judge.peer_drop */
    void *held;                     /* the handler's own */
    int cancelled;                  /* gRPC's answer: the client left before we answered */
    int running;                    /* operations in progress, and frames of ours on the stack */
    bool greeted;                   /* our first metadata was sent */
    bool begun;                     /* the handler knows us, and gets an END */
    bool answered;                  /* our answer is with gRPC */
    bool ended;                     /* END was told, or would have been */
    bool given_up;                  /* its place is wanted: answered, and cancelled when that takes long */
};

/* rpc_exchange_make prepares one for the next call; rpc_exchange_free frees one that never arrived. */
struct rpc_exchange *rpc_exchange_make(struct rpc_exchange_home *home);
void rpc_exchange_free(struct rpc_exchange *exchange);

/* rpc_exchange_arrived begins the work on a call that gRPC has filled in. */
void rpc_exchange_arrived(struct rpc_exchange *exchange);

/*
 * rpc_exchange_waits tells whether only its caller keeps it open: no message has come, or the answer
 * is not taken.
 */
bool rpc_exchange_waits(const struct rpc_exchange *exchange);

/*
 * rpc_exchange_give_up ends it with a status and a reason, when it has no answer yet; rpc_exchange_cancel
 * ends it without, for a caller who does not take his answer. It leaves when gRPC has given back its
 * operations.
 */
void rpc_exchange_give_up(struct rpc_exchange *exchange, enum rpc_code code, const char *reason,
                          const char *detail);
void rpc_exchange_cancel(struct rpc_exchange *exchange);

#endif
