/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/access_log.h"

#include <string.h>
#include <unistd.h>

#include "core/runtime/telemetry/metrics.h"

/* Lines are short (names are bounded by 2 KiB each); a turn of the loop sees some hundreds at most. */
enum {
    ACCESS_LOG_ROOM = 1024 * 1024, /* of one worker */
    ACCESS_LOG_LINE = 8 * 1024,
    ACCESS_SINK_ROOM = 4 * 1024 * 1024, /* of the writer: what waits for the disk or a reader */
    ACCESS_SINK_CLOSE_MS = 1000,
};

static void access_sink_lost(uint64_t lines)
{
    metrics_add(0, METRIC_ACCESS_LOG_LOST, LABEL_NONE, LABEL_NONE, lines);
}

enum status access_sink_open(struct access_sink *sink, const char *where, struct failure *why)
{
    static const struct writer_options options = {.room = ACCESS_SINK_ROOM,
                                                  .lost = access_sink_lost};
    struct failure cause = {0};

    *sink = (struct access_sink){0};
    if (strcmp(where, "-") == 0) {
        sink->writer = writer_start(STDOUT_FILENO, &options);
        return STATUS_OK;
    }
    if (writer_open(where, &options, &sink->writer, &cause) != STATUS_OK) {
        return fail(why, STATUS_IO, "access-log/open", "the access log: %s", cause.detail);
    }
    return STATUS_OK;
}

void access_sink_close(struct access_sink *sink)
{
    writer_close(&sink->writer, ACCESS_SINK_CLOSE_MS);
}

void access_sink_reopen(struct access_sink *sink)
{
    if (sink->writer != NULL) {
        writer_reopen(sink->writer);
    }
}

/* What finds no room with the writer stays here for a later turn, as long as there is room here. */
static void access_log_flush(struct access_log *log)
{
    if (writer_add(log->sink->writer, buffer_bytes(&log->lines))) {
        buffer_reset(&log->lines);
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

static void access_log_lose(struct access_log *log, uint64_t lines)
{
    metrics_add(log->worker->index, METRIC_ACCESS_LOG_LOST, LABEL_NONE, LABEL_NONE, lines);
}

void access_log_close(struct access_log *log)
{
    if (log->sink != NULL) {
        access_log_flush(log);
    }
    for (size_t i = 0; i < log->lines.len; i++) {
        access_log_lose(log, log->lines.at[i] == '\n');
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
        access_log_lose(log, 1);
        return NULL;
    }
    return &log->lines;
}

void access_log_end(struct access_log *log)
{
    (void)!buffer_add_text(&log->lines, "\n"); /* begin saw to the room */
    (void)uv_prepare_start(&log->flush, access_log_turn_ends);
}
