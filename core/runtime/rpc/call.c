/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four operations make a call: what we send, the server's first metadata, one message at a time, and the
 * status. END is told when all of them are back, so nothing can follow it; a dropped call frees itself
 * then too.
 */
#include "core/runtime/rpc/call.h"

#include <assert.h>
#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/rpc/codec.h"
#include "core/runtime/rpc/metadata.h"
#include "core/runtime/rpc/operation.h"
#include "core/runtime/rpc/unreachable.h"

enum { RPC_CALL_METADATA_MAX = 8 };

struct rpc_call {
    grpc_call *raw;    /* owned */
    rpc_call_fn event; /* NULL once dropped */
    void *user;
    struct rpc_operation sending; /* first metadata and unary request; then one message at a time */
    struct rpc_operation greeting;  /* the server's first metadata */
    struct rpc_operation reading;   /* one message */
    struct rpc_operation ending;    /* the status */
    struct rpc_operation finishing; /* half-close of a stream */
    grpc_metadata_array first, trailing;
    grpc_byte_buffer *received; /* owned; between gRPC and us */
    grpc_slice detail;          /* owned; the status message */
    grpc_status_code code;
    struct failure why;    /* of a message that we refused ourselves; reason NULL: none */
    uint32_t num_messages; /* received */
    uint32_t limit_ms;
    int running; /* operations of ours that are in progress, and frames of ours on the stack */
    bool streaming;
    bool announces_sent; /* the operation in `sending` is an rpc_call_send() */
    bool finished;       /* we send no more */
    bool sent;           /* the first batch left over a connection: its server has proved itself */
    bool ended;          /* END was told, or would have been */
};

static void rpc_call_free(struct rpc_call *call)
{
    grpc_metadata_array_destroy(&call->first);
    grpc_metadata_array_destroy(&call->trailing);
    grpc_byte_buffer_destroy(call->received);
    grpc_slice_unref(call->detail);
    grpc_call_unref(call->raw);
    free(call);
}

static void rpc_call_tell(struct rpc_call *call, const struct rpc_event *event)
{
    if (call->event != NULL) {
        call->event(call->user, event);
    }
}

/* The word for an end that the server gave none for. */
static const char *rpc_call_reason(const struct rpc_call *call, enum rpc_code code,
                                   const char *detail)
{
    if (!call->sent && code == RPC_DEADLINE_EXCEEDED) {
        return "rpc/connect-timeout";
    }
    switch (code) {
    case RPC_OK:
        return "";
    case RPC_CANCELLED:
        return "rpc/cancelled";
    case RPC_DEADLINE_EXCEEDED:
        return "rpc/deadline";
    case RPC_RESOURCE_EXHAUSTED:
        return "rpc/message-too-long";
    case RPC_UNIMPLEMENTED:
        return "rpc/no-such-method";
    case RPC_UNAVAILABLE:
        return call->sent ? "rpc/connection-lost" : rpc_unreachable_reason(detail);
    default:
        return "rpc/failed";
    }
}

static void rpc_call_tell_end(struct rpc_call *call)
{
    char reason[RPC_REASON_MAX + 1];
    char detail[FAILURE_DETAIL_MAX];
    struct rpc_event end = {.kind = RPC_EVENT_END, .code = (enum rpc_code)call->code};

    rpc_metadata_read(&call->trailing, reason, &end.server_time_ms);
    rpc_metadata_text(call->detail, detail, sizeof detail);
    if (end.code == RPC_DEADLINE_EXCEEDED && !call->sent) {
        (void)snprintf(detail, sizeof detail, "no connection was ready within %u ms",
                       call->limit_ms);
    }
    end.reason =
        end.code != RPC_OK && reason[0] != '\0' ? reason : rpc_call_reason(call, end.code, detail);
    end.detail = end.code == RPC_OK ? "" : detail;
    end.sent = call->sent;
    if (call->why.reason != NULL) {
        end.code = RPC_INTERNAL;
        end.reason = call->why.reason;
        end.detail = call->why.detail;
    } else if (end.code == RPC_OK && !call->streaming && call->num_messages != 1) {
        end.code = RPC_INTERNAL;
        end.reason = "rpc/no-reply";
        end.detail = "the server said OK and gave no message";
    }
    rpc_call_tell(call, &end);
}

/* After each thing that happened: is it over, and may we go? */
static void rpc_call_settle(struct rpc_call *call)
{
    if (--call->running > 0) {
        return;
    }
    if (!call->ended) {
        call->ended = true;
        call->running++; /* the event may drop us */
        rpc_call_tell_end(call);
        call->running--;
    }
    if (call->event == NULL) {
        rpc_call_free(call);
    }
}

/* Gives one batch to gRPC; a refusal at once would be our own mistake. */
static void rpc_call_batch(struct rpc_call *call, const grpc_op *ops, size_t num_ops,
                           struct rpc_operation *operation)
{
    grpc_call_error error;

    call->running++;
    error = grpc_call_start_batch(call->raw, ops, num_ops, rpc_operation_begin(operation), NULL);
    assert(error == GRPC_CALL_OK);
    (void)error;
}

static void rpc_call_read(struct rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->received};

    rpc_call_batch(call, &op, 1, &call->reading);
}

static void rpc_call_sent(void *owner, bool succeeded)
{
    struct rpc_call *call = owner;
    bool announce = call->announces_sent && succeeded;

    call->announces_sent = false;
    call->sent = call->sent || succeeded;
    if (announce) {
        const struct rpc_event sent = {.kind = RPC_EVENT_SENT, .reason = "", .detail = ""};

        rpc_call_tell(call, &sent);
    }
    rpc_call_settle(call);
}

static void rpc_call_quiet(void *owner, bool succeeded)
{
    (void)succeeded;
    rpc_call_settle(owner);
}

/* Hands a message on. False: it was refused, and the call is on its way to its end. */
static bool rpc_call_take(struct rpc_call *call)
{
    CLEARED(buffer) message = {0};
    struct rpc_event event = {.kind = RPC_EVENT_MESSAGE, .reason = "", .detail = ""};

    buffer_init(&message, RPC_MESSAGE_MAX);
    if (codec_from_grpc(call->received, &message, &call->why) != STATUS_OK) {
        (void)grpc_call_cancel(call->raw, NULL);
        return false;
    }
    grpc_byte_buffer_destroy(TAKE(call->received));
    call->num_messages++;
    event.message = buffer_bytes(&message);
    rpc_call_tell(call, &event);
    return true;
}

static void rpc_call_received(void *owner, bool succeeded)
{
    struct rpc_call *call = owner;

    /* No message: the server sends no more. The status says why. */
    if (succeeded && call->received != NULL && rpc_call_take(call) && call->event != NULL) {
        rpc_call_read(call);
    }
    rpc_call_settle(call);
}

static size_t rpc_call_put_metadata(const struct rpc_call_options *options, grpc_metadata *to)
{
    size_t count = options->num_metadata;

    assert(count <= RPC_CALL_METADATA_MAX);
    memset(to, 0, RPC_CALL_METADATA_MAX * sizeof *to);
    for (size_t i = 0; i < count; i++) {
        to[i].key = grpc_slice_from_copied_string(options->metadata[i].key);
        to[i].value = grpc_slice_from_copied_string(options->metadata[i].value);
    }
    return count;
}

/* First metadata and, for a unary call, the request and the end of our side. */
static void rpc_call_open(struct rpc_call *call, const struct rpc_call_options *options)
{
    grpc_metadata metadata[RPC_CALL_METADATA_MAX];
    size_t num_metadata = rpc_call_put_metadata(options, metadata);
    grpc_byte_buffer *request = options->streaming ? NULL : codec_to_grpc(options->request);
    grpc_op ops[3] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
    };

    ops[0].data.send_initial_metadata.count = num_metadata;
    ops[0].data.send_initial_metadata.metadata = metadata;
    ops[1].data.send_message.send_message = request;
    rpc_call_batch(call, ops, options->streaming ? 1 : 3, &call->sending);
    grpc_byte_buffer_destroy(request); /* gRPC has its own reference */
    for (size_t i = 0; i < num_metadata; i++) {
        grpc_slice_unref(metadata[i].key);
        grpc_slice_unref(metadata[i].value);
    }
}

/* What the server will say: its first metadata, its messages, its status. */
static void rpc_call_listen(struct rpc_call *call)
{
    grpc_op greeting = {.op = GRPC_OP_RECV_INITIAL_METADATA};
    grpc_op ending = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};

    greeting.data.recv_initial_metadata.recv_initial_metadata = &call->first;
    ending.data.recv_status_on_client.trailing_metadata = &call->trailing;
    ending.data.recv_status_on_client.status = &call->code;
    ending.data.recv_status_on_client.status_details = &call->detail;
    rpc_call_batch(call, &greeting, 1, &call->greeting);
    rpc_call_read(call);
    rpc_call_batch(call, &ending, 1, &call->ending);
}

enum status rpc_call_start(struct rpc_channel *channel, const struct rpc_call_options *options,
                           rpc_call_fn event, void *user, struct rpc_call **out_call,
                           struct failure *why)
{
    struct rpc_queue *queue = rpc_channel_queue(channel);
    grpc_slice method;
    struct rpc_call *call;

    if (options->request.len > RPC_MESSAGE_MAX) {
        return fail(why, STATUS_LIMIT, "rpc/message-too-long",
                    "a message of %zu bytes; at most %zu", options->request.len, RPC_MESSAGE_MAX);
    }
    call = memory_make(sizeof *call);
    call->event = event;
    call->user = user;
    call->streaming = options->streaming;
    call->limit_ms = options->limit_ms;
    call->finished = !options->streaming;
    call->detail = grpc_empty_slice();
    call->code = GRPC_STATUS_UNKNOWN;
    grpc_metadata_array_init(&call->first);
    grpc_metadata_array_init(&call->trailing);
    rpc_operation_init(&call->sending, queue, rpc_call_sent, call);
    rpc_operation_init(&call->greeting, queue, rpc_call_quiet, call);
    rpc_operation_init(&call->reading, queue, rpc_call_received, call);
    rpc_operation_init(&call->ending, queue, rpc_call_quiet, call);
    rpc_operation_init(&call->finishing, queue, rpc_call_quiet, call);
    method = grpc_slice_from_copied_string(options->method);
    call->raw = grpc_channel_create_call(
        rpc_channel_raw(channel), NULL, GRPC_PROPAGATE_DEFAULTS, rpc_queue_raw(queue), method, NULL,
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(options->limit_ms, GPR_TIMESPAN)),
        NULL);
    grpc_slice_unref(method);
    rpc_call_open(call, options);
    rpc_call_listen(call);
    *out_call = call;
    return STATUS_OK;
}

enum status rpc_call_send(struct rpc_call *call, struct bytes message, struct failure *why)
{
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    grpc_byte_buffer *buffer;

    if (message.len > RPC_MESSAGE_MAX) {
        return fail(why, STATUS_LIMIT, "rpc/message-too-long",
                    "a message of %zu bytes; at most %zu", message.len, RPC_MESSAGE_MAX);
    }
    if (call->ended || call->finished) {
        return fail(why, STATUS_CLOSED, "rpc/closed", "the call takes no more messages");
    }
    if (call->sending.pending) {
        return fail(why, STATUS_WAIT, "rpc/sending", "the last message is still on its way");
    }
    buffer = codec_to_grpc(message);
    op.data.send_message.send_message = buffer;
    call->announces_sent = true;
    rpc_call_batch(call, &op, 1, &call->sending);
    grpc_byte_buffer_destroy(buffer);
    return STATUS_OK;
}

void rpc_call_finish(struct rpc_call *call)
{
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

    if (!call->finished && !call->ended) {
        call->finished = true;
        rpc_call_batch(call, &op, 1, &call->finishing);
    }
}

void rpc_call_drop(struct rpc_call **call)
{
    struct rpc_call *gone = TAKE(*call);

    if (gone == NULL) {
        return;
    }
    gone->event = NULL;
    if (gone->running > 0) {
        if (!gone->ended) {
            (void)grpc_call_cancel(gone->raw, NULL);
        }
        return; /* the last operation, or the frame that told the event, frees it */
    }
    rpc_call_free(gone);
}
