/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people read them: spans of time, moments, amounts of bytes, digests.
 *
 * Pure: the time is a parameter. Used by every table that the tool prints; --json output carries the
 * plain numbers instead.
 */
#ifndef SIGNET_CMD_SIGNET_WORDS_H
#define SIGNET_CMD_SIGNET_WORDS_H

#include <stdint.h>

#include "core/runtime/base/status.h"

/* Text by value, so that a call may stand inside an expression: words_span(ms).text. */
struct words {
    char text[80];
};

/*
 * words_span says a length of time, `span_ms` in milliseconds, in its two largest units:
 * "850 ms", "45 s", "3 min 20 s", "3 h 12 min", "2 d 4 h". The smaller unit is left out when it is
 * 0; a negative span is said as 0. Pure, any thread.
 */
struct words words_span(int64_t span_ms);

/*
 * words_moment says a moment against the present, both in seconds of Unix time: "in 3 h 12 min",
 * "5 min ago", "now". `at_s` 0 or less is "-": not known. Pure, any thread.
 */
struct words words_moment(int64_t at_s, int64_t now_s);

/* words_date says a moment, seconds of Unix time, as "2026-11-21 10:15:04 UTC"; 0 or less is "-". */
struct words words_date(int64_t at_s);

/* words_size says an amount of bytes: "312 B", "1.5 KiB", "20 MiB". Pure, any thread. */
struct words words_size(uint64_t bytes);

/*
 * words_read_span_s reads a length of time as people type it, into whole seconds: "90" or "90s", "10m",
 * "12h", "7d". STATUS_CONFIG "words/span" for anything else, 0, or more than ten years.
 */
enum status words_read_span_s(const char *text, uint64_t *out_span_s, struct failure *why) MUST_USE;

/*
 * words_read_date reads a moment as RFC 3339 section 5.6 has it, into seconds of Unix time:
 * "2027-06-30T00:00:00Z", "2027-06-30 02:00:00+02:00"; without parts of seconds, years 1970 to 9999.
 * STATUS_CONFIG "words/date".
 */
enum status words_read_date(const char *text, int64_t *out_at_s, struct failure *why) MUST_USE;

#endif
