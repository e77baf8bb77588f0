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

/* Reads two digits of `text` at *at; -1 when they are none. */
static int words_two(const char *text, size_t at)
{
    if (text[at] < '0' || text[at] > '9' || text[at + 1] < '0' || text[at + 1] > '9') {
        return -1;
    }
    return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

/* The offset behind the seconds, in s: "Z", "+02:00"; false when it is none. */
static bool words_offset(const char *text, int64_t *out_offset_s)
{
    int hours;
    int minutes;

    if ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0') {
        *out_offset_s = 0;
        return true;
    }
    if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') {
        return false;
    }
    hours = words_two(text, 1);
    minutes = words_two(text, 4);
    *out_offset_s = (text[0] == '-' ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
    return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

/* What is a date by its form may be none by the calendar: timegm() would make March of 30 February. */
static bool words_same_day(const struct tm *wanted, time_t at)
{
    struct tm got;

    return gmtime_r(&at, &got) != NULL && got.tm_mday == wanted->tm_mday &&
           got.tm_mon == wanted->tm_mon && got.tm_hour == wanted->tm_hour &&
           got.tm_min == wanted->tm_min && got.tm_sec == wanted->tm_sec;
}

enum status words_read_date(const char *text, int64_t *out_at_s, struct failure *why)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    int64_t offset_s = 0;
    bool good = strlen(text) > sizeof form - 1;
    struct tm tm = {0};
    time_t at = 0;

    for (size_t i = 0; good && i < sizeof form - 1; i++) {
        good = form[i] == 'd'   ? text[i] >= '0' && text[i] <= '9'
               : form[i] == 'T' ? text[i] == 'T' || text[i] == 't' || text[i] == ' '
                                : text[i] == form[i];
    }
    good = good && words_offset(text + sizeof form - 1, &offset_s);
    if (good) {
        tm = (struct tm){.tm_year = words_two(text, 0) * 100 + words_two(text, 2) - 1900,
                         .tm_mon = words_two(text, 5) - 1,
                         .tm_mday = words_two(text, 8),
                         .tm_hour = words_two(text, 11),
                         .tm_min = words_two(text, 14),
                         .tm_sec = words_two(text, 17)};
        struct tm normal = tm; /* timegm() changes it */

        at = timegm(&normal);
        good = tm.tm_year >= 70 && words_same_day(&tm, at);
    }
    if (!good) {
        return fail(why, STATUS_CONFIG, "words/date",
                    "\"%s\" is no date: 2027-06-30T00:00:00Z or 2027-06-30T02:00:00+02:00", text);
    }
    *out_at_s = (int64_t)at - offset_s;
    return STATUS_OK;
}
