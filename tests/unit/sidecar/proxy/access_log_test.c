/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/proxy/access_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sidecar/proxy/canary.h"
#include "tests/support/suite.h"

SUITE(access_log);
SUITE(canary);

struct access_log_rig {
    struct worker worker;
    struct access_sink sink;
    struct access_log log;
    char folder[64];
    char path[96];
};

static void access_log_rig_open(struct access_log_rig *rig)
{
    *rig = (struct access_log_rig){0};
    (void)snprintf(rig->folder, sizeof rig->folder, "/tmp/signet-access-XXXXXX");
    cr_assert_not_null(mkdtemp(rig->folder));
    (void)snprintf(rig->path, sizeof rig->path, "%s/log", rig->folder);
    worker_init_main(&rig->worker);
    cr_assert_eq(access_sink_open(&rig->sink, rig->path, NULL), STATUS_OK);
    access_log_init(&rig->log, &rig->worker, &rig->sink);
}

static void access_log_rig_say(struct access_log_rig *rig, const char *text)
{
    struct buffer *line = access_log_begin(&rig->log);

    cr_assert_not_null(line);
    cr_assert_eq(buffer_add_text(line, text), STATUS_OK);
    access_log_end(&rig->log);
}

/* Ends a turn of the loop, and waits until the writer has written what it brought. */
static void access_log_rig_turn(struct access_log_rig *rig)
{
    (void)uv_run(&rig->worker.loop, UV_RUN_NOWAIT);
    cr_assert(writer_flush(rig->sink.writer, 30000));
}

static void access_log_rig_expect(const char *path, const char *text)
{
    CLEARED(buffer) file = {0};

    buffer_init(&file, (size_t)8 << 20);
    cr_assert_eq(buffer_read_file(&file, path, NULL), STATUS_OK);
    cr_assert(bytes_equal_text(buffer_bytes(&file), text), "%.*s", (int)file.len,
              (const char *)file.at);
}

static void access_log_rig_close(struct access_log_rig *rig)
{
    access_log_close(&rig->log);
    worker_stop(&rig->worker);
    worker_run_main(&rig->worker);
    worker_clear(&rig->worker);
    access_sink_close(&rig->sink);
    (void)unlink(rig->path);
    (void)rmdir(rig->folder);
}

Test(access_log, lines_leave_whole_at_the_end_of_a_turn)
{
    struct access_log_rig rig;
    struct stat status;

    access_log_rig_open(&rig);
    access_log_rig_say(&rig, "{\"a\":1}");
    access_log_rig_say(&rig, "{\"a\":2}");
    access_log_rig_expect(rig.path, "");
    access_log_rig_turn(&rig);
    access_log_rig_expect(rig.path, "{\"a\":1}\n{\"a\":2}\n");
    cr_assert(stat(rig.path, &status) == 0 && (status.st_mode & 07777) == 0640);
    access_log_rig_close(&rig);
}

Test(access_log, what_is_left_leaves_at_the_close)
{
    struct access_log_rig rig;
    char path[96];

    access_log_rig_open(&rig);
    access_log_rig_say(&rig, "last");
    (void)snprintf(path, sizeof path, "%s", rig.path);
    access_log_close(&rig.log);
    cr_assert(writer_flush(rig.sink.writer, 30000));
    access_log_rig_expect(path, "last\n");
    (void)uv_run(&rig.worker.loop, UV_RUN_NOWAIT);
    access_log_init(&rig.log, &rig.worker, &rig.sink);
    access_log_rig_close(&rig);
}

Test(access_log, a_rotated_file_is_followed_after_reopen)
{
    struct access_log_rig rig;
    char old[128];

    access_log_rig_open(&rig);
    (void)snprintf(old, sizeof old, "%s.1", rig.path);
    access_log_rig_say(&rig, "one");
    access_log_rig_turn(&rig);
    cr_assert_eq(rename(rig.path, old), 0);
    access_sink_reopen(&rig.sink);
    access_log_rig_say(&rig, "two");
    access_log_rig_turn(&rig);
    access_log_rig_expect(old, "one\n");
    access_log_rig_expect(rig.path, "two\n");
    (void)unlink(old);
    access_log_rig_close(&rig);
}

Test(access_log, more_lines_than_its_bound_in_one_turn_lose_none)
{
    static const char line[] = "{\"event\":\"open\",\"connection\":123456789}";
    struct access_log_rig rig;
    struct stat status;

    access_log_rig_open(&rig);
    for (int i = 0; i < 60000; i++) {
        access_log_rig_say(&rig, line);
    }
    access_log_rig_turn(&rig);
    cr_assert_eq(stat(rig.path, &status), 0);
    cr_assert_eq(status.st_size, 60000 * (off_t)sizeof line);
    cr_assert_eq(metrics_read(METRIC_ACCESS_LOG_LOST, LABEL_NONE, LABEL_NONE), 0);
    access_log_rig_close(&rig);
}

/*
 * Whatever the path leads to: with a FIFO that nobody has opened, the opening itself would wait, and
 * with one that is full, as with a disk that hangs, each write.
 */
Test(access_log, I13_a_fifo_that_nobody_reads_stops_nobody_and_gives_whole_lines_later,
     .timeout = 60)
{
    static const char line[] = "{\"event\":\"open\",\"connection\":123456789}";
    static char text[1 << 16];
    struct access_log_rig rig = {.folder = "/tmp/signet-access-XXXXXX"};
    uint64_t lost;
    int reader;

    cr_assert_not_null(mkdtemp(rig.folder));
    (void)snprintf(rig.path, sizeof rig.path, "%s/log", rig.folder);
    cr_assert_eq(mkfifo(rig.path, 0600), 0);
    worker_init_main(&rig.worker);
    cr_assert_eq(access_sink_open(&rig.sink, rig.path, NULL), STATUS_OK);
    access_log_init(&rig.log, &rig.worker, &rig.sink);
    for (int i = 0; i < 400000; i++) { /* more than pipe, writer and worker hold */
        struct buffer *to = access_log_begin(&rig.log);

        if (to != NULL) {
            cr_assert_eq(buffer_add_text(to, line), STATUS_OK);
            access_log_end(&rig.log);
        }
    }
    lost = (uint64_t)metrics_read(METRIC_ACCESS_LOG_LOST, LABEL_NONE, LABEL_NONE);
    cr_assert_gt(lost, 0);
    reader = open(rig.path, O_RDONLY);
    cr_assert_geq(reader, 0);
    for (uint64_t left = (400000 - lost) * sizeof line; left > 0;) {
        ssize_t got = read(reader, text, sizeof text);

        cr_assert_gt(got, 0);
        cr_assert_eq(got % (ssize_t)sizeof line, 0, "%zd bytes are no whole lines", got);
        left -= (uint64_t)got;
        (void)uv_run(&rig.worker.loop, UV_RUN_NOWAIT); /* hands over what the worker kept */
    }
    access_log_rig_close(&rig);
    (void)close(reader);
    cr_assert_eq((uint64_t)metrics_read(METRIC_ACCESS_LOG_LOST, LABEL_NONE, LABEL_NONE), lost);
    metrics_clear();
}

Test(access_log, a_full_disk_costs_lines_which_are_counted_one_by_one)
{
    struct access_log_rig rig = {.path = "/dev/full"};

    worker_init_main(&rig.worker);
    cr_assert_eq(access_sink_open(&rig.sink, rig.path, NULL), STATUS_OK);
    access_log_init(&rig.log, &rig.worker, &rig.sink);
    access_log_rig_say(&rig, "one");
    access_log_rig_say(&rig, "two");
    access_log_rig_turn(&rig);
    cr_assert_eq(metrics_read(METRIC_ACCESS_LOG_LOST, LABEL_NONE, LABEL_NONE), 2);
    access_log_close(&rig.log);
    worker_stop(&rig.worker);
    worker_run_main(&rig.worker);
    worker_clear(&rig.worker);
    access_sink_close(&rig.sink);
    metrics_clear();
}

Test(access_log, off_takes_nothing_and_a_folder_that_is_not_there_is_refused)
{
    struct access_sink sink;
    struct failure why = {0};
    struct access_log log = {0};

    cr_assert_null(access_log_begin(&log));
    cr_assert_eq(access_sink_open(&sink, "/nowhere/at/all/log", &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "access-log/open");
    cr_assert_eq(access_sink_open(&sink, "-", NULL), STATUS_OK);
    access_sink_close(&sink);
}

Test(canary, knows_its_own_addresses_alone)
{
    static const struct {
        const char *text;
        bool yes;
    } rows[] = {
        {"192.0.2.1:15099", true},        {"[2001:db8::1]:15099", true}, {"192.0.2.1:15098", false},
        {"192.0.2.2:15099", false},       {"[2001:db8::2]:15099", false}, {"unix:/x", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address address;

        cr_assert_eq(address_parse(bytes_of(rows[i].text), &address, NULL), STATUS_OK);
        cr_assert_eq(canary_is(&address), rows[i].yes, "%s", rows[i].text);
    }
}
