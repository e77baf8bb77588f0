/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/clock_watch.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* The year 2242: a moment that does not come, so only a cancel makes the timer readable. */
#define CLOCK_WATCH_NEVER_S INT64_C(0x1ffffffff)

static bool clock_watch_arm(const struct clock_watch *watch)
{
    const struct itimerspec never = {.it_value = {.tv_sec = CLOCK_WATCH_NEVER_S}};

    return timerfd_settime(watch->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
                           NULL) == 0 ||
           errno == ECANCELED; /* set again in between: armed all the same */
}

static void clock_watch_woken(uv_poll_t *poll, int status, int events)
{
    struct clock_watch *watch = poll->data;
    uint64_t expirations;
    ssize_t got = read(watch->timer, &expirations, sizeof expirations);

    (void)events;
    if (status == 0 && got < 0 && errno == EAGAIN) {
        return;
    }
    if (status != 0 || !clock_watch_arm(watch)) {
        (void)uv_poll_stop(poll); /* the tick goes on comparing */
    }
    watch->stepped(watch->user);
}

bool clock_watch_start(struct clock_watch *watch, uv_loop_t *loop, void (*stepped)(void *user),
                       void *user)
{
    watch->stepped = stepped;
    watch->user = user;
    watch->closed = NULL;
    watch->timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (watch->timer < 0) {
        return false;
    }
    if (!clock_watch_arm(watch)) {
        (void)close(watch->timer);
        watch->timer = -1;
        return false;
    }
    if (uv_poll_init(loop, &watch->poll, watch->timer) != 0 ||
        uv_poll_start(&watch->poll, UV_READABLE, clock_watch_woken) != 0) {
        abort();
    }
    watch->poll.data = watch;
    return true;
}

static void clock_watch_closed(uv_handle_t *handle)
{
    struct clock_watch *watch = handle->data;

    (void)close(watch->timer);
    watch->timer = -1;
    watch->closed(watch->user);
}

void clock_watch_close(struct clock_watch *watch, void (*closed)(void *user))
{
    watch->closed = closed;
    uv_close((uv_handle_t *)&watch->poll, clock_watch_closed);
}
