/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/json/writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/runtime/json/escape.h"

struct json_writer json_writer_to(struct buffer *out)
{
    return (struct json_writer){.out = out};
}

static void json_put_raw(struct json_writer *json, struct bytes text)
{
    if (!json->full && buffer_add(json->out, text) != STATUS_OK) {
        json->full = true;
    }
}

static void json_put_quoted(struct json_writer *json, struct bytes text)
{
    json_put_raw(json, bytes_of("\""));
    while (text.len > 0 && !json->full) {
        /*
         * Mostly nothing needs an escape: ask for the plain length, and for more only when it
         * does.
         */
        size_t room = text.len < 6 ? 6 : text.len;
        uint8_t *at = buffer_reserve(json->out, room);

        if (at == NULL && room > 6) {
            room = 6;
            at = buffer_reserve(json->out, room);
        }
        if (at == NULL) {
            json->full = true;
            return;
        }
        buffer_commit(json->out, json_escape(&text, (char *)at, room));
    }
    json_put_raw(json, bytes_of("\""));
}

/* What stands before every value: the comma and, in an object, the name. */
static void json_begin_value(struct json_writer *json, const char *name)
{
    if (json->comma) {
        json_put_raw(json, bytes_of(","));
    }
    if (name != NULL) {
        json_put_quoted(json, bytes_of(name));
        json_put_raw(json, bytes_of(":"));
    }
    json->comma = true;
}

static void json_open(struct json_writer *json, const char *name, const char *mark)
{
    json_begin_value(json, name);
    json_put_raw(json, bytes_of(mark));
    json->depth++;
    json->comma = false;
}

static void json_close_with(struct json_writer *json, const char *mark)
{
    assert(json->depth > 0);
    json_put_raw(json, bytes_of(mark));
    json->depth--;
    json->comma = true;
}

void json_open_object(struct json_writer *json, const char *name)
{
    json_open(json, name, "{");
}

void json_close_object(struct json_writer *json)
{
    json_close_with(json, "}");
}

void json_open_array(struct json_writer *json, const char *name)
{
    json_open(json, name, "[");
}

void json_close_array(struct json_writer *json)
{
    json_close_with(json, "]");
}

void json_put_text(struct json_writer *json, const char *name, const char *text)
{
    if (text == NULL) {
        json_put_null(json, name);
        return;
    }
    json_put_bytes(json, name, bytes_of(text));
}

void json_put_bytes(struct json_writer *json, const char *name, struct bytes text)
{
    json_begin_value(json, name);
    json_put_quoted(json, text);
}

void json_put_int(struct json_writer *json, const char *name, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    json_begin_value(json, name);
    json_put_raw(json, bytes_of(text));
}

void json_put_uint(struct json_writer *json, const char *name, uint64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    json_begin_value(json, name);
    json_put_raw(json, bytes_of(text));
}

void json_put_bool(struct json_writer *json, const char *name, bool truth)
{
    json_begin_value(json, name);
    json_put_raw(json, bytes_of(truth ? "true" : "false"));
}

void json_put_null(struct json_writer *json, const char *name)
{
    json_begin_value(json, name);
    json_put_raw(json, bytes_of("null"));
}

enum status json_writer_end(struct json_writer *json, struct failure *why)
{
    assert(json->depth == 0);
    if (json->full) {
        return fail(why, STATUS_LIMIT, "json/full", "the text is longer than %zu bytes",
                    json->out->max);
    }
    return STATUS_OK;
}
