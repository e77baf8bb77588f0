/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/linger.h"

#include <stdlib.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/timer.h"

enum { LINGER_LIMIT_MS = 1000, LINGER_BYTES_MAX = 256 * 1024 };

struct lingering {
    struct worker *worker;
    struct stream *stream; /* owned */
    struct timer limit;
    size_t seen;
};

static void linger_freed(struct timer *timer, void *user)
{
    (void)timer;
    free(user);
}

static void linger_end(struct lingering *linger)
{
    stream_close(&linger->stream, false);
    timer_close(&linger->limit, linger_freed);
}

static void linger_ready(void *user, unsigned events)
{
    struct lingering *linger = user;
    size_t got = 0;
    enum status status = stream_read(linger->stream, worker_scratch(linger->worker, 0),
                                     WORKER_SCRATCH_SIZE, &got, NULL);

    (void)events;
    linger->seen += got;
    if ((status != STATUS_OK && status != STATUS_WAIT) || linger->seen > LINGER_BYTES_MAX) {
        linger_end(linger);
    }
}

static void linger_limit_passed(struct timer *timer, void *user)
{
    (void)timer;
    linger_end(user);
}

void linger_start(struct worker *worker, struct stream *stream)
{
    struct lingering *linger = memory_make(sizeof *linger);

    linger->worker = worker;
    linger->stream = stream;
    timer_init(&linger->limit, &worker->loop, linger_limit_passed, linger);
    timer_start(&linger->limit, LINGER_LIMIT_MS, 0);
    stream_own(stream, linger_ready, linger);
    stream_interest(stream, STREAM_READABLE);
    (void)stream_shutdown(stream, NULL);
}
