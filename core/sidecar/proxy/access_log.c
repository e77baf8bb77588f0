/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/telemetry/metrics.h"

/* Lines are short (names are bounded by 2 KiB each); a turn of the loop sees some hundreds at most. */
enum { ACCESS_LOG_ROOM = 1024 * 1024, ACCESS_LOG_LINE = 8 * 1024 };

static bool access_sink_is_file(int fd)
{
    struct stat about;

    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

enum status access_sink_open(struct access_sink *sink, const char *where, struct failure *why)
{
    int fd;

    *sink = (struct access_sink){.fd = STDOUT_FILENO,
                                 .is_file = access_sink_is_file(STDOUT_FILENO)};
    if (strcmp(where, "-") == 0) {
        return STATUS_OK;
    }
    fd = open(where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        return fail_os(why, errno, "access-log/open", "opening the access log %s", where);
    }
    sink->fd = fd;
    sink->is_file = access_sink_is_file(fd);
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

/* Whole lines, as many as a pipe takes at once without mixing them with another worker's. */
static size_t access_log_piece(const struct access_log *log, size_t from)
{
    size_t left = log->lines.len - from;
    size_t len = left < PIPE_BUF ? left : PIPE_BUF;
    const uint8_t *end = memrchr(log->lines.at + from, '\n', len);

    if (end == NULL) { /* one long line */
        end = memchr(log->lines.at + from, '\n', left);
    }
    return end == NULL ? left : (size_t)(end + 1 - (log->lines.at + from));
}

/* A reader who stops reading must not stop the traffic: what a pipe cannot take now waits in the buffer. */
static bool access_log_may_write(const struct access_sink *sink)
{
    struct pollfd asked = {.fd = sink->fd, .events = POLLOUT};

    return sink->is_file || poll(&asked, 1, 0) == 1;
}

static void access_log_flush(struct access_log *log)
{
    size_t done = 0;

    while (done < log->lines.len && access_log_may_write(log->sink)) {
        size_t piece = log->sink->is_file ? log->lines.len - done : access_log_piece(log, done);
        ssize_t wrote = write(log->sink->fd, log->lines.at + done, piece);

        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) { /* a full disk or a closed pipe: traffic goes on */
            metrics_add(log->worker->index, METRIC_ACCESS_LOG_LOST, LABEL_NONE, LABEL_NONE, 1);
            done = log->lines.len;
            break;
        }
        done += (size_t)wrote;
    }
    buffer_consume(&log->lines, done);
    if (log->lines.len == 0) {
        (void)uv_prepare_stop(&log->flush);
    }
}

static void access_log_turn_ends(uv_prepare_t *flush)
{
    access_log_flush(flush->data);
}

void access_log_init(struct access_log *log, struct worker *worker, struct access_sink *sink)
{
    *log = (struct access_log){.sink = sink, .worker = worker};
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
    if (ACCESS_LOG_ROOM - log->lines.len < ACCESS_LOG_LINE) {
        metrics_add(log->worker->index, METRIC_ACCESS_LOG_LOST, LABEL_NONE, LABEL_NONE, 1);
        return NULL;
    }
    return &log->lines;
}

void access_log_end(struct access_log *log)
{
    (void)!buffer_add_text(&log->lines, "\n"); /* begin saw to the room */
    (void)uv_prepare_start(&log->flush, access_log_turn_ends);
}
