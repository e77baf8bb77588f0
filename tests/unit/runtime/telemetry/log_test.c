/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/json/json.h"
#include "core/runtime/telemetry/log.h"
#include "tests/support/suite.h"

static int log_test_pipe[2];
static uint64_t log_test_now_ms;

static uint64_t log_test_mono_ms(void)
{
    return log_test_now_ms;
}

static int64_t log_test_unix_ms(void)
{
    return 1769850487006; /* 2026-01-31T09:08:07.006Z */
}

static const struct clock_source log_test_clocks = {log_test_mono_ms, log_test_mono_ms,
                                                    log_test_unix_ms};

static void log_test_begin(void)
{
    log_test_now_ms = 1000;
    clock_replace(&log_test_clocks);
    cr_assert_eq(pipe2(log_test_pipe, O_NONBLOCK | O_CLOEXEC), 0);
    log_set_output(log_test_pipe[1]);
}

SUITE(log, .init = log_test_begin);

/* What was written since the last call. */
static const char *log_test_text(void)
{
    static char text[64 * 1024];
    ssize_t got = read(log_test_pipe[0], text, sizeof text - 1);

    text[got < 0 ? 0 : got] = '\0';
    return text;
}

Test(log, an_event_is_one_json_line_with_its_fields_in_order)
{
    struct log log;
    struct log child;
    struct failure why = {0};

    log_init(&log, "rotation");
    child = log_with(&log, LOG_INT("conn", 7));
    (void)fail_os(&why, 2, "svid/x", "no \"file\"");
    log_event(&child, LOG_WARN, "svid.renewed", LOG_TEXT("id", "spiffe://td/x"),
              LOG_BYTES("seen", bytes_make("\xff\n", 2)), LOG_BOOL("ok", true),
              LOG_DATE("until", 1769850487), LOG_TEXT("none", NULL), LOG_FAILURE(&why));
    cr_assert_str_eq(
        log_test_text(),
        "{\"ts\":\"2026-01-31T09:08:07.006Z\",\"level\":\"warn\",\"area\":\"rotation\","
        "\"event\":\"svid.renewed\",\"conn\":7,\"id\":\"spiffe://td/x\","
        "\"seen\":\"\\u00ff\\n\",\"ok\":true,\"until\":\"2026-01-31T09:08:07Z\","
        "\"none\":null,\"reason\":\"svid/x\","
        "\"detail\":\"no \\\"file\\\": No such file or directory\",\"os_error\":2}\n");
}

Test(log, a_zeroed_log_and_an_empty_failure_are_fine)
{
    struct log log = {0};
    struct failure why = {0};

    log_event(&log, LOG_INFO, "a.b", LOG_FAILURE(&why));
    log_event(&log, LOG_INFO, "a.b");
    cr_assert_str_eq(
        log_test_text(),
        "{\"ts\":\"2026-01-31T09:08:07.006Z\",\"level\":\"info\",\"event\":\"a.b\"}\n"
        "{\"ts\":\"2026-01-31T09:08:07.006Z\",\"level\":\"info\",\"event\":\"a.b\"}\n");
}

Test(log, text_form_stays_one_line_too)
{
    struct log log;

    log_init(&log, "proxy");
    log_set_format(LOG_FORMAT_TEXT);
    log_event(&log, LOG_ERROR, "a.b", LOG_TEXT("peer", "x\ny"), LOG_INT("n", -1));
    cr_assert_str_eq(log_test_text(),
                     "2026-01-31T09:08:07.006Z error proxy a.b peer=\"x\\ny\" n=-1\n");
}

/* Any content, of any length: the line is JSON, ends with its newline, and is within the bound. */
Test(log, a_line_is_bounded_and_still_json)
{
    static char text[3 * LOG_LINE_MAX];
    struct log log;

    log_init(&log, "proxy");
    log_set_limit(0);
    for (size_t len = 0; len < sizeof text - 1; len += 97) {
        OWNED(json_value) *top = NULL;
        const char *line;
        bool cut = false;

        memset(text, len % 2 == 0 ? 'x' : '\x01', len);
        text[len] = '\0';
        log_event(&log, LOG_INFO, "a.b", LOG_TEXT("first", text), LOG_TEXT("second", text),
                  LOG_INT("third", 3));
        line = log_test_text();
        cr_assert_leq(strlen(line), LOG_LINE_MAX);
        cr_assert_eq(line[strlen(line) - 1], '\n');
        cr_assert_eq(json_read(bytes_of(line), LOG_LINE_MAX, &top, NULL), STATUS_OK, "%s", line);
        if (json_get_bool(top, "cut", &cut, NULL) != STATUS_OK) {
            cr_assert_not_null(strstr(line, "\"third\":3"), "cut, and not said: %zu", len);
        }
        cr_assert_eq(cut, len > LOG_LINE_MAX || strstr(line, "\"cut\":true}") != NULL);
    }
}

Test(log, each_area_may_have_its_level)
{
    struct log rotation;
    struct log proxy;
    CLEARED(buffer) levels = {.max = 1000};

    log_init(&rotation, "rotation");
    log_init(&proxy, "proxy");
    cr_assert_not(log_enabled(&proxy, LOG_DEBUG));
    cr_assert_eq(log_set_levels("warn, rotation=debug", NULL), STATUS_OK);
    cr_assert(log_enabled(&rotation, LOG_DEBUG));
    cr_assert_not(log_enabled(&proxy, LOG_INFO));
    cr_assert(log_enabled(&proxy, LOG_WARN));
    cr_assert_eq(log_levels_print(&levels), STATUS_OK);
    cr_assert(bytes_equal_text(buffer_bytes(&levels), "warn,rotation=debug"));
    cr_assert_eq(log_set_levels("later=error,debug", NULL), STATUS_OK);
    cr_assert(log_enabled(&proxy, LOG_DEBUG));
    cr_assert(log_enabled(&rotation, LOG_DEBUG));
    log_init(&proxy, "later"); /* named before it was first used */
    cr_assert_not(log_enabled(&proxy, LOG_WARN));
}

Test(log, a_wrong_level_changes_nothing)
{
    static const char *const wrong[] = {
        "loud", "", "info,,warn", "rotation=", "=debug", "a b=info", "rotation=loud", "debug;x"};
    struct log log = {0};
    struct failure why = {0};

    cr_assert_eq(log_set_levels("error", NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(log_set_levels(wrong[i], &why), STATUS_CONFIG, "%s", wrong[i]);
        cr_assert_str_eq(why.reason, "log/level");
        cr_assert_not(log_enabled(&log, LOG_WARN));
    }
}

Test(log, a_flood_of_area_words_is_refused)
{
    struct failure why = {0};
    enum status status = STATUS_OK;

    for (int i = 0; i < 2 * LOG_AREAS_MAX && status == STATUS_OK; i++) {
        char text[32];

        (void)snprintf(text, sizeof text, "area%d=debug", i);
        status = log_set_levels(text, &why);
    }
    cr_assert_eq(status, STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "log/areas");
}

static void log_test_flood(struct log *log, int lines)
{
    for (int i = 0; i < lines; i++) {
        log_event(log, LOG_INFO, "flood");
    }
}

static int log_test_lines(const char *text)
{
    int lines = 0;

    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

Test(log, a_flood_from_one_place_is_limited_and_told)
{
    struct log log = {0};

    log_set_limit(10);
    log_test_flood(&log, 1000);
    log_event(&log, LOG_INFO, "elsewhere");
    cr_assert_eq(log_test_lines(log_test_text()), 11);
    log_test_now_ms += 1000;
    log_test_flood(&log, 1);
    cr_assert_not_null(strstr(log_test_text(), "\"suppressed\":990}\n"));
    log_test_flood(&log, 1);
    cr_assert_null(strstr(log_test_text(), "suppressed"));
}

Test(log, the_fifth_inherited_field_pushes_the_first_out)
{
    struct log log = {0};

    for (int i = 0; i < 5; i++) {
        static const char *const names[] = {"f0", "f1", "f2", "f3", "f4"};

        log = log_with(&log, LOG_INT(names[i], i));
    }
    log_event(&log, LOG_INFO, "a.b");
    cr_assert_not_null(strstr(log_test_text(), "\"a.b\",\"f1\":1,\"f2\":2,\"f3\":3,\"f4\":4}"));
}

static void *log_test_thread(void *number)
{
    struct log log;

    log_init(&log, "threads");
    for (int i = 0; i < 50; i++) {
        log_event(&log, LOG_INFO, "t", LOG_INT("thread", (intptr_t)number), LOG_INT("i", i));
    }
    return NULL;
}

Test(log, lines_of_four_threads_do_not_mix)
{
    pthread_t threads[4];
    const char *line;
    int lines = 0;

    log_set_limit(0);
    for (intptr_t i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, log_test_thread, (void *)i), 0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    line = log_test_text();
    while (*line != '\0') {
        const char *end = strchr(line, '\n');
        OWNED(json_value) *top = NULL;

        cr_assert_not_null(end);
        cr_assert_eq(json_read(bytes_make(line, (size_t)(end - line)), 4096, &top, NULL),
                     STATUS_OK);
        line = end + 1;
        lines++;
    }
    cr_assert_eq(lines, 200);
}
