/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/signals.h"

#include <signal.h>
#include <stdlib.h>

static void signals_arrived(uv_signal_t *handle, int number)
{
    struct signals *signals = handle->data;

    signals->arrived(signals->user, number);
}

void signals_start(struct signals *signals, uv_loop_t *loop,
                   void (*arrived)(void *user, int number), void *user)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    (void)signal(SIGPIPE, SIG_IGN);
    signals->arrived = arrived;
    signals->user = user;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (uv_signal_init(loop, &signals->handles[i]) != 0 ||
            uv_signal_start(&signals->handles[i], signals_arrived, numbers[i]) != 0) {
            abort();
        }
        signals->handles[i].data = signals;
    }
}

void signals_close(struct signals *signals)
{
    for (size_t i = 0; i < sizeof signals->handles / sizeof signals->handles[0]; i++) {
        uv_close((uv_handle_t *)&signals->handles[i], NULL);
    }
}
