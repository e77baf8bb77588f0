/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/buffer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"

enum { BUFFER_FIRST_ROOM = 256, BUFFER_FILE_STEP = 16384 };

void buffer_init(struct buffer *buffer, size_t max)
{
    *buffer = (struct buffer){.max = max};
}

void buffer_clear(struct buffer *buffer)
{
    free(buffer->at);
    buffer_init(buffer, buffer->max);
}

void buffer_reset(struct buffer *buffer)
{
    buffer->len = 0;
}

struct bytes buffer_bytes(const struct buffer *buffer)
{
    return bytes_make(buffer->at, buffer->len);
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t len)
{
    size_t want;

    if (len > buffer->max - buffer->len) {
        return NULL;
    }
    want = buffer->len + len;
    if (want > buffer->room || buffer->at == NULL) {
        size_t room = buffer->room < BUFFER_FIRST_ROOM ? BUFFER_FIRST_ROOM : buffer->room;

        while (room < want) {
            room *= 2;
        }
        room = room > buffer->max ? buffer->max : room;
        buffer->at = memory_grow(buffer->at, room);
        buffer->room = room;
    }
    return buffer->at + buffer->len;
}

void buffer_commit(struct buffer *buffer, size_t len)
{
    assert(len <= buffer->room - buffer->len);
    buffer->len += len;
}

enum status buffer_add(struct buffer *buffer, struct bytes more)
{
    uint8_t *to = buffer_reserve(buffer, more.len);

    if (to == NULL) {
        return STATUS_LIMIT;
    }
    if (more.len > 0) {
        memcpy(to, more.at, more.len);
    }
    buffer_commit(buffer, more.len);
    return STATUS_OK;
}

enum status buffer_add_text(struct buffer *buffer, const char *text)
{
    return buffer_add(buffer, bytes_of(text));
}

enum status buffer_add_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_list again;
    int len;
    uint8_t *to;

    va_start(arguments, format);
    va_copy(again, arguments);
    len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    /* vsnprintf writes a NUL behind the text: there must be room for it, though it does not count. */
    to = len < 0 ? NULL : buffer_reserve(buffer, (size_t)len + 1);
    if (to != NULL) {
        (void)vsnprintf((char *)to, (size_t)len + 1, format, again);
        buffer_commit(buffer, (size_t)len);
    }
    va_end(again);
    return to == NULL ? STATUS_LIMIT : STATUS_OK;
}

void buffer_consume(struct buffer *buffer, size_t len)
{
    assert(len <= buffer->len);
    buffer->len -= len;
    if (buffer->len > 0 && len > 0) {
        memmove(buffer->at, buffer->at + len, buffer->len);
    }
}

static enum status buffer_read_fd(struct buffer *buffer, int fd, const char *path,
                                  struct failure *why)
{
    for (;;) {
        size_t left = buffer->max - buffer->len;
        size_t step = left < BUFFER_FILE_STEP ? left : BUFFER_FILE_STEP;
        uint8_t probe;
        ssize_t got;

        if (step == 0) { /* full: is that the end of the file, too? */
            got = read(fd, &probe, 1);
            return got == 0 ? STATUS_OK
                            : fail(why, STATUS_LIMIT, "file/too-long",
                                   "%s holds more than %zu bytes", path, buffer->max);
        }
        got = read(fd, buffer_reserve(buffer, step), step);
        if (got < 0 && errno != EINTR) {
            return fail_os(why, errno, "file/read", "%s", path);
        }
        if (got == 0) {
            return STATUS_OK;
        }
        buffer_commit(buffer, got < 0 ? 0 : (size_t)got);
    }
}

enum status buffer_read_file(struct buffer *buffer, const char *path, struct failure *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum status status;

    if (fd < 0 && errno == ENOENT) {
        return fail(why, STATUS_NOT_FOUND, "file/missing", "%s does not exist", path);
    }
    if (fd < 0) {
        return fail_os(why, errno, "file/read", "%s", path);
    }
    status = buffer_read_fd(buffer, fd, path, why);
    (void)close(fd);
    return status;
}
