/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as each message that a stranger may send: refused with a reason, or unpacked within the
 * budget; then it packs again, and goes through gRPC's buffers unchanged. Packed, read and packed once
 * more it is the same, unless reading refuses it: an unknown field whose number is a zero written in
 * two bytes is let in by protobuf-c, in one byte it is not.
 */
#include <grpc/byte_buffer.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/runtime/rpc/codec.h"
#include "core/runtime/rpc/event.h"
#include "mesh/v1/certificates.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void codec_fuzz_must(bool held)
{
    if (!held) {
        abort();
    }
}

static void codec_fuzz_carry(struct bytes packed)
{
    CLEARED(buffer) carried = {.max = CODEC_BUDGET};
    struct grpc_byte_buffer *carrier = codec_to_grpc(packed);

    codec_fuzz_must(codec_from_grpc(carrier, &carried, NULL) == STATUS_OK);
    codec_fuzz_must(bytes_equal(buffer_bytes(&carried), packed));
    grpc_byte_buffer_destroy(carrier);
}

static void codec_fuzz_message(const ProtobufCMessageDescriptor *type, struct bytes from)
{
    CLEARED(buffer) packed = {.max = CODEC_BUDGET};
    CLEARED(buffer) same = {.max = CODEC_BUDGET};
    ProtobufCMessage *message = NULL;
    ProtobufCMessage *again = NULL;
    struct failure why = {0};

    if (codec_unpack(type, from, CODEC_BUDGET, &message, &why) != STATUS_OK) {
        codec_fuzz_must(why.reason != NULL && message == NULL);
        return;
    }
    codec_fuzz_must(codec_pack(message, &packed, &why) == STATUS_OK);
    codec_fuzz_carry(buffer_bytes(&packed));
    if (codec_unpack(type, buffer_bytes(&packed), CODEC_BUDGET, &again, &why) == STATUS_OK) {
        codec_fuzz_must(codec_pack(again, &same, &why) == STATUS_OK);
        codec_fuzz_must(bytes_equal(buffer_bytes(&same), buffer_bytes(&packed)));
    }
    codec_free(again);
    codec_free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &mesh__v1__bootstrap_request__descriptor,
        &mesh__v1__renew_request__descriptor,
        &mesh__v1__issue_reply__descriptor,
        &mesh__v1__trust_bundle__descriptor,
    };

    if (len > RPC_MESSAGE_MAX) {
        return 0; /* gRPC is told to take no more */
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        codec_fuzz_message(types[i], bytes_make(at, len));
    }
    return 0;
}
