/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rotation agent against a control plane of the test's own: real gRPC and TLS, simulated time.
 */
#include "core/sidecar/rotation/agent.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/telemetry/log.h"
#include "tests/support/suite.h"
#include "tests/unit/sidecar/rotation/control_rig.h"

SUITE(agent, .timeout = 120);

Test(agent, gets_its_first_certificate_with_its_token)
{
    struct control_rig rig;
    struct agent_view view;

    control_rig_open(&rig);
    control_rig_start(&rig, NULL);
    agent_look(rig.agent, &view);
    cr_assert_str_eq(view.state, "waiting");
    cr_assert_eq(view.not_after, 0);
    cr_assert_null(current_get(&rig.current));
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 1, "%s: %s", rig.last.last_error_reason, rig.last.last_error_detail);
    cr_assert_eq(rig.bootstraps, 1);
    cr_assert_str_eq(svid_id(identity_set_svid(current_get(&rig.current)))->text, WEB_ID);
    agent_look(rig.agent, &view);
    cr_assert_str_eq(view.state, "waiting");
    cr_assert_str_eq(view.method, "bootstrap");
    cr_assert_str_eq(view.serial, svid_serial_hex(identity_set_svid(current_get(&rig.current))));
    cr_assert_eq(view.not_after - view.issued_at, 3600);
    cr_assert_eq(view.next_renewal - view.issued_at, 1440);
    cr_assert(view.outage_budget_s > 3590 && view.outage_budget_s <= 3600);
    cr_assert(view.next_attempt_ms > 1400000 && view.next_attempt_ms <= 1440000);
    cr_assert_eq(view.attempts, 1);
    cr_assert_eq(view.bundle_sequence, 7);
    cr_assert(view.skew_known && view.skew_ms > -2000 && view.skew_ms < 2000);
    cr_assert_str_eq(view.last_error_reason, "");
    control_rig_close(&rig);
}

Test(agent, renews_over_mutual_tls_with_its_live_leaf_at_its_moment)
{
    struct control_rig rig;

    control_rig_open(&rig);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    control_rig_pass(1400);
    agent_reconsider(rig.agent);
    control_rig_turn(&rig, 100);
    cr_assert_eq(rig.renews, 0, "not yet");
    control_rig_pass(45);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 2, "%s: %s", rig.last.last_error_reason, rig.last.last_error_detail);
    cr_assert_eq(rig.renews, 1);
    cr_assert_eq(rig.bootstraps, 1);
    cr_assert_str_eq(rig.caller, WEB_ID);
    cr_assert_str_eq(rig.last.method, "renew");
    cr_assert_eq(identity_set_generation(current_get(&rig.current)), 2);
    control_rig_close(&rig);
}

Test(agent, I3_each_certificate_has_a_new_key_that_is_nowhere_on_disk)
{
    struct control_rig rig;
    unsigned writable;

    control_rig_open(&rig);
    cr_assert_eq(chdir(rig.folder), 0);
    writable = control_rig_writable();
    control_rig_start(&rig, NULL);
    for (unsigned i = 0; i < 6; i++) {
        control_rig_attempt(&rig);
        cr_assert_eq(rig.issued, i + 1, "%s", rig.last.last_error_detail);
        control_rig_pass(1500);
    }
    cr_assert_eq(rig.num_keys, 6);
    for (size_t a = 0; a < rig.num_keys; a++) {
        for (size_t b = 0; b < a; b++) {
            cr_assert(!bytes_equal(bytes_make(rig.keys[a], rig.key_lens[a]),
                                   bytes_make(rig.keys[b], rig.key_lens[b])));
        }
    }
    cr_assert_eq(control_rig_files(&rig), 2, "token and roots, nothing else");
    cr_assert_eq(control_rig_writable(), writable);
    cr_assert_eq(chdir("/"), 0);
    control_rig_close(&rig);
}

/* The control plane goes away for a part of a lifetime, measured from the last renewal. */
struct outage {
    int64_t steps; /* of a tenth of a lifetime */
    bool expires;
};

static void survive(struct outage outage)
{
    struct control_rig rig;
    struct identity_set *before;
    struct agent *agent;

    control_rig_open(&rig);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    before = current_get(&rig.current);
    agent = rig.agent;
    control_rig_go_away(&rig);
    for (int64_t step = 0; step < outage.steps; step++) {
        control_rig_pass(360);
        agent_reconsider(rig.agent);
        control_rig_turn(&rig, 30); /* attempts fail at once: nobody listens */
        cr_assert_eq(current_get(&rig.current), before, "what is valid is never dropped");
    }
    cr_assert_eq(rig.issued, 1);
    cr_assert_eq(rig.worried, outage.steps >= 8 ? 1 : 0, "said once, at three quarters of life");
    cr_assert_eq(rig.expired, outage.expires ? 1 : 0);
    control_rig_come_back(&rig);
    rig.token = "a-fresh-token";
    control_rig_write(rig.token_file, bytes_of("a-fresh-token"));
    while (rig.issued == 1) {
        control_rig_pass(61);
        control_rig_attempt(&rig);
    }
    cr_assert_eq(rig.agent, agent, "the same agent, not started again");
    cr_assert_eq(rig.issued, 2);
    cr_assert_str_eq(rig.last.method, outage.expires ? "bootstrap" : "renew");
    cr_assert_eq(rig.last.failures, 0);
    control_rig_close(&rig);
}

Test(agent, I13_an_outage_of_0_4_lifetimes_is_not_noticed)
{
    survive((struct outage){.steps = 4});
}

Test(agent, I13_after_an_outage_of_0_9_lifetimes_the_live_leaf_renews)
{
    survive((struct outage){.steps = 9});
}

Test(agent, I13_after_an_outage_of_1_5_lifetimes_it_attests_again_without_a_restart)
{
    survive((struct outage){.steps = 15, .expires = true});
}

Test(agent, reads_its_token_file_again_at_every_attempt)
{
    struct control_rig rig;

    control_rig_open(&rig);
    (void)unlink(rig.token_file);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "secret/no-file");
    cr_assert_eq(rig.bootstraps, 0);
    control_rig_write(rig.token_file, bytes_of("an old token"));
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "bootstrap/token-unknown");
    control_rig_write(rig.token_file, bytes_of(TOKEN));
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 1, "%s", rig.last.last_error_detail);
    control_rig_close(&rig);
}

Test(agent, waits_for_the_mounted_roots)
{
    struct control_rig rig;

    control_rig_open(&rig);
    (void)unlink(rig.bundle_file);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "agent/no-bundle-file");
    cr_assert_eq(rig.bootstraps, 0);
    control_rig_write(rig.bundle_file, test_ca_pem(rig.root));
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 1, "%s", rig.last.last_error_detail);
    control_rig_close(&rig);
}

static void pin_of(const struct test_ca *root, char out_hex[65])
{
    OWNED(bundle) *bundle = test_ca_bundle(root, "example.org");

    bytes_to_hex(
        bytes_make(bundle_root_sha256(bundle_find(bundle, bytes_of("example.org")), 0), 32),
        out_hex);
}

Test(agent, begins_with_nothing_but_the_pin_of_the_root)
{
    struct control_rig rig;
    char pin[65];

    control_rig_open(&rig);
    struct agent_options options = control_rig_agent_options(&rig);
    pin_of(rig.root, pin);
    options.bundle_file = NULL;
    options.bundle_sha256 = pin;
    control_rig_start(&rig, &options);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 1, "%s", rig.last.last_error_detail);
    control_rig_pass(1500);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.renews, 1);
    control_rig_close(&rig);
}

Test(agent, I8_a_wrong_pin_keeps_the_token_here)
{
    struct control_rig rig;
    char pin[65];

    control_rig_open(&rig);
    OWNED(test_ca) *other = test_ca_root("example.org");
    struct agent_options options = control_rig_agent_options(&rig);
    pin_of(other, pin);
    options.bundle_file = NULL;
    options.bundle_sha256 = pin;
    control_rig_start(&rig, &options);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "rpc/pin");
    cr_assert_eq(rig.bootstraps, 0);
    control_rig_close(&rig);
}

Test(agent, I8_another_identity_of_the_same_authority_does_not_get_the_token)
{
    struct control_rig rig;

    control_rig_open(&rig);
    control_rig_go_away(&rig);
    rig.own_id = "spiffe://example.org/ns/shop/sa/mallory";
    control_rig_come_back(&rig);
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "rpc/other-identity");
    cr_assert_not_null(strstr(rig.last.last_error_detail, "is not trusted"));
    cr_assert_not_null(strstr(rig.last.last_error_detail, rig.address));
    cr_assert_not_null(strstr(rig.last.last_error_detail, "mallory"));
    cr_assert_eq(rig.bootstraps, 0);
    control_rig_close(&rig);
}

Test(agent, I8_without_first_roots_it_does_not_even_start)
{
    static const struct {
        const char *bundle_file, *pin;
    } cases[] = {{NULL, NULL}, {"/roots.pem", "00"}, {NULL, "00"},
                 {NULL, ""},   {NULL, "zz"},         {"a", "b"}};
    struct control_rig rig;

    control_rig_open(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct agent_options options = control_rig_agent_options(&rig);
        struct agent *agent = NULL;
        struct failure why = {0};

        options.bundle_file = cases[i].bundle_file;
        options.bundle_sha256 = cases[i].pin;
        cr_assert_eq(agent_start(&rig.home, &rig.current, &options, &agent, &why), STATUS_CONFIG,
                     "case %zu", i);
        cr_assert_str_eq(why.reason, "agent/first-bundle");
    }
    control_rig_close(&rig);
}

Test(agent, refuses_options_that_cannot_be)
{
    struct control_rig rig;
    struct agent *agent = NULL;
    struct failure why = {0};

    control_rig_open(&rig);
    struct agent_options options = control_rig_agent_options(&rig);
    options.trust_domain = "Not A Domain";
    cr_assert_eq(agent_start(&rig.home, &rig.current, &options, &agent, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "agent/trust-domain");
    options = control_rig_agent_options(&rig);
    options.control_address = NULL;
    cr_assert_eq(agent_start(&rig.home, &rig.current, &options, &agent, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "agent/control-address");
    options = control_rig_agent_options(&rig);
    options.control_address = "nowhere";
    control_rig_start(&rig, &options);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "rpc/target");
    control_rig_close(&rig);
}

static void open_with_identity(struct control_rig *rig)
{
    control_rig_open(rig);
    control_rig_start(rig, NULL);
    control_rig_attempt(rig);
    cr_assert_eq(rig->issued, 1, "%s", rig->last.last_error_detail);
}

Test(agent, a_refused_leaf_makes_it_attest_again)
{
    struct control_rig rig;

    open_with_identity(&rig);
    rig.token_uses = 2;
    rig.refuse = RPC_UNAUTHENTICATED;
    rig.refuse_reason = "verify/expired";
    rig.refuse_renew_only = 1;
    control_rig_pass(1500);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "verify/expired");
    cr_assert_eq(rig.renews, 1);
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
    cr_assert_eq(rig.bootstraps, 2);
    control_rig_close(&rig);
}

Test(agent, sleep_and_clock_steps_are_noticed_at_the_next_look)
{
    struct control_rig rig;

    open_with_identity(&rig);
    rig.token_uses = 2;
    control_rig_step(1600); /* only the wall clock: NTP, or a restored snapshot */
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
    cr_assert(rig.stepped >= 1);
    control_rig_step(-86400);
    control_rig_pass(1500); /* the boot clock goes on */
    control_rig_attempt(&rig);
    control_rig_close(&rig);
}

Test(agent, a_disputed_end_is_tried_with_the_leaf_first)
{
    struct control_rig rig;

    open_with_identity(&rig);
    rig.token_uses = 2;
    control_rig_step(3700); /* the wall clock alone says that the leaf has ended */
    control_rig_attempt(&rig);
    cr_assert_eq(rig.bootstraps, 1);
    cr_assert_str_eq(rig.last.method, "renew");
    control_rig_pass(
        61); /* here the server's wall clock says the same, and refuses it: now the token */
    control_rig_attempt(&rig);
    cr_assert_eq(rig.bootstraps, 2);
    cr_assert_eq(rig.issued, 2, "%s", rig.last.last_error_detail);
    control_rig_close(&rig);
}

Test(agent, backs_off_with_jitter_up_to_a_minute_and_never_stops)
{
    struct control_rig rig;
    int64_t greatest = 0;

    control_rig_open(&rig);
    control_rig_go_away(&rig);
    control_rig_start(&rig, NULL);
    while (rig.failed < 40) {
        control_rig_attempt(&rig); /* a draw of no delay makes two of one */
        cr_assert_eq(rig.last.failures, rig.failed);
        cr_assert_str_eq(rig.last.last_error_reason, "rpc/connection-refused");
        cr_assert_not_null(strstr(rig.last.last_error_detail, "cannot be reached"));
        cr_assert_not_null(strstr(rig.last.last_error_detail, rig.address));
        int64_t ceiling = rig.failed < 7 ? INT64_C(500) << rig.failed : 60000;
        cr_assert(rig.last.next_attempt_ms >= 0 && rig.last.next_attempt_ms <= ceiling, "%u: %ld",
                  rig.failed, (long)rig.last.next_attempt_ms);
        greatest = rig.last.next_attempt_ms > greatest ? rig.last.next_attempt_ms : greatest;
        control_rig_pass(61);
    }
    cr_assert(greatest > 20000, "forty draws of up to a minute, none above 20 s?");
    control_rig_come_back(&rig);
    while (rig.issued == 0) {
        control_rig_pass(61);
        control_rig_attempt(&rig);
    }
    cr_assert_eq(rig.last.failures, 0);
    control_rig_close(&rig);
}

Test(agent, a_control_plane_that_took_the_request_and_is_silent_is_not_called_unreachable)
{
    struct control_rig rig;

    control_rig_open(&rig);
    rig.silent = true;
    struct agent_options options = control_rig_agent_options(&rig);
    options.call_limit_ms = 1500; /* an attempt that hangs ends at its limit */
    control_rig_start(&rig, &options);
    control_rig_attempt(&rig);
    cr_assert_str_eq(rig.last.last_error_reason, "rpc/deadline");
    cr_assert_not_null(strstr(rig.last.last_error_detail, "was reached and gave no answer"));
    control_rig_close(&rig);
}

Test(agent, hurries_when_asked)
{
    struct control_rig rig;

    open_with_identity(&rig);
    agent_hurry(rig.agent);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 2);
    cr_assert_eq(rig.renews, 1);
    control_rig_close(&rig);
}

Test(agent, holds_no_thread_of_grpc_between_attempts)
{
    struct control_rig rig;
    unsigned before = control_rig_threads();

    open_with_identity(&rig);
    control_rig_go_away(&rig);
    for (int wait = 0; wait < 200 && control_rig_threads() > before; wait++) {
        control_rig_turn(&rig, 10);
    }
    cr_assert_eq(control_rig_threads(), before);
    control_rig_close(&rig);
}

static void closed_flag(void *user)
{
    *(bool *)user = true;
}

Test(agent, may_be_closed_at_any_moment)
{
    for (unsigned after_ms = 0; after_ms <= 24; after_ms += 3) {
        struct control_rig rig;
        bool closed = false;
        unsigned news;

        control_rig_open(&rig);
        rig.silent = after_ms % 2 == 0;
        control_rig_start(&rig, NULL);
        if (after_ms > 0) {
            control_rig_turn(&rig, after_ms);
        }
        news = rig.issued + rig.failed;
        agent_close(TAKE(rig.agent), closed_flag, &closed);
        for (int wait = 0; wait < 500 && !closed; wait++) {
            control_rig_turn(&rig, 5);
        }
        cr_assert(closed, "after %u ms", after_ms);
        cr_assert_eq(rig.issued + rig.failed, news, "no news after the close");
        control_rig_close(&rig);
    }
}

/* I21: the token, and the key of each certificate, in nothing that a person can read. */
Test(agent, I21_neither_token_nor_key_is_in_the_log_or_in_the_view)
{
    struct control_rig rig;
    static char text[1 << 20];
    FILE *log = tmpfile();
    size_t len;

    cr_assert_not_null(log);
    log_set_output(fileno(log));
    cr_assert_eq(log_set_levels("debug", NULL), STATUS_OK);
    control_rig_open(&rig);
    rig.token = "another";
    control_rig_start(&rig, NULL);
    control_rig_attempt(&rig);
    rig.token = TOKEN;
    control_rig_pass(61);
    control_rig_attempt(&rig);
    cr_assert_eq(rig.issued, 1);
    control_rig_go_away(&rig);
    control_rig_pass(1500);
    control_rig_attempt(&rig);
    CLEARED(secret) key = {0};
    cr_assert_eq(key_to_der(svid_key(identity_set_svid(current_get(&rig.current))), &key, NULL),
                 STATUS_OK);
    log_set_output(2);
    rewind(log);
    len = fread(text, 1, sizeof text, log);
    cr_assert(len > 200, "it does log");
    cr_assert_null(memmem(text, len, TOKEN, strlen(TOKEN)));
    cr_assert_null(memmem(text, len, "PRIVATE KEY", 11));
    cr_assert_null(memmem(text, len, key.at + key.len / 2, 16));
    cr_assert_null(memmem(&rig.last, sizeof rig.last, TOKEN, strlen(TOKEN)));
    (void)fclose(log);
    control_rig_close(&rig);
}
