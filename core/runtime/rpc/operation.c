/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/rpc/operation.h"

#include <assert.h>
#include <stddef.h>

static void rpc_operation_deliver(struct mail *mail)
{
    struct rpc_operation *operation =
        (struct rpc_operation *)(void *)((char *)mail - offsetof(struct rpc_operation, mail));
    struct rpc_queue *queue = operation->queue;

    operation->pending = false;
    operation->done(operation->owner, operation->succeeded); /* may free the operation */
    rpc_queue_release(queue);
}

void rpc_operation_init(struct rpc_operation *operation, struct rpc_queue *queue,
                        void (*done)(void *owner, bool succeeded), void *owner)
{
    operation->mail.deliver = rpc_operation_deliver;
    operation->mail.next = NULL;
    operation->queue = queue;
    operation->done = done;
    operation->owner = owner;
    operation->succeeded = false;
    operation->pending = false;
}

void *rpc_operation_begin(struct rpc_operation *operation)
{
    assert(!operation->pending);
    operation->pending = true;
    rpc_queue_hold(operation->queue);
    return operation;
}

void rpc_operation_finish(struct rpc_operation *operation, bool succeeded)
{
    struct mailbox *home = &rpc_queue_home(operation->queue)->mailbox;

    operation->succeeded = succeeded;
    mailbox_post(home, &operation->mail);
}
