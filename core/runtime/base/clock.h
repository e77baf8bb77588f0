/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three clocks, read in one place so that a test may replace them, and moments in the one form
 * that people read. Pure modules do not read the clocks: they get the time as a parameter.
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_CLOCK_H
#define SIGNET_CORE_RUNTIME_BASE_CLOCK_H

#include <stdint.h>

struct clock_source {
    uint64_t (*mono_ms)(void); /* does not jump; stands still in suspend */
    uint64_t (*boot_ms)(void); /* does not jump; counts suspend (CLOCK_BOOTTIME) */
    int64_t (*unix_ms)(void);  /* wall clock: may be stepped */
};

/* clock_mono_ms is monotonic time in ms from an arbitrary start. Any thread. */
uint64_t clock_mono_ms(void);

/* clock_boot_ms is time since boot in ms, suspend included. Any thread. */
uint64_t clock_boot_ms(void);

/* clock_unix_ms and clock_unix_s are wall time since 1970 (UTC) in ms and in s. Any thread. */
int64_t clock_unix_ms(void);
int64_t clock_unix_s(void);

/* A printed moment: a value, so that clock_utc(at).text may stand in a list of arguments. */
#define CLOCK_TEXT_SIZE 25 /* "2026-01-31T09:08:07.006Z" and a NUL */
struct clock_text {
    char text[CLOCK_TEXT_SIZE];
};

/*
 * clock_utc is a moment in Unix s as RFC 3339 in UTC, "2026-01-31T09:08:07Z": the form of every
 * date in logs, refusals and states. What lies before the year 1 or after 9999 is held at that end.
 * Pure; any thread.
 */
struct clock_text clock_utc(int64_t unix_s);

/* clock_utc_ms is the same of Unix ms, with milliseconds: "2026-01-31T09:08:07.006Z". */
struct clock_text clock_utc_ms(int64_t unix_ms);

/* clock_replace puts a test's clocks in (NULL: the system's again). `source` must outlive its use. */
void clock_replace(const struct clock_source *source);

#endif
