/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/clock.h"

#include <stddef.h>
#include <time.h>

enum {
    CLOCK_DAY_S = 86400,
    CLOCK_DAYS_BEFORE_1970 = 719468, /* from 0000-03-01 on, where the years of the count begin */
    CLOCK_ERA_DAYS = 146097,         /* 400 years */
};

static const int64_t clock_first_s = -62135596800; /* 0001-01-01T00:00:00Z */
static const int64_t clock_last_s = 253402300799;  /* 9999-12-31T23:59:59Z */

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

static char *clock_digits(char *out, int number, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return out + digits;
}

/* Days since 1970 to a date: Howard Hinnant, "chrono-compatible low-level date algorithms". */
static char *clock_print_date(char *out, int64_t days_since_1970)
{
    int64_t days = days_since_1970 + CLOCK_DAYS_BEFORE_1970;
    int era = (int)(days / CLOCK_ERA_DAYS);
    int day_of_era = (int)(days % CLOCK_ERA_DAYS);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted_month = (5 * day_of_year + 2) / 153; /* March is 0 */
    int month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;

    out = clock_digits(out, year_of_era + era * 400 + (month <= 2), 4);
    *out++ = '-';
    out = clock_digits(out, month, 2);
    *out++ = '-';
    return clock_digits(out, day_of_year - (153 * shifted_month + 2) / 5 + 1, 2);
}

/* Up to the seconds, without what ends the text. */
static char *clock_print(char *out, int64_t unix_s)
{
    int64_t days = unix_s / CLOCK_DAY_S - (unix_s % CLOCK_DAY_S < 0 ? 1 : 0);
    int s_of_day = (int)(unix_s - days * CLOCK_DAY_S);

    out = clock_print_date(out, days);
    *out++ = 'T';
    out = clock_digits(out, s_of_day / 3600, 2);
    *out++ = ':';
    out = clock_digits(out, s_of_day / 60 % 60, 2);
    *out++ = ':';
    return clock_digits(out, s_of_day % 60, 2);
}

static int64_t clock_between(int64_t at, int64_t first, int64_t last)
{
    return at < first ? first : at > last ? last : at;
}

struct clock_text clock_utc(int64_t unix_s)
{
    struct clock_text said;
    char *out = clock_print(said.text, clock_between(unix_s, clock_first_s, clock_last_s));

    *out++ = 'Z';
    *out = '\0';
    return said;
}

struct clock_text clock_utc_ms(int64_t unix_ms)
{
    struct clock_text said;
    int64_t at = clock_between(unix_ms, clock_first_s * 1000, clock_last_s * 1000 + 999);
    int64_t s = at / 1000 - (at % 1000 < 0 ? 1 : 0);
    char *out = clock_print(said.text, s);

    *out++ = '.';
    out = clock_digits(out, (int)(at - s * 1000), 3);
    *out++ = 'Z';
    *out = '\0';
    return said;
}

void clock_replace(const struct clock_source *source)
{
    clock_current = source == NULL ? &clock_system : source;
}
