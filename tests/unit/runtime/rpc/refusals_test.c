/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every refusal has its word: what the server says to callers who keep to no rule, asked with gRPC
 * alone, since our own client would not send such calls.
 */
#include <grpc/byte_buffer.h>
#include <grpc/credentials.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <string.h>

#include "tests/support/suite.h"
#include "tests/unit/runtime/rpc/rig.h"

SUITE(refusals, .timeout = 60);

/* A call as a stranger may make it. */
struct refusals_ask {
    const char *method;
    size_t message_len;  /* SIZE_MAX: none is sent */
    size_t metadata_len; /* of one more entry; 0: none */
};

struct refusals_end {
    grpc_status_code code;
    char reason[80]; /* signet-reason; "" when there is none */
    bool has_time;   /* signet-time-ms was there */
};

static void refusals_read(const grpc_metadata_array *trailing, struct refusals_end *out_end)
{
    for (size_t i = 0; i < trailing->count; i++) {
        const grpc_metadata *entry = &trailing->metadata[i];
        size_t len = GRPC_SLICE_LENGTH(entry->value);

        if (grpc_slice_str_cmp(entry->key, "signet-reason") == 0 && len < sizeof out_end->reason) {
            memcpy(out_end->reason, GRPC_SLICE_START_PTR(entry->value), len);
        }
        out_end->has_time =
            out_end->has_time || grpc_slice_str_cmp(entry->key, "signet-time-ms") == 0;
    }
}

static grpc_slice refusals_slice(size_t len)
{
    grpc_slice slice = grpc_slice_malloc(len);

    memset(GRPC_SLICE_START_PTR(slice), 'x', len);
    return slice;
}

/* Everything in one batch: what is sent, and the status that comes. */
static void refusals_call(struct rig *rig, grpc_call *call, grpc_completion_queue *queue,
                          const struct refusals_ask *ask, struct refusals_end *out_end)
{
    grpc_metadata filler = {.key = grpc_slice_from_static_string("x-filler"),
                            .value = refusals_slice(ask->metadata_len)};
    grpc_slice content = refusals_slice(ask->message_len == SIZE_MAX ? 0 : ask->message_len);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&content, 1);
    grpc_byte_buffer *reply = NULL;
    grpc_metadata_array first;
    grpc_metadata_array trailing;
    grpc_slice detail = grpc_empty_slice();
    grpc_op ops[6] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}, {.op = GRPC_OP_RECV_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_MESSAGE},          {.op = GRPC_OP_SEND_MESSAGE}};
    grpc_event event = {.type = GRPC_QUEUE_TIMEOUT};

    grpc_metadata_array_init(&first);
    grpc_metadata_array_init(&trailing);
    ops[0].data.send_initial_metadata.count = ask->metadata_len > 0;
    ops[0].data.send_initial_metadata.metadata = &filler;
    ops[2].data.recv_status_on_client.trailing_metadata = &trailing;
    ops[2].data.recv_status_on_client.status = &out_end->code;
    ops[2].data.recv_status_on_client.status_details = &detail;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &first;
    ops[4].data.recv_message.recv_message = &reply;
    ops[5].data.send_message.send_message = message;
    cr_assert_eq(grpc_call_start_batch(call, ops, ask->message_len == SIZE_MAX ? 5 : 6,
                                       (void *)rig, NULL),
                 GRPC_CALL_OK);
    for (int wait = 0; event.type == GRPC_QUEUE_TIMEOUT && wait < 4000; wait++) {
        rig_turn(rig, 5);
        event = grpc_completion_queue_next(queue, gpr_inf_past(GPR_CLOCK_REALTIME), NULL);
    }
    cr_assert_eq(event.type, GRPC_OP_COMPLETE, "no status came: %s, %zu bytes, metadata %zu",
                 ask->method, ask->message_len, ask->metadata_len);
    refusals_read(&trailing, out_end);
    grpc_metadata_array_destroy(&first);
    grpc_metadata_array_destroy(&trailing);
    grpc_byte_buffer_destroy(reply);
    grpc_byte_buffer_destroy(message);
    grpc_slice_unref(content);
    grpc_slice_unref(filler.value);
    grpc_slice_unref(detail);
}

static void refusals_ask(struct rig *rig, const struct refusals_ask *ask,
                         struct refusals_end *out_end)
{
    struct rpc_client_trust trust = rig_trust(rig, NULL);
    struct rpc_client_credentials *credentials = NULL;
    grpc_arg own = {.type = GRPC_ARG_INTEGER,
                    .key = (char *)(uintptr_t)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
                    .value.integer = 1};
    grpc_channel_args arguments = {1, &own};
    grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
    grpc_channel *channel;
    grpc_call *call;
    char target[48];

    *out_end = (struct refusals_end){0};
    cr_assert_eq(rpc_client_credentials_make(rig->queue, &trust, &credentials, NULL), STATUS_OK);
    (void)snprintf(target, sizeof target, "ipv4:%s", rig->address);
    channel = grpc_channel_create(target, rpc_client_credentials_raw(credentials), &arguments);
    call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
                                    grpc_slice_from_static_string(ask->method), NULL,
                                    gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    refusals_call(rig, call, queue, ask, out_end);
    grpc_call_unref(call);
    grpc_channel_destroy(channel);
    grpc_completion_queue_shutdown(queue);
    while (grpc_completion_queue_next(queue, gpr_inf_past(GPR_CLOCK_REALTIME), NULL).type !=
           GRPC_QUEUE_SHUTDOWN) {
        rig_turn(rig, 5);
    }
    grpc_completion_queue_destroy(queue);
    rpc_client_credentials_drop(&credentials);
}

static const struct {
    struct refusals_ask ask;
    int code;
    const char *reason; /* "": gRPC's own refusal, which can carry none */
} refusals_rows[] = {
    {{"/test.Echo/Echo", 10, 0}, GRPC_STATUS_OK, ""},
    {{"/test.Echo/Echo", RPC_MESSAGE_MAX, 4000}, GRPC_STATUS_OK, ""},
    {{"/test.Echo/Nothing", 10, 0}, GRPC_STATUS_UNIMPLEMENTED, "rpc/no-such-method"},
    {{"nonsense", 10, 0}, GRPC_STATUS_UNIMPLEMENTED, "rpc/no-such-method"},
    {{"/test.Echo/Who", 10, 0}, GRPC_STATUS_UNAUTHENTICATED, "rpc/no-identity"},
    {{"/test.Echo/Echo", SIZE_MAX, 0}, GRPC_STATUS_INVALID_ARGUMENT, "rpc/no-request"},
    {{"/test.Echo/Echo", RPC_MESSAGE_MAX + 1, 0},
     GRPC_STATUS_RESOURCE_EXHAUSTED,
     "rpc/message-too-long"},
    {{"/test.Echo/Echo", RPC_SERVER_SLACK * RPC_MESSAGE_MAX, 0},
     GRPC_STATUS_RESOURCE_EXHAUSTED,
     "rpc/message-too-long"},
    {{"/test.Echo/Echo", RPC_SERVER_SLACK * RPC_MESSAGE_MAX + 1, 0},
     GRPC_STATUS_RESOURCE_EXHAUSTED,
     ""},
    {{"/test.Echo/Echo", 10, RPC_METADATA_MAX + 1},
     GRPC_STATUS_RESOURCE_EXHAUSTED,
     "rpc/metadata-too-long"},
    {{"/test.Echo/Echo", 10, RPC_SERVER_SLACK * RPC_METADATA_MAX + 1},
     GRPC_STATUS_RESOURCE_EXHAUSTED,
     ""},
};

Test(refusals, each_has_its_word_also_where_grpc_would_refuse)
{
    for (size_t row = 0; row < sizeof refusals_rows / sizeof refusals_rows[0]; row++) {
        struct refusals_end end;
        struct rig rig;

        rig_open(&rig, RIG_CONTROL);
        refusals_ask(&rig, &refusals_rows[row].ask, &end);
        cr_assert_eq((int)end.code, refusals_rows[row].code, "row %zu: %d", row, (int)end.code);
        cr_assert_str_eq(end.reason, refusals_rows[row].reason, "row %zu", row);
        cr_assert_eq(end.has_time, end.code == GRPC_STATUS_OK || end.reason[0] != '\0',
                     "row %zu: each answer of ours tells the time", row);
        rig_close(&rig);
    }
}
