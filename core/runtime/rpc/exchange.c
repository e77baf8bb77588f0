/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call at the server. The order is law: which method → may it be asked now → was the session resumed →
 * who is it, by today's roots and clock → may the method be reached without an identity → its message →
 * the handler.
 */
#include "core/runtime/rpc/exchange.h"

#include <assert.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/rpc/codec.h"
#include "core/runtime/rpc/metadata.h"

static void rpc_exchange_closed(void *owner, bool succeeded);
static void rpc_exchange_received(void *owner, bool succeeded);
static void rpc_exchange_sent(void *owner, bool succeeded);
static void rpc_exchange_answered(void *owner, bool succeeded);

struct rpc_exchange *rpc_exchange_make(struct rpc_exchange_home *home)
{
    struct rpc_exchange *exchange = memory_make(sizeof *exchange);

    exchange->home = home;
    grpc_call_details_init(&exchange->details);
    grpc_metadata_array_init(&exchange->first);
    rpc_operation_init(&exchange->closing, home->queue, rpc_exchange_closed, exchange);
    rpc_operation_init(&exchange->reading, home->queue, rpc_exchange_received, exchange);
    rpc_operation_init(&exchange->sending, home->queue, rpc_exchange_sent, exchange);
    rpc_operation_init(&exchange->answering, home->queue, rpc_exchange_answered, exchange);
    return exchange;
}

void rpc_exchange_free(struct rpc_exchange *exchange)
{
    grpc_call_details_destroy(&exchange->details);
    grpc_metadata_array_destroy(&exchange->first);
    grpc_byte_buffer_destroy(exchange->received);
    gpr_free(exchange->address);
    if (exchange->peer != NULL) {
        exchange->home->judge.peer_drop(exchange->peer);
    }
    if (exchange->raw != NULL) {
        grpc_call_unref(exchange->raw);
    }
    free(exchange);
}

static void rpc_exchange_tell(struct rpc_exchange *exchange, const struct rpc_event *event)
{
    exchange->method->event(exchange->method->service, exchange, event);
}

/* After each thing that happened: when all is back, END, and we go. */
static void rpc_exchange_settle(struct rpc_exchange *exchange)
{
    struct rpc_exchange_home *home = exchange->home;
    bool cancelled = exchange->cancelled != 0 || exchange->given_up;

    if (--exchange->running > 0) {
        return;
    }
    if (exchange->begun && !exchange->ended) {
        const struct rpc_event end = {
            .kind = RPC_EVENT_END,
            .code = cancelled ? RPC_CANCELLED : RPC_OK,
            .reason = cancelled ? "rpc/cancelled" : "",
            .detail = "",
        };

        exchange->ended = true;
        exchange->running++; /* whatever the handler does now changes nothing */
        rpc_exchange_tell(exchange, &end);
    }
    list_remove(&exchange->link);
    home->num_open--;
    rpc_exchange_free(exchange);
    home->left(home);
}

static void rpc_exchange_batch(struct rpc_exchange *exchange, const grpc_op *ops, size_t num_ops,
                               struct rpc_operation *operation)
{
    grpc_call_error error;

    exchange->running++;
    error =
        grpc_call_start_batch(exchange->raw, ops, num_ops, rpc_operation_begin(operation), NULL);
    assert(error == GRPC_CALL_OK);
    (void)error;
}

static void rpc_exchange_read(struct rpc_exchange *exchange)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE,
                  .data.recv_message.recv_message = &exchange->received};

    rpc_exchange_batch(exchange, &op, 1, &exchange->reading);
}

/* Ends the call: a message (unary) or none, the status, and our two entries of metadata. */
static void rpc_exchange_answer(struct rpc_exchange *exchange, const struct bytes *message,
                                enum rpc_code code, const char *reason, const char *detail)
{
    char time_text[24];
    grpc_metadata trailing[2];
    grpc_slice said = grpc_slice_from_copied_string(detail);
    grpc_byte_buffer *buffer = message == NULL ? NULL : codec_to_grpc(*message);
    grpc_op ops[3];
    size_t num_ops = 0;

    if (exchange->answered || exchange->ended) {
        grpc_slice_unref(said);
        grpc_byte_buffer_destroy(buffer);
        return;
    }
    exchange->answered = true;
    (void)snprintf(time_text, sizeof time_text, "%lld", (long long)clock_unix_ms());
    memset(ops, 0, sizeof ops);
    memset(trailing, 0, sizeof trailing);
    trailing[0].key = grpc_slice_from_static_string(RPC_METADATA_TIME);
    trailing[0].value = grpc_slice_from_copied_string(time_text);
    trailing[1].key = grpc_slice_from_static_string(RPC_METADATA_REASON);
    trailing[1].value = grpc_slice_from_copied_string(reason);
    if (!exchange->greeted) {
        exchange->greeted = true;
        ops[num_ops++].op = GRPC_OP_SEND_INITIAL_METADATA;
    }
    if (buffer != NULL) {
        ops[num_ops].op = GRPC_OP_SEND_MESSAGE;
        ops[num_ops++].data.send_message.send_message = buffer;
    }
    ops[num_ops].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[num_ops].data.send_status_from_server.trailing_metadata_count = code == RPC_OK ? 1 : 2;
    ops[num_ops].data.send_status_from_server.trailing_metadata = trailing;
    ops[num_ops].data.send_status_from_server.status = (grpc_status_code)code;
    ops[num_ops++].data.send_status_from_server.status_details = &said;
    rpc_exchange_batch(exchange, ops, num_ops, &exchange->answering);
    grpc_slice_unref(trailing[0].value);
    grpc_slice_unref(trailing[1].value);
    grpc_slice_unref(said);
    grpc_byte_buffer_destroy(buffer);
}

static const grpc_auth_property *rpc_exchange_property(const grpc_auth_context *shown,
                                                       const char *name)
{
    grpc_auth_property_iterator found = grpc_auth_context_find_properties_by_name(shown, name);

    return grpc_auth_property_iterator_next(&found);
}

/* Who is it? A resumed session skipped the handshake's certificates, so it proves nothing that we looked at. */
static enum status rpc_exchange_judge(struct rpc_exchange *exchange, const grpc_auth_context *shown,
                                      struct failure *why)
{
    const grpc_auth_property *resumed =
        rpc_exchange_property(shown, GRPC_SSL_SESSION_REUSED_PROPERTY);
    const grpc_auth_property *leaf = rpc_exchange_property(shown, GRPC_X509_PEM_CERT_PROPERTY_NAME);
    const grpc_auth_property *chain =
        rpc_exchange_property(shown, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME);
    struct rpc_presented presented = {0};

    if (resumed == NULL || strcmp(resumed->value, "false") != 0) {
        return fail(why, STATUS_UNTRUSTED, "rpc/resumed-session",
                    "TLS session resumption is not taken");
    }
    if (leaf != NULL) {
        presented.leaf_pem = leaf->value;
        presented.leaf_pem_len = leaf->value_length;
    }
    if (chain != NULL) {
        presented.chain_pem = chain->value;
        presented.chain_pem_len = chain->value_length;
    }
    TRY(exchange->home->judge.judge(exchange->home->judge.user, &presented, &exchange->peer, why));
    if (exchange->peer != NULL && exchange->method->proved != NULL) {
        exchange->method->proved(exchange->method->service, exchange);
    }
    if (exchange->peer == NULL && exchange->method->needs_identity) {
        return fail(why, STATUS_UNTRUSTED, "rpc/no-identity", "%s needs a client certificate",
                    exchange->method->name);
    }
    return STATUS_OK;
}

static const struct rpc_method *rpc_exchange_find(const struct rpc_exchange *exchange)
{
    struct bytes called = bytes_make(GRPC_SLICE_START_PTR(exchange->details.method),
                                     GRPC_SLICE_LENGTH(exchange->details.method));

    for (size_t i = 0; i < exchange->home->num_methods; i++) {
        if (bytes_equal_text(called, exchange->home->methods[i].name)) {
            return &exchange->home->methods[i];
        }
    }
    return NULL;
}

/* gRPC bounds what is sent along too, but its refusal carries no word of ours. */
static enum status rpc_exchange_check_metadata(const struct rpc_exchange *exchange,
                                               struct failure *why)
{
    size_t len = 0;

    for (size_t i = 0; i < exchange->first.count; i++) {
        len += GRPC_SLICE_LENGTH(exchange->first.metadata[i].key) +
               GRPC_SLICE_LENGTH(exchange->first.metadata[i].value);
    }
    return len <= RPC_METADATA_MAX ? STATUS_OK
                                   : fail(why, STATUS_LIMIT, "rpc/metadata-too-long",
                                          "%zu bytes of metadata; at most %zu", len,
                                          RPC_METADATA_MAX);
}

/* What can be said of a call before anything in it, and who sent it, is looked at. */
static enum status rpc_exchange_admit(struct rpc_exchange *exchange, struct failure *why)
{
    TRY(rpc_exchange_check_metadata(exchange, why));
    return exchange->method->admit == NULL
               ? STATUS_OK
               : exchange->method->admit(exchange->method->service, exchange, why);
}

void rpc_exchange_arrived(struct rpc_exchange *exchange)
{
    grpc_op closing = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    grpc_auth_context *shown;
    struct failure why = {0};
    enum status status;

    list_add(&exchange->home->open, &exchange->link);
    exchange->home->num_open++;
    exchange->address = grpc_call_get_peer(exchange->raw);
    closing.data.recv_close_on_server.cancelled = &exchange->cancelled;
    rpc_exchange_batch(exchange, &closing, 1, &exchange->closing);
    exchange->method = rpc_exchange_find(exchange);
    if (exchange->method == NULL) {
        rpc_exchange_answer(exchange, NULL, RPC_UNIMPLEMENTED, "rpc/no-such-method",
                            "this server has no such method");
        return;
    }
    status = rpc_exchange_admit(exchange, &why);
    if (status != STATUS_OK) {
        rpc_exchange_answer(exchange, NULL, rpc_code_of_status(status), why.reason, why.detail);
        return;
    }
    shown = grpc_call_auth_context(exchange->raw);
    status = rpc_exchange_judge(exchange, shown, &why);
    grpc_auth_context_release(shown);
    if (status != STATUS_OK) {
        /* Whatever is wrong with credentials, the answer is "show others". */
        rpc_exchange_answer(exchange, NULL, RPC_UNAUTHENTICATED, why.reason, why.detail);
        return;
    }
    rpc_exchange_read(exchange);
}

bool rpc_exchange_waits(const struct rpc_exchange *exchange)
{
    return !exchange->begun || exchange->answered;
}

void rpc_exchange_give_up(struct rpc_exchange *exchange, enum rpc_code code, const char *reason,
                          const char *detail)
{
    if (!exchange->answered) {
        exchange->given_up = true;
        rpc_exchange_answer(exchange, NULL, code, reason, detail);
    }
}

void rpc_exchange_cancel(struct rpc_exchange *exchange)
{
    (void)grpc_call_cancel_with_status(exchange->raw, GRPC_STATUS_RESOURCE_EXHAUSTED,
                                       "the server needs the room", NULL);
}

static void rpc_exchange_closed(void *owner, bool succeeded)
{
    (void)succeeded;
    rpc_exchange_settle(owner);
}

static void rpc_exchange_answered(void *owner, bool succeeded)
{
    (void)succeeded;
    rpc_exchange_settle(owner);
}

static void rpc_exchange_sent(void *owner, bool succeeded)
{
    struct rpc_exchange *exchange = owner;
    const struct rpc_event sent = {.kind = RPC_EVENT_SENT, .reason = "", .detail = ""};

    if (succeeded && !exchange->answered) {
        rpc_exchange_tell(exchange, &sent);
    }
    rpc_exchange_settle(exchange);
}

/* Hands a message to the handler, or refuses it. */
static void rpc_exchange_take(struct rpc_exchange *exchange)
{
    CLEARED(buffer) message = {0};
    struct rpc_event event = {.kind = RPC_EVENT_MESSAGE, .reason = "", .detail = ""};
    struct failure why = {0};
    enum status status;

    buffer_init(&message, RPC_MESSAGE_MAX);
    status = codec_from_grpc(exchange->received, &message, &why);
    grpc_byte_buffer_destroy(TAKE(exchange->received));
    if (status != STATUS_OK) {
        rpc_exchange_answer(exchange, NULL, rpc_code_of_status(status), why.reason, why.detail);
        return;
    }
    exchange->begun = true;
    event.message = buffer_bytes(&message);
    rpc_exchange_tell(exchange, &event);
    memory_wipe(message.at, message.len); /* it may hold a token */
    if (exchange->method->streaming && !exchange->answered) {
        rpc_exchange_read(exchange);
    }
}

static void rpc_exchange_received(void *owner, bool succeeded)
{
    struct rpc_exchange *exchange = owner;

    if (exchange->answered) {
        /* The handler is done with it. */
    } else if (succeeded && exchange->received != NULL) {
        rpc_exchange_take(exchange);
    } else if (exchange->method->streaming) {
        const struct rpc_event half = {.kind = RPC_EVENT_HALF_CLOSE, .reason = "", .detail = ""};

        exchange->begun = true;
        rpc_exchange_tell(exchange, &half);
    } else {
        rpc_exchange_answer(exchange, NULL, RPC_INVALID_ARGUMENT, "rpc/no-request",
                            "the call carried no message");
    }
    rpc_exchange_settle(exchange);
}

void *rpc_exchange_peer(const struct rpc_exchange *exchange)
{
    return exchange->peer;
}

const char *rpc_exchange_address(const struct rpc_exchange *exchange)
{
    return exchange->address == NULL ? "" : exchange->address;
}

const struct rpc_method *rpc_exchange_method(const struct rpc_exchange *exchange)
{
    return exchange->method;
}

void rpc_exchange_hold(struct rpc_exchange *exchange, void *held)
{
    exchange->held = held;
}

void *rpc_exchange_held(const struct rpc_exchange *exchange)
{
    return exchange->held;
}

void rpc_exchange_reply(struct rpc_exchange *exchange, struct bytes message)
{
    if (message.len > RPC_MESSAGE_MAX) {
        rpc_exchange_answer(exchange, NULL, RPC_INTERNAL, "rpc/message-too-long",
                            "the answer is too long");
        return;
    }
    rpc_exchange_answer(exchange, &message, RPC_OK, "", "");
}

void rpc_exchange_refuse(struct rpc_exchange *exchange, enum rpc_code code, const char *reason,
                         const char *detail)
{
    assert(code != RPC_OK);
    rpc_exchange_answer(exchange, NULL, code, reason, detail);
}

void rpc_exchange_refuse_why(struct rpc_exchange *exchange, enum status status,
                             const struct failure *why)
{
    rpc_exchange_refuse(exchange, rpc_code_of_status(status), why->reason, why->detail);
}

enum status rpc_exchange_send(struct rpc_exchange *exchange, struct bytes message,
                              struct failure *why)
{
    grpc_op ops[2];
    size_t num_ops = 0;
    grpc_byte_buffer *buffer;

    if (message.len > RPC_MESSAGE_MAX) {
        return fail(why, STATUS_LIMIT, "rpc/message-too-long",
                    "a message of %zu bytes; at most %zu", message.len, RPC_MESSAGE_MAX);
    }
    if (exchange->answered || exchange->ended) {
        return fail(why, STATUS_CLOSED, "rpc/closed", "the call has been answered");
    }
    if (exchange->sending.pending) {
        return fail(why, STATUS_WAIT, "rpc/sending", "the last message is still on its way");
    }
    memset(ops, 0, sizeof ops);
    if (!exchange->greeted) {
        exchange->greeted = true;
        ops[num_ops++].op = GRPC_OP_SEND_INITIAL_METADATA;
    }
    buffer = codec_to_grpc(message);
    ops[num_ops].op = GRPC_OP_SEND_MESSAGE;
    ops[num_ops++].data.send_message.send_message = buffer;
    rpc_exchange_batch(exchange, ops, num_ops, &exchange->sending);
    grpc_byte_buffer_destroy(buffer);
    return STATUS_OK;
}

void rpc_exchange_finish(struct rpc_exchange *exchange)
{
    rpc_exchange_answer(exchange, NULL, RPC_OK, "", "");
}
