/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent does not take from a control plane that errs: the identity in force stays.
 */
#include "core/sidecar/rotation/agent.h"
#include "tests/support/suite.h"
#include "tests/unit/sidecar/rotation/control_rig.h"

SUITE(agent_judge, .timeout = 120);

/* A reply that must not be taken, after one that was: the first identity stays. */
static void refuses_reply(struct control_rig *rig, const char *reason)
{
    struct identity_set *before = current_get(&rig->current);
    unsigned issued = rig->issued;

    control_rig_pass(1500);
    control_rig_attempt(rig);
    cr_assert_str_eq(rig->last.last_error_reason, reason, "%s", rig->last.last_error_detail);
    cr_assert_eq(rig->issued, issued);
    cr_assert_eq(current_get(&rig->current), before);
}

static void open_with_identity(struct control_rig *rig)
{
    control_rig_open(rig);
    control_rig_start(rig, NULL);
    control_rig_attempt(rig);
    cr_assert_eq(rig->issued, 1, "%s", rig->last.last_error_detail);
}

Test(agent_judge, I9_roots_never_go_back_to_an_earlier_number)
{
    struct control_rig rig;

    open_with_identity(&rig);
    rig.sequence = 6;
    refuses_reply(&rig, "agent/bundle-went-back");
    rig.sequence = 8;
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
    cr_assert_eq(rig.last.bundle_sequence, 8);
    control_rig_close(&rig);
}

Test(agent_judge, I9_one_number_stands_for_one_set_of_roots)
{
    struct control_rig rig;

    open_with_identity(&rig);
    rig.told_root = test_ca_root("example.org");
    refuses_reply(&rig, "agent/bundle-changed");
    control_rig_close(&rig);
}

Test(agent_judge, I9_a_mounted_file_does_not_bring_an_old_root_back)
{
    struct control_rig rig;

    open_with_identity(&rig);
    OWNED(test_ca) *old_root = test_ca_root("example.org");
    control_rig_write(rig.bundle_file, test_ca_pem(old_root));
    control_rig_new_token(&rig, "a-second-token");
    control_rig_pass(4000); /* expired: it attests again, and still trusts what it learned */
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
    cr_assert_eq(rig.bootstraps, 2);
    control_rig_close(&rig);
}

Test(agent_judge, refuses_a_certificate_for_another_key)
{
    struct control_rig rig;

    open_with_identity(&rig);
    cr_assert_eq(key_make(&rig.foreign_key, NULL), STATUS_OK);
    refuses_reply(&rig, "svid/key-mismatch");
    control_rig_close(&rig);
}

Test(agent_judge, refuses_a_certificate_of_another_trust_domain)
{
    struct control_rig rig;

    open_with_identity(&rig);
    rig.workload_id = "spiffe://example.com/ns/shop/sa/web";
    refuses_reply(&rig, "agent/other-domain");
    control_rig_close(&rig);
}

Test(agent_judge, refuses_a_certificate_that_its_own_roots_do_not_vouch_for)
{
    struct control_rig rig;

    open_with_identity(&rig);
    rig.told_root = test_ca_root("example.org");
    rig.sequence = 8;
    refuses_reply(&rig, "agent/not-trusted");
    cr_assert_eq(rig.last.bundle_sequence, 7);
    control_rig_close(&rig);
}

Test(agent_judge, refuses_replies_that_make_no_sense)
{
    struct control_rig rig;

    open_with_identity(&rig);
    rig.no_bundle = true;
    refuses_reply(&rig, "agent/reply");
    rig.no_bundle = false;
    rig.domain = "example.com";
    refuses_reply(&rig, "agent/bundle-domain");
    control_rig_close(&rig);

    open_with_identity(&rig);
    rig.wrong_dates = true;
    refuses_reply(&rig, "agent/dates");
    rig.wrong_dates = false;
    rig.garbage = true;
    refuses_reply(&rig, "codec/malformed");
    control_rig_close(&rig);
}
