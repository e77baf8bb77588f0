/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/clocks.h"

#include <string.h>

#include "tests/support/suite.h"

SUITE(clocks);

enum { T = 1764000000 }; /* 2025-11-24T16:00:00Z */

/* Both clocks at one moment, in ms beyond T and beyond the boot. */
struct moment {
    int64_t passed_ms; /* what really passed */
    int64_t ours_ms;   /* how far ours was set */
    int64_t theirs_ms; /* how far the control plane's was set */
};

static struct schedule_now ours_of(struct moment at)
{
    return (struct schedule_now){.boot_ms = 5000000 + (uint64_t)at.passed_ms,
                                 .unix_ms = INT64_C(1000) * T + at.passed_ms + at.ours_ms};
}

static int64_t theirs_of(struct moment at)
{
    return INT64_C(1000) * T + at.passed_ms + at.theirs_ms;
}

static void hear(struct clocks *clocks, struct moment at)
{
    clocks_hear(clocks, ours_of(at), theirs_of(at));
}

Test(clocks, names_the_clock_that_was_set)
{
    static const struct {
        struct moment now;
        const char *said;
    } cases[] = {
        {{3600000, 0, 0}, ""},
        {{3600000, 4000, 0}, ""},
        {{3600000, 0, 86400000},
         "our clock says 2025-11-24T17:00:00Z, the control plane's 2025-11-25T17:00:00Z: the "
         "control plane's was set 86400 s ahead since 2025-11-24T16:00:00Z"},
        {{3600000, 0, -86400000},
         "our clock says 2025-11-24T17:00:00Z, the control plane's 2025-11-23T17:00:00Z: the "
         "control plane's was set 86400 s back since 2025-11-24T16:00:00Z"},
        {{3600000, 60000, 0},
         "our clock says 2025-11-24T17:01:00Z, the control plane's 2025-11-24T17:00:00Z: ours was "
         "set 60 s ahead since 2025-11-24T16:00:00Z"},
        {{3600000, -60000, 0},
         "our clock says 2025-11-24T16:59:00Z, the control plane's 2025-11-24T17:00:00Z: ours was "
         "set 60 s back since 2025-11-24T16:00:00Z"},
        {{3600000, 60000, 90000},
         "our clock says 2025-11-24T17:01:00Z, the control plane's 2025-11-24T17:01:30Z: both were "
         "set, and differ, by 30 s"},
        {{3600000, 60000, 60000}, ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct clocks clocks = {0};
        char text[CLOCKS_TEXT_MAX];

        hear(&clocks, (struct moment){0, 0, 0});
        clocks_say(&clocks, ours_of(cases[i].now), theirs_of(cases[i].now), text);
        cr_assert_str_eq(text, cases[i].said, "case %zu: %s", i, text);
    }
}

Test(clocks, at_the_first_contact_it_is_one_of_the_two)
{
    struct clocks clocks = {0};
    struct moment now = {0, 0, 46000};
    char text[CLOCKS_TEXT_MAX];

    clocks_say(&clocks, ours_of(now), 0, text);
    cr_assert_str_eq(text, "");
    clocks_say(&clocks, ours_of(now), theirs_of(now), text);
    cr_assert_not_null(strstr(text, "one of the two is wrong, by 46 s"), "%s", text);
    hear(&clocks, now); /* they differed from the beginning */
    now.passed_ms = 7200000;
    clocks_say(&clocks, ours_of(now), theirs_of(now), text);
    cr_assert_not_null(strstr(text, "one of the two is wrong, by 46 s"), "%s", text);
}

Test(clocks, a_jump_is_not_forgotten_at_the_second_look)
{
    struct clocks clocks = {0};
    char text[CLOCKS_TEXT_MAX];

    hear(&clocks, (struct moment){0, 0, 0});
    hear(&clocks, (struct moment){60000, 0, 86400000});
    struct moment now = {120000, 0, 86400000};
    clocks_say(&clocks, ours_of(now), theirs_of(now), text);
    cr_assert_not_null(strstr(text, "the control plane's was set 86400 s ahead"), "%s", text);
    hear(&clocks, (struct moment){180000, 0, 0});
    now = (struct moment){240000, 0, 0};
    clocks_say(&clocks, ours_of(now), theirs_of(now), text);
    cr_assert_str_eq(text, "");
}

Test(clocks, a_server_that_does_not_say_its_time_is_judged_by_ours)
{
    struct clocks clocks = {0};
    struct moment now = {3600000, 0, 0};
    char text[CLOCKS_TEXT_MAX];

    hear(&clocks, (struct moment){0, 0, 0});
    clocks_say(&clocks, ours_of(now), 0, text);
    cr_assert_str_eq(text, "our clock agreed with the control plane's at 2025-11-24T16:00:00Z and "
                           "was not set since: it is the control plane's that is or was wrong");
    now.ours_ms = -120000;
    clocks_say(&clocks, ours_of(now), 0, text);
    cr_assert_str_eq(text, "our clock was set 120 s back since 2025-11-24T16:00:00Z");
}
