/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the registry writes its values: a version byte, then fields of tag (1 byte), length (2 bytes,
 * big endian) and content, tags in growing order. A reader skips tags that it does not know, so that
 * an older program can read what a newer one wrote within the same version. Pure.
 */
#ifndef SIGNET_CORE_CONTROL_REGISTRY_RECORD_H
#define SIGNET_CORE_CONTROL_REGISTRY_RECORD_H

#include "core/runtime/base/buffer.h"

/* Bound of one whole record, and so of the buffers that hold one. */
#define RECORD_MAX ((size_t)8192)

/* record_begin starts a record in a buffer that holds no memory; its bound becomes RECORD_MAX. */
void record_begin(struct buffer *record);

/*
 * record_add and record_add_number append a field. Aborts past RECORD_MAX: whoever makes a record has
 * checked the sizes of its parts.
 */
void record_add(struct buffer *record, uint8_t tag, struct bytes content);
void record_add_number(struct buffer *record, uint8_t tag, int64_t number);

/* One field as read; `content` is borrowed from the record. */
struct record_field {
    uint8_t tag;
    struct bytes content;
};

/*
 * record_open checks the version and gives what record_next() walks.
 * STATUS_PROTOCOL "record/version".
 */
enum status record_open(struct bytes record, struct bytes *out_rest, struct failure *why) MUST_USE;

/*
 * record_next takes the next field off `rest`. STATUS_CLOSED at the end; STATUS_PROTOCOL
 * "record/short" (a field passes the end), "record/order" (a tag not greater than the one before:
 * pass the field of the last call in `field`, zeroed before the first).
 */
enum status record_next(struct bytes *rest, struct record_field *field,
                        struct failure *why) MUST_USE;

/* record_number reads a field of record_add_number(). STATUS_PROTOCOL "record/number". */
enum status record_number(const struct record_field *field, int64_t *out_number,
                          struct failure *why) MUST_USE;

/*
 * record_text copies a field of 0 to `room` - 1 printable bytes into `out`, with a NUL.
 * STATUS_PROTOCOL "record/text".
 */
enum status record_text(const struct record_field *field, char *out, size_t room,
                        struct failure *why) MUST_USE;

#endif
