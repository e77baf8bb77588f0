/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/telemetry/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/telemetry/metrics.h"
#include "tests/support/suite.h"

enum { WRITER_TEST_LIMIT_MS = 30000, WRITER_TEST_THREADS = 4, WRITER_TEST_LINES = 20000 };

SUITE(writer, .timeout = 60);

static _Atomic uint64_t writer_test_lost;

static void writer_test_count(uint64_t lines)
{
    atomic_fetch_add(&writer_test_lost, lines);
}

static size_t writer_test_note(const struct writer_loss *loss, char *out)
{
    if (loss->refused > 0) {
        return (size_t)snprintf(out, WRITER_LINE_MAX, "lost %llu, refused %llu: %d\n",
                                (unsigned long long)loss->unread, (unsigned long long)loss->refused,
                                loss->os_error);
    }
    return (size_t)snprintf(out, WRITER_LINE_MAX, "lost %llu\n", (unsigned long long)loss->unread);
}

static const struct writer_options writer_test_options = {
    .room = 64 * 1024, .lost = writer_test_count, .note = writer_test_note};

static void writer_test_path(char path[64])
{
    static const char pattern[] = "/tmp/writer_test_XXXXXX";
    int fd;

    memcpy(path, pattern, sizeof pattern);
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void writer_test_read(const char *path, struct buffer *text)
{
    buffer_init(text, (size_t)64 << 20);
    cr_assert_eq(buffer_read_file(text, path, NULL), STATUS_OK);
}

/* A pipe that takes no byte more, and whose two ends block. */
static void writer_test_full_pipe(int ends[2])
{
    static const char filling[1024];

    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(ends[1], filling, sizeof filling) > 0) {
    }
    cr_assert(fcntl(ends[0], F_SETFL, 0) == 0 && fcntl(ends[1], F_SETFL, 0) == 0);
}

/* What comes out of a pipe next, the filling's NULs left out. */
static void writer_test_more(int from, struct buffer *text)
{
    static char piece[64 * 1024];
    ssize_t got = read(from, piece, sizeof piece);

    cr_assert_gt(got, 0);
    for (ssize_t i = 0; i < got; i++) {
        if (piece[i] != '\0') {
            cr_assert_eq(buffer_add(text, bytes_make(&piece[i], 1)), STATUS_OK);
        }
    }
}

/* All that comes until `last` is in it. */
static void writer_test_drain(int from, const char *last, struct buffer *text)
{
    buffer_init(text, (size_t)64 << 20);
    while (text->len == 0 || memmem(text->at, text->len, last, strlen(last)) == NULL) {
        writer_test_more(from, text);
    }
}

struct writer_test_sender {
    pthread_t thread;
    struct writer *writer;
    int number;
};

static void *writer_test_send(void *argument)
{
    struct writer_test_sender *sender = argument;

    for (int i = 0; i < WRITER_TEST_LINES; i++) {
        char line[64];
        int len = snprintf(line, sizeof line, "%d %d\n", sender->number, i);

        while (!writer_add(sender->writer, bytes_make(line, (size_t)len))) {
            (void)writer_flush(sender->writer, WRITER_TEST_LIMIT_MS); /* no room: none is lost */
        }
    }
    return NULL;
}

Test(writer, lines_of_all_threads_arrive_whole_and_each_threads_in_order)
{
    struct writer_test_sender senders[WRITER_TEST_THREADS];
    CLEARED(buffer) text = {0};
    struct writer *writer = NULL;
    int next[WRITER_TEST_THREADS] = {0};
    struct bytes rest;
    char path[64];

    writer_test_path(path);
    cr_assert_eq(writer_open(path, &writer_test_options, &writer, NULL), STATUS_OK);
    for (int i = 0; i < WRITER_TEST_THREADS; i++) {
        senders[i] = (struct writer_test_sender){.writer = writer, .number = i};
        cr_assert_eq(pthread_create(&senders[i].thread, NULL, writer_test_send, &senders[i]), 0);
    }
    for (int i = 0; i < WRITER_TEST_THREADS; i++) {
        cr_assert_eq(pthread_join(senders[i].thread, NULL), 0);
    }
    writer_close(&writer, WRITER_TEST_LIMIT_MS);
    cr_assert_null(writer);
    writer_test_read(path, &text);
    rest = buffer_bytes(&text);
    while (rest.len > 0) {
        struct bytes line = bytes_split(&rest, '\n');
        uint64_t number = 0;
        uint64_t i = 0;

        cr_assert(bytes_to_number(bytes_split(&line, ' '), WRITER_TEST_THREADS - 1, &number));
        cr_assert(bytes_to_number(line, WRITER_TEST_LINES, &i));
        cr_assert_eq((int)i, next[number]++);
    }
    for (int i = 0; i < WRITER_TEST_THREADS; i++) {
        cr_assert_eq(next[i], WRITER_TEST_LINES);
    }
    cr_assert_eq(atomic_load(&writer_test_lost), 0);
    (void)unlink(path);
}

Test(writer, what_finds_no_room_is_refused_and_the_line_behind_the_gap_says_how_many)
{
    CLEARED(buffer) text = {0};
    static char room[64 * 1024]; /* all that may wait, in lines of eight bytes */
    struct writer *writer;
    char expected[96];
    int ends[2];

    for (size_t i = 0; i < sizeof room; i += 8) {
        memcpy(room + i, "a line.\n", 8);
    }
    writer_test_full_pipe(ends);
    writer = writer_start(ends[1], &writer_test_options);
    cr_assert(writer_add(writer, bytes_of("first\n")));
    while (!writer_add(writer, bytes_make(room, sizeof room))) { /* until the thread has the first */
        const struct timespec moment = {.tv_nsec = 1000000};

        (void)nanosleep(&moment, NULL);
    }
    cr_assert_not(writer_add(writer, bytes_of("x\n")), "it is bounded");
    writer_lose(writer, 3);
    cr_assert_not(writer_add(writer, bytes_of("x\n")), "not in front of the gap");
    writer_lose(writer, 4);
    cr_assert_eq(atomic_load(&writer_test_lost), 7);
    cr_assert_not(writer_flush(writer, 1), "nobody reads");
    cr_assert_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0, "the file is shared with others");
    writer_test_drain(ends[0], "lost 7\n", &text);
    (void)snprintf(expected, sizeof expected, "a line.\na line.\nlost 7\n");
    cr_assert_eq(text.len, strlen("first\n") + sizeof room + strlen("lost 7\n"));
    cr_assert_eq(memcmp(text.at + text.len - strlen(expected), expected, strlen(expected)), 0);
    cr_assert(writer_flush(writer, WRITER_TEST_LIMIT_MS));
    cr_assert(writer_add(writer, bytes_of("again\n")));
    buffer_clear(&text);
    writer_test_drain(ends[0], "again\n", &text);
    cr_assert(bytes_equal_text(buffer_bytes(&text), "again\n"));
    writer_close(&writer, WRITER_TEST_LIMIT_MS);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* The other process's lines are written in one piece too: none of ours is cut by them. */
Test(writer, to_a_pipe_lines_leave_in_pieces_that_are_written_at_once)
{
    CLEARED(buffer) text = {0};
    static char line[3000];
    struct writer *writer;
    int ends[2];

    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    writer_test_full_pipe(ends);
    writer = writer_start(ends[1], &writer_test_options);
    for (int i = 0; i < 20; i++) {
        cr_assert(writer_add(writer, bytes_make(line, sizeof line)));
    }
    for (size_t seen = 0; seen < 20 * sizeof line;) {
        static char piece[4096];
        ssize_t got = read(ends[0], piece, sizeof piece);

        cr_assert_gt(got, 0);
        for (ssize_t i = 0; i < got; i++) {
            seen += piece[i] != '\0';
        }
        cr_assert(piece[got - 1] == '\0' || piece[got - 1] == '\n' || got == sizeof piece);
    }
    writer_close(&writer, WRITER_TEST_LIMIT_MS);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

Test(writer, a_full_disk_costs_lines_that_are_counted_and_no_time)
{
    struct writer *writer = NULL;

    cr_assert_eq(writer_open("/dev/full", &writer_test_options, &writer, NULL), STATUS_OK);
    cr_assert(writer_add(writer, bytes_of("one\ntwo\n")));
    cr_assert(writer_flush(writer, WRITER_TEST_LIMIT_MS), "it waits for nothing");
    cr_assert_eq(atomic_load(&writer_test_lost), 2);
    writer_close(&writer, WRITER_TEST_LIMIT_MS);
}

/* What stood still before it refused: the line behind the gap tells the two apart. */
Test(writer, what_the_system_refused_is_told_from_what_nobody_read)
{
    CLEARED(buffer) text = {0};
    struct writer *writer;
    char expected[64];
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int descriptor = dup(full);
    char path[64];
    int file;

    cr_assert(full >= 0 && descriptor >= 0);
    writer = writer_start(descriptor, &writer_test_options);
    cr_assert(writer_add(writer, bytes_of("one\ntwo\n")));
    cr_assert(writer_flush(writer, WRITER_TEST_LIMIT_MS));
    writer_lose(writer, 3);
    cr_assert(writer_flush(writer, WRITER_TEST_LIMIT_MS));
    writer_test_path(path);
    file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    cr_assert_eq(dup2(file, descriptor), descriptor); /* the disk has room again */
    while (!writer_add(writer, bytes_of("three\n"))) {
        (void)writer_flush(writer, WRITER_TEST_LIMIT_MS); /* until it has come to the gap */
    }
    writer_close(&writer, WRITER_TEST_LIMIT_MS);
    writer_test_read(path, &text);
    (void)snprintf(expected, sizeof expected, "lost 3, refused 2: %d\nthree\n", ENOSPC);
    cr_assert(bytes_equal_text(buffer_bytes(&text), expected), "%.*s", (int)text.len,
              (const char *)text.at);
    (void)unlink(path);
    (void)close(file);
    (void)close(full);
    (void)close(descriptor);
}

Test(writer, an_end_waits_for_a_reader_who_does_not_read_no_longer_than_it_was_told)
{
    struct writer *writer;
    int ends[2];

    writer_test_full_pipe(ends);
    writer = writer_start(ends[1], &writer_test_options);
    cr_assert(writer_add(writer, bytes_of("never read\n")));
    writer_close(&writer, 50); /* comes back: the suite's time limit says so */
    cr_assert_null(writer);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)close(ends[0]); /* lets the thread that was left behind go */
}

Test(writer, a_path_that_cannot_be_opened_is_refused_by_its_name)
{
    struct writer *writer = NULL;
    struct failure why = {0};

    cr_assert_eq(writer_open("/nowhere/at/all/log", &writer_test_options, &writer, &why),
                 STATUS_IO);
    cr_assert_str_eq(why.reason, "writer/open");
    cr_assert_not_null(strstr(why.detail, "/nowhere/at/all/log"));
}

/* ---- the process's log over it ---- */

static void writer_test_say(struct log *log, int number)
{
    log_write(log, LOG_INFO, "test.line", NULL, &LOG_INT("n", number), 1);
}

/* How many lines the notes in a text say to be missing, and how many lines of the test are there. */
static int64_t writer_test_said(const struct buffer *text, int64_t *out_there)
{
    struct bytes rest = buffer_bytes(text);
    int64_t said = 0;

    *out_there = 0;
    while (rest.len > 0) {
        struct bytes line = bytes_split(&rest, '\n');
        const char *note = memmem(line.at, line.len, "\"lines\":", 8);

        said += note == NULL ? 0 : strtol(note + 8, NULL, 10);
        *out_there += memmem(line.at, line.len, "\"n\":", 4) != NULL;
    }
    return said;
}

Test(writer, I13_a_log_that_nobody_reads_stops_nobody_and_says_later_what_is_missing)
{
    CLEARED(buffer) text = {.max = (size_t)64 << 20};
    struct log log;
    int64_t lost;
    int64_t there;
    int64_t said;
    int ends[2];

    writer_test_full_pipe(ends);
    log_init(&log, "test");
    log_set_output(ends[1]);
    log_start_writer();
    for (int i = 0; i < 10000; i++) { /* more than waits for a reader */
        writer_test_say(&log, i);
    }
    lost = metrics_read(METRIC_LOG_LOST, LABEL_NONE, LABEL_NONE);
    cr_assert_gt(lost, 0);
    cr_assert_lt(lost, 10000);
    do { /* there are two gaps when the thread came in between */
        writer_test_more(ends[0], &text);
        said = writer_test_said(&text, &there);
    } while (said < lost || there < 10000 - lost);
    cr_assert(said == lost && there == 10000 - lost, "%d lost, %d said so, %d there", (int)lost,
              (int)said, (int)there);
    cr_assert_not_null(memmem(text.at, text.len, "nobody read the log", 19));
    cr_assert_null(memmem(text.at, text.len, "did not write", 13));
    writer_test_say(&log, 77777);
    buffer_clear(&text);
    writer_test_drain(ends[0], "77777", &text);
    log_stop_writer(WRITER_TEST_LIMIT_MS);
    log_set_output(STDERR_FILENO);
    (void)close(ends[0]);
    (void)close(ends[1]);
    metrics_clear();
}

Test(writer, a_log_whose_disk_was_full_says_so)
{
    static const char said[] = "\"lines\":2,\"detail\":\"the system did not write these lines: "
                               "No space left on device\",\"os_error\":28}";
    const struct timespec moment = {.tv_nsec = 1000000};
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int descriptor = dup(full);
    CLEARED(buffer) text = {0};
    struct log log;
    char path[64];
    int file;

    cr_assert(full >= 0 && descriptor >= 0);
    log_init(&log, "test");
    log_set_output(descriptor);
    log_start_writer();
    writer_test_say(&log, 1);
    writer_test_say(&log, 2);
    while (metrics_read(METRIC_LOG_LOST, LABEL_NONE, LABEL_NONE) < 2) {
        (void)nanosleep(&moment, NULL);
    }
    writer_test_path(path);
    file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    cr_assert_eq(dup2(file, descriptor), descriptor);
    writer_test_say(&log, 3);
    log_stop_writer(WRITER_TEST_LIMIT_MS);
    log_set_output(STDERR_FILENO);
    writer_test_read(path, &text);
    cr_assert_not_null(memmem(text.at, text.len, said, strlen(said)), "%.*s", (int)text.len,
                       (const char *)text.at);
    (void)unlink(path);
    (void)close(file);
    (void)close(full);
    (void)close(descriptor);
    metrics_clear();
}

/* What a child process of ours says, up to its end. */
static void writer_test_child(void (*run)(struct log *log), struct buffer *text, int *out_status)
{
    struct log log;
    int ends[2];
    pid_t child;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    log_init(&log, "test");
    log_set_output(ends[1]);
    log_start_writer();
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        run(&log);
        _exit(0);
    }
    (void)close(ends[1]);
    cr_assert_eq(waitpid(child, out_status, 0), child);
    buffer_init(text, 1 << 20);
    for (ssize_t got = 1; got > 0;) {
        uint8_t *to = buffer_reserve(text, 4096);

        got = read(ends[0], to, 4096);
        buffer_commit(text, got > 0 ? (size_t)got : 0);
    }
    (void)close(ends[0]);
    log_stop_writer(WRITER_TEST_LIMIT_MS);
    log_set_output(STDERR_FILENO);
}

static void writer_test_forked(struct log *log)
{
    writer_test_say(log, 1234);
}

static void writer_test_aborts(struct log *log)
{
    log_start_writer(); /* fork() took the parent's away */
    for (int i = 0; i < 500; i++) {
        writer_test_say(log, i);
    }
    abort();
}

Test(writer, a_child_of_fork_still_says_what_it_has_to_say)
{
    CLEARED(buffer) text = {0};
    int status = 0;

    writer_test_child(writer_test_forked, &text, &status);
    cr_assert(WIFEXITED(status));
    cr_assert_not_null(memmem(text.at, text.len, "\"n\":1234}\n", 10));
}

Test(writer, the_lines_before_an_abort_are_written_and_the_process_still_ends_by_it)
{
    CLEARED(buffer) text = {0};
    int status = 0;

    writer_test_child(writer_test_aborts, &text, &status);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    cr_assert_not_null(memmem(text.at, text.len, "\"n\":499}\n", 9));
}
