/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A borrowed slice of bytes, and what one does with slices: compare, split, hex, base64.
 *
 * Never owns. Growing bytes with an owner are in buffer.h, secrets in secret.h.
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_BYTES_H
#define SIGNET_CORE_RUNTIME_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/runtime/base/status.h"

struct bytes {
    const uint8_t *at; /* borrowed; may be NULL when len is 0 */
    size_t len;        /* bytes */
};

/* bytes_make is a slice of `len` bytes at `at`. bytes_of is the slice of a C string, without its NUL. */
struct bytes bytes_make(const void *at, size_t len);
struct bytes bytes_of(const char *text);

/* bytes_equal compares contents; bytes_equal_text compares with a C string. */
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes a, const char *text);

/* bytes_equal_secret compares in time that depends on the lengths alone. */
bool bytes_equal_secret(struct bytes a, struct bytes b);

/* bytes_starts and bytes_ends: does `all` begin (end) with `part`? */
bool bytes_starts(struct bytes all, struct bytes part);
bool bytes_ends(struct bytes all, struct bytes part);

/* bytes_skip is `all` without its first `count` bytes; all of them when there are fewer. */
struct bytes bytes_skip(struct bytes all, size_t count);

/*
 * bytes_split cuts `*rest` at the first `mark`: the piece before it is returned and `*rest` becomes
 * what follows. Without a mark the piece is all, and `*rest` is empty with `at` NULL.
 */
struct bytes bytes_split(struct bytes *rest, char mark);

/* bytes_trim is `all` without spaces, tabs, CR and LF at its ends. */
struct bytes bytes_trim(struct bytes all);

/* bytes_text copies a slice into a new C string (free() it). A NUL inside ends the C string early. */
char *bytes_text(struct bytes all);

/*
 * bytes_to_number reads decimal digits only, no sign, no space. False when empty, not a number, or
 * greater than `max`; then *out_number is untouched.
 */
bool bytes_to_number(struct bytes text, uint64_t max, uint64_t *out_number);

/* bytes_to_hex writes 2 * len lower-case digits and a NUL into `out`, of at least 2 * len + 1 bytes. */
void bytes_to_hex(struct bytes all, char *out);

/* bytes_from_hex reads exactly 2 * out_len digits into `out`. False when the text is anything else. */
bool bytes_from_hex(struct bytes text, uint8_t *out, size_t out_len);

/* bytes_base64_size is the size, NUL included, of `len` bytes in padded base64 (RFC 4648 section 4). */
size_t bytes_base64_size(size_t len);

/* bytes_to_base64 writes padded base64 and a NUL into `out`, of at least bytes_base64_size(len). */
void bytes_to_base64(struct bytes all, char *out);

/*
 * bytes_from_base64 reads padded base64 (RFC 4648 section 4) without white space into `out`, which
 * holds `room` bytes. False when the text is malformed, not canonical, or does not fit.
 */
bool bytes_from_base64(struct bytes text, uint8_t *out, size_t room, size_t *out_len);

#endif
