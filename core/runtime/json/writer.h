/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON straight into a buffer: nothing is allocated but the buffer's own growth, so an
 * access log may use it for every connection.
 *
 *     struct json_writer json = json_writer_to(&buffer);
 *     json_open_object(&json, NULL);
 *     json_put_text(&json, "id", id);
 *     json_open_array(&json, "ports");
 *     json_put_int(&json, NULL, 8080);
 *     json_close_array(&json);
 *     json_close_object(&json);
 *     TRY(json_writer_end(&json, why));
 *
 * `name` is the member's name inside an object and NULL elsewhere. Names and texts may be any
 * bytes. After a failure all further calls do nothing; json_writer_end tells.
 */
#ifndef SIGNET_CORE_RUNTIME_JSON_WRITER_H
#define SIGNET_CORE_RUNTIME_JSON_WRITER_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/status.h"

struct json_writer {
    struct buffer *out; /* borrowed */
    unsigned depth;     /* open objects and arrays */
    bool comma;         /* the next value follows another */
    bool full;          /* the buffer's bound was reached */
};

/* json_writer_to is a writer that appends to `out`, which outlives it. */
struct json_writer json_writer_to(struct buffer *out);

/* json_open_object and json_open_array begin one; json_close_object and json_close_array end it. */
void json_open_object(struct json_writer *json, const char *name);
void json_close_object(struct json_writer *json);
void json_open_array(struct json_writer *json, const char *name);
void json_close_array(struct json_writer *json);

/*
 * json_put_text writes a C string (NULL: null), json_put_bytes a slice; bytes not UTF-8 become
 * \u00XX.
 */
void json_put_text(struct json_writer *json, const char *name, const char *text);
void json_put_bytes(struct json_writer *json, const char *name, struct bytes text);

/*
 * json_put_int and json_put_uint write a whole number, json_put_bool a truth, json_put_null null.
 */
void json_put_int(struct json_writer *json, const char *name, int64_t number);
void json_put_uint(struct json_writer *json, const char *name, uint64_t number);
void json_put_bool(struct json_writer *json, const char *name, bool truth);
void json_put_null(struct json_writer *json, const char *name);

/*
 * json_writer_end tells whether all was written and everything closed (assert: an open object is
 * our own mistake). STATUS_LIMIT "json/full" when the buffer's bound was reached: it then holds a
 * part.
 */
enum status json_writer_end(struct json_writer *json, struct failure *why) MUST_USE;

#endif
