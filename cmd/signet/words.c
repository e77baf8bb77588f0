/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/words.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/runtime/base/bytes.h"

struct words_unit {
    int64_t large_s; /* seconds in the larger unit */
    int64_t small_s; /* seconds in the smaller one; 0: there is none */
    const char *large;
    const char *small;
};

static const struct words_unit words_units[] = {
    {86400, 3600, "d", "h"},
    {3600, 60, "h", "min"},
    {60, 1, "min", "s"},
    {1, 0, "s", ""},
};

struct words words_span(int64_t span_ms)
{
    struct words said;
    int64_t span_s = span_ms / 1000;
    const struct words_unit *unit = words_units;

    if (span_ms < 1000) {
        (void)snprintf(said.text, sizeof said.text, "%lld ms",
                       span_ms > 0 ? (long long)span_ms : 0);
        return said;
    }
    while (span_s < unit->large_s) {
        unit++;
    }
    long long large = span_s / unit->large_s;
    long long small = unit->small_s == 0 ? 0 : span_s % unit->large_s / unit->small_s;

    if (small == 0) {
        (void)snprintf(said.text, sizeof said.text, "%lld %s", large, unit->large);
    } else {
        (void)snprintf(said.text, sizeof said.text, "%lld %s %lld %s", large, unit->large, small,
                       unit->small);
    }
    return said;
}

struct words words_moment(int64_t at_s, int64_t now_s)
{
    struct words said;
    struct words span;

    if (at_s <= 0 || at_s == now_s) {
        (void)snprintf(said.text, sizeof said.text, "%s", at_s <= 0 ? "-" : "now");
        return said;
    }
    /* Past 9999 a date is somebody's nonsense: no arithmetic on it may overflow. */
    if (at_s > 253402300799LL) {
        (void)snprintf(said.text, sizeof said.text, "never");
        return said;
    }
    span = words_span((at_s > now_s ? at_s - now_s : now_s - at_s) * 1000);
    (void)snprintf(said.text, sizeof said.text, at_s > now_s ? "in %.70s" : "%.70s ago", span.text);
    return said;
}

struct words words_date(int64_t at_s)
{
    struct words said;
    time_t at = (time_t)at_s;
    struct tm parts;

    if (at_s <= 0 || gmtime_r(&at, &parts) == NULL ||
        strftime(said.text, sizeof said.text, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
        (void)snprintf(said.text, sizeof said.text, "-");
    }
    return said;
}

struct words words_size(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct words said;
    size_t unit = 0;
    double amount = (double)bytes;

    /* 1023.5 would round to "1024 KiB". */
    while (amount >= 1023.5 && unit + 1 < sizeof units / sizeof units[0]) {
        amount /= 1024;
        unit++;
    }
    (void)snprintf(said.text, sizeof said.text, unit > 0 && amount < 9.95 ? "%.1f %s" : "%.0f %s",
                   amount, units[unit]);
    return said;
}

enum status words_read_span_s(const char *text, uint64_t *out_span_s, struct failure *why)
{
    static const struct {
        char letter;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    const uint64_t max_s = UINT64_C(10) * 366 * 86400;
    struct bytes number = bytes_of(text);
    uint64_t unit_s = 1, amount = 0;

    for (size_t i = 0; number.len > 0 && i < sizeof units / sizeof units[0]; i++) {
        if (number.at[number.len - 1] == (uint8_t)units[i].letter) {
            unit_s = units[i].seconds;
            number.len--;
            break;
        }
    }
    if (!bytes_to_number(number, max_s / unit_s, &amount) || amount == 0) {
        return fail(why, STATUS_CONFIG, "words/span",
                    "\"%s\" is no length of time: 90s, 10m, 12h or 7d, at most ten years", text);
    }
    *out_span_s = amount * unit_s;
    return STATUS_OK;
}
