/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/schedule.h"

#include <stddef.h>

/* The window of renewal and the point of worry, in hundredths of life. */
enum { SCHEDULE_FROM = 33, SCHEDULE_TO = 50, SCHEDULE_WORRIED = 75 };

/* Pauses between failed renewals: a part of what is left of life, and no tight loop. */
enum { SCHEDULE_RETRY_PART = 8, SCHEDULE_RETRY_LEAST_MS = 100 };

int64_t schedule_renewal_moment(int64_t issued_at, int64_t expires_at, uint32_t drawn)
{
    int64_t life = expires_at > issued_at ? expires_at - issued_at : 0;
    int64_t first = (life * SCHEDULE_FROM + 99) / 100;
    int64_t width = life * SCHEDULE_TO / 100 - first;

    if (width <= 0) {
        return issued_at + life * SCHEDULE_TO / 100;
    }
    return issued_at + first + (int64_t)(((unsigned __int128)(uint64_t)(width + 1) * drawn) >> 32);
}

bool schedule_make(const struct schedule_told *told, struct schedule_now now, uint32_t drawn,
                   struct schedule *out_schedule)
{
    const int64_t far = INT64_MAX / 100000; /* so that no product below overflows */
    int64_t life;

    if (told->issued_at < 0 || told->not_after <= told->issued_at || told->not_after > far ||
        told->server_ms < 0 || told->server_ms / 1000 >= told->not_after) {
        return false;
    }
    life = told->not_after - told->issued_at;
    out_schedule->issued_at = told->issued_at;
    out_schedule->renew_at = told->renew_at;
    if (told->renew_at < told->issued_at + life * SCHEDULE_FROM / 100 ||
        told->renew_at > told->issued_at + (life * SCHEDULE_TO + 99) / 100) {
        out_schedule->renew_at = schedule_renewal_moment(told->issued_at, told->not_after, drawn);
    }
    out_schedule->not_after = told->not_after;
    out_schedule->heard_server_ms = told->server_ms;
    out_schedule->heard = now;
    return true;
}

static int64_t schedule_boot_passed_ms(const struct schedule *schedule, struct schedule_now now)
{
    return now.boot_ms > schedule->heard.boot_ms ? (int64_t)(now.boot_ms - schedule->heard.boot_ms)
                                                 : 0;
}

static int64_t schedule_wall_passed_ms(const struct schedule *schedule, struct schedule_now now)
{
    return now.unix_ms > schedule->heard.unix_ms ? now.unix_ms - schedule->heard.unix_ms : 0;
}

/* The greater span: whichever clock says that more time has gone is believed. */
static int64_t schedule_passed_ms(const struct schedule *schedule, struct schedule_now now)
{
    int64_t boot = schedule_boot_passed_ms(schedule, now);
    int64_t wall = schedule_wall_passed_ms(schedule, now);

    return boot > wall ? boot : wall;
}

/* From the moment we heard until `server_s` on the server's clock. */
static int64_t schedule_span_ms(const struct schedule *schedule, int64_t server_s)
{
    return server_s * 1000 - schedule->heard_server_ms;
}

static int64_t schedule_worry_at(const struct schedule *schedule)
{
    return schedule->issued_at +
           (schedule->not_after - schedule->issued_at) * SCHEDULE_WORRIED / 100;
}

enum schedule_verdict schedule_judge(const struct schedule *schedule, struct schedule_now now)
{
    int64_t passed = schedule_passed_ms(schedule, now);

    if (schedule->not_after == 0 || passed >= schedule_span_ms(schedule, schedule->not_after)) {
        return SCHEDULE_EXPIRED;
    }
    if (passed >= schedule_span_ms(schedule, schedule_worry_at(schedule))) {
        return SCHEDULE_WORRY;
    }
    if (passed >= schedule_span_ms(schedule, schedule->renew_at)) {
        return SCHEDULE_DUE;
    }
    return SCHEDULE_FRESH;
}

bool schedule_disputed(const struct schedule *schedule, struct schedule_now now)
{
    int64_t span = schedule_span_ms(schedule, schedule->not_after);

    return schedule->not_after != 0 && (schedule_boot_passed_ms(schedule, now) >= span) !=
                                           (schedule_wall_passed_ms(schedule, now) >= span);
}

uint64_t schedule_wait_ms(const struct schedule *schedule, struct schedule_now now)
{
    int64_t passed = schedule_passed_ms(schedule, now);
    int64_t next = 0;

    switch (schedule_judge(schedule, now)) {
    case SCHEDULE_FRESH:
        next = schedule_span_ms(schedule, schedule->renew_at);
        break;
    case SCHEDULE_DUE:
        next = schedule_span_ms(schedule, schedule_worry_at(schedule));
        break;
    case SCHEDULE_WORRY:
        next = schedule_span_ms(schedule, schedule->not_after);
        break;
    case SCHEDULE_EXPIRED:
        return 0;
    }
    return (uint64_t)(next - passed);
}

int64_t schedule_on_our_clock(const struct schedule *schedule, int64_t server_s)
{
    return (schedule->heard.unix_ms + schedule_span_ms(schedule, server_s)) / 1000;
}

/* What is left of life; 0 once expired. */
static int64_t schedule_left_ms(const struct schedule *schedule, struct schedule_now now)
{
    int64_t left = schedule->not_after == 0 ? 0
                                            : schedule_span_ms(schedule, schedule->not_after) -
                                                  schedule_passed_ms(schedule, now);

    return left > 0 ? left : 0;
}

int64_t schedule_budget_s(const struct schedule *schedule, struct schedule_now now)
{
    return schedule_left_ms(schedule, now) / 1000;
}

uint64_t schedule_retry_most_ms(const struct schedule *schedule, struct schedule_now now)
{
    int64_t left = schedule_left_ms(schedule, now);

    if (left == 0) {
        return UINT64_MAX;
    }
    left /= SCHEDULE_RETRY_PART;
    return left > SCHEDULE_RETRY_LEAST_MS ? (uint64_t)left : SCHEDULE_RETRY_LEAST_MS;
}

bool schedule_clock_stepped(struct schedule_now before, struct schedule_now now, uint64_t limit_ms)
{
    int64_t apart = (now.unix_ms - before.unix_ms) - (int64_t)(now.boot_ms - before.boot_ms);

    return apart > (int64_t)limit_ms || apart < -(int64_t)limit_ms;
}
