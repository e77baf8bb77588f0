/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to one gRPC server, made fresh for each purpose: no pool is shared with another
 * channel, no HTTP proxy, no retries of gRPC's own, no session is resumed.
 *
 * Who the server must be is said by the credentials (credentials.h).
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_CHANNEL_H
#define SIGNET_CORE_RUNTIME_RPC_CHANNEL_H

#include "core/runtime/base/status.h"
#include "core/runtime/rpc/queue.h"

struct rpc_channel;
struct grpc_channel;
struct grpc_channel_credentials;

/*
 * rpc_channel_make prepares a channel; it connects at the first call.
 *
 *   target       "host:port", "1.2.3.4:port", "[::1]:port" or "unix:/path"; borrowed for the call
 *   credentials  gRPC's; borrowed for the call. See rpc_client_credentials_raw()
 *
 * STATUS_CONFIG "rpc/target". Home's thread.
 */
enum status rpc_channel_make(struct rpc_queue *queue, const char *target,
                             struct grpc_channel_credentials *credentials,
                             struct rpc_channel **out_channel, struct failure *why) MUST_USE;

/* rpc_channel_adopt takes over a channel that was made with rules of its own (tests of what a server refuses). */
struct rpc_channel *rpc_channel_adopt(struct rpc_queue *queue, struct grpc_channel *raw);

/* rpc_channel_drop closes it; calls that are still open end with UNAVAILABLE or go on to their end. */
void rpc_channel_drop(struct rpc_channel **channel);

/* rpc_channel_queue and rpc_channel_raw: for this folder only. */
struct rpc_queue *rpc_channel_queue(const struct rpc_channel *channel);
struct grpc_channel *rpc_channel_raw(const struct rpc_channel *channel);

#endif
