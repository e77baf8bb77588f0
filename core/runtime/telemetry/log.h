/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event, one line: a level, an area, a stable event word and typed fields, as JSON by default
 * or as text for people. A line is made on the stack; in a program that serves it leaves through a
 * writer (writer.h), so that a log that nobody reads stops no thread, elsewhere by one write(2).
 *
 *     log_event(&agent->log, LOG_INFO, "svid.renewed", LOG_TEXT("id", id), LOG_INT("serial", n));
 *     log_event(&agent->log, LOG_WARN, "svid.refused", LOG_FAILURE(&why));
 *
 * gives
 * {"ts":"2026-01-31T09:08:07.006Z","level":"info","area":"rotation","event":"svid.renewed",...}.
 *
 * A field is text, bytes, a number, a truth or a failure. A struct secret is none of these: it does
 * not compile (I21). Bytes of a peer may be given as they are: they are escaped here, bytes that
 * are not UTF-8 as \u00XX. A line is at most LOG_LINE_MAX bytes; what does not fit is cut, and said
 * so.
 *
 * Each place in the code writes at most a burst of lines per second (log_set_limit); the next line
 * of that place says in `suppressed` how many were not written.
 */
#ifndef SIGNET_CORE_RUNTIME_TELEMETRY_LOG_H
#define SIGNET_CORE_RUNTIME_TELEMETRY_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/bytes.h"
#include "core/runtime/base/status.h"

#define LOG_LINE_MAX 4096      /* bytes of a line, its newline included */
#define LOG_FIELDS_MAX 4       /* fields that a struct log hands on to each of its lines */
#define LOG_AREAS_MAX 48       /* different area words in one process */
#define LOG_STOP_MS 1000       /* what a program that ends gives a slow reader */
#define LOG_LIMIT_DEFAULT 100u /* lines per second from one place in the code */

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

enum log_format {
    LOG_FORMAT_JSON,
    LOG_FORMAT_TEXT,
};

enum log_kind {
    LOG_KIND_NONE, /* prints nothing: for a field that is only sometimes there */
    LOG_KIND_TEXT,
    LOG_KIND_BYTES,
    LOG_KIND_INT,
    LOG_KIND_BOOL,
    LOG_KIND_DATE,    /* Unix s, printed as clock_utc() does */
    LOG_KIND_FAILURE, /* prints reason, detail and os_error */
};

struct log_field {
    const char *name; /* literal */
    enum log_kind kind;
    union {
        const char *text; /* borrowed; NULL prints as null */
        struct bytes bytes;
        int64_t number;
        bool truth;
        const struct failure *failure;
    } value;
};

struct log_area;

/* A value: copy it freely. Zeroed it is valid: no area word, the process's level, no fields. */
struct log {
    struct log_area *area;                   /* borrowed from the process-wide table */
    struct log_field fields[LOG_FIELDS_MAX]; /* texts are borrowed: they outlive the struct log */
    unsigned num_fields;
};

/* The rate limit of one place in the code; log_event() makes one per use. */
struct log_site {
    _Atomic uint64_t window_ms; /* monotonic, when the second began */
    _Atomic uint32_t written;   /* lines tried in this second */
    _Atomic uint32_t suppressed;
};

/*
 * log_init gives `log` its area, a literal such as "rotation" that a level may be set for. When
 * LOG_AREAS_MAX words are in use, the area is printed no more and the process's level holds. Any
 * thread.
 */
void log_init(struct log *log, const char *area);

/*
 * log_with is `log` with one more field on each of its lines; with LOG_FIELDS_MAX of them already,
 * the oldest gives way. Texts of the field must outlive the result. Any thread.
 */
struct log log_with(const struct log *log, struct log_field field);

/* log_enabled tells whether a line of `level` would be written. Any thread; two relaxed loads. */
bool log_enabled(const struct log *log, enum log_level level);

/*
 * log_write writes the line; use log_event(), which asks log_enabled() first. `site` may be NULL:
 * no rate limit. Any thread. With a writer it never waits, and lines that find no room are counted
 * (signet_log_lost_total); without one, errors of write(2) are counted nowhere.
 */
void log_write(const struct log *log, enum log_level level, const char *event,
               struct log_site *site, const struct log_field *fields, size_t num_fields);

/* log_event writes one line: log_event(&log, level, "noun.verb", fields...). Any thread. */
#define log_event(log_, level_, event_, ...)                                                       \
    do {                                                                                           \
        static struct log_site log_site_;                                                          \
        if (log_enabled((log_), (level_))) {                                                       \
            const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                           \
            log_write((log_), (level_), (event_), &log_site_, log_fields_ + 1,                     \
                      sizeof log_fields_ / sizeof log_fields_[0] - 1);                             \
        }                                                                                          \
    } while (0)

/* LOG_TEXT is a field of a C string, LOG_BYTES of a slice of text that need not be clean. */
#define LOG_TEXT(name_, text_)                                                                     \
    ((struct log_field){.name = (name_), .kind = LOG_KIND_TEXT, .value.text = (text_)})
#define LOG_BYTES(name_, bytes_)                                                                   \
    ((struct log_field){.name = (name_), .kind = LOG_KIND_BYTES, .value.bytes = (bytes_)})
/* LOG_INT is a field of a whole number, LOG_BOOL of a truth. */
#define LOG_INT(name_, number_)                                                                    \
    ((struct log_field){.name = (name_), .kind = LOG_KIND_INT, .value.number = (int64_t)(number_)})
#define LOG_BOOL(name_, truth_)                                                                    \
    ((struct log_field){.name = (name_), .kind = LOG_KIND_BOOL, .value.truth = (truth_)})
/* LOG_DATE is a field of a moment in Unix s: people read it as a date. */
#define LOG_DATE(name_, unix_s_)                                                                   \
    ((struct log_field){.name = (name_), .kind = LOG_KIND_DATE, .value.number = (unix_s_)})
/*
 * LOG_FAILURE gives `reason`, `detail` and, where there is one, `os_error`; nothing without a
 * reason.
 */
#define LOG_FAILURE(why_)                                                                          \
    ((struct log_field){.name = "reason", .kind = LOG_KIND_FAILURE, .value.failure = (why_)})

/*
 * log_set_levels sets the levels of the process: "info", or "info,rotation=debug,proxy=warn". What
 * is not named gets the first word's level (info when there is none). Nothing changes on a failure.
 * Any thread, at any time; two at once leave a mixture.
 *
 * STATUS_CONFIG "log/level" (unknown word, with the known ones in the detail), "log/areas" (too
 * many).
 */
enum status log_set_levels(const char *text, struct failure *why) MUST_USE;

/*
 * log_levels_print appends the levels in force in the form that log_set_levels reads. Any thread.
 */
enum status log_levels_print(struct buffer *out) MUST_USE;

/*
 * log_set_format chooses JSON or text; log_set_output the descriptor (borrowed; default stderr's).
 */
void log_set_format(enum log_format format);
void log_set_output(int descriptor);

/*
 * log_start_writer has all further lines written by a thread of their own, in order: a reader who
 * does not read, or a disk that hangs, then costs lines and no time; when he reads again, a line
 * "log.lost" says how many, and why. A child of fork() writes by itself; abort() waits a moment for the lines
 * before it. For a program that serves: once, when the output is set and before other threads log.
 *
 * log_stop_writer writes what is left, for at most `limit_ms`. When no other thread logs.
 */
void log_start_writer(void);
void log_stop_writer(unsigned limit_ms);

/* log_set_limit sets how many lines a second one place may write; 0: no limit. Any thread. */
void log_set_limit(uint32_t lines_per_second);

/* log_level_word is "debug", "info", "warn" or "error". */
const char *log_level_word(enum log_level level);

#endif
