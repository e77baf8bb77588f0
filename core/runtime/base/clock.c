/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t clock_read_ms(clockid_t which)
{
    struct timespec now;

    (void)clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t clock_system_mono_ms(void)
{
    return (uint64_t)clock_read_ms(CLOCK_MONOTONIC);
}

static uint64_t clock_system_boot_ms(void)
{
    return (uint64_t)clock_read_ms(CLOCK_BOOTTIME);
}

static int64_t clock_system_unix_ms(void)
{
    return clock_read_ms(CLOCK_REALTIME);
}

static const struct clock_source clock_system = {
    .mono_ms = clock_system_mono_ms,
    .boot_ms = clock_system_boot_ms,
    .unix_ms = clock_system_unix_ms,
};

static const struct clock_source *clock_current = &clock_system;

uint64_t clock_mono_ms(void)
{
    return clock_current->mono_ms();
}

uint64_t clock_boot_ms(void)
{
    return clock_current->boot_ms();
}

int64_t clock_unix_ms(void)
{
    return clock_current->unix_ms();
}

int64_t clock_unix_s(void)
{
    return clock_current->unix_ms() / 1000;
}

void clock_replace(const struct clock_source *source)
{
    clock_current = source == NULL ? &clock_system : source;
}
