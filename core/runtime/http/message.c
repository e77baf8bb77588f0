/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/http/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"

enum { HTTP_HEADERS_STEP = 16 };

/* Offsets into the block, which moves while it grows. */
struct http_header {
    uint32_t name_at;
    uint32_t name_len;
    uint32_t value_at;
    uint32_t value_len;
};

void http_message_init(struct http_message *message)
{
    *message = (struct http_message){0};
    buffer_init(&message->block, HTTP_HEAD_MAX);
}

void http_message_clear(struct http_message *message)
{
    buffer_clear(&message->block);
    free(message->headers);
    http_message_init(message);
}

void http_message_reset(struct http_message *message)
{
    struct buffer block = message->block;
    struct http_header *headers = message->headers;

    buffer_reset(&block);
    *message = (struct http_message){.block = block, .headers = headers};
}

static struct bytes http_message_slice(const struct http_message *message, size_t at, size_t len)
{
    return bytes_make(len == 0 ? NULL : message->block.at + at, len);
}

struct bytes http_message_method(const struct http_message *message)
{
    return http_message_slice(message, 0, message->method_len);
}

struct bytes http_message_target(const struct http_message *message)
{
    return http_message_slice(message, message->method_len, message->target_len);
}

struct bytes http_message_path(const struct http_message *message)
{
    struct bytes rest = http_message_target(message);

    if (rest.len == 0 || rest.at[0] != '/') {
        return bytes_make(NULL, 0);
    }
    return bytes_split(&rest, '?');
}

struct bytes http_message_query(const struct http_message *message)
{
    struct bytes rest = http_message_target(message);

    if (rest.len == 0 || rest.at[0] != '/') {
        return bytes_make(NULL, 0);
    }
    (void)bytes_split(&rest, '?');
    return rest;
}

void http_message_header(const struct http_message *message, size_t index, struct bytes *out_name,
                         struct bytes *out_value)
{
    const struct http_header *header = &message->headers[index];

    assert(index < message->num_headers);
    *out_name = http_message_slice(message, header->name_at, header->name_len);
    *out_value = http_message_slice(message, header->value_at, header->value_len);
}

bool http_message_get(const struct http_message *message, const char *name, struct bytes *out_value)
{
    for (size_t i = 0; i < message->num_headers; i++) {
        struct bytes there;
        struct bytes value;

        http_message_header(message, i, &there, &value);
        if (bytes_equal_text(there, name)) {
            *out_value = value;
            return true;
        }
    }
    return false;
}

size_t http_message_count(const struct http_message *message, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < message->num_headers; i++) {
        struct bytes there;
        struct bytes value;

        http_message_header(message, i, &there, &value);
        count += bytes_equal_text(there, name);
    }
    return count;
}

static enum status http_message_add(struct http_message *message, struct bytes more,
                                    struct failure *why)
{
    if (buffer_add(&message->block, more) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "http/head-too-long", "a head has at most %zu bytes",
                    HTTP_HEAD_MAX);
    }
    return STATUS_OK;
}

enum status http_message_add_method(struct http_message *message, struct bytes more,
                                    struct failure *why)
{
    TRY(http_message_add(message, more, why));
    message->method_len += more.len;
    return STATUS_OK;
}

enum status http_message_add_target(struct http_message *message, struct bytes more,
                                    struct failure *why)
{
    if (more.len > HTTP_TARGET_MAX - message->target_len) {
        return fail(why, STATUS_LIMIT, "http/target-too-long", "a target has at most %zu bytes",
                    HTTP_TARGET_MAX);
    }
    TRY(http_message_add(message, more, why));
    message->target_len += more.len;
    return STATUS_OK;
}

static enum status http_message_begin_header(struct http_message *message, struct failure *why)
{
    if (message->num_headers == HTTP_HEADERS_MAX) {
        return fail(why, STATUS_LIMIT, "http/too-many-headers", "a head has at most %d headers",
                    HTTP_HEADERS_MAX);
    }
    if (message->num_headers % HTTP_HEADERS_STEP == 0) {
        message->headers =
            memory_grow(message->headers,
                        (message->num_headers + HTTP_HEADERS_STEP) * sizeof message->headers[0]);
    }
    message->headers[message->num_headers++] =
        (struct http_header){.name_at = (uint32_t)message->block.len};
    return STATUS_OK;
}

static struct http_header *http_message_last(struct http_message *message)
{
    assert(message->num_headers > 0);
    return &message->headers[message->num_headers - 1];
}

enum status http_message_add_name(struct http_message *message, bool starts, struct bytes more,
                                  struct failure *why)
{
    size_t at = message->block.len;

    if (starts) {
        TRY(http_message_begin_header(message, why));
    }
    TRY(http_message_add(message, more, why));
    for (size_t i = at; i < message->block.len; i++) {
        uint8_t byte = message->block.at[i];

        message->block.at[i] = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
    }
    http_message_last(message)->name_len += (uint32_t)more.len;
    return STATUS_OK;
}

enum status http_message_add_value(struct http_message *message, struct bytes more,
                                   struct failure *why)
{
    struct http_header *header = http_message_last(message);

    if (header->value_len == 0) {
        header->value_at = (uint32_t)message->block.len;
    }
    TRY(http_message_add(message, more, why));
    header->value_len += (uint32_t)more.len;
    return STATUS_OK;
}

void http_message_finish(struct http_message *message)
{
    for (size_t i = 0; i < message->num_headers; i++) {
        struct http_header *header = &message->headers[i];
        struct bytes value = http_message_slice(message, header->value_at, header->value_len);
        struct bytes trimmed = bytes_trim(value);

        header->value_at += trimmed.len == 0 ? 0 : (uint32_t)(trimmed.at - value.at);
        header->value_len = (uint32_t)trimmed.len;
    }
}

/* Percent-decodes into a C string; '+' is a blank in a query. */
static bool http_decode(struct bytes text, char *out, size_t room)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];

        if (byte == '%') {
            if (text.len - i < 3 || !bytes_from_hex(bytes_make(text.at + i + 1, 2), &byte, 1)) {
                return false;
            }
            i += 2;
        } else if (byte == '+') {
            byte = ' ';
        }
        if (byte == '\0' || len + 1 >= room) {
            return false;
        }
        out[len++] = (char)byte;
    }
    out[len] = '\0';
    return true;
}

bool http_query_get(struct bytes query, const char *name, char *out, size_t room)
{
    struct bytes rest = query;

    while (rest.at != NULL) {
        struct bytes value = bytes_split(&rest, '&');

        if (bytes_equal_text(bytes_split(&value, '='), name)) {
            return http_decode(value, out, room);
        }
    }
    return false;
}

const char *http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {421, "Misdirected Request"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (phrases[i].status == status) {
            return phrases[i].text;
        }
    }
    return "Unknown";
}
