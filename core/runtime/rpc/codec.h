/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf-c messages ⇄ bytes ⇄ gRPC's buffers, each with a bound.
 *
 * Unpacking allocates by what the peer sent (an empty sub-message costs it two bytes and us a hundred),
 * so it runs on an allocator with a budget.
 */
#ifndef SIGNET_CORE_RUNTIME_RPC_CODEC_H
#define SIGNET_CORE_RUNTIME_RPC_CODEC_H

#include <protobuf-c/protobuf-c.h>

#include "core/runtime/base/buffer.h"

struct grpc_byte_buffer;

/* Memory that one unpacked message may take: a full message of bytes fields and room for its structs. */
#define CODEC_BUDGET ((size_t)256 * 1024)

/*
 * codec_unpack reads a message of `type`. *out_message is owned: codec_free() it.
 * STATUS_PROTOCOL "codec/malformed"; STATUS_LIMIT "codec/too-big" (more than `budget` bytes of memory).
 */
enum status codec_unpack(const ProtobufCMessageDescriptor *type, struct bytes from, size_t budget,
                         ProtobufCMessage **out_message, struct failure *why) MUST_USE;

/* codec_free gives an unpacked message back; NULL is fine. */
void codec_free(ProtobufCMessage *message);

/* codec_pack appends the message to `out`. STATUS_LIMIT "codec/too-big" when it does not fit its bound. */
enum status codec_pack(const ProtobufCMessage *message, struct buffer *out,
                       struct failure *why) MUST_USE;

/* codec_to_grpc copies bytes into a gRPC buffer (grpc_byte_buffer_destroy it) that is wiped when freed. */
struct grpc_byte_buffer *codec_to_grpc(struct bytes message);

/*
 * codec_from_grpc appends what gRPC received to `out`, uncompressed.
 * STATUS_LIMIT "rpc/message-too-long"; STATUS_PROTOCOL "codec/compression".
 */
enum status codec_from_grpc(struct grpc_byte_buffer *from, struct buffer *out,
                            struct failure *why) MUST_USE;

#endif
