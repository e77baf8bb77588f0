/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/timer.h"

#include <stdlib.h>

static void timer_fired(uv_timer_t *handle)
{
    struct timer *timer = handle->data;

    timer->fired(timer, timer->user);
}

void timer_init(struct timer *timer, uv_loop_t *loop, timer_fn fired, void *user)
{
    timer->fired = fired;
    timer->closed = NULL;
    timer->user = user;
    if (uv_timer_init(loop, &timer->handle) != 0) {
        abort();
    }
    timer->handle.data = timer;
}

void timer_start(struct timer *timer, uint64_t delay_ms, uint64_t repeat_ms)
{
    (void)uv_timer_start(&timer->handle, timer_fired, delay_ms, repeat_ms);
}

void timer_stop(struct timer *timer)
{
    (void)uv_timer_stop(&timer->handle);
}

static void timer_closed(uv_handle_t *handle)
{
    struct timer *timer = handle->data;

    if (timer->closed != NULL) {
        timer->closed(timer, timer->user);
    }
}

void timer_close(struct timer *timer, void (*closed)(struct timer *timer, void *user))
{
    timer->closed = closed;
    uv_close((uv_handle_t *)&timer->handle, timer_closed);
}
