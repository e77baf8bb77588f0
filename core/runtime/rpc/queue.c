/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completion thread: the only thread that waits in gRPC, and it does nothing else. Each event's
 * tag is a rpc_operation, which we post to the mailbox of the loop that began it; there, on its own
 * thread, its done() runs. Nothing of an operation may be touched here after the post.
 */
#include "core/runtime/rpc/queue.h"

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/rpc/operation.h"

/* gRPC polls, resolves and runs handshakes on this thread too. */
enum { RPC_QUEUE_STACK_SIZE = 1024 * 1024 };

struct rpc_queue {
    struct worker *home;                /* borrowed; outlives us */
    grpc_completion_queue *completions; /* owned; destroyed by the thread at its end */
    pthread_t thread;
    size_t holds; /* what gRPC will still call back about; home's thread */
    bool closing;
    struct mail ended; /* the thread's last word */
    void (*closed)(void *user);
    void *user;
};

static void *rpc_queue_thread(void *argument)
{
    struct rpc_queue *queue = argument;

    for (;;) {
        grpc_event event = grpc_completion_queue_next(queue->completions,
                                                      gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            break;
        }
        rpc_operation_finish(event.tag, event.success != 0);
    }
    grpc_completion_queue_destroy(queue->completions);
    grpc_shutdown(); /* may take a while: here it stops no loop */
    mailbox_post(&queue->home->mailbox, &queue->ended);
    return NULL;
}

static void rpc_queue_ended(struct mail *mail)
{
    struct rpc_queue *queue =
        (struct rpc_queue *)(void *)((char *)mail - offsetof(struct rpc_queue, ended));
    void (*closed)(void *user) = queue->closed;
    void *user = queue->user;

    (void)pthread_join(queue->thread, NULL);
    free(queue);
    if (closed != NULL) {
        closed(user);
    }
}

struct rpc_queue *rpc_queue_start(struct worker *home)
{
    struct rpc_queue *queue = memory_make(sizeof *queue);
    pthread_attr_t attributes;

    grpc_init();
    queue->home = home;
    queue->ended.deliver = rpc_queue_ended;
    queue->completions = grpc_completion_queue_create_for_next(NULL);
    if (queue->completions == NULL || pthread_attr_init(&attributes) != 0 ||
        pthread_attr_setstacksize(&attributes, RPC_QUEUE_STACK_SIZE) != 0 ||
        pthread_create(&queue->thread, &attributes, rpc_queue_thread, queue) != 0) {
        abort();
    }
    (void)pthread_attr_destroy(&attributes);
    return queue;
}

static void rpc_queue_end_if_idle(struct rpc_queue *queue)
{
    if (queue->closing && queue->holds == 0) {
        grpc_completion_queue_shutdown(queue->completions);
    }
}

void rpc_queue_close(struct rpc_queue *queue, void (*closed)(void *user), void *user)
{
    queue->closing = true;
    queue->closed = closed;
    queue->user = user;
    rpc_queue_end_if_idle(queue);
}

struct worker *rpc_queue_home(const struct rpc_queue *queue)
{
    return queue->home;
}

void rpc_queue_hold(struct rpc_queue *queue)
{
    queue->holds++;
}

void rpc_queue_release(struct rpc_queue *queue)
{
    queue->holds--;
    rpc_queue_end_if_idle(queue);
}

struct grpc_completion_queue *rpc_queue_raw(const struct rpc_queue *queue)
{
    return queue->completions;
}
