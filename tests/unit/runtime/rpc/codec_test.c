/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/rpc/codec.h"

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <string.h>

#include "core/runtime/rpc/event.h"
#include "mesh/v1/certificates.pb-c.h"
#include "tests/support/suite.h"

SUITE(codec);

Test(codec, gives_back_what_was_packed)
{
    Mesh__V1__BootstrapRequest request = MESH__V1__BOOTSTRAP_REQUEST__INIT;
    uint8_t token[] = "token";
    CLEARED(buffer) packed = {0};
    ProtobufCMessage *message = NULL;

    buffer_init(&packed, 1024);
    request.token = (ProtobufCBinaryData){.len = 5, .data = token};
    request.instance_id = (char *)(uintptr_t) "one";
    cr_assert_eq(codec_pack(&request.base, &packed, NULL), STATUS_OK);
    cr_assert_eq(codec_unpack(&mesh__v1__bootstrap_request__descriptor, buffer_bytes(&packed),
                              CODEC_BUDGET, &message, NULL),
                 STATUS_OK);
    const Mesh__V1__BootstrapRequest *read = (const void *)message;
    cr_assert_eq(read->token.len, 5);
    cr_assert_eq(memcmp(read->token.data, "token", 5), 0);
    cr_assert_str_eq(read->instance_id, "one");
    codec_free(message);
    codec_free(NULL);
}

Test(codec, an_empty_message_is_the_message_of_zeros)
{
    ProtobufCMessage *message = NULL;

    cr_assert_eq(codec_unpack(&mesh__v1__issue_reply__descriptor, (struct bytes){0}, CODEC_BUDGET,
                              &message, NULL),
                 STATUS_OK);
    cr_assert_null(((const Mesh__V1__IssueReply *)(const void *)message)->bundle);
    codec_free(message);
}

Test(codec, refuses_what_is_no_message)
{
    static const struct {
        const char *hex;
    } cases[] = {{"0a"},   {"0aff"}, {"0affffffff7f00"}, {"07"}, {"ffffffffffffffffffff01"},
                 {"1203"}, {"28"}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t raw[32];
        ProtobufCMessage *message = NULL;
        struct failure why = {0};

        cr_assert(bytes_from_hex(bytes_of(cases[i].hex), raw, strlen(cases[i].hex) / 2));
        cr_assert_eq(codec_unpack(&mesh__v1__issue_reply__descriptor,
                                  bytes_make(raw, strlen(cases[i].hex) / 2), CODEC_BUDGET, &message,
                                  &why),
                     STATUS_PROTOCOL, "%s", cases[i].hex);
        cr_assert_str_eq(why.reason, "codec/malformed");
        cr_assert_null(message);
    }
}

/* I17: two bytes each on the wire, an allocation each for us. */
Test(codec, I17_what_a_message_may_cost_is_bounded)
{
    static uint8_t raw[40000];
    ProtobufCMessage *message = NULL;
    struct failure why = {0};

    for (size_t i = 0; i < sizeof raw; i += 2) {
        raw[i] = 0x0a; /* chain_der, empty */
        raw[i + 1] = 0;
    }
    cr_assert_eq(codec_unpack(&mesh__v1__issue_reply__descriptor, bytes_make(raw, sizeof raw),
                              CODEC_BUDGET, &message, &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "codec/too-big");
    cr_assert_null(message);
}

Test(codec, packing_holds_the_buffers_bound)
{
    Mesh__V1__RenewRequest request = MESH__V1__RENEW_REQUEST__INIT;
    uint8_t csr[100] = {0};
    CLEARED(buffer) packed = {0};
    struct failure why = {0};

    buffer_init(&packed, 50);
    request.csr_der = (ProtobufCBinaryData){.len = sizeof csr, .data = csr};
    cr_assert_eq(codec_pack(&request.base, &packed, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "codec/too-big");
    cr_assert_eq(packed.len, 0);
}

Test(codec, a_grpc_buffer_gives_its_bytes_back_in_one_piece)
{
    grpc_init();
    grpc_slice parts[2] = {grpc_slice_from_copied_string("one"),
                           grpc_slice_from_copied_string("two")};
    grpc_byte_buffer *several = grpc_raw_byte_buffer_create(parts, 2);
    grpc_byte_buffer *single = codec_to_grpc(bytes_of("three"));
    CLEARED(buffer) read = {0};

    buffer_init(&read, RPC_MESSAGE_MAX);
    cr_assert_eq(codec_from_grpc(several, &read, NULL), STATUS_OK);
    cr_assert_eq(codec_from_grpc(single, &read, NULL), STATUS_OK);
    cr_assert(bytes_equal_text(buffer_bytes(&read), "onetwothree"));
    grpc_byte_buffer_destroy(several);
    grpc_byte_buffer_destroy(single);
    grpc_slice_unref(parts[0]);
    grpc_slice_unref(parts[1]);
    grpc_shutdown();
}

Test(codec, a_compressed_or_too_long_message_is_refused)
{
    static uint8_t big[RPC_MESSAGE_MAX + 1];
    CLEARED(buffer) read = {0};
    struct failure why = {0};

    grpc_init();
    grpc_slice part = grpc_slice_from_copied_string("one");
    grpc_byte_buffer *compressed =
        grpc_raw_compressed_byte_buffer_create(&part, 1, GRPC_COMPRESS_GZIP);
    grpc_byte_buffer *too_long = codec_to_grpc(bytes_make(big, sizeof big));
    buffer_init(&read, RPC_MESSAGE_MAX);
    cr_assert_eq(codec_from_grpc(compressed, &read, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "codec/compression");
    cr_assert_eq(codec_from_grpc(too_long, &read, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "rpc/message-too-long");
    grpc_byte_buffer_destroy(compressed);
    grpc_byte_buffer_destroy(too_long);
    grpc_slice_unref(part);
    grpc_shutdown();
}
