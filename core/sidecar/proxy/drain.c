/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/drain.h"

#include <stdlib.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/capture/sockets.h"

enum { DRAIN_LOOK_MS = 250, DRAIN_SILENT_MS = 5000 };

struct drain {
    struct log log;
    struct timer look;
    struct proxy *proxy; /* borrowed */
    struct drain_options options;
    struct drain_judge judge;
    struct sockets_view sockets; /* as last seen */
    bool ending;                 /* idle connections are being ended */
    void (*done)(void *user);
    void *user;
};

/* ---- when it is over ---- */

void drain_judge_begin(struct drain_judge *judge, enum drain_until until, uint64_t grace_ms,
                       uint64_t now_ms)
{
    *judge = (struct drain_judge){
        .until = until, .began_ms = now_ms, .grace_ms = grace_ms, .quiet_since_ms = now_ms};
}

/* Does anybody want us? */
static bool drain_judge_is_quiet(const struct drain_judge *judge, const struct drain_view *view)
{
    if (judge->until == DRAIN_UNTIL_IDLE) {
        return view->live == 0 && view->accepted == judge->accepted;
    }
    /* The kernel may still send what an application that is gone has left: that is let through. */
    return !view->others && (view->live == 0 || view->bytes == judge->bytes);
}

enum drain_verdict drain_judge_look(struct drain_judge *judge, const struct drain_view *view,
                                    uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - judge->began_ms;
    uint64_t wanted_ms = judge->until == DRAIN_UNTIL_IDLE ? DRAIN_IDLE_MS : DRAIN_SOCKETS_MS;

    if (!drain_judge_is_quiet(judge, view)) {
        judge->quiet_since_ms = now_ms;
    }
    judge->accepted = view->accepted;
    judge->bytes = view->bytes;
    if (passed_ms >= judge->grace_ms) {
        return DRAIN_IS_LATE;
    }
    if (now_ms - judge->quiet_since_ms >= wanted_ms) {
        return DRAIN_IS_QUIET;
    }
    return passed_ms >= judge->grace_ms - judge->grace_ms / 4 ? DRAIN_LAST_QUARTER : DRAIN_GOES_ON;
}

uint64_t drain_idle_ms(uint64_t grace_ms)
{
    return grace_ms / 4 < DRAIN_SILENT_MS ? grace_ms / 4 : DRAIN_SILENT_MS;
}

/* ---- the drain itself ---- */

static uint64_t drain_sum(enum metric metric, enum metrics_label b, enum metrics_label other_b)
{
    int64_t sum = metrics_read(metric, LABEL_INBOUND, b) + metrics_read(metric, LABEL_OUTBOUND, b);

    if (other_b != b) {
        sum += metrics_read(metric, LABEL_INBOUND, other_b) +
               metrics_read(metric, LABEL_OUTBOUND, other_b);
    }
    return (uint64_t)sum;
}

/* Without the kernel's list of sockets there is still the look at our own connections. */
static bool drain_others(struct drain *drain)
{
    struct failure why = {0};

    if (drain->judge.until != DRAIN_UNTIL_SOCKETS) {
        return false;
    }
    if (sockets_look(drain->options.user_is_ours, &drain->sockets, &why) != STATUS_OK) {
        log_event(&drain->log, LOG_WARN, "drain.sockets-unknown", LOG_FAILURE(&why),
                  LOG_TEXT("instead", "the drain ends when no connection came or lived for 5 s"));
        drain->judge.until = DRAIN_UNTIL_IDLE;
        drain->judge.quiet_since_ms = clock_mono_ms();
        return false;
    }
    return drain->sockets.others > 0;
}

static void drain_say_end(struct drain *drain, enum drain_verdict verdict, unsigned live)
{
    char left[SOCKETS_TEXT_MAX];

    sockets_print(&drain->sockets, left);
    log_event(&drain->log, verdict == DRAIN_IS_LATE && live > 0 ? LOG_WARN : LOG_INFO,
              "proxy.drained", LOG_INT("connections_cut", live),
              LOG_INT("connections_idle_ended", proxy_num_idle_ended(drain->proxy)),
              LOG_TEXT("because", verdict == DRAIN_IS_LATE ? "the grace is over"
                                  : drain->judge.until == DRAIN_UNTIL_IDLE
                                      ? "no connection came or lived for 5 s"
                                      : "nobody else had a TCP socket here for 3 s"),
              LOG_TEXT("sockets_left", left));
}

static void drain_looked(struct timer *timer, void *user)
{
    struct drain *drain = user;
    struct drain_view view = {
        .live = proxy_num_live(drain->proxy),
        .accepted = drain_sum(METRIC_CONNECTIONS_ACCEPTED, LABEL_NONE, LABEL_NONE),
        .bytes = drain_sum(METRIC_BYTES, LABEL_RECEIVED, LABEL_SENT),
        .others = drain_others(drain),
    };
    enum drain_verdict verdict = drain_judge_look(&drain->judge, &view, clock_mono_ms());

    (void)timer;
    if (verdict == DRAIN_IS_QUIET || verdict == DRAIN_IS_LATE) {
        timer_stop(&drain->look);
        drain_say_end(drain, verdict, view.live);
        drain->done(drain->user); /* may close us */
        return;
    }
    if (verdict == DRAIN_LAST_QUARTER && !drain->ending) {
        drain->ending = true;
        log_event(&drain->log, LOG_INFO, "drain.last-quarter", LOG_INT("connections", view.live));
    }
    if (drain->ending) {
        proxy_end_idle(drain->proxy, drain_idle_ms(drain->options.grace_ms));
    }
}

struct drain *drain_start(struct worker *home, struct proxy *proxy,
                          const struct drain_options *options, void (*done)(void *user),
                          void *user)
{
    struct drain *drain = memory_make(sizeof *drain);

    drain->proxy = proxy;
    drain->options = *options;
    drain->done = done;
    drain->user = user;
    log_init(&drain->log, "proxy");
    drain_judge_begin(&drain->judge, options->until, options->grace_ms, clock_mono_ms());
    timer_init(&drain->look, &home->loop, drain_looked, drain);
    timer_start(&drain->look, 0, DRAIN_LOOK_MS);
    return drain;
}

static void drain_freed(struct timer *timer, void *user)
{
    (void)timer;
    free(user);
}

void drain_close(struct drain **drain)
{
    struct drain *gone = TAKE(*drain);

    if (gone != NULL) {
        timer_close(&gone->look, drain_freed);
    }
}
