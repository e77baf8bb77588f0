/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/words.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "tests/support/suite.h"

SUITE(words);

struct words_case {
    int64_t number;
    char said[48];
};

ParameterizedTestParameters(words, says_a_span_in_its_two_largest_units)
{
    static struct words_case cases[] = {
        {-5, "0 ms"},
        {0, "0 ms"},
        {850, "850 ms"},
        {1000, "1 s"},
        {59999, "59 s"},
        {60000, "1 min"},
        {200000, "3 min 20 s"},
        {11520000, "3 h 12 min"},
        {86400000, "1 d"},
        {187200000, "2 d 4 h"},
        {INT64_C(315360000000), "3650 d"},
    };

    return cr_make_param_array(struct words_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct words_case *given, words, says_a_span_in_its_two_largest_units)
{
    cr_assert_str_eq(words_span(given->number).text, given->said);
}

ParameterizedTestParameters(words, says_a_moment_against_the_present)
{
    static struct words_case cases[] = {
        {0, "-"},
        {-1, "-"},
        {1000000, "now"},
        {1011520, "in 3 h 12 min"},
        {999700, "5 min ago"},
        {INT64_MAX, "never"},
    };

    return cr_make_param_array(struct words_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct words_case *given, words, says_a_moment_against_the_present)
{
    cr_assert_str_eq(words_moment(given->number, 1000000).text, given->said);
}

ParameterizedTestParameters(words, says_an_amount_of_bytes)
{
    static struct words_case cases[] = {
        {0, "0 B"},        {1023, "1023 B"},     {1024, "1.0 KiB"},    {1536, "1.5 KiB"},
        {20480, "20 KiB"}, {1048064, "1.0 MiB"}, {20971520, "20 MiB"}, {INT64_MAX, "8.0 EiB"},
    };

    return cr_make_param_array(struct words_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct words_case *given, words, says_an_amount_of_bytes)
{
    cr_assert_str_eq(words_size((uint64_t)given->number).text, given->said);
}

Test(words, says_a_date_in_utc_and_nothing_for_an_unknown_one)
{
    cr_assert_str_eq(words_date(1700000000).text, "2023-11-14 22:13:20 UTC");
    cr_assert_str_eq(words_date(0).text, "-");
    cr_assert_str_eq(words_date(INT64_MAX).text, "-");
}

struct words_span_case {
    char text[24];
    uint64_t seconds; /* 0: refused */
};

ParameterizedTestParameters(words, reads_a_span_or_refuses)
{
    static struct words_span_case cases[] = {
        {"90", 90},
        {"30s", 30},
        {"10m", 600},
        {"12h", 43200},
        {"7d", 604800},
        {"0", 0},
        {"", 0},
        {"m", 0},
        {"10 m", 0},
        {"-5m", 0},
        {"1.5h", 0},
        {"10min", 0},
        {"4000d", 0},
        {"18446744073709551615", 0},
        {"99999999999999999999d", 0},
    };

    return cr_make_param_array(struct words_span_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct words_span_case *given, words, reads_a_span_or_refuses)
{
    uint64_t seconds = 77;
    struct failure why = {0};
    enum status status = words_read_span_s(given->text, &seconds, &why);

    if (given->seconds > 0) {
        cr_assert_eq(status, STATUS_OK, "%s", given->text);
        cr_assert_eq(seconds, given->seconds);
        return;
    }
    cr_assert_eq(status, STATUS_CONFIG, "%s", given->text);
    cr_assert_str_eq(why.reason, "words/span");
    cr_assert_eq(seconds, 77, "an output is untouched by a refusal");
}

struct words_date_case {
    char text[40];
    int64_t at_s; /* -1: refused */
};

ParameterizedTestParameters(words, reads_a_date_or_refuses)
{
    static struct words_date_case cases[] = {
        {"2023-11-14T22:13:20Z", 1700000000},
        {"2023-11-14t22:13:20z", 1700000000},
        {"2023-11-14 22:13:20Z", 1700000000},
        {"2023-11-15T00:13:20+02:00", 1700000000},
        {"2023-11-14T17:43:20-04:30", 1700000000},
        {"1970-01-01T00:00:00Z", 0},
        {"2024-02-29T00:00:00Z", 1709164800},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"2023-02-29T00:00:00Z", -1},
        {"2023-13-01T00:00:00Z", -1},
        {"2023-00-01T00:00:00Z", -1},
        {"2023-11-14T24:00:00Z", -1},
        {"2023-11-14T22:60:00Z", -1},
        {"2023-11-14T22:13:60Z", -1},
        {"1969-12-31T23:59:59Z", -1},
        {"2023-11-14T22:13:20", -1},
        {"2023-11-14T22:13:20.5Z", -1},
        {"2023-11-14T22:13:20+0200", -1},
        {"2023-11-14T22:13:20+24:00", -1},
        {"2023-11-14T22:13:20+02:60", -1},
        {"2023-11-14T22:13:20ZZ", -1},
        {"2023-11-14", -1},
        {"23-11-14T22:13:20Z", -1},
        {"2023/11/14T22:13:20Z", -1},
        {"", -1},
        {"tomorrow", -1},
    };

    return cr_make_param_array(struct words_date_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct words_date_case *given, words, reads_a_date_or_refuses)
{
    int64_t at_s = 77;
    struct failure why = {0};
    enum status status = words_read_date(given->text, &at_s, &why);

    if (given->at_s >= 0) {
        cr_assert_eq(status, STATUS_OK, "%s: %s", given->text, why.detail);
        cr_assert_eq(at_s, given->at_s, "%s: %lld", given->text, (long long)at_s);
        return;
    }
    cr_assert_eq(status, STATUS_CONFIG, "%s", given->text);
    cr_assert_str_eq(why.reason, "words/date");
    cr_assert_eq(at_s, 77, "an output is untouched by a refusal");
}
