/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owned growing bytes with a bound given at birth. A zeroed struct is an empty buffer of bound 0:
 * every buffer says its bound before it can grow.
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_BUFFER_H
#define SIGNET_CORE_RUNTIME_BASE_BUFFER_H

#include "core/runtime/base/bytes.h"

struct buffer {
    uint8_t *at; /* owned; NULL while nothing was added */
    size_t len;  /* bytes in use */
    size_t room; /* bytes allocated */
    size_t max;  /* never longer than this */
};

/* buffer_init makes an empty buffer that may grow to `max` bytes. Nothing is allocated yet. */
void buffer_init(struct buffer *buffer, size_t max);

/* buffer_clear frees the memory; the bound stays. buffer_reset empties it and keeps the memory. */
void buffer_clear(struct buffer *buffer);
void buffer_reset(struct buffer *buffer);

/* buffer_bytes borrows the content until the next change. */
struct bytes buffer_bytes(const struct buffer *buffer);

/*
 * buffer_add appends; buffer_add_text a C string; buffer_add_format printf's text.
 * STATUS_LIMIT "buffer/full" when the bound would be passed; the buffer is then unchanged.
 */
enum status buffer_add(struct buffer *buffer, struct bytes more) MUST_USE;
enum status buffer_add_text(struct buffer *buffer, const char *text) MUST_USE;
enum status buffer_add_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3)
    MUST_USE;

/*
 * buffer_reserve makes room for `len` more bytes and gives where they go; buffer_commit says how
 * many were written there. NULL when the bound would be passed.
 */
uint8_t *buffer_reserve(struct buffer *buffer, size_t len);
void buffer_commit(struct buffer *buffer, size_t len);

/* buffer_consume drops the first `len` bytes; what remains moves to the front. */
void buffer_consume(struct buffer *buffer, size_t len);

/*
 * buffer_read_file appends a whole file. STATUS_NOT_FOUND "file/missing", STATUS_IO "file/read",
 * STATUS_LIMIT "file/too-long" (with the buffer's bound in the detail).
 */
enum status buffer_read_file(struct buffer *buffer, const char *path, struct failure *why) MUST_USE;

#endif
