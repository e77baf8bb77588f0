/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/telemetry/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/json/escape.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/runtime/telemetry/writer.h"

enum {
    LOG_SECOND_MS = 1000,
    LOG_AREA_WORD_MAX = 40,
    LOG_SPEC_MAX = 1024,
    LOG_TAIL_ROOM = 32, /* kept free of fields, for `"cut":true}` and the newline */
    LOG_ROOM = 256 * 1024, /* bytes that may wait for the reader */
    LOG_ABORT_MS = 200,    /* how long an abort() waits for the lines before it */
    LOG_ABORT_STEP_MS = 2,
};

struct log_area {
    _Atomic(const char *) name; /* NULL: free. Set once, then never changed */
    _Atomic int level;          /* 1 + enum log_level; 0: the process's level */
};

/* Slots fill from the front and are never given up, so that readers need no lock. */
static struct log_area log_areas[LOG_AREAS_MAX];

static _Atomic int log_level_process = LOG_INFO;
static _Atomic int log_format_process = LOG_FORMAT_JSON;
static _Atomic int log_output = STDERR_FILENO;
static _Atomic uint32_t log_limit = LOG_LIMIT_DEFAULT;
static _Atomic(struct writer *) log_writer; /* NULL: lines are written where they are made */

static const char *const log_level_words[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

/* A line in the making. */
struct log_line {
    char text[LOG_LINE_MAX];
    size_t len;
    size_t room; /* `len` stays below this */
    bool cut;    /* something did not fit */
    bool json;
};

const char *log_level_word(enum log_level level)
{
    return log_level_words[level];
}

/* Finds the slot of `name`, or takes a free one for it; `copied`: the word is not a literal. */
static struct log_area *log_area_of(const char *name, bool copied)
{
    for (size_t i = 0; i < LOG_AREAS_MAX; i++) {
        const char *there = atomic_load_explicit(&log_areas[i].name, memory_order_acquire);

        if (there == NULL) {
            char *copy = copied ? memory_text(name) : NULL;

            if (atomic_compare_exchange_strong_explicit(&log_areas[i].name, &there,
                                                        copied ? copy : name, memory_order_acq_rel,
                                                        memory_order_acquire)) {
                return &log_areas[i];
            }
            free(copy); /* another thread was faster: `there` is its word */
        }
        if (strcmp(there, name) == 0) {
            return &log_areas[i];
        }
    }
    return NULL;
}

void log_init(struct log *log, const char *area)
{
    *log = (struct log){.area = log_area_of(area, false)};
}

struct log log_with(const struct log *log, struct log_field field)
{
    struct log result = *log;

    if (result.num_fields == LOG_FIELDS_MAX) {
        memmove(&result.fields[0], &result.fields[1],
                (LOG_FIELDS_MAX - 1) * sizeof result.fields[0]);
        result.num_fields--;
    }
    result.fields[result.num_fields++] = field;
    return result;
}

bool log_enabled(const struct log *log, enum log_level level)
{
    int own = log->area == NULL ? 0 : atomic_load_explicit(&log->area->level, memory_order_relaxed);

    if (own == 0) {
        return (int)level >= atomic_load_explicit(&log_level_process, memory_order_relaxed);
    }
    return (int)level >= own - 1;
}

static void log_line_add(struct log_line *line, const char *text)
{
    size_t len = strlen(text);

    if (len > line->room - line->len) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

/* Escaped as in JSON, in both forms: one event stays one line, whatever a peer sent. */
static void log_line_add_quoted(struct log_line *line, struct bytes text)
{
    if (line->room - line->len < 2 + 6) { /* the quotes and one escape */
        line->cut = true;
        return;
    }
    line->text[line->len++] = '"';
    line->len += json_escape(&text, line->text + line->len, line->room - 1 - line->len);
    line->text[line->len++] = '"';
    line->cut = line->cut || text.len > 0;
}

/* Begins a field; false when not even its name fits. */
static bool log_line_name(struct log_line *line, const char *name)
{
    if (line->room - line->len < strlen(name) + 16) {
        line->cut = true;
        return false;
    }
    log_line_add(line, line->json ? (line->len > 1 ? ",\"" : "\"") : " ");
    log_line_add(line, name);
    log_line_add(line, line->json ? "\":" : "=");
    return true;
}

static void log_line_text(struct log_line *line, const char *name, const char *text)
{
    if (!log_line_name(line, name)) {
        return;
    }
    if (text == NULL) {
        log_line_add(line, "null");
    } else {
        log_line_add_quoted(line, bytes_of(text));
    }
}

static void log_line_number(struct log_line *line, const char *name, int64_t number)
{
    char text[24];

    if (log_line_name(line, name)) {
        (void)snprintf(text, sizeof text, "%" PRId64, number);
        log_line_add(line, text);
    }
}

static void log_line_failure(struct log_line *line, const struct failure *failure)
{
    if (failure == NULL || failure->reason == NULL) {
        return;
    }
    log_line_text(line, "reason", failure->reason);
    if (failure->detail[0] != '\0') {
        log_line_text(line, "detail", failure->detail);
    }
    if (failure->os_error != 0) {
        log_line_number(line, "os_error", failure->os_error);
    }
}

static void log_line_field(struct log_line *line, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_KIND_NONE:
        break;
    case LOG_KIND_TEXT:
        log_line_text(line, field->name, field->value.text);
        break;
    case LOG_KIND_BYTES:
        if (log_line_name(line, field->name)) {
            log_line_add_quoted(line, field->value.bytes);
        }
        break;
    case LOG_KIND_INT:
        log_line_number(line, field->name, field->value.number);
        break;
    case LOG_KIND_BOOL:
        if (log_line_name(line, field->name)) {
            log_line_add(line, field->value.truth ? "true" : "false");
        }
        break;
    case LOG_KIND_DATE:
        log_line_text(line, field->name, clock_utc(field->value.number).text);
        break;
    case LOG_KIND_FAILURE:
        log_line_failure(line, field->value.failure);
        break;
    }
}

static void log_line_begin(struct log_line *line, const struct log *log, enum log_level level,
                           const char *event)
{
    const char *area =
        log->area == NULL ? NULL : atomic_load_explicit(&log->area->name, memory_order_relaxed);
    struct clock_text time = clock_utc_ms(clock_unix_ms());

    if (line->json) {
        log_line_add(line, "{");
        log_line_text(line, "ts", time.text);
        log_line_text(line, "level", log_level_words[level]);
        if (area != NULL) {
            log_line_text(line, "area", area);
        }
        log_line_text(line, "event", event);
        return;
    }
    line->len = (size_t)snprintf(line->text, line->room, "%s %-5s %.40s%s%.60s", time.text,
                                 log_level_words[level], area == NULL ? "" : area,
                                 area == NULL ? "" : " ", event);
}

/*
 * May this place write now? Counts the line; at the first line of a new second gives in
 * `*out_missed` how many were not written before.
 */
static bool log_site_allows(struct log_site *site, uint32_t *out_missed)
{
    uint32_t limit = atomic_load_explicit(&log_limit, memory_order_relaxed);
    uint64_t now_ms = clock_mono_ms();
    uint64_t began_ms;

    *out_missed = 0;
    if (site == NULL) {
        return true;
    }
    began_ms = atomic_load_explicit(&site->window_ms, memory_order_relaxed);
    if ((began_ms == 0 || now_ms - began_ms >= LOG_SECOND_MS) &&
        atomic_compare_exchange_strong_explicit(&site->window_ms, &began_ms, now_ms,
                                                memory_order_relaxed, memory_order_relaxed)) {
        atomic_store_explicit(&site->written, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&site->written, 1, memory_order_relaxed) >= limit && limit > 0) {
        atomic_fetch_add_explicit(&site->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *out_missed = atomic_exchange_explicit(&site->suppressed, 0, memory_order_relaxed);
    return true;
}

static void log_line_start(struct log_line *line)
{
    line->len = 0;
    line->room = sizeof line->text - LOG_TAIL_ROOM;
    line->cut = false;
    line->json = atomic_load_explicit(&log_format_process, memory_order_relaxed) == LOG_FORMAT_JSON;
}

static void log_line_end(struct log_line *line)
{
    line->room = sizeof line->text;
    if (line->cut) {
        log_line_add(line, line->json ? ",\"cut\":true" : " cut=true");
    }
    log_line_add(line, line->json ? "}\n" : "\n");
}

/* To the writer, who never keeps us waiting; without one, where we are. */
static void log_line_leave(const struct log_line *line)
{
    struct writer *writer = atomic_load_explicit(&log_writer, memory_order_acquire);
    ssize_t written;

    if (writer != NULL) {
        if (!writer_add(writer, bytes_make(line->text, line->len))) {
            writer_lose(writer, 1);
        }
        return;
    }
    do {
        written =
            write(atomic_load_explicit(&log_output, memory_order_relaxed), line->text, line->len);
    } while (written < 0 && errno == EINTR);
}

void log_write(const struct log *log, enum log_level level, const char *event,
               struct log_site *site, const struct log_field *fields, size_t num_fields)
{
    struct log_line line;
    uint32_t missed;

    if (!log_site_allows(site, &missed)) {
        return;
    }
    log_line_start(&line);
    log_line_begin(&line, log, level, event);
    for (unsigned i = 0; i < log->num_fields; i++) {
        log_line_field(&line, &log->fields[i]);
    }
    for (size_t i = 0; i < num_fields; i++) {
        log_line_field(&line, &fields[i]);
    }
    if (missed > 0) {
        log_line_number(&line, "suppressed", missed);
    }
    log_line_end(&line);
    log_line_leave(&line);
}

/* ---- the writer ---- */

static void log_count_lost(uint64_t lines)
{
    metrics_add(0, METRIC_LOG_LOST, LABEL_NONE, LABEL_NONE, lines);
}

/* Nobody read, or the system did not write: who reads the line is sent to the right one. */
static void log_say_loss(const struct writer_loss *loss, char *out, size_t room)
{
    char text[96];
    const char *cause = loss->os_error == 0 ? "no reason given"
                                            : strerror_r(loss->os_error, text, sizeof text);

    if (loss->refused == 0) {
        (void)snprintf(out, room, "nobody read the log for a while, and these lines did not fit");
    } else if (loss->unread == 0) {
        (void)snprintf(out, room, "the system did not write these lines: %s", cause);
    } else {
        (void)snprintf(out, room,
                       "nobody read the log for a while, and %llu lines did not fit; the system "
                       "did not write %llu: %s",
                       (unsigned long long)loss->unread, (unsigned long long)loss->refused, cause);
    }
}

static size_t log_note_lost(const struct writer_loss *loss, char *out)
{
    struct log_line line;
    struct log log;
    char detail[256];

    log_init(&log, "log");
    log_line_start(&line);
    log_line_begin(&line, &log, LOG_WARN, "log.lost");
    log_line_number(&line, "lines", (int64_t)(loss->unread + loss->refused));
    log_say_loss(loss, detail, sizeof detail);
    log_line_text(&line, "detail", detail);
    if (loss->refused > 0 && loss->os_error != 0) {
        log_line_number(&line, "os_error", loss->os_error);
    }
    log_line_end(&line);
    memcpy(out, line.text, line.len);
    return line.len;
}

/* The child has no writer's thread, and maybe a lock that nobody opens: it writes by itself. */
static void log_forked(void)
{
    atomic_store_explicit(&log_writer, NULL, memory_order_relaxed);
}

/* What was said before the end is worth a moment; what is called here may be, in a handler. */
static void log_aborted(int number)
{
    const struct timespec step = {.tv_nsec = LOG_ABORT_STEP_MS * 1000000L};
    const struct writer *writer = atomic_load_explicit(&log_writer, memory_order_relaxed);

    (void)number;
    for (int i = 0; writer != NULL && writer_waiting(writer) > 0 &&
                    i < LOG_ABORT_MS / LOG_ABORT_STEP_MS;
         i++) {
        (void)nanosleep(&step, NULL);
    }
}

void log_start_writer(void)
{
    static const struct writer_options options = {
        .room = LOG_ROOM, .lost = log_count_lost, .note = log_note_lost};
    static bool prepared;
    struct sigaction aborted = {.sa_handler = log_aborted, .sa_flags = (int)SA_RESETHAND};

    if (!prepared) {
        prepared = true;
        if (pthread_atfork(NULL, NULL, log_forked) != 0) {
            abort();
        }
        (void)sigaction(SIGABRT, &aborted, NULL);
    }
    atomic_store_explicit(
        &log_writer,
        writer_start(atomic_load_explicit(&log_output, memory_order_relaxed), &options),
        memory_order_release);
}

void log_stop_writer(unsigned limit_ms)
{
    struct writer *writer = atomic_exchange(&log_writer, NULL);

    writer_close(&writer, limit_ms);
}

void log_set_format(enum log_format format)
{
    atomic_store_explicit(&log_format_process, (int)format, memory_order_relaxed);
}

void log_set_output(int descriptor)
{
    atomic_store_explicit(&log_output, descriptor, memory_order_relaxed);
}

void log_set_limit(uint32_t lines_per_second)
{
    atomic_store_explicit(&log_limit, lines_per_second, memory_order_relaxed);
}

static bool log_level_read(struct bytes word, int *out_level)
{
    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
        if (bytes_equal_text(word, log_level_words[level])) {
            *out_level = level;
            return true;
        }
    }
    return false;
}

static bool log_is_area_word(struct bytes word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", word.at[i]) == NULL ||
            word.at[i] == '\0') {
            return false;
        }
    }
    return word.len > 0 && word.len < LOG_AREA_WORD_MAX;
}

/* One piece of a levels text: "debug", whose area is then empty, or "rotation=debug". */
static enum status log_piece_read(struct bytes piece, char area[LOG_AREA_WORD_MAX], int *out_level,
                                  struct failure *why)
{
    struct bytes rest = bytes_trim(piece);
    struct bytes word = bytes_trim(bytes_split(&rest, '='));
    bool has_area = rest.at != NULL;

    if (!log_level_read(has_area ? bytes_trim(rest) : word, out_level)) {
        return fail(why, STATUS_CONFIG, "log/level",
                    "\"%.*s\" names no level: debug, info, warn or error, or AREA=LEVEL",
                    (int)(piece.len > 60 ? 60 : piece.len), (const char *)piece.at);
    }
    if (has_area && !log_is_area_word(word)) {
        return fail(why, STATUS_CONFIG, "log/level", "an area has 1 to %d of a-z, 0-9, _ and -",
                    LOG_AREA_WORD_MAX - 1);
    }
    area[0] = '\0';
    if (has_area) {
        memcpy(area, word.at, word.len);
        area[word.len] = '\0';
    }
    return STATUS_OK;
}

enum status log_set_levels(const char *text, struct failure *why)
{
    struct log_area *areas[LOG_AREAS_MAX];
    int levels[LOG_AREAS_MAX];
    int process = LOG_INFO;
    size_t count = 0;
    struct bytes rest = bytes_of(text);

    if (rest.len > LOG_SPEC_MAX) {
        return fail(why, STATUS_CONFIG, "log/level", "longer than %d bytes", LOG_SPEC_MAX);
    }
    while (rest.at != NULL) { /* judge all of it before anything changes */
        char area[LOG_AREA_WORD_MAX];
        int level = LOG_INFO;

        TRY(log_piece_read(bytes_split(&rest, ','), area, &level, why));
        if (area[0] == '\0') {
            process = level;
            continue;
        }
        areas[count < LOG_AREAS_MAX ? count : 0] = log_area_of(area, true);
        if (count == LOG_AREAS_MAX || areas[count] == NULL) {
            return fail(why, STATUS_CONFIG, "log/areas", "more than %d areas", LOG_AREAS_MAX);
        }
        levels[count++] = level;
    }
    for (size_t i = 0; i < LOG_AREAS_MAX; i++) {
        atomic_store_explicit(&log_areas[i].level, 0, memory_order_relaxed);
    }
    atomic_store_explicit(&log_level_process, process, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        atomic_store_explicit(&areas[i]->level, 1 + levels[i], memory_order_relaxed);
    }
    return STATUS_OK;
}

enum status log_levels_print(struct buffer *out)
{
    int process = atomic_load_explicit(&log_level_process, memory_order_relaxed);

    TRY(buffer_add_text(out, log_level_words[process]));
    for (size_t i = 0; i < LOG_AREAS_MAX; i++) {
        const char *name = atomic_load_explicit(&log_areas[i].name, memory_order_acquire);
        int level = atomic_load_explicit(&log_areas[i].level, memory_order_relaxed);

        if (name != NULL && level != 0) {
            TRY(buffer_add_format(out, ",%s=%s", name, log_level_words[level - 1]));
        }
    }
    return STATUS_OK;
}
