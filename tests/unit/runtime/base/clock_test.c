/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/runtime/base/clock.h"
#include "tests/support/suite.h"

SUITE(clock);

struct moment {
    int64_t unix_s;
    const char *text;
};

/* Source: RFC 3339 section 5.6; the leap years of the Gregorian calendar. */
Test(clock, utc_knows_the_calendar)
{
    static const struct moment moments[] = {
        {0, "1970-01-01T00:00:00Z"},
        {951782400, "2000-02-29T00:00:00Z"},
        {1709251199, "2024-02-29T23:59:59Z"},
        {1709251200, "2024-03-01T00:00:00Z"},
        {1767225599, "2025-12-31T23:59:59Z"},
        {4107542400, "2100-03-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {-86400, "1969-12-31T00:00:00Z"},
        {-631152000, "1950-01-01T00:00:00Z"},
        {-62135596800, "0001-01-01T00:00:00Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
    };

    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        cr_expect_str_eq(clock_utc(moments[i].unix_s).text, moments[i].text);
    }
}

Test(clock, utc_holds_what_no_four_digits_can_say_at_that_end)
{
    cr_expect_str_eq(clock_utc(INT64_MIN).text, "0001-01-01T00:00:00Z");
    cr_expect_str_eq(clock_utc(-62135596801).text, "0001-01-01T00:00:00Z");
    cr_expect_str_eq(clock_utc(253402300800).text, "9999-12-31T23:59:59Z");
    cr_expect_str_eq(clock_utc(INT64_MAX).text, "9999-12-31T23:59:59Z");
    cr_expect_str_eq(clock_utc_ms(INT64_MIN).text, "0001-01-01T00:00:00.000Z");
    cr_expect_str_eq(clock_utc_ms(INT64_MAX).text, "9999-12-31T23:59:59.999Z");
}

Test(clock, utc_ms_counts_up_to_the_next_second_on_both_sides_of_1970)
{
    cr_expect_str_eq(clock_utc_ms(0).text, "1970-01-01T00:00:00.000Z");
    cr_expect_str_eq(clock_utc_ms(1769850487006).text, "2026-01-31T09:08:07.006Z");
    cr_expect_str_eq(clock_utc_ms(1769850487999).text, "2026-01-31T09:08:07.999Z");
    cr_expect_str_eq(clock_utc_ms(1769850488000).text, "2026-01-31T09:08:08.000Z");
    cr_expect_str_eq(clock_utc_ms(-1).text, "1969-12-31T23:59:59.999Z");
    cr_expect_str_eq(clock_utc_ms(-1000).text, "1969-12-31T23:59:59.000Z");
    cr_expect_str_eq(clock_utc_ms(-1001).text, "1969-12-31T23:59:58.999Z");
}

/* The C library's own calendar says the same, a moment of each day of 1,200 years. */
Test(clock, utc_agrees_with_the_c_library)
{
    for (int64_t at = -18934128000; at < 18934128000; at += 86400 + 61) {
        time_t given = (time_t)at;
        struct tm parts;
        char text[80];

        cr_assert_not_null(gmtime_r(&given, &parts));
        (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
        cr_assert(strcmp(clock_utc(at).text, text) == 0, "%s, not %s", clock_utc(at).text, text);
    }
}
