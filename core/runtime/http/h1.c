/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/http/h1.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

static struct h1_parser *h1_of(llhttp_t *machine)
{
    return machine->data;
}

/* Notes why a callback refuses; the answer stops llhttp. */
static int h1_refuse(struct h1_parser *parser, enum status refusal)
{
    parser->refusal = refusal;
    return refusal == STATUS_OK ? 0 : HPE_USER;
}

static int h1_begun(llhttp_t *machine)
{
    struct h1_parser *parser = h1_of(machine);

    http_message_reset(&parser->message);
    parser->begun = true;
    parser->in_head = true;
    parser->in_name = false;
    parser->trailers = 0;
    return 0;
}

static int h1_method(llhttp_t *machine, const char *at, size_t len)
{
    struct h1_parser *parser = h1_of(machine);

    return h1_refuse(parser,
                     http_message_add_method(&parser->message, bytes_make(at, len), &parser->why));
}

static int h1_target(llhttp_t *machine, const char *at, size_t len)
{
    struct h1_parser *parser = h1_of(machine);

    return h1_refuse(parser,
                     http_message_add_target(&parser->message, bytes_make(at, len), &parser->why));
}

static int h1_version(llhttp_t *machine)
{
    struct h1_parser *parser = h1_of(machine);

    if (machine->http_major != 1 || machine->http_minor > 1) {
        return h1_refuse(parser, fail(&parser->why, STATUS_PROTOCOL, "http/version",
                                      "HTTP/%u.%u is not spoken here", machine->http_major,
                                      machine->http_minor));
    }
    return 0;
}

/* A trailer's bytes are not kept, only counted. */
static int h1_skip_trailer(struct h1_parser *parser, size_t len)
{
    parser->trailers += len;
    if (parser->trailers > HTTP_HEAD_MAX) {
        return h1_refuse(parser, fail(&parser->why, STATUS_LIMIT, "http/head-too-long",
                                      "trailers have at most %zu bytes", HTTP_HEAD_MAX));
    }
    return 0;
}

static int h1_name(llhttp_t *machine, const char *at, size_t len)
{
    struct h1_parser *parser = h1_of(machine);
    bool starts = !parser->in_name;

    if (!parser->in_head) {
        return h1_skip_trailer(parser, len);
    }
    parser->in_name = true;
    return h1_refuse(
        parser, http_message_add_name(&parser->message, starts, bytes_make(at, len), &parser->why));
}

static int h1_name_done(llhttp_t *machine)
{
    h1_of(machine)->in_name = false;
    return 0;
}

static int h1_value(llhttp_t *machine, const char *at, size_t len)
{
    struct h1_parser *parser = h1_of(machine);

    if (!parser->in_head) {
        return h1_skip_trailer(parser, len);
    }
    return h1_refuse(parser,
                     http_message_add_value(&parser->message, bytes_make(at, len), &parser->why));
}

/* RFC 9112 section 3.2. */
static enum status h1_check_host(const struct h1_parser *parser, struct failure *why)
{
    size_t hosts = http_message_count(&parser->message, "host");

    if (parser->role == H1_SERVER && (hosts > 1 || (hosts == 0 && parser->message.version_1_1))) {
        return fail(why, STATUS_PROTOCOL, "http/host", "%zu Host headers, one is expected", hosts);
    }
    return STATUS_OK;
}

static enum status h1_head(struct h1_parser *parser, struct failure *why)
{
    struct http_message *message = &parser->message;
    const llhttp_t *machine = &parser->machine;

    http_message_finish(message);
    message->version_1_1 = machine->http_minor == 1;
    message->status = parser->role == H1_CLIENT ? machine->status_code : 0;
    message->keep_alive = llhttp_should_keep_alive(machine) != 0;
    message->upgrade = machine->upgrade != 0 || message->status == 101;
    message->has_length = (machine->flags & F_CONTENT_LENGTH) != 0;
    message->content_length = message->has_length ? machine->content_length : 0;
    TRY(h1_check_host(parser, why));
    return parser->events->head(parser->user, message, why);
}

static int h1_head_done(llhttp_t *machine)
{
    struct h1_parser *parser = h1_of(machine);

    parser->in_head = false;
    if (h1_refuse(parser, h1_head(parser, &parser->why)) != 0) {
        return -1;
    }
    return parser->no_body ? 1 : 0;
}

static int h1_body(llhttp_t *machine, const char *at, size_t len)
{
    struct h1_parser *parser = h1_of(machine);

    if (parser->events->body == NULL) {
        return 0;
    }
    return h1_refuse(parser, parser->events->body(parser->user, bytes_make(at, len), &parser->why));
}

static int h1_completed(llhttp_t *machine)
{
    struct h1_parser *parser = h1_of(machine);

    parser->begun = false;
    parser->done = true;
    parser->no_body = false;
    if (h1_refuse(parser, parser->events->complete(parser->user, &parser->why)) != 0) {
        return -1;
    }
    return HPE_PAUSED; /* what follows waits until it is fed again */
}

static llhttp_settings_t h1_settings;
static pthread_once_t h1_settings_made = PTHREAD_ONCE_INIT;

static void h1_make_settings(void)
{
    llhttp_settings_init(&h1_settings);
    h1_settings.on_message_begin = h1_begun;
    h1_settings.on_method = h1_method;
    h1_settings.on_url = h1_target;
    h1_settings.on_version_complete = h1_version;
    h1_settings.on_header_field = h1_name;
    h1_settings.on_header_field_complete = h1_name_done;
    h1_settings.on_header_value = h1_value;
    h1_settings.on_headers_complete = h1_head_done;
    h1_settings.on_body = h1_body;
    h1_settings.on_message_complete = h1_completed;
}

void h1_init(struct h1_parser *parser, enum h1_role role, const struct h1_events *events,
             void *user)
{
    (void)pthread_once(&h1_settings_made, h1_make_settings);
    *parser = (struct h1_parser){.role = role, .events = events, .user = user};
    llhttp_init(&parser->machine, role == H1_SERVER ? HTTP_REQUEST : HTTP_RESPONSE, &h1_settings);
    parser->machine.data = parser;
    http_message_init(&parser->message);
}

void h1_clear(struct h1_parser *parser)
{
    http_message_clear(&parser->message);
}

void h1_expect_no_body(struct h1_parser *parser)
{
    parser->no_body = true;
}

static enum status h1_give_refusal(struct h1_parser *parser, struct failure *why)
{
    if (why != NULL) {
        *why = parser->why;
    }
    return parser->refusal;
}

/* What llhttp's answer means for us; STATUS_OK also when it stopped behind a message. */
static enum status h1_judge(struct h1_parser *parser, llhttp_errno_t answer)
{
    if (answer == HPE_OK || answer == HPE_PAUSED) {
        return STATUS_OK;
    }
    if (parser->refusal == STATUS_OK) {
        const char *reason = llhttp_get_error_reason(&parser->machine);

        parser->refusal = fail(&parser->why, STATUS_PROTOCOL, "http/syntax", "%s: %s",
                               llhttp_errno_name(answer), reason == NULL ? "" : reason);
    }
    return parser->refusal;
}

/* llhttp says that what follows is no HTTP. Did it not tell the message's end, we do. */
static enum status h1_upgraded(struct h1_parser *parser)
{
    bool is_told = !parser->begun;

    parser->message.upgrade = true;
    parser->begun = false;
    parser->done = true;
    if (!is_told) {
        (void)h1_refuse(parser, parser->events->complete(parser->user, &parser->why));
    }
    return parser->refusal;
}

/* Feeds up to the end of the head, as long as the head may still be, or else all of it. */
static enum status h1_step(struct h1_parser *parser, struct bytes piece, size_t *out_used)
{
    bool before_body = parser->in_head || !parser->begun;
    size_t len = piece.len;
    llhttp_errno_t answer;

    if (before_body) {
        if (parser->seen >= HTTP_HEAD_MAX) {
            parser->refusal = fail(&parser->why, STATUS_LIMIT, "http/head-too-long",
                                   "a head has at most %zu bytes", HTTP_HEAD_MAX);
            return parser->refusal;
        }
        len = len < HTTP_HEAD_MAX - parser->seen ? len : HTTP_HEAD_MAX - parser->seen;
    }
    answer = llhttp_execute(&parser->machine, (const char *)piece.at, len);
    *out_used = len;
    if (answer != HPE_OK && llhttp_get_error_pos(&parser->machine) != NULL) {
        *out_used = (size_t)(llhttp_get_error_pos(&parser->machine) - (const char *)piece.at);
    }
    if (before_body) {
        parser->seen += *out_used;
    }
    return answer == HPE_PAUSED_UPGRADE ? h1_upgraded(parser) : h1_judge(parser, answer);
}

enum status h1_feed(struct h1_parser *parser, struct bytes piece, size_t *out_used,
                    struct failure *why)
{
    size_t used = 0;

    if (parser->refusal != STATUS_OK) {
        return h1_give_refusal(parser, why);
    }
    if (parser->done && piece.len > 0) {
        if (parser->message.upgrade) {
            *out_used = 0; /* no HTTP any more */
            return STATUS_OK;
        }
        llhttp_resume(&parser->machine);
        parser->done = false;
        parser->seen = 0;
    }
    while (used < piece.len && !parser->done) {
        size_t step = 0;

        if (h1_step(parser, bytes_skip(piece, used), &step) != STATUS_OK) {
            return h1_give_refusal(parser, why);
        }
        used += step;
    }
    *out_used = used;
    return STATUS_OK;
}

enum status h1_finish(struct h1_parser *parser, struct failure *why)
{
    llhttp_errno_t answer;

    if (parser->refusal != STATUS_OK) {
        return h1_give_refusal(parser, why);
    }
    if (parser->done || !parser->begun) {
        return STATUS_OK;
    }
    answer = llhttp_finish(&parser->machine);
    if (parser->refusal == STATUS_OK &&
        (!parser->done || (answer != HPE_OK && answer != HPE_PAUSED))) {
        parser->refusal = fail(&parser->why, STATUS_PROTOCOL, "http/early-end",
                               "the connection ended within a message");
    }
    return parser->refusal == STATUS_OK ? STATUS_OK : h1_give_refusal(parser, why);
}

bool h1_is_done(const struct h1_parser *parser)
{
    return parser->done;
}

bool h1_is_idle(const struct h1_parser *parser)
{
    return !parser->begun && parser->refusal == STATUS_OK;
}

static enum status h1_write_full(enum status status, struct failure *why)
{
    if (status != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "http/head-too-long", "no room for the head");
    }
    return STATUS_OK;
}

/* A text that stands in a line must not end it. */
static enum status h1_check_text(const char *text, struct failure *why)
{
    if (strpbrk(text, "\r\n") != NULL) {
        return fail(why, STATUS_PROTOCOL, "http/value", "a line end within a header");
    }
    return STATUS_OK;
}

enum status h1_write_request(struct buffer *out, const char *method, const char *target,
                             struct failure *why)
{
    if (strpbrk(target, " \r\n") != NULL || strpbrk(method, " \r\n") != NULL) {
        return fail(why, STATUS_PROTOCOL, "http/value", "a blank within method or target");
    }
    return h1_write_full(buffer_add_format(out, "%s %s HTTP/1.1\r\n", method, target), why);
}

enum status h1_write_response(struct buffer *out, unsigned status, struct failure *why)
{
    return h1_write_full(
        buffer_add_format(out, "HTTP/1.1 %03u %s\r\n", status, http_status_text(status)), why);
}

enum status h1_write_header(struct buffer *out, const char *name, const char *value,
                            struct failure *why)
{
    TRY(h1_check_text(name, why));
    TRY(h1_check_text(value, why));
    return h1_write_full(buffer_add_format(out, "%s: %s\r\n", name, value), why);
}

enum status h1_write_length(struct buffer *out, uint64_t content_length, struct failure *why)
{
    return h1_write_full(buffer_add_format(out, "content-length: %" PRIu64 "\r\n", content_length),
                         why);
}

enum status h1_write_end(struct buffer *out, struct failure *why)
{
    return h1_write_full(buffer_add_text(out, "\r\n"), why);
}
