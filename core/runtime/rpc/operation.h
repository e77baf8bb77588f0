/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pending gRPC operation: what gRPC's tag points at, and who wants to know.
 *
 * Embedded in what began it (a call, a server), which may not free it while it is pending: gRPC gives
 * every tag back exactly once, also after a cancel. "Dropping" is therefore its owner's business: the
 * owner forgets its own callback and frees itself when its last operation is back.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_OPERATION_H
#define SIGNET_CORE_RUNTIME_RPC_OPERATION_H

#include <stdbool.h>

#include "core/runtime/loop/mailbox.h"
#include "core/runtime/rpc/queue.h"

struct rpc_operation {
    struct mail mail;                          /* on its way home, once gRPC has finished */
    struct rpc_queue *queue;                   /* held while pending */
    void (*done)(void *owner, bool succeeded); /* on home's loop, exactly once for each begin */
    void *owner;                               /* what embeds this */
    bool succeeded;                            /* gRPC's answer */
    bool pending;                              /* between begin and done */
};

/* rpc_operation_init prepares an operation; done(owner, succeeded) will run on the queue's home loop. */
void rpc_operation_init(struct rpc_operation *operation, struct rpc_queue *queue,
                        void (*done)(void *owner, bool succeeded), void *owner);

/* rpc_operation_begin marks it pending and gives the tag to hand to gRPC. Home's thread. */
void *rpc_operation_begin(struct rpc_operation *operation);

/* rpc_operation_finish posts it home; for the completion thread only. */
void rpc_operation_finish(struct rpc_operation *operation, bool succeeded);

#endif
