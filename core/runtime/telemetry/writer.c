/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/telemetry/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/memory.h"

enum {
    WRITER_STACK_SIZE = 256 * 1024, /* what is touched of it counts, not this */
    WRITER_KEPT_ROOM = 16 * 1024, /* memory that a writer with nothing to do keeps */
    WRITER_REST_MS = 2,           /* after work, before it is to be woken again */
};

struct writer {
    struct writer_options options;
    char *path;         /* owned; NULL: `descriptor` is borrowed */
    pthread_mutex_t lock; /* guards all up to `taken` */
    pthread_cond_t work;  /* the thread has something to do */
    pthread_cond_t rest;  /* the thread has done it */
    struct buffer queue;
    uint64_t lost; /* lines given up behind the queue's last one */
    bool reopens, closing, abandoned, idle;
    _Atomic size_t waiting; /* bytes in `queue` and `taken`; changes under the lock */

    /* The thread's own. */
    pthread_t thread;
    struct buffer taken;
    struct writer_loss unsaid; /* of which no line has told */
    int descriptor;
    bool is_file; /* a regular file: no other process's lines come between two pieces */
    bool torn;    /* the last bytes written end no line */
};

/* ---- the thread ---- */

static bool writer_is_file(int descriptor)
{
    struct stat about;

    return fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode);
}

/*
 * A FIFO is opened for both ways: opening waits for no reader then, and one who leaves and comes
 * back finds what was written meanwhile.
 */
static int writer_open_path(const char *path)
{
    struct stat there;
    int way = stat(path, &there) == 0 && S_ISFIFO(there.st_mode) ? O_RDWR : O_WRONLY;

    return open(path, way | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

static void writer_swap_file(struct writer *writer)
{
    int fresh = writer->path == NULL ? -1 : writer_open_path(writer->path);

    if (fresh >= 0) {
        (void)close(writer->descriptor);
        writer->descriptor = fresh;
        writer->is_file = writer_is_file(fresh);
        writer->torn = false;
    }
}

/* Whole lines, as many as a pipe takes at once without mixing them with another process's. */
static size_t writer_piece(const struct writer *writer, struct bytes left)
{
    size_t len = left.len < PIPE_BUF ? left.len : PIPE_BUF;
    const uint8_t *end;

    if (writer->is_file) {
        return left.len;
    }
    end = memrchr(left.at, '\n', len);
    if (end == NULL) { /* one long line */
        end = memchr(left.at, '\n', left.len);
    }
    return end == NULL ? left.len : (size_t)(end + 1 - left.at);
}

/* Somebody else set O_NONBLOCK on the file that we share: we wait as long as it takes. */
static bool writer_may_again(const struct writer *writer)
{
    struct pollfd asked = {.fd = writer->descriptor, .events = POLLOUT};

    return errno == EINTR ||
           ((errno == EAGAIN || errno == EWOULDBLOCK) && (poll(&asked, 1, -1) == 1));
}

/* Writes all; false when the system refuses, with what it did not take in *out_left and why in errno. */
static bool writer_put(struct writer *writer, struct bytes lines, struct bytes *out_left)
{
    struct bytes newline = bytes_of("\n");

    *out_left = lines;
    if (writer->torn && write(writer->descriptor, newline.at, newline.len) == 1) {
        writer->torn = false;
    }
    while (out_left->len > 0) {
        ssize_t wrote =
            write(writer->descriptor, out_left->at, writer_piece(writer, *out_left));

        if (wrote > 0) {
            writer->torn = out_left->at[wrote - 1] != '\n';
            *out_left = bytes_skip(*out_left, (size_t)wrote);
        } else if (wrote == 0) {
            errno = 0;
            return false;
        } else if (!writer_may_again(writer)) {
            return false;
        }
    }
    return true;
}

static uint64_t writer_count_lines(struct bytes lines)
{
    uint64_t count = 0;

    for (size_t i = 0; i < lines.len; i++) {
        count += lines.at[i] == '\n';
    }
    return count;
}

/* Says how many lines are missing, if any are, now that somebody seems to read. */
static void writer_say_lost(struct writer *writer)
{
    char line[WRITER_LINE_MAX];
    struct bytes left;

    if (writer->unsaid.unread + writer->unsaid.refused > 0 &&
        (writer->options.note == NULL ||
         writer_put(writer, bytes_make(line, writer->options.note(&writer->unsaid, line)),
                    &left))) {
        writer->unsaid = (struct writer_loss){0};
    }
}

/* Writes what was taken, behind a word on what was lost before it and before one on what was lost since. */
static void writer_work(struct writer *writer, uint64_t lost)
{
    struct bytes left = {0};

    writer_say_lost(writer);
    if (!writer_put(writer, buffer_bytes(&writer->taken), &left)) {
        uint64_t lines;

        writer->unsaid.os_error = errno;
        lines = writer_count_lines(left);
        writer->unsaid.refused += lines;
        if (writer->options.lost != NULL) {
            writer->options.lost(lines);
        }
    }
    writer->unsaid.unread += lost;
    writer_say_lost(writer);
}

static void writer_free(struct writer *writer)
{
    if (writer->path != NULL) {
        (void)close(writer->descriptor);
    }
    buffer_clear(&writer->queue);
    buffer_clear(&writer->taken);
    (void)pthread_mutex_destroy(&writer->lock);
    (void)pthread_cond_destroy(&writer->work);
    (void)pthread_cond_destroy(&writer->rest);
    free(writer->path);
    free(writer);
}

/* One round, with the lock held outside of the system's calls. */
static void writer_round(struct writer *writer)
{
    struct buffer swapped = writer->taken;
    uint64_t lost = writer->lost;
    bool reopens = writer->reopens;

    writer->taken = writer->queue;
    writer->queue = swapped;
    writer->lost = 0;
    writer->reopens = false;
    (void)pthread_mutex_unlock(&writer->lock);
    if (reopens) {
        writer_swap_file(writer);
    }
    writer_work(writer, lost);
    (void)pthread_mutex_lock(&writer->lock);
    atomic_fetch_sub(&writer->waiting, writer->taken.len);
    buffer_reset(&writer->taken);
    if (writer->taken.room > WRITER_KEPT_ROOM) {
        buffer_clear(&writer->taken);
    }
}

/* Rounds until there is nothing to do; false when there was nothing. */
static bool writer_rounds(struct writer *writer)
{
    bool worked = false;

    while (writer->queue.len > 0 || writer->lost > 0 || writer->reopens) {
        writer_round(writer);
        worked = true;
    }
    return worked;
}

/*
 * Lines come in clusters, and to be woken costs the loop that wakes a call of the system: behind some
 * lines the thread looks once more after a moment, in which nobody need wake it.
 */
static void writer_rest(struct writer *writer)
{
    const struct timespec moment = {.tv_nsec = WRITER_REST_MS * 1000000L};

    (void)pthread_mutex_unlock(&writer->lock);
    (void)nanosleep(&moment, NULL);
    (void)pthread_mutex_lock(&writer->lock);
}

static void *writer_run(void *argument)
{
    struct writer *writer = argument;
    bool abandoned;

    (void)pthread_mutex_lock(&writer->lock);
    for (;;) {
        bool worked = writer_rounds(writer);

        if (writer->closing) {
            break;
        }
        if (worked) {
            writer_rest(writer);
            continue;
        }
        writer->idle = true;
        (void)pthread_cond_broadcast(&writer->rest);
        (void)pthread_cond_wait(&writer->work, &writer->lock);
        writer->idle = false;
    }
    abandoned = writer->abandoned;
    (void)pthread_mutex_unlock(&writer->lock);
    if (abandoned) {
        writer_free(writer);
    }
    return NULL;
}

/* ---- everybody else ---- */

/* No signal's handler may run on a thread that can stand still for ever. */
static bool writer_start_thread(struct writer *writer)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    bool started;

    (void)sigfillset(&all);
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_attr_setstacksize(&attributes, WRITER_STACK_SIZE) == 0 &&
              pthread_create(&writer->thread, &attributes, writer_run, writer) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return started;
}

static struct writer *writer_make(int descriptor, const char *path,
                                  const struct writer_options *options)
{
    struct writer *writer = memory_make(sizeof *writer);
    pthread_condattr_t steady;

    writer->options = *options;
    writer->path = memory_text(path);
    writer->descriptor = descriptor;
    writer->is_file = writer_is_file(descriptor);
    buffer_init(&writer->queue, options->room);
    buffer_init(&writer->taken, options->room);
    if (pthread_condattr_init(&steady) != 0 ||
        pthread_condattr_setclock(&steady, CLOCK_MONOTONIC) != 0 ||
        pthread_mutex_init(&writer->lock, NULL) != 0 ||
        pthread_cond_init(&writer->work, &steady) != 0 ||
        pthread_cond_init(&writer->rest, &steady) != 0 || !writer_start_thread(writer)) {
        abort();
    }
    (void)pthread_condattr_destroy(&steady);
    return writer;
}

struct writer *writer_start(int descriptor, const struct writer_options *options)
{
    return writer_make(descriptor, NULL, options);
}

enum status writer_open(const char *path, const struct writer_options *options,
                        struct writer **out_writer, struct failure *why)
{
    int descriptor = writer_open_path(path);

    if (descriptor < 0) {
        return fail_os(why, errno, "writer/open", "opening %s", path);
    }
    *out_writer = writer_make(descriptor, path, options);
    return STATUS_OK;
}

/* Wakes the thread, if it sleeps: under load it looks by itself. */
static void writer_wake(struct writer *writer)
{
    if (writer->idle) {
        writer->idle = false;
        (void)pthread_cond_signal(&writer->work);
    }
}

bool writer_add(struct writer *writer, struct bytes lines)
{
    bool taken;

    (void)pthread_mutex_lock(&writer->lock);
    taken = writer->lost == 0 && buffer_add(&writer->queue, lines) == STATUS_OK;
    if (taken) {
        atomic_fetch_add(&writer->waiting, lines.len);
        writer_wake(writer);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return taken;
}

void writer_lose(struct writer *writer, uint64_t lines)
{
    (void)pthread_mutex_lock(&writer->lock);
    writer->lost += writer->options.note == NULL ? 0 : lines;
    writer_wake(writer);
    (void)pthread_mutex_unlock(&writer->lock);
    if (writer->options.lost != NULL) {
        writer->options.lost(lines);
    }
}

void writer_reopen(struct writer *writer)
{
    (void)pthread_mutex_lock(&writer->lock);
    writer->reopens = true;
    writer_wake(writer);
    (void)pthread_mutex_unlock(&writer->lock);
}

size_t writer_waiting(const struct writer *writer)
{
    return atomic_load(&writer->waiting);
}

static bool writer_has_work(const struct writer *writer)
{
    return !writer->idle || writer_waiting(writer) > 0;
}

bool writer_flush(struct writer *writer, unsigned limit_ms)
{
    struct timespec until;
    bool all;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(limit_ms / 1000);
    until.tv_nsec += (long)(limit_ms % 1000) * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_mutex_lock(&writer->lock);
    while (writer_has_work(writer) &&
           pthread_cond_timedwait(&writer->rest, &writer->lock, &until) == 0) {
    }
    all = !writer_has_work(writer);
    (void)pthread_mutex_unlock(&writer->lock);
    return all;
}

void writer_close(struct writer **writer, unsigned limit_ms)
{
    struct writer *gone = TAKE(*writer);
    pthread_t thread;
    bool flushed;

    if (gone == NULL) {
        return;
    }
    flushed = writer_flush(gone, limit_ms);
    thread = gone->thread;
    (void)pthread_mutex_lock(&gone->lock);
    gone->closing = true;
    gone->abandoned = !flushed;
    writer_wake(gone);
    (void)pthread_mutex_unlock(&gone->lock);
    if (flushed) {
        (void)pthread_join(thread, NULL);
        writer_free(gone);
    } else {
        (void)pthread_detach(thread);
    }
}
