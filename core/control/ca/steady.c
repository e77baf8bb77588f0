/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/ca/steady.h"

static int64_t steady_apart_ms(struct steady_now from, struct steady_now to)
{
    return (to.unix_ms - from.unix_ms) - (int64_t)(to.boot_ms - from.boot_ms);
}

bool steady_look(struct steady *steady, struct steady_now now)
{
    int64_t apart_ms = steady_apart_ms(steady->mark, now);

    if (!steady->begun) {
        steady->begun = true;
        steady->since_boot_ms = now.boot_ms;
        steady->mark = now;
        return false;
    }
    if (apart_ms > STEADY_APART_MS || apart_ms < -STEADY_APART_MS) {
        steady->since_boot_ms = now.boot_ms;
        steady->mark = now;
        steady->stepped_ms = apart_ms;
        steady->stepped_at = now.unix_ms / 1000;
        steady->num_steps++;
        return true;
    }
    if (now.boot_ms - steady->mark.boot_ms >= STEADY_WAIT_MS) {
        steady->mark = now; /* two clocks that run a little apart do not add up to a jump */
    }
    return false;
}

uint64_t steady_for_ms(const struct steady *steady, struct steady_now now)
{
    return steady->begun ? now.boot_ms - steady->since_boot_ms : 0;
}

uint64_t steady_wait_ms(int64_t life_s)
{
    uint64_t part_ms = life_s <= 0 ? 0 : (uint64_t)life_s * 1000 / STEADY_LIVES_PER_WAIT;

    return part_ms < STEADY_WAIT_MS ? part_ms : STEADY_WAIT_MS;
}

bool steady_enough(const struct steady *steady, struct steady_now now, int64_t life_s)
{
    return steady->begun && steady_for_ms(steady, now) >= steady_wait_ms(life_s);
}
