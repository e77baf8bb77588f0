/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON with bounds: depth, size, duplicate names refused, NUL in strings refused. Writing
 * it is writer.h. The border post of jansson. Source: RFC 8259.
 */
#ifndef SIGNET_CORE_RUNTIME_JSON_JSON_H
#define SIGNET_CORE_RUNTIME_JSON_JSON_H

#include "core/runtime/base/bytes.h"
#include "core/runtime/base/status.h"

#define JSON_DEPTH_MAX 32 /* arrays and objects within each other */

/* A value within a document; borrowed from it. */
struct json_value;

/*
 * json_read makes a document, whose top is an object or an array, of all of `text`: at most
 * `max_len` bytes. Give it back with json_value_drop(). One thread at a time.
 *
 * STATUS_LIMIT "json/too-long", "json/too-deep"; STATUS_PROTOCOL "json/syntax" with line and
 * column, "json/duplicate".
 */
enum status json_read(struct bytes text, size_t max_len, struct json_value **out_top,
                      struct failure *why) MUST_USE;

/* json_value_drop frees a document made by json_read and sets *top to NULL; NULL is fine. */
void json_value_drop(struct json_value **top);

/*
 * The getters of an object's member. STATUS_NOT_FOUND "json/missing" when there is none (a null is
 * none), STATUS_PROTOCOL "json/type" when it is of another type or `object` is no object.
 *
 * json_get_text: bytes borrowed from the document, UTF-8; "json/too-long" (STATUS_LIMIT) over
 * max_len. json_get_number: a whole number; STATUS_LIMIT "json/range" outside [min, max].
 * json_get_object, json_get_array: the member itself, borrowed.
 */
enum status json_get_text(const struct json_value *object, const char *name, size_t max_len,
                          struct bytes *out_text, struct failure *why) MUST_USE;
enum status json_get_number(const struct json_value *object, const char *name, int64_t min,
                            int64_t max, int64_t *out_number, struct failure *why) MUST_USE;
enum status json_get_bool(const struct json_value *object, const char *name, bool *out_truth,
                          struct failure *why) MUST_USE;
enum status json_get_object(const struct json_value *object, const char *name,
                            const struct json_value **out_object, struct failure *why) MUST_USE;
enum status json_get_array(const struct json_value *object, const char *name,
                           const struct json_value **out_array, struct failure *why) MUST_USE;

/* json_count is the number of an array's items (0 when it is no array); json_at is one, or NULL. */
size_t json_count(const struct json_value *array);
const struct json_value *json_at(const struct json_value *array, size_t index);

/* json_text_of reads an array's item as text: false when it is something else. */
bool json_text_of(const struct json_value *value, struct bytes *out_text);

/*
 * json_refuse_unknown refuses members whose name is not among the `num_known` names.
 * STATUS_PROTOCOL "json/unknown" with the name.
 */
enum status json_refuse_unknown(const struct json_value *object, const char *const *known,
                                size_t num_known, struct failure *why) MUST_USE;

#endif
