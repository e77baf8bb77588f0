/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks that differ: the control plane's was set, or the agent's, or both. The control plane judges, issues and
 * answers by its own clock; a certificate that works is never given up for one that does not.
 */
#include <stdio.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/telemetry/metrics.h"
#include "tests/support/suite.h"
#include "tests/unit/sidecar/rotation/control_rig.h"

SUITE(agent_clock, .timeout = 120);

enum { HOUR_S = 3600, DAY_S = 86400, MONTH_S = 30 * DAY_S };

static void open_with_identity(struct control_rig *rig)
{
    control_rig_open(rig);
    control_rig_start(rig, NULL);
    control_rig_attempt(rig);
    cr_assert_eq(rig->issued, 1, "%s", rig->last.last_error_detail);
}

static void server_is_ahead(struct control_rig *rig, int64_t s)
{
    rig->server_ahead_ms = s * 1000;
}

/* Our own clock alone is set. */
static void our_clock_is_set(struct control_rig *rig, int64_t s)
{
    control_rig_step(s);
    rig->server_ahead_ms -= s * 1000;
}

static const char *in_force(const struct control_rig *rig)
{
    return svid_serial_hex(identity_set_svid(current_get(&rig->current)));
}

/* One attempt that brings a certificate of another time. */
static void gets_one_that_does_not_work(struct control_rig *rig, const char *reason)
{
    unsigned failed = rig->failed;

    control_rig_pass(61);
    control_rig_attempt(rig);
    cr_assert(rig->failed > failed);
    cr_assert_str_eq(rig->last.last_error_reason, reason, "%s", rig->last.last_error_detail);
}

/* The same where the control plane calls our leaf ended: it comes by the token. */
static void gets_one_by_its_token(struct control_rig *rig, const char *reason)
{
    for (int tries = 0; tries < 4 && strcmp(rig->last.last_error_reason, reason) != 0; tries++) {
        control_rig_attempt(rig);
        control_rig_pass(61);
    }
    cr_assert_str_eq(rig->last.last_error_reason, reason, "%s", rig->last.last_error_detail);
}

static struct agent_view look(const struct control_rig *rig)
{
    struct agent_view view;

    agent_look(rig->agent, &view);
    return view;
}

Test(agent_clock, a_leaf_of_the_future_does_not_replace_one_that_works)
{
    struct control_rig rig;
    struct identity_set *before;
    unsigned writable;

    open_with_identity(&rig);
    before = current_get(&rig.current);
    writable = control_rig_writable();
    server_is_ahead(&rig, HOUR_S / 2);
    control_rig_pass(1400);
    gets_one_that_does_not_work(&rig, "agent/not-yet-valid");
    cr_assert(rig.renews >= 1);
    cr_assert_eq(current_get(&rig.current), before, "what works stays in force");
    cr_assert_eq(rig.issued, 1);
    struct agent_view view = look(&rig);
    cr_assert_str_neq(view.kept_serial, "");
    cr_assert(view.kept_begins_at > clock_unix_s() + HOUR_S / 2 - 310);
    cr_assert_eq(control_rig_files(&rig), 2, "I3: a kept leaf is in memory only");
    cr_assert_eq(control_rig_writable(), writable);

    server_is_ahead(&rig, 0);
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
    cr_assert_eq(rig.bootstraps, 1, "the old leaf renewed");
    cr_assert_str_eq(look(&rig).kept_serial, "", "nobody waits for it any more");
    control_rig_close(&rig);
}

Test(agent_clock, a_kept_leaf_takes_over_at_its_time)
{
    struct control_rig rig;
    char kept[48];

    control_rig_open(&rig);
    rig.life_s = 10 * HOUR_S;
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    server_is_ahead(&rig, HOUR_S);
    control_rig_pass(5 * HOUR_S);
    gets_one_that_does_not_work(&rig, "agent/not-yet-valid");
    (void)snprintf(kept, sizeof kept, "%s", look(&rig).kept_serial);
    control_rig_go_away(&rig);
    control_rig_pass(HOUR_S - 300 - 60);
    agent_reconsider(rig.agent);
    cr_assert_str_neq(in_force(&rig), kept, "not yet");
    control_rig_pass(120);
    agent_reconsider(rig.agent);
    cr_assert_str_eq(in_force(&rig), kept);
    cr_assert_eq(rig.swapped, 1);
    cr_assert_eq(look(&rig).kept_begins_at, 0);
    control_rig_close(&rig);
}

Test(agent_clock, a_kept_leaf_takes_over_when_the_old_one_ends_before_it_begins)
{
    struct control_rig rig;
    char kept[48];

    open_with_identity(&rig);
    rig.token_uses = 2;
    server_is_ahead(&rig, DAY_S);
    control_rig_pass(1500);
    gets_one_by_its_token(&rig, "agent/not-yet-valid");
    (void)snprintf(kept, sizeof kept, "%s", look(&rig).kept_serial);
    control_rig_go_away(&rig);
    control_rig_pass(HOUR_S - 1500 - 2 * 61 - 60);
    agent_reconsider(rig.agent);
    cr_assert_str_neq(in_force(&rig), kept, "the old one serves to its end");
    control_rig_pass(300);
    agent_reconsider(rig.agent);
    cr_assert_str_eq(in_force(&rig), kept, "the old one is over: ours may be the wrong clock");
    control_rig_close(&rig);
}

Test(agent_clock, one_leaf_is_kept_at_most_and_of_two_the_one_that_begins_first)
{
    struct control_rig rig;
    char first[48];

    control_rig_open(&rig);
    rig.life_s = 10 * HOUR_S;
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    control_rig_pass(4 * HOUR_S + 60);
    server_is_ahead(&rig, 2 * HOUR_S);
    gets_one_that_does_not_work(&rig, "agent/not-yet-valid");
    (void)snprintf(first, sizeof first, "%s", look(&rig).kept_serial);
    server_is_ahead(&rig, 3 * HOUR_S);
    gets_one_that_does_not_work(&rig, "agent/not-yet-valid");
    cr_assert_str_eq(look(&rig).kept_serial, first);
    server_is_ahead(&rig, HOUR_S);
    gets_one_that_does_not_work(&rig, "agent/not-yet-valid");
    cr_assert_str_neq(look(&rig).kept_serial, first);
    cr_assert(look(&rig).kept_begins_at < clock_unix_s() + HOUR_S);
    control_rig_close(&rig);
}

/* The control plane's own certificate is made anew then, as the real one does. */
static void all_clocks_are_set(struct control_rig *rig, int64_t s)
{
    control_rig_go_away(rig);
    control_rig_step(s);
    control_rig_come_back(rig);
}

static void gets_by_its_token(struct control_rig *rig)
{
    unsigned issued = rig->issued;

    for (int tries = 0; tries < 4 && rig->issued == issued; tries++) {
        control_rig_attempt(rig);
        control_rig_pass(61);
    }
    cr_assert_eq(rig->issued, issued + 1, "%s", rig->last.last_error_detail);
}

/* Everybody's clock jumps ahead and comes back: the predecessor serves again, and renews. */
Test(agent_clock, when_all_clocks_were_ahead_the_predecessor_serves_again)
{
    struct control_rig rig;
    char first[48];

    open_with_identity(&rig);
    rig.token_uses = 2;
    (void)snprintf(first, sizeof first, "%s", in_force(&rig));
    all_clocks_are_set(&rig, MONTH_S);
    gets_by_its_token(&rig);
    cr_assert_str_neq(in_force(&rig), first);
    all_clocks_are_set(&rig, -MONTH_S);
    agent_reconsider(rig.agent);
    cr_assert_str_eq(in_force(&rig), first);
    cr_assert_eq(rig.swapped, 1);
    unsigned renews = rig.renews;
    control_rig_pass(1500);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 3, "%s", rig.last.last_error_detail);
    cr_assert_eq(rig.renews, renews + 1);
    control_rig_close(&rig);
}

Test(agent_clock, a_predecessor_is_forgotten_at_its_end)
{
    struct control_rig rig;
    char second[48];

    open_with_identity(&rig);
    rig.life_s = 10 * HOUR_S;
    control_rig_pass(1500);
    control_rig_attempt(&rig);
    (void)snprintf(second, sizeof second, "%s", in_force(&rig));
    control_rig_pass(HOUR_S);
    agent_reconsider(rig.agent);
    control_rig_step(-2 * HOUR_S); /* the first would work by this clock, if it were still there */
    agent_reconsider(rig.agent);
    cr_assert_str_eq(in_force(&rig), second);
    control_rig_close(&rig);
}

/* There is nothing better: it is in force, but the same key goes on asking, free of charge (I6). */
Test(agent_clock, a_first_leaf_of_the_future_is_in_force_and_another_is_asked_for_with_its_key)
{
    struct control_rig rig;

    control_rig_open(&rig);
    server_is_ahead(&rig, MONTH_S);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 1, "%s", rig.last.last_error_detail);
    cr_assert(rig.failed >= 1, "%s", look(&rig).last_error_detail);
    cr_assert_eq(metrics_read(METRIC_RENEWALS, LABEL_OK, LABEL_NONE), 0, "no success");
    cr_assert_str_eq(rig.last.last_error_reason, "agent/not-yet-valid");
    cr_assert_not_null(strstr(rig.last.last_error_detail, "none that is better"), "%s",
                       rig.last.last_error_detail);
    server_is_ahead(&rig, 0);
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
    cr_assert(rig.bootstraps >= 2);
    cr_assert_eq(metrics_read(METRIC_RENEWALS, LABEL_OK, LABEL_NONE), 1);
    cr_assert_eq(rig.uses, 1, "one use of the token");
    cr_assert(svid_starts_at(identity_set_svid(current_get(&rig.current))) <= clock_unix_s());
    control_rig_close(&rig);
}

Test(agent_clock, a_leaf_of_the_past_does_not_replace_one_that_works)
{
    struct control_rig rig;
    struct identity_set *before;

    open_with_identity(&rig);
    before = current_get(&rig.current);
    rig.refuse_renew_only = 0;
    server_is_ahead(&rig, -6 * 60); /* our leaf is backdated by five minutes */
    control_rig_pass(1500);
    rig.life_s = 120;
    gets_one_that_does_not_work(&rig, "agent/expired");
    cr_assert_eq(current_get(&rig.current), before);
    control_rig_close(&rig);
}

static uint64_t walk_state;

/* xorshift64: the same walk each time. In [-span, span]. */
static int64_t walk_draw(int64_t span)
{
    walk_state ^= walk_state << 13;
    walk_state ^= walk_state >> 7;
    walk_state ^= walk_state << 17;
    return (int64_t)(walk_state % (uint64_t)(2 * span + 1)) - span;
}

/* By our clock, and by the time that has passed since it came. */
static bool works(const struct control_rig *rig)
{
    const struct svid *svid = identity_set_svid(current_get(&rig->current));
    int64_t now_s = clock_unix_s();

    return svid_starts_at(svid) <= now_s && now_s < svid_expires_at(svid) &&
           look(rig).outage_budget_s > 0;
}

/* Clocks go where they like: within what the rig's own certificate allows, so that it is always reached. */
static void walk_step(struct control_rig *rig, int64_t *ours_s)
{
    int64_t ours = (walk_draw(20000) + 20000) * (walk_draw(1) > 0);

    our_clock_is_set(rig, ours - *ours_s);
    *ours_s = ours;
    server_is_ahead(rig, walk_draw(1) > 0 ? walk_draw(20000) - ours : -ours);
    control_rig_pass(walk_draw(300) + 300);
    agent_reconsider(rig->agent);
}

/* Sees every change, also one that is mended a moment later. */
struct walk_watch {
    struct current_subscriber subscriber;
    int64_t starts_at, expires_at; /* of the set before */
    unsigned losses;               /* one that works was given up for one that does not */
};

static void walk_changed(void *user, struct identity_set *set, uint64_t generation)
{
    struct walk_watch *watch = user;
    const struct svid *svid = identity_set_svid(set);
    int64_t now_s = clock_unix_s();
    bool worked = watch->starts_at <= now_s && now_s < watch->expires_at;

    (void)generation;
    watch->starts_at = svid_starts_at(svid);
    watch->expires_at = svid_expires_at(svid);
    watch->losses += worked && !(watch->starts_at <= now_s && now_s < watch->expires_at);
}

/* Whatever the clocks do, an attempt never makes a sidecar that works into one that does not. */
Test(agent_clock, random_walks_of_both_clocks_never_cost_a_certificate_that_works)
{
    struct control_rig rig;
    struct walk_watch watch = {.subscriber = {.changed = walk_changed, .user = &watch}};
    int64_t ours_s = 0;
    unsigned worked = 0;

    control_rig_open(&rig);
    rig.token_uses = KEYS_MAX;
    current_subscribe(&rig.current, &watch.subscriber);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    walk_state = 20261121;
    for (int step = 0; step < 120; step++) {
        walk_step(&rig, &ours_s);
        bool before = works(&rig);
        unsigned failed = rig.failed;

        agent_hurry(rig.agent);
        control_rig_attempt(&rig);
        cr_assert(!before || works(&rig), "step %d: ours %lld s, server %lld ms: %s", step,
                  (long long)ours_s, (long long)rig.server_ahead_ms, rig.last.last_error_detail);
        cr_assert_eq(watch.losses, 0, "step %d: %s", step, rig.last.last_error_detail);
        cr_assert(works(&rig) || rig.failed > failed, "step %d: it is told", step);
        worked += before;
    }
    cr_assert(worked > 20, "%u: the walk stays where nothing is to be seen", worked);
    our_clock_is_set(&rig, -ours_s);
    server_is_ahead(&rig, 0);
    for (int tries = 0; tries < 4 && !works(&rig); tries++) {
        control_rig_pass(61);
        control_rig_attempt(&rig);
    }
    cr_assert(works(&rig), "all clocks are right again: %s", rig.last.last_error_detail);
    control_rig_close(&rig);
}

/* ---- whose clock? ---- */

static void says(const struct control_rig *rig, const char *part)
{
    cr_assert_not_null(strstr(rig->last.last_error_detail, part), "\"%s\" is not in: %s", part,
                       rig->last.last_error_detail);
}

Test(agent_clock, two_clocks_that_differ_at_the_first_contact_do_not_say_which_is_wrong)
{
    struct control_rig rig;

    control_rig_open(&rig);
    rig.refuse = RPC_PERMISSION_DENIED;
    rig.refuse_reason = "bootstrap/no-entry";
    rig.server_ahead_ms = 46000;
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "bootstrap/no-entry");
    says(&rig, "our clock says 20");
    says(&rig, "Z, the control plane's 20");
    says(&rig, "one of the two is wrong, by 46 s");
    cr_assert_null(strstr(rig.last.last_error_detail, "your clock"));
    cr_assert(rig.last.skew_known);
    cr_assert(rig.last.skew_ms < -45000 && rig.last.skew_ms > -48000);
    control_rig_close(&rig);
}

/* A right clock was told that it is behind, when the control plane's had jumped. */
Test(agent_clock, a_control_plane_whose_clock_was_set_is_told_from_us)
{
    struct control_rig rig;

    open_with_identity(&rig);
    rig.refuse = RPC_PERMISSION_DENIED;
    rig.refuse_reason = "renew/no-entry";
    control_rig_pass(1500);
    server_is_ahead(&rig, 30);
    control_rig_attempt(&rig);
    says(&rig, "the control plane's was set 30 s ahead since 20");
    control_rig_pass(61);
    control_rig_attempt(&rig);
    says(&rig, "the control plane's was set 30 s ahead since 20");
    server_is_ahead(&rig, 0);
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_null(strstr(rig.last.last_error_detail, "was set"), "%s", rig.last.last_error_detail);
    our_clock_is_set(&rig, 40);
    control_rig_pass(61);
    control_rig_attempt(&rig);
    says(&rig, "ours was set 40 s ahead since 20");
    control_rig_close(&rig);
}

Test(agent_clock, a_kept_leaf_says_whose_clock_it_is_and_its_date)
{
    struct control_rig rig;
    char begins[64];

    open_with_identity(&rig);
    server_is_ahead(&rig, HOUR_S / 2);
    control_rig_pass(1400);
    gets_one_that_does_not_work(&rig, "agent/not-yet-valid");
    (void)snprintf(begins, sizeof begins, "begins only %s",
                   clock_utc(look(&rig).kept_begins_at).text);
    says(&rig, begins);
    says(&rig, "it is kept until then, and the old one serves");
    says(&rig, "the control plane's was set 1800 s ahead since 20");
    control_rig_close(&rig);
}

Test(agent_clock, a_leaf_that_the_control_plane_calls_ended_is_held_against_three_times)
{
    struct control_rig rig;

    open_with_identity(&rig);
    server_is_ahead(&rig, DAY_S);
    rig.refuse_reason = "unused";
    control_rig_pass(1500);
    control_rig_write(rig.token_file, bytes_of(""));
    rig.life_s = HOUR_S;
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "verify/expired", "%s",
                     rig.last.last_error_detail);
    says(&rig, "the control plane says UNAUTHENTICATED: the certificate ended 20");
    says(&rig, "our certificate runs from 20");
    says(&rig, "by our clock it is valid");
    says(&rig, "the control plane's was set 86400 s ahead since 20");
    control_rig_close(&rig);
}

Test(agent_clock, a_server_of_another_time_is_put_down_to_the_clock_that_was_set)
{
    struct control_rig rig;

    open_with_identity(&rig);
    control_rig_pass(1500);
    our_clock_is_set(&rig, -2500);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "rpc/server-not-yet-valid");
    says(&rig, "is not trusted: verify/not-yet-valid: the certificate begins 20");
    says(&rig, "our clock was set 2500 s back since 20");
    our_clock_is_set(&rig, 2500);

    control_rig_go_away(&rig);
    rig.own_shift_s = MONTH_S;
    control_rig_come_back(&rig);
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "rpc/server-not-yet-valid");
    says(&rig, "our clock agreed with the control plane's at 20");
    says(&rig, "it is the control plane's that is or was wrong");
    control_rig_close(&rig);
}
