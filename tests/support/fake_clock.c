/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_clock.h"

#include <stddef.h>

#include "core/runtime/base/clock.h"

static uint64_t fake_clock_passed_ms;
static int64_t fake_clock_wall_ms;

static uint64_t fake_clock_mono(void)
{
    return fake_clock_passed_ms;
}

static int64_t fake_clock_unix(void)
{
    return fake_clock_wall_ms;
}

static const struct clock_source fake_clock_source = {
    .mono_ms = fake_clock_mono,
    .boot_ms = fake_clock_mono,
    .unix_ms = fake_clock_unix,
};

void fake_clock_start(int64_t unix_ms)
{
    fake_clock_passed_ms = 0;
    fake_clock_wall_ms = unix_ms;
    clock_replace(&fake_clock_source);
}

void fake_clock_end(void)
{
    clock_replace(NULL);
}

void fake_clock_move(uint64_t ms)
{
    fake_clock_passed_ms += ms;
    fake_clock_wall_ms += (int64_t)ms;
}

void fake_clock_step(int64_t unix_ms)
{
    fake_clock_wall_ms = unix_ms;
}
