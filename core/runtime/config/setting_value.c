/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/config/setting_value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"

enum { SETTING_RANGE_TEXT_MAX = 160, SETTING_QUOTED_MAX = 60 };

/* The member of a row: the struct is the program's, the offset is from its own declaration. */
static void *setting_member(const struct setting_row *row, void *values)
{
    return (char *)values + row->offset;
}

static const void *setting_member_const(const struct setting_row *row, const void *values)
{
    return (const char *)values + row->offset;
}

static bool setting_is_text(const struct setting_row *row)
{
    return row->type == SETTING_TYPE_text || row->type == SETTING_TYPE_path ||
           row->type == SETTING_TYPE_choice;
}

static bool setting_is_number(const struct setting_row *row)
{
    return row->type == SETTING_TYPE_number || row->type == SETTING_TYPE_duration;
}

/* "json, text or x" of "json|text|x". */
static enum status setting_print_choices(const char *choices, struct buffer *out)
{
    struct bytes rest = bytes_of(choices);
    const char *between = "";

    while (rest.at != NULL) {
        struct bytes word = bytes_split(&rest, '|');

        TRY(buffer_add_format(out, "%s%.*s", between, (int)word.len, (const char *)word.at));
        between = rest.at == NULL || memchr(rest.at, '|', rest.len) == NULL ? " or " : ", ";
    }
    return STATUS_OK;
}

enum status setting_value_range(const struct setting_row *row, struct buffer *out)
{
    switch (row->type) {
    case SETTING_TYPE_number:
        return buffer_add_format(out, "%" PRId64 " to %" PRId64, row->min, row->max);
    case SETTING_TYPE_duration:
        return buffer_add_format(out, "%" PRId64 "ms to %" PRId64 "ms", row->min, row->max);
    case SETTING_TYPE_bool:
        return buffer_add_text(out, "true or false");
    case SETTING_TYPE_choice:
        return setting_print_choices(row->choices, out);
    case SETTING_TYPE_list:
        return buffer_add_format(out, "%" PRId64 " to %" PRId64 " times", row->min, row->max);
    case SETTING_TYPE_text:
    case SETTING_TYPE_path:
        return buffer_add_format(out, "%" PRId64 " to %" PRId64 " bytes", row->min, row->max);
    case SETTING_GROUP:
        break;
    }
    return STATUS_OK;
}

static enum status setting_refuse(const struct setting_row *row, const char *origin,
                                  struct bytes text, const char *reason, struct failure *why)
{
    CLEARED(buffer) range = {.max = SETTING_RANGE_TEXT_MAX};
    bool is_long = text.len > SETTING_QUOTED_MAX;

    if (setting_value_range(row, &range) != STATUS_OK || range.len == 0) {
        range.len = 0;
    }
    return fail(why, STATUS_CONFIG, reason, "%s: %s is \"%.*s%s\": allowed is %.*s", origin,
                row->name, is_long ? SETTING_QUOTED_MAX : (int)text.len,
                text.len == 0 ? "" : (const char *)text.at, is_long ? "..." : "", (int)range.len,
                range.len == 0 ? "" : (const char *)range.at);
}

/* Digits, perhaps with a minus; false when it is no number or beyond int64_t. */
static bool setting_read_number(struct bytes text, int64_t *out_number)
{
    bool negative = text.len > 0 && text.at[0] == '-';
    uint64_t digits;

    if (!bytes_to_number(bytes_skip(text, negative), INT64_MAX, &digits)) {
        return false;
    }
    *out_number = negative ? -(int64_t)digits : (int64_t)digits;
    return true;
}

/* "500ms", "30s", "5m", "2h", or plain ms. */
static bool setting_read_duration(struct bytes text, int64_t *out_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}}; /* "ms" before "s" */
    uint64_t number;
    uint64_t scale = 1;

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (bytes_ends(text, bytes_of(units[i].unit))) {
            scale = units[i].ms;
            text.len -= strlen(units[i].unit);
            break;
        }
    }
    if (!bytes_to_number(text, INT64_MAX / (int64_t)scale, &number)) {
        return false;
    }
    *out_ms = (int64_t)(number * scale);
    return true;
}

static bool setting_read_bool(struct bytes text, bool *out_truth)
{
    static const char *const words[] = {"false", "no", "off", "0", "true", "yes", "on", "1"};
    size_t num_words = sizeof words / sizeof words[0];

    for (size_t i = 0; i < num_words; i++) {
        if (bytes_equal_text(text, words[i])) {
            *out_truth = i >= num_words / 2;
            return true;
        }
    }
    return false;
}

static bool setting_is_choice(const struct setting_row *row, struct bytes text)
{
    struct bytes rest = bytes_of(row->choices);

    while (rest.at != NULL) {
        if (bytes_equal(bytes_split(&rest, '|'), text)) {
            return true;
        }
    }
    return false;
}

static enum status setting_set_number(const struct setting_row *row, const char *origin,
                                      struct bytes text, int64_t *member, struct failure *why)
{
    int64_t number;
    bool is_read = row->type == SETTING_TYPE_number ? setting_read_number(text, &number)
                                                    : setting_read_duration(text, &number);

    if (!is_read) {
        return setting_refuse(row, origin, text, "setting/value", why);
    }
    if (number < row->min || number > row->max) {
        return setting_refuse(row, origin, text, "setting/range", why);
    }
    *member = number;
    return STATUS_OK;
}

static enum status setting_set_text(const struct setting_row *row, const char *origin,
                                    struct bytes text, char **member, struct failure *why)
{
    if (row->type == SETTING_TYPE_choice) {
        if (!setting_is_choice(row, text)) {
            return setting_refuse(row, origin, text, "setting/choice", why);
        }
    } else if (text.len < (uint64_t)row->min || text.len > (uint64_t)row->max) {
        return setting_refuse(row, origin, text, "setting/range", why);
    }
    free(*member);
    *member = bytes_text(text);
    return STATUS_OK;
}

static enum status setting_add_item(const struct setting_row *row, const char *origin,
                                    struct bytes text, struct setting_list *list,
                                    struct failure *why)
{
    if (text.len == 0) {
        return setting_refuse(row, origin, text, "setting/value", why);
    }
    if (list->num_items >= (uint64_t)row->max) {
        return setting_refuse(row, origin, text, "setting/range", why);
    }
    list->items = memory_grow(list->items, (list->num_items + 1) * sizeof list->items[0]);
    list->lines = memory_grow(list->lines, (list->num_items + 1) * sizeof list->lines[0]);
    list->lines[list->num_items] = 0;
    list->items[list->num_items++] = bytes_text(text);
    return STATUS_OK;
}

enum status setting_value_set(const struct setting_row *row, const char *origin, struct bytes text,
                              void *values, struct failure *why)
{
    void *member = setting_member(row, values);

    if (text.len > SETTING_LINE_MAX) {
        return setting_refuse(row, origin, text, "setting/range", why);
    }
    if (text.len > 0 && memchr(text.at, '\0', text.len) != NULL) {
        return fail(why, STATUS_CONFIG, "setting/nul", "%s: %s has a NUL byte in it", origin,
                    row->name);
    }
    if (setting_is_text(row)) {
        return setting_set_text(row, origin, text, member, why);
    }
    if (setting_is_number(row)) {
        return setting_set_number(row, origin, text, member, why);
    }
    if (row->type == SETTING_TYPE_list) {
        return setting_add_item(row, origin, text, member, why);
    }
    assert(row->type == SETTING_TYPE_bool);
    if (!setting_read_bool(text, member)) {
        return setting_refuse(row, origin, text, "setting/value", why);
    }
    return STATUS_OK;
}

void setting_value_clear(const struct setting_row *row, void *values)
{
    void *member = setting_member(row, values);

    if (row->type == SETTING_TYPE_list) {
        struct setting_list *list = member;

        for (size_t i = 0; i < list->num_items; i++) {
            free(list->items[i]);
        }
        free(list->items);
        free(list->lines);
        *list = (struct setting_list){0};
    } else if (setting_is_text(row)) {
        free(*(char **)member);
        *(char **)member = NULL;
    } else if (setting_is_number(row)) {
        *(int64_t *)member = 0;
    } else if (row->type == SETTING_TYPE_bool) {
        *(bool *)member = false;
    }
}

static bool setting_text_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool setting_value_equal(const struct setting_row *row, const void *a, const void *b)
{
    const void *one = setting_member_const(row, a);
    const void *two = setting_member_const(row, b);

    if (row->type == SETTING_TYPE_list) {
        const struct setting_list *first = one;
        const struct setting_list *second = two;
        bool equal = first->num_items == second->num_items;

        for (size_t i = 0; equal && i < first->num_items; i++) {
            equal = strcmp(first->items[i], second->items[i]) == 0;
        }
        return equal;
    }
    if (setting_is_text(row)) {
        return setting_text_equal(*(char *const *)one, *(char *const *)two);
    }
    if (setting_is_number(row)) {
        return *(const int64_t *)one == *(const int64_t *)two;
    }
    return row->type != SETTING_TYPE_bool || *(const bool *)one == *(const bool *)two;
}

enum status setting_value_print(const struct setting_row *row, const void *values,
                                struct buffer *out)
{
    const void *member = setting_member_const(row, values);

    if (row->type == SETTING_TYPE_list) {
        const struct setting_list *list = member;

        for (size_t i = 0; i < list->num_items; i++) {
            TRY(buffer_add_format(out, "%s: %s\n", row->name, list->items[i]));
        }
        return STATUS_OK;
    }
    if (setting_is_text(row)) {
        const char *text = *(char *const *)member;

        return text == NULL ? STATUS_OK : buffer_add_format(out, "%s: %s\n", row->name, text);
    }
    if (row->type == SETTING_TYPE_bool) {
        return buffer_add_format(out, "%s: %s\n", row->name,
                                 *(const bool *)member ? "true" : "false");
    }
    return buffer_add_format(out, "%s: %" PRId64 "%s\n", row->name, *(const int64_t *)member,
                             row->type == SETTING_TYPE_duration ? "ms" : "");
}
