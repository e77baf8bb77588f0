/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole lines to one descriptor, written by a thread of its own: a reader who does not read, a pipe
 * without one or a disk that hangs makes that thread wait, and nobody else.
 *
 * Why a thread: regular files know no O_NONBLOCK, and on standard error or output the flag would
 * leak to every process that shares the open file. Why a lock: lines of all threads keep their
 * order; it is held for one memcpy of a line, or of all that a turn of a loop brought, never for a
 * system call.
 *
 * What waits is bounded. Who finds no room keeps his lines or gives them up (writer_lose), and when
 * the reader is back one line says how many were given up. Lines to what is no regular file leave
 * in pieces of at most PIPE_BUF bytes, so that another process's lines do not end up within ours.
 */
#ifndef SIGNET_CORE_RUNTIME_TELEMETRY_WRITER_H
#define SIGNET_CORE_RUNTIME_TELEMETRY_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/runtime/base/bytes.h"
#include "core/runtime/base/status.h"

#define WRITER_LINE_MAX 8192 /* bytes of a line, also of one that `note` makes */

/* Lines that are missing. */
struct writer_loss {
    uint64_t unread;  /* found no room: nobody took the lines before them in time */
    uint64_t refused; /* the system would not write them */
    int os_error;     /* of the latest of those; 0: it did not say why */
};

struct writer_options {
    size_t room;                 /* bytes that may wait */
    void (*lost)(uint64_t lines); /* counts lines that were given up; any thread; may be NULL */
    /*
     * Makes the line that says what is missing before it, in `out` of WRITER_LINE_MAX bytes, and gives
     * its length. On the writer's thread. May be NULL: no line says so.
     */
    size_t (*note)(const struct writer_loss *loss, char *out);
};

struct writer;

/*
 * writer_start writes to `descriptor`, which is borrowed: it outlives the writer. writer_open opens
 * a path for appending, made with mode 0640; a FIFO without a reader is waited for by the thread.
 * Both are given back with writer_close(). Any thread; aborts when the system gives no thread.
 *
 * STATUS_IO "writer/open" (with the path and the system's word).
 */
struct writer *writer_start(int descriptor, const struct writer_options *options);
enum status writer_open(const char *path, const struct writer_options *options,
                        struct writer **out_writer, struct failure *why) MUST_USE;

/*
 * writer_add hands over whole lines, each with its newline, copied. False, and nothing is taken,
 * when there is no room for all of them, or earlier lines were given up and the writer has not come
 * to that place yet (so that the order stays). Never waits. Any thread.
 */
bool writer_add(struct writer *writer, struct bytes lines);

/* writer_lose counts lines that the caller gives up. Any thread. */
void writer_lose(struct writer *writer, uint64_t lines);

/*
 * writer_reopen opens the path anew before the next line, after a rotation of files; the old file
 * stays when that fails. Nothing with writer_start(). Any thread; never waits.
 */
void writer_reopen(struct writer *writer);

/* writer_waiting is how many bytes are not written yet. Any thread, also in a signal's handler. */
size_t writer_waiting(const struct writer *writer);

/*
 * writer_flush waits until all is written, at most `limit_ms`; false when some of it was not.
 * Any thread but the writer's.
 */
bool writer_flush(struct writer *writer, unsigned limit_ms);

/*
 * writer_close flushes, ends the thread and sets *writer to NULL; NULL is fine. What is not written
 * within `limit_ms` is lost with the process, and the thread that waits for it is left behind. When
 * no other thread uses the writer.
 */
void writer_close(struct writer **writer, unsigned limit_ms);

#endif
