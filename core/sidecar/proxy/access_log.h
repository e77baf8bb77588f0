/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access log: one JSON line when a connection opens (or is refused) and one when it closes. Each
 * worker collects its lines and hands them over once per turn of its loop to a writer (telemetry/writer.h),
 * whose thread alone waits for a reader or a disk.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_ACCESS_LOG_H
#define SIGNET_CORE_SIDECAR_PROXY_ACCESS_LOG_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/loop/worker.h"
#include "core/runtime/telemetry/writer.h"

/* Where the lines of all workers go. */
struct access_sink {
    struct writer *writer; /* owned; NULL: closed */
};

/*
 * access_sink_open understands "-" (standard output) and a path, which is opened for appending, made
 * with mode 0640; a FIFO may still be without a reader. STATUS_IO "access-log/open". access_sink_close
 * writes what is left, for a second at most. Main thread.
 */
enum status access_sink_open(struct access_sink *sink, const char *where,
                             struct failure *why) MUST_USE;
void access_sink_close(struct access_sink *sink);

/* access_sink_reopen has the path opened anew, after a rotation of log files: HUP. Main thread. */
void access_sink_reopen(struct access_sink *sink);

struct access_log {
    struct access_sink *sink; /* borrowed; NULL: off */
    struct buffer lines;
    uv_prepare_t flush;
    struct worker *worker; /* borrowed */
};

/* access_log_init prepares a worker's part; access_log_close hands over what is left and ends it. */
void access_log_init(struct access_log *log, struct worker *worker, struct access_sink *sink);
void access_log_close(struct access_log *log);

/* access_log_begin gives the buffer for a line, or NULL when the log is off or the buffer full. */
struct buffer *access_log_begin(struct access_log *log);

/* access_log_end ends the line that was added since access_log_begin(). */
void access_log_end(struct access_log *log);

#endif
