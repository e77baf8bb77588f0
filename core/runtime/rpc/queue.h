/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC's life in this process, and the one thread that waits in it.
 *
 * rpc_queue_start() begins gRPC (it costs threads and memory); rpc_queue_close() ends it again, so a
 * sidecar holds gRPC only while it asks for a certificate. Every completion becomes a mail to the
 * loop of `home`: nothing of ours but that post runs on gRPC's threads.
 *
 * Elsewhere: one pending operation (operation.h), connections (channel.h), calls (call.h, server.h).
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_QUEUE_H
#define SIGNET_CORE_RUNTIME_RPC_QUEUE_H

#include "core/runtime/loop/worker.h"

struct rpc_queue;
struct grpc_completion_queue;

/*
 * rpc_queue_start begins gRPC and the completion thread; events arrive on `home`'s loop. `home` must
 * outlive the queue. Call on home's thread; aborts when the system gives no thread.
 */
struct rpc_queue *rpc_queue_start(struct worker *home);

/*
 * rpc_queue_close ends it: when every channel, server and credentials made with it has been dropped
 * or closed and gRPC has given back the last of them, the thread ends, gRPC shuts down, the queue
 * frees itself and closed(user) runs on home's loop (closed may be NULL). Nothing may be begun on
 * the queue any more. Home's mailbox must not be closed before. Home's thread.
 */
void rpc_queue_close(struct rpc_queue *queue, void (*closed)(void *user), void *user);

/* rpc_queue_home is the worker whose loop gets the events. Any thread. */
struct worker *rpc_queue_home(const struct rpc_queue *queue);

/*
 * rpc_queue_hold keeps the queue from ending until rpc_queue_release: for whatever gRPC will still
 * call back about. Home's thread.
 */
void rpc_queue_hold(struct rpc_queue *queue);
void rpc_queue_release(struct rpc_queue *queue);

/* rpc_queue_raw is gRPC's own object; for this folder only. */
struct grpc_completion_queue *rpc_queue_raw(const struct rpc_queue *queue);

#endif
