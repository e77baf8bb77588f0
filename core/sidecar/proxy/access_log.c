/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"

/* Lines are short (names are bounded by 2 KiB each); a turn of the loop sees some hundreds at most. */
enum { ACCESS_LOG_ROOM = 1024 * 1024, ACCESS_LOG_LINE = 8 * 1024 };

enum status access_sink_open(struct access_sink *sink, const char *where, struct failure *why)
{
    int fd;

    *sink = (struct access_sink){.fd = STDOUT_FILENO};
    if (strcmp(where, "-") == 0) {
        return STATUS_OK;
    }
    fd = open(where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        return fail_os(why, errno, "access-log/open", "opening the access log %s", where);
    }
    sink->fd = fd;
    sink->path = memory_text(where);
    return STATUS_OK;
}

void access_sink_close(struct access_sink *sink)
{
    if (sink->path != NULL) {
        (void)close(sink->fd);
        free(sink->path);
    }
    *sink = (struct access_sink){.fd = -1};
}

void access_sink_reopen(struct access_sink *sink)
{
    int fd = sink->path == NULL
                 ? -1
                 : open(sink->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

    if (fd >= 0) {
        /* The number stays the same, so that workers in the middle of a write see one file or the other. */
        (void)dup3(fd, sink->fd, O_CLOEXEC);
        (void)close(fd);
    }
}

static void access_log_flush(struct access_log *log)
{
    size_t done = 0;

    while (done < log->lines.len) {
        ssize_t wrote = write(log->sink->fd, log->lines.at + done, log->lines.len - done);

        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            log->lost++; /* a full disk or a closed pipe: traffic goes on */
            break;
        }
        done += (size_t)wrote;
    }
    buffer_reset(&log->lines);
    (void)uv_prepare_stop(&log->flush);
}

static void access_log_turn_ends(uv_prepare_t *flush)
{
    access_log_flush(flush->data);
}

void access_log_init(struct access_log *log, struct worker *worker, struct access_sink *sink)
{
    *log = (struct access_log){.sink = sink};
    buffer_init(&log->lines, ACCESS_LOG_ROOM);
    (void)uv_prepare_init(&worker->loop, &log->flush);
    log->flush.data = log;
}

void access_log_close(struct access_log *log)
{
    if (log->sink != NULL) {
        access_log_flush(log);
    }
    buffer_clear(&log->lines);
    uv_close((uv_handle_t *)&log->flush, NULL);
}

struct buffer *access_log_begin(struct access_log *log)
{
    if (log->sink == NULL) {
        return NULL;
    }
    if (ACCESS_LOG_ROOM - log->lines.len < ACCESS_LOG_LINE) {
        access_log_flush(log);
    }
    return &log->lines;
}

void access_log_end(struct access_log *log)
{
    if (buffer_add_text(&log->lines, "\n") != STATUS_OK) {
        log->lost++;
    }
    (void)uv_prepare_start(&log->flush, access_log_turn_ends);
}
