/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two entries that end every answer of ours: the server's time, and a refusal's reason word.
 * Inside this folder only. Source: proto/README.md.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_METADATA_H
#define SIGNET_CORE_RUNTIME_RPC_METADATA_H

#include <grpc/grpc.h>

#include "core/runtime/rpc/event.h"

#define RPC_METADATA_REASON "signet-reason"
#define RPC_METADATA_TIME "signet-time-ms"

/* rpc_metadata_text copies a slice into `out` of `room` bytes: cut, one line, printable ASCII. */
void rpc_metadata_text(grpc_slice from, char *out, size_t room);

/* rpc_metadata_read takes both entries out of trailing metadata; a malformed one counts as absent. */
void rpc_metadata_read(const grpc_metadata_array *trailing, char out_reason[RPC_REASON_MAX + 1],
                       int64_t *out_time_ms);

#endif
