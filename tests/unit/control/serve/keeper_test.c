/* SPDX-License-Identifier: Apache-2.0 */
/* The control plane's own leaf, and what it says of its links, under clocks that jump. */
#include "core/control/serve/keeper.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/loop/worker.h"
#include "core/runtime/telemetry/metrics.h"
#include "tests/support/suite.h"
#include "tests/unit/control/serve/office.h"

SUITE(keeper, .timeout = 120);

enum { HOUR = 3600, DAY = 86400 };

/* A wall clock that is ahead of what is true; the boot clock goes on alone. */
static int64_t ahead_ms;
static int64_t passed_ms;

static int64_t moved_unix_ms(void)
{
    return 1800000000000 + passed_ms + ahead_ms;
}

static uint64_t moved_boot_ms(void)
{
    return (uint64_t)(1000000 + passed_ms);
}

static const struct clock_source moved = {moved_boot_ms, moved_boot_ms, moved_unix_ms};

/* An authority, our own identity on a loop, and the keeper with its health. */
struct house {
    struct office office;
    struct worker worker;
    struct own_identity *own;
    struct keeper keeper;
    struct health health;
    int changes; /* sets that the subscriber got */
    bool refuses;
};

static enum status house_changed(void *user, struct identity_set *set, struct failure *why)
{
    struct house *house = user;

    (void)set;
    if (house->refuses) {
        return fail(why, STATUS_CONFIG, "rpc/identity", "the test refuses");
    }
    house->changes++;
    return STATUS_OK;
}

static void house_make(struct house *house, int64_t leaf_s)
{
    struct own_identity_plan plan = {.changed = house_changed, .user = house};
    struct failure why = {0};

    *house = (struct house){.own = NULL};
    ahead_ms = 0;
    passed_ms = 0;
    clock_replace(&moved);
    office_make(&house->office, leaf_s, clock_unix_s());
    worker_init_main(&house->worker);
    plan.authority = house->office.authority;
    plan.registry = &house->office.place.registry;
    cr_assert_eq(own_identity_start(&house->worker.loop, &plan, &house->own, &why), STATUS_OK, "%s",
                 why.detail);
    keeper_init(&house->keeper, house->office.authority, house->own, &house->health);
    keeper_look(&house->keeper);
}

static void house_clear(struct house *house)
{
    own_identity_close(house->own);
    worker_stop(&house->worker);
    worker_run_main(&house->worker);
    worker_clear(&house->worker);
    office_clear(&house->office);
    metrics_clear();
    clock_replace(NULL);
}

static const struct svid *house_leaf(const struct house *house)
{
    return identity_set_svid(own_identity_set(house->own));
}

static bool house_leaf_is_valid(const struct house *house)
{
    return clock_unix_s() >= svid_starts_at(house_leaf(house)) &&
           clock_unix_s() < svid_expires_at(house_leaf(house));
}

/* Lets the loop look at its own leaf at least `looks` times; it does so each half second. */
static void house_run(struct house *house, int looks)
{
    for (int i = 0; i < looks; i++) {
        (void)uv_run(&house->worker.loop, UV_RUN_ONCE);
    }
}

static const char *house_text(const struct house *house, const char *name)
{
    for (unsigned i = 0; i < house->health.num_conditions; i++) {
        if (strcmp(house->health.conditions[i].name, name) == 0) {
            return house->health.conditions[i].text;
        }
    }
    return "";
}

Test(keeper, our_own_leaf_is_valid_again_at_once_after_a_jump_ahead_and_back)
{
    struct house house;

    house_make(&house, HOUR);
    ahead_ms = 30LL * DAY * 1000;
    for (int i = 0; i < 40 && !house_leaf_is_valid(&house); i++) {
        house_run(&house, 1);
    }
    cr_assert(house_leaf_is_valid(&house), "while it is ahead");
    ahead_ms = 0;
    cr_assert_not(house_leaf_is_valid(&house));
    for (int i = 0; i < 40 && !house_leaf_is_valid(&house); i++) {
        house_run(&house, 1);
    }
    cr_assert(house_leaf_is_valid(&house), "the leaf in force begins %lld s ahead",
              (long long)(svid_starts_at(house_leaf(&house)) - clock_unix_s()));
    house_clear(&house);
}

Test(keeper, a_leaf_that_ended_in_a_stop_is_replaced_when_it_is_judged)
{
    struct house house;
    struct failure why = {0};

    house_make(&house, HOUR);
    cr_assert_eq(own_identity_judge(house.own, &why), STATUS_OK);
    cr_assert_eq(house.changes, 0, "a valid leaf stays");
    passed_ms = 2LL * HOUR * 1000;
    cr_assert_not(house_leaf_is_valid(&house));
    cr_assert_eq(own_identity_judge(house.own, &why), STATUS_OK, "%s", why.detail);
    cr_assert(house_leaf_is_valid(&house));
    cr_assert_eq(house.changes, 1);
    ahead_ms = -HOUR / 2 * 1000; /* before the new one's time, and not before the root's */
    cr_assert_not(house_leaf_is_valid(&house));
    cr_assert_eq(own_identity_judge(house.own, &why), STATUS_OK, "%s", why.detail);
    cr_assert(house_leaf_is_valid(&house));
    house_clear(&house);
}

Test(keeper, a_subscriber_who_refuses_leaves_the_old_leaf_and_says_why)
{
    struct house house;
    struct failure why = {0};

    house_make(&house, HOUR);
    passed_ms = 2LL * HOUR * 1000;
    house.refuses = true;
    cr_assert_eq(own_identity_judge(house.own, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "rpc/identity");
    cr_assert_not(house_leaf_is_valid(&house));
    house.refuses = false;
    cr_assert_eq(own_identity_judge(house.own, &why), STATUS_OK);
    house_clear(&house);
}

Test(keeper, a_valid_leaf_is_replaced_only_by_clocks_that_have_agreed)
{
    struct house house;

    house_make(&house, HOUR);
    ahead_ms = 45LL * 60 * 1000; /* past its renewal, before its end */
    house_run(&house, 3);
    cr_assert_eq(house.changes, 0);
    passed_ms = 179LL * 1000; /* a twentieth of an hour is 180 s */
    house_run(&house, 2);
    cr_assert_eq(house.changes, 0);
    passed_ms = 181LL * 1000;
    for (int i = 0; i < 40 && house.changes == 0; i++) {
        house_run(&house, 1);
    }
    cr_assert_eq(house.changes, 1);
    house_clear(&house);
}

Test(keeper, health_judges_both_ends_of_every_link)
{
    struct house house;

    house_make(&house, HOUR);
    cr_assert_eq(health_get(&house.health, "authority"), HEALTH_YES);
    cr_assert_eq(health_get(&house.health, "own-identity"), HEALTH_YES);
    cr_assert_eq(health_get(&house.health, "clock"), HEALTH_YES);
    cr_assert_str_eq(house_text(&house, "own-identity"),
                     "our chain is valid from 2027-01-15T07:55:00Z until 2027-01-15T09:00:00Z");

    ahead_ms = -HOUR * 1000; /* before the root's life, and the leaf's */
    keeper_look(&house.keeper);
    cr_assert_eq(health_get(&house.health, "authority"), HEALTH_NO);
    cr_assert_eq(health_get(&house.health, "own-identity"), HEALTH_NO);
    cr_assert_eq(health_get(&house.health, "clock"), HEALTH_UNPROVED);
    cr_assert_not(health_is_ready(&house.health));
    cr_assert_not_null(strstr(house_text(&house, "authority"), "authority/root-ahead: the root be"),
                       "%s", house_text(&house, "authority"));
    cr_assert_str_eq(house_text(&house, "own-identity"),
                     "our chain is valid from 2027-01-15T07:55:00Z until 2027-01-15T09:00:00Z, "
                     "our clock says 2027-01-15T07:00:00Z");
    cr_assert_str_eq(house_text(&house, "clock"),
                     "the wall clock jumped by -3600 s to 2027-01-15T07:00:00Z; both have agreed "
                     "for 0 s since");

    ahead_ms = 11LL * 365 * DAY * 1000; /* after the root's end */
    keeper_look(&house.keeper);
    cr_assert_eq(health_get(&house.health, "authority"), HEALTH_NO);
    cr_assert_not_null(strstr(house_text(&house, "authority"), "authority/root-expired"));

    ahead_ms = 0;
    keeper_look(&house.keeper);
    cr_assert_eq(health_get(&house.health, "authority"), HEALTH_YES);
    cr_assert_eq(health_get(&house.health, "own-identity"), HEALTH_YES);
    cr_assert(health_is_ready(&house.health));
    passed_ms = 601 * 1000;
    keeper_look(&house.keeper);
    cr_assert_eq(health_get(&house.health, "clock"), HEALTH_YES);
    house_clear(&house);
}

/* What the keeper's log says of a jump ahead, of the link made for it, and of both ends. */
Test(keeper, renewals_and_jumps_are_logged)
{
    static const char *const wanted[] = {
        "\"event\":\"clock.stepped\",\"by_ms\":2592000000,",
        "\"event\":\"authority.renewed\",\"file\":\"intermediate-2.pem\",\"cause\":\"none-valid\",",
        "\"not_before\":\"2027-02-14T07:55:00Z\",\"not_after\":\"2027-02-28T08:00:00Z\"",
    };
    struct house house;
    char text[8192];
    ssize_t len;
    int ends[2];

    house_make(&house, HOUR);
    cr_assert_eq(pipe(ends), 0);
    log_set_format(LOG_FORMAT_JSON);
    log_set_output(ends[1]);
    ahead_ms = 30LL * DAY * 1000;
    keeper_look(&house.keeper);
    log_set_output(STDERR_FILENO);
    cr_assert_eq(close(ends[1]), 0);
    len = read(ends[0], text, sizeof text - 1);
    cr_assert_gt(len, 0);
    text[len] = '\0';
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        cr_assert_not_null(strstr(text, wanted[i]), "%s in %s", wanted[i], text);
    }
    cr_assert_eq(close(ends[0]), 0);
    cr_assert_eq(metrics_read(METRIC_CLOCK_STEPS, LABEL_NONE, LABEL_NONE), 1);
    house_clear(&house);
}

Test(keeper, links_of_another_time_are_found)
{
    struct house house;
    struct failure why = {0};

    house_make(&house, HOUR);
    cr_assert_eq(keeper_judge_links(house.office.authority, clock_unix_s(), &why), STATUS_OK);
    cr_assert_eq(keeper_judge_links(house.office.authority, clock_unix_s() + 20 * DAY, &why),
                 STATUS_DENIED);
    cr_assert_str_eq(why.reason, "authority/none-valid");
    ahead_ms = 30LL * DAY * 1000;
    keeper_look(&house.keeper);
    ahead_ms = 0;
    keeper_look(&house.keeper);
    cr_assert_eq(keeper_judge_links(house.office.authority, clock_unix_s(), &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "authority/link-ahead");
    cr_assert_str_eq(why.detail,
                     "intermediate-2.pem begins at 2027-02-14T07:55:00Z, our clock says "
                     "2027-01-15T08:00:00Z: our clock is behind, or was ahead when it was made");
    house_clear(&house);
}

/* Tokens that ended long ago are forgotten: a clock that is ahead for a moment must not say which. */
Test(keeper, nothing_is_forgotten_by_a_clock_that_has_not_proved_itself)
{
    struct house house;

    house_make(&house, HOUR);
    cr_assert_not(keeper_believes_clock(&house.keeper), "it has just begun");
    passed_ms = 600 * 1000;
    cr_assert(keeper_believes_clock(&house.keeper));
    ahead_ms = 30LL * DAY * 1000;
    cr_assert_not(keeper_believes_clock(&house.keeper), "nobody looked since the jump");
    passed_ms += 599 * 1000;
    cr_assert_not(keeper_believes_clock(&house.keeper));
    ahead_ms = 0;
    cr_assert_not(keeper_believes_clock(&house.keeper), "back is a jump as well");
    passed_ms += 600 * 1000;
    cr_assert(keeper_believes_clock(&house.keeper));
    house_clear(&house);
}
