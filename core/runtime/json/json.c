/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/json/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* A struct json_value is jansson's json_t under a name of ours; it is never defined. */
static const json_t *json_inner(const struct json_value *value)
{
    return (const json_t *)(const void *)value;
}

/*
 * Is the text nested deeper than we allow? Asked before jansson reads it, whose own bound (2048)
 * costs that many stack frames. Brackets within strings do not count; broken text is jansson's to
 * refuse.
 */
static bool json_is_too_deep(struct bytes text)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];

        if (in_string) {
            i += byte == '\\';
            in_string = byte != '"';
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '[' || byte == '{') {
            depth++;
            if (depth > JSON_DEPTH_MAX) {
                return true;
            }
        } else if ((byte == ']' || byte == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

enum status json_read(struct bytes text, size_t max_len, struct json_value **out_top,
                      struct failure *why)
{
    json_error_t error = {0};
    json_t *top;

    if (text.len > max_len) {
        return fail(why, STATUS_LIMIT, "json/too-long", "%zu bytes, at most %zu are read", text.len,
                    max_len);
    }
    if (json_is_too_deep(text)) {
        return fail(why, STATUS_LIMIT, "json/too-deep",
                    "more than %d arrays or objects within another", JSON_DEPTH_MAX);
    }
    top = json_loadb(text.len == 0 ? "" : (const char *)text.at, text.len, JSON_REJECT_DUPLICATES,
                     &error);
    if (top == NULL) {
        bool twice = json_error_code(&error) == json_error_duplicate_key;

        return fail(why, STATUS_PROTOCOL, twice ? "json/duplicate" : "json/syntax",
                    "line %d, column %d: %s", error.line, error.column, error.text);
    }
    *out_top = (struct json_value *)(void *)top;
    return STATUS_OK;
}

void json_value_drop(struct json_value **top)
{
    json_decref((json_t *)(void *)*top);
    *top = NULL;
}

static enum status json_member(const struct json_value *object, const char *name,
                               const json_t **out_member, struct failure *why)
{
    const json_t *member = NULL;

    if (!json_is_object(json_inner(object))) {
        return fail(why, STATUS_PROTOCOL, "json/type", "an object with \"%s\" is expected", name);
    }
    member = json_object_get(json_inner(object), name);
    if (member == NULL || json_is_null(member)) {
        return fail(why, STATUS_NOT_FOUND, "json/missing", "\"%s\" is missing", name);
    }
    *out_member = member;
    return STATUS_OK;
}

static enum status json_wrong_type(const char *name, const char *expected, struct failure *why)
{
    return fail(why, STATUS_PROTOCOL, "json/type", "\"%s\" is not %s", name, expected);
}

enum status json_get_text(const struct json_value *object, const char *name, size_t max_len,
                          struct bytes *out_text, struct failure *why)
{
    const json_t *member = NULL;

    TRY(json_member(object, name, &member, why));
    if (!json_is_string(member)) {
        return json_wrong_type(name, "text", why);
    }
    if (json_string_length(member) > max_len) {
        return fail(why, STATUS_LIMIT, "json/too-long", "\"%s\" has %zu bytes, at most %zu", name,
                    json_string_length(member), max_len);
    }
    *out_text = bytes_make(json_string_value(member), json_string_length(member));
    return STATUS_OK;
}

enum status json_get_number(const struct json_value *object, const char *name, int64_t min,
                            int64_t max, int64_t *out_number, struct failure *why)
{
    const json_t *member = NULL;
    int64_t number;

    TRY(json_member(object, name, &member, why));
    if (!json_is_integer(member)) {
        return json_wrong_type(name, "a whole number", why);
    }
    number = json_integer_value(member);
    if (number < min || number > max) {
        return fail(why, STATUS_LIMIT, "json/range",
                    "\"%s\" is %" PRId64 ": it must be %" PRId64 " to %" PRId64, name, number, min,
                    max);
    }
    *out_number = number;
    return STATUS_OK;
}

enum status json_get_bool(const struct json_value *object, const char *name, bool *out_truth,
                          struct failure *why)
{
    const json_t *member = NULL;

    TRY(json_member(object, name, &member, why));
    if (!json_is_boolean(member)) {
        return json_wrong_type(name, "true or false", why);
    }
    *out_truth = json_is_true(member);
    return STATUS_OK;
}

enum status json_get_object(const struct json_value *object, const char *name,
                            const struct json_value **out_object, struct failure *why)
{
    const json_t *member = NULL;

    TRY(json_member(object, name, &member, why));
    if (!json_is_object(member)) {
        return json_wrong_type(name, "an object", why);
    }
    *out_object = (const struct json_value *)(const void *)member;
    return STATUS_OK;
}

enum status json_get_array(const struct json_value *object, const char *name,
                           const struct json_value **out_array, struct failure *why)
{
    const json_t *member = NULL;

    TRY(json_member(object, name, &member, why));
    if (!json_is_array(member)) {
        return json_wrong_type(name, "an array", why);
    }
    *out_array = (const struct json_value *)(const void *)member;
    return STATUS_OK;
}

size_t json_count(const struct json_value *array)
{
    return json_array_size(json_inner(array)); /* 0 for what is no array */
}

const struct json_value *json_at(const struct json_value *array, size_t index)
{
    return (const struct json_value *)(const void *)json_array_get(json_inner(array), index);
}

bool json_text_of(const struct json_value *value, struct bytes *out_text)
{
    if (!json_is_string(json_inner(value))) {
        return false;
    }
    *out_text =
        bytes_make(json_string_value(json_inner(value)), json_string_length(json_inner(value)));
    return true;
}

enum status json_refuse_unknown(const struct json_value *object, const char *const *known,
                                size_t num_known, struct failure *why)
{
    json_t *inner = (json_t *)(void *)(uintptr_t)object; /* jansson's iterators want it not const */

    for (void *at = json_object_iter(inner); at != NULL; at = json_object_iter_next(inner, at)) {
        const char *name = json_object_iter_key(at);
        bool found = false;

        for (size_t i = 0; i < num_known && !found; i++) {
            found = strcmp(known[i], name) == 0;
        }
        if (!found) {
            return fail(why, STATUS_PROTOCOL, "json/unknown", "\"%s\" is not known here", name);
        }
    }
    return STATUS_OK;
}
