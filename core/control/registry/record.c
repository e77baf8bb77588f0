/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/record.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_VERSION 1
#define RECORD_HEAD 3 /* tag and length of a field */

static void record_must(enum status status)
{
    if (status != STATUS_OK) {
        abort(); /* the maker did not check its sizes: our own mistake */
    }
}

void record_begin(struct buffer *record)
{
    uint8_t version = RECORD_VERSION;

    buffer_init(record, RECORD_MAX);
    record_must(buffer_add(record, bytes_make(&version, 1)));
}

void record_add(struct buffer *record, uint8_t tag, struct bytes content)
{
    uint8_t head[RECORD_HEAD] = {tag, (uint8_t)(content.len >> 8), (uint8_t)content.len};

    record_must(content.len > UINT16_MAX ? STATUS_LIMIT : STATUS_OK);
    record_must(buffer_add(record, bytes_make(head, sizeof head)));
    record_must(buffer_add(record, content));
}

void record_add_number(struct buffer *record, uint8_t tag, int64_t number)
{
    uint8_t digits[8];

    for (size_t i = 0; i < sizeof digits; i++) {
        digits[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    }
    record_add(record, tag, bytes_make(digits, sizeof digits));
}

enum status record_open(struct bytes record, struct bytes *out_rest, struct failure *why)
{
    if (record.len == 0 || record.at[0] != RECORD_VERSION) {
        return fail(why, STATUS_PROTOCOL, "record/version", "version %d, known is %d",
                    record.len == 0 ? -1 : record.at[0], RECORD_VERSION);
    }
    *out_rest = bytes_skip(record, 1);
    return STATUS_OK;
}

enum status record_next(struct bytes *rest, struct record_field *field, struct failure *why)
{
    size_t len;

    if (rest->len == 0) {
        return STATUS_CLOSED;
    }
    if (rest->len < RECORD_HEAD) {
        return fail(why, STATUS_PROTOCOL, "record/short", "%zu bytes are no field", rest->len);
    }
    len = (size_t)rest->at[1] << 8 | rest->at[2];
    if (len > rest->len - RECORD_HEAD) {
        return fail(why, STATUS_PROTOCOL, "record/short", "field %d has %zu bytes of %zu",
                    rest->at[0], rest->len - RECORD_HEAD, len);
    }
    if (rest->at[0] <= field->tag) {
        return fail(why, STATUS_PROTOCOL, "record/order", "field %d after field %d", rest->at[0],
                    field->tag);
    }
    field->tag = rest->at[0];
    field->content = bytes_make(rest->at + RECORD_HEAD, len);
    *rest = bytes_skip(*rest, RECORD_HEAD + len);
    return STATUS_OK;
}

enum status record_number(const struct record_field *field, int64_t *out_number,
                          struct failure *why)
{
    uint64_t number = 0;

    if (field->content.len != sizeof number) {
        return fail(why, STATUS_PROTOCOL, "record/number", "field %d has %zu bytes", field->tag,
                    field->content.len);
    }
    for (size_t i = 0; i < sizeof number; i++) {
        number = number << 8 | field->content.at[i];
    }
    *out_number = (int64_t)number;
    return STATUS_OK;
}

enum status record_text(const struct record_field *field, char *out, size_t room,
                        struct failure *why)
{
    if (field->content.len >= room) {
        return fail(why, STATUS_PROTOCOL, "record/text", "field %d has %zu bytes, at most %zu",
                    field->tag, field->content.len, room - 1);
    }
    for (size_t i = 0; i < field->content.len; i++) {
        if (field->content.at[i] < 0x20 || field->content.at[i] == 0x7f) {
            return fail(why, STATUS_PROTOCOL, "record/text", "field %d has a control byte",
                        field->tag);
        }
    }
    if (field->content.len > 0) {
        memcpy(out, field->content.at, field->content.len);
    }
    out[field->content.len] = '\0';
    return STATUS_OK;
}
