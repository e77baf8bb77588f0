/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/rpc/codec.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/rpc/event.h"

/* Every piece of an unpacked message knows its size, so that it is wiped when freed: it may be a token. */
struct codec_piece {
    size_t size; /* bytes after this header */
    max_align_t at[];
};

struct codec_budget {
    size_t left; /* bytes */
    bool spent;  /* an allocation was refused */
};

static void *codec_alloc(void *user, size_t size)
{
    struct codec_budget *budget = user;
    struct codec_piece *piece;

    if (size > budget->left || sizeof *piece > budget->left - size) {
        budget->spent = true;
        return NULL;
    }
    budget->left -= sizeof *piece + size;
    piece = memory_make(sizeof *piece + size);
    piece->size = size;
    return piece->at;
}

static void codec_release(void *user, void *pointer)
{
    struct codec_piece *piece;

    (void)user;
    if (pointer == NULL) {
        return;
    }
    piece = (struct codec_piece *)(void *)((char *)pointer - offsetof(struct codec_piece, at));
    memory_wipe(piece->at, piece->size);
    free(piece);
}

enum status codec_unpack(const ProtobufCMessageDescriptor *type, struct bytes from, size_t budget,
                         ProtobufCMessage **out_message, struct failure *why)
{
    struct codec_budget left = {.left = budget};
    ProtobufCAllocator allocator = {codec_alloc, codec_release, &left};
    ProtobufCMessage *message = protobuf_c_message_unpack(
        type, &allocator, from.len, from.at == NULL ? (const uint8_t *)"" : from.at);

    if (message == NULL) {
        if (left.spent) {
            return fail(why, STATUS_LIMIT, "codec/too-big",
                        "a message of %zu bytes needs more than %zu bytes", from.len, budget);
        }
        return fail(why, STATUS_PROTOCOL, "codec/malformed", "%zu bytes are no message of type %s",
                    from.len, type->short_name);
    }
    *out_message = message;
    return STATUS_OK;
}

void codec_free(ProtobufCMessage *message)
{
    ProtobufCAllocator allocator = {codec_alloc, codec_release, NULL};

    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, &allocator);
    }
}

enum status codec_pack(const ProtobufCMessage *message, struct buffer *out, struct failure *why)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *at = len == 0 ? NULL : buffer_reserve(out, len);

    if (len == 0) {
        return STATUS_OK;
    }
    if (at == NULL) {
        return fail(why, STATUS_LIMIT, "codec/too-big", "a message of %zu bytes; at most %zu", len,
                    out->max);
    }
    buffer_commit(out, protobuf_c_message_pack(message, at));
    return STATUS_OK;
}

/* A copy that gRPC owns and that is wiped when it lets go. */
struct codec_copy {
    size_t len;
    uint8_t at[];
};

static void codec_copy_free(void *user)
{
    struct codec_copy *copy = user;

    memory_wipe(copy->at, copy->len);
    free(copy);
}

struct grpc_byte_buffer *codec_to_grpc(struct bytes message)
{
    grpc_slice slice = grpc_empty_slice();
    grpc_byte_buffer *buffer;

    if (message.len > 0) {
        struct codec_copy *copy = memory_make(sizeof *copy + message.len);

        copy->len = message.len;
        memcpy(copy->at, message.at, message.len);
        slice = grpc_slice_new_with_user_data(copy->at, copy->len, codec_copy_free, copy);
    }
    buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice); /* the buffer has a reference of its own */
    return buffer;
}

enum status codec_from_grpc(struct grpc_byte_buffer *from, struct buffer *out, struct failure *why)
{
    grpc_byte_buffer_reader reader;
    grpc_slice *slice;

    if (from->type != GRPC_BB_RAW || from->data.raw.compression != GRPC_COMPRESS_NONE) {
        return fail(why, STATUS_PROTOCOL, "codec/compression", "compressed messages are not taken");
    }
    if (grpc_byte_buffer_length(from) > RPC_MESSAGE_MAX) {
        return fail(why, STATUS_LIMIT, "rpc/message-too-long",
                    "a message of %zu bytes; at most %zu", grpc_byte_buffer_length(from),
                    RPC_MESSAGE_MAX);
    }
    if (grpc_byte_buffer_reader_init(&reader, from) == 0) {
        return fail(why, STATUS_PROTOCOL, "codec/malformed", "the message cannot be read");
    }
    while (grpc_byte_buffer_reader_peek(&reader, &slice) != 0) {
        if (buffer_add(out, bytes_make(GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice))) !=
            STATUS_OK) {
            grpc_byte_buffer_reader_destroy(&reader);
            return fail(why, STATUS_LIMIT, "rpc/message-too-long", "more than %zu bytes", out->max);
        }
    }
    grpc_byte_buffer_reader_destroy(&reader);
    return STATUS_OK;
}
