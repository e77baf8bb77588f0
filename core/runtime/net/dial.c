/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/dial.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/net/tcp.h"

struct dial {
    struct worker *worker;
    struct timer limit;    /* also carries an answer that is known at once to the loop */
    struct stream *stream; /* owned until done() */
    struct address to;
    uint64_t limit_ms;
    dial_done_fn done; /* NULL once cancelled or reported */
    void *user;
    int os_error; /* of an attempt that failed at once; 0: in progress or connected */
};

static void dial_freed(struct timer *timer, void *user)
{
    (void)timer;
    free(user);
}

static enum status dial_verdict(const struct dial *dial, int os_error, struct failure *why)
{
    char text[ADDRESS_TEXT_MAX];
    const char *reason = "dial/failed";

    (void)address_print(&dial->to, text);
    switch (os_error) {
    case 0:
        return STATUS_OK;
    case ECONNREFUSED:
        reason = "dial/refused";
        break;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        reason = "dial/unreachable";
        break;
    case ETIMEDOUT:
        reason = "dial/timeout";
        break;
    case EMFILE:
    case ENFILE:
        (void)fail_os(why, os_error, "dial/descriptors", "dialling %s", text);
        return STATUS_LIMIT;
    default:
        break;
    }
    return fail_os(why, os_error, reason, "dialling %s", text);
}

/* The one way out: the struct goes when the timer's handle is closed. */
static void dial_finish(struct dial *dial, int os_error)
{
    dial_done_fn done = TAKE(dial->done);
    struct stream *stream = TAKE(dial->stream);
    struct failure why = {0};
    enum status status = dial_verdict(dial, os_error, &why);

    if (stream != NULL) {
        stream_interest(stream, 0);
    }
    if (status != STATUS_OK) {
        stream_close(&stream, false);
    }
    timer_close(&dial->limit, dial_freed);
    done(dial->user, status, stream, &why);
}

static void dial_ready(void *user, unsigned events)
{
    struct dial *dial = user;

    (void)events;
    dial_finish(dial, tcp_error(dial->stream));
}

static void dial_limit_passed(struct timer *timer, void *user)
{
    struct dial *dial = user;

    (void)timer;
    dial_finish(dial, dial->os_error != 0 ? dial->os_error : ETIMEDOUT);
}

struct dial *dial_start_on(struct worker *worker, int fd, const struct address *to,
                           uint64_t limit_ms, dial_done_fn done, void *user)
{
    struct dial *dial = memory_make(sizeof *dial);

    dial->worker = worker;
    dial->to = *to;
    dial->limit_ms = limit_ms;
    dial->done = done;
    dial->user = user;
    timer_init(&dial->limit, &worker->loop, dial_limit_passed, dial);
    if (fd < 0 ||
        (connect(fd, &to->at.any, to->len) != 0 && errno != EINPROGRESS && errno != EINTR)) {
        dial->os_error = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        timer_start(&dial->limit, 0, 0); /* the answer comes from the loop */
        return dial;
    }
    dial->stream = tcp_start(worker, fd);
    stream_own(dial->stream, dial_ready, dial);
    stream_interest(dial->stream, STREAM_WRITABLE);
    if (limit_ms > 0) {
        timer_start(&dial->limit, limit_ms, 0);
    }
    return dial;
}

struct dial *dial_start(struct worker *worker, const struct address *to, uint64_t limit_ms,
                        dial_done_fn done, void *user)
{
    int fd = socket(to->at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return dial_start_on(worker, fd, to, limit_ms, done, user);
}

void dial_cancel(struct dial **dial)
{
    struct dial *gone = TAKE(*dial);

    if (gone != NULL) {
        gone->done = NULL;
        stream_close(&gone->stream, false);
        timer_close(&gone->limit, dial_freed);
    }
}
