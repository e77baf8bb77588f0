/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/trust/identity/verify.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(verify);

#define WEB "spiffe://td/ns/shop/sa/web"

/* A domain td with a root, an intermediate, and the bundle of the root. */
struct world {
    struct test_ca *root;
    struct test_ca *middle;
    struct bundle *bundle;
    int64_t now_s;
};

static void world_make(struct world *world)
{
    world->now_s = clock_unix_s();
    world->root = test_ca_root("td");
    world->middle = test_ca_intermediate(world->root, "td");
    world->bundle = test_ca_bundle(world->root, "td");
}

static void world_drop(struct world *world)
{
    test_ca_drop(&world->root);
    test_ca_drop(&world->middle);
    bundle_drop(&world->bundle);
}

/* The reason why a chain is refused; "" when it is accepted. */
static const char *world_judge(const struct world *world, const struct test_ca *leaf,
                               enum verify_use use)
{
    struct bytes chain[16];
    size_t num_certs = test_ca_chain(leaf, chain, 16);
    struct verified_peer peer;
    static struct failure why;

    why = (struct failure){.reason = ""};
    (void)!verify_peer(world->bundle, chain, num_certs, use, world->now_s, &peer, &why);
    return why.reason;
}

static const char *world_judge_plan(const struct world *world, const struct test_ca_plan *plan)
{
    OWNED(test_ca) *leaf = test_ca_make(plan, world->middle);

    return world_judge(world, leaf, VERIFY_CLIENT);
}

/* The same for an intermediate of this plan with a sound leaf below it. */
static const char *world_judge_middle(const struct world *world, const struct test_ca_plan *plan)
{
    OWNED(test_ca) *middle = test_ca_make(plan, world->root);
    OWNED(test_ca) *leaf = test_ca_leaf(middle, WEB);

    return world_judge(world, leaf, VERIFY_CLIENT);
}

Test(verify, says_who_the_peer_is)
{
    struct world world;
    OWNED(test_ca) *leaf = NULL;
    struct bytes chain[2];
    struct verified_peer peer;
    OWNED(svid) *svid = NULL;

    world_make(&world);
    leaf = test_ca_leaf_between(world.middle, WEB, world.now_s - 7, world.now_s + 70);
    svid = test_ca_svid(leaf);
    cr_assert_eq(test_ca_chain(leaf, chain, 2), 2);
    for (int i = 0; i < 3; i++) { /* from the second time on, the root's signature is remembered */
        cr_assert_eq(verify_peer(world.bundle, chain, 2, VERIFY_CLIENT, world.now_s, &peer, NULL),
                     STATUS_OK);
        cr_assert_str_eq(peer.id.text, WEB);
        cr_assert_eq(peer.starts_at, world.now_s - 7);
        cr_assert_eq(peer.expires_at, world.now_s + 70);
        cr_assert_str_eq(peer.serial_hex, svid_serial_hex(svid));
        cr_assert_str_eq(peer.issuer_hex, svid_issuer_hex(svid));
        cr_assert_arr_eq(peer.root_sha256, bundle_root_sha256(bundle_domain(world.bundle, 0), 0),
                         BUNDLE_SHA256_LEN);
    }
    world_drop(&world);
}

Test(verify, accepts_leaves_right_below_the_root_and_the_root_shown_along)
{
    struct world world;
    OWNED(test_ca) *leaf = NULL;
    struct bytes chain[2];
    struct verified_peer peer;

    world_make(&world);
    leaf = test_ca_leaf(world.root, WEB);
    cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "");
    cr_assert_str_eq(world_judge(&world, leaf, VERIFY_SERVER), "");
    chain[0] = test_ca_der(leaf);
    chain[1] = test_ca_der(world.root);
    cr_assert_eq(verify_peer(world.bundle, chain, 2, VERIFY_CLIENT, world.now_s, &peer, NULL),
                 STATUS_OK);
    world_drop(&world);
}

Test(verify, accepts_foreign_kinds_of_keys_and_signatures)
{
    static const struct {
        enum test_ca_key_kind kind;
        enum test_ca_digest digest;
    } accepted[] = {
        {TEST_CA_P256, TEST_CA_SHA384},     {TEST_CA_P384, TEST_CA_SHA384},
        {TEST_CA_P384, TEST_CA_SHA256},     {TEST_CA_RSA_2048, TEST_CA_SHA256},
        {TEST_CA_RSA_2048, TEST_CA_SHA384},
    };

    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        struct test_ca_plan plan = test_ca_plan_root("td");
        struct world world = {.now_s = clock_unix_s()};
        OWNED(test_ca) *leaf = NULL;

        plan.key_kind = accepted[i].kind;
        world.root = test_ca_make(&plan, NULL);
        world.bundle = test_ca_bundle(world.root, "td");
        plan = test_ca_plan_leaf(WEB);
        plan.key_kind = accepted[i].kind;
        plan.digest = accepted[i].digest;
        leaf = test_ca_make(&plan, world.root);
        cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "", "row %zu", i);
        world_drop(&world);
    }
}

/* Source: X509-SVID 4 and 5.2. */
Test(verify, I10_leaves_that_break_the_standard_are_refused)
{
    struct test_ca_plan sound = test_ca_plan_leaf(WEB);
    struct test_ca_plan plan = sound;
    struct world world;

    world_make(&world);
    cr_assert_str_eq(world_judge_plan(&world, &plan), "");
    plan.dns[0] = "web.shop.svc";
    cr_assert_str_eq(world_judge_plan(&world, &plan), "", "other names may stand beside the URI");
    plan.num_uris = 0;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/uri-san-count");
    plan = sound;
    plan.uris[plan.num_uris++] = bytes_of("spiffe://td/ns/shop/sa/api");
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/uri-san-count");
    plan = sound;
    plan.num_uris = 0;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/uri-san-count");
    plan = sound;
    plan.is_ca = true;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/ca-leaf");
    plan = sound;
    plan.usage_absent = true;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/key-usage");
    plan = sound;
    plan.usage_not_critical = true;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/key-usage");
    plan = sound;
    plan.usage = TEST_CA_KEY_ENCIPHERMENT;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/key-usage");
    plan.usage = TEST_CA_DIGITAL_SIGNATURE | TEST_CA_KEY_CERT_SIGN;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/key-usage");
    plan.usage = TEST_CA_DIGITAL_SIGNATURE | TEST_CA_CRL_SIGN;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/key-usage");
    plan = sound;
    plan.extended_absent = true;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/eku");
    plan = sound;
    plan.names_critical = false;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/san-critical");
    plan.common_name = "web";
    cr_assert_str_eq(world_judge_plan(&world, &plan), "");
    plan = sound;
    plan.unknown_critical = true;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/unknown-critical");
    plan = sound;
    plan.basic_absent = true; /* absent is FALSE */
    cr_assert_str_eq(world_judge_plan(&world, &plan), "");
    world_drop(&world);
}

Test(verify, I10_odd_bytes_in_the_uri_are_refused)
{
    static const struct {
        const char *text;
        size_t len;
    } odd[] = {
        {"spiffe://td/a\0b", 15},     {"spiffe://td/a\0", 14},      {"spiffe://td\0/a", 14},
        {"spiffe://td/\xc3\xa4", 14}, {"spiffe://t\xd0\xb4/a", 14}, {"spiffe://td", 11},
        {"spiffe://td/", 12},         {"https://td/a", 12},         {"", 0},
        {"spiffe://TD/a", 13},        {"spiffe://td/a?b", 15},      {"spiffe://td/../td2/a", 20},
    };
    struct world world;

    world_make(&world);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct test_ca_plan plan = test_ca_plan_leaf(WEB);

        plan.uris[0] = bytes_make(odd[i].text, odd[i].len);
        cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/leaf-id", "%s", odd[i].text);
    }
    world_drop(&world);
}

Test(verify, I10_a_certificate_serves_only_in_its_direction)
{
    struct test_ca_plan plan = test_ca_plan_leaf(WEB);
    OWNED(test_ca) *client = NULL;
    OWNED(test_ca) *server = NULL;
    struct world world;

    world_make(&world);
    plan.for_server = false;
    client = test_ca_make(&plan, world.root);
    plan.for_server = true;
    plan.for_client = false;
    server = test_ca_make(&plan, world.root);
    cr_assert_str_eq(world_judge(&world, client, VERIFY_CLIENT), "");
    cr_assert_str_eq(world_judge(&world, client, VERIFY_SERVER), "verify/eku");
    cr_assert_str_eq(world_judge(&world, server, VERIFY_SERVER), "");
    cr_assert_str_eq(world_judge(&world, server, VERIFY_CLIENT), "verify/eku");

    plan = test_ca_plan_intermediate("td"); /* an authority for servers only */
    plan.extended_absent = false;
    plan.for_server = true;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/eku");
    world_drop(&world);
}

Test(verify, I10_weak_algorithms_and_keys_are_refused)
{
    struct test_ca_plan plan = test_ca_plan_leaf(WEB);
    struct world world;

    world_make(&world);
    plan.digest = TEST_CA_SHA1;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/algorithm");
    plan = test_ca_plan_leaf(WEB);
    plan.key_kind = TEST_CA_RSA_1024;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/key");
    plan.key_kind = TEST_CA_P224;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/key");
    plan = test_ca_plan_intermediate("td");
    plan.digest = TEST_CA_SHA1;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/algorithm");
    plan = test_ca_plan_intermediate("td");
    plan.key_kind = TEST_CA_RSA_1024;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/key");
    world_drop(&world);
}

/* A judge knows his own time and the certificate's, not whose clock is wrong: he says both times. */
Test(verify, a_certificate_out_of_date_is_refused_with_both_times_as_dates)
{
    char said[FAILURE_DETAIL_MAX];
    struct world world;
    OWNED(test_ca) *leaf = NULL;
    struct bytes chain[2];
    struct verified_peer peer;
    struct failure why = {0};

    world_make(&world);
    leaf = test_ca_leaf_between(world.root, WEB, world.now_s - 10, world.now_s + 10);
    cr_assert_eq(test_ca_chain(leaf, chain, 2), 1);
    cr_assert_eq(verify_peer(world.bundle, chain, 1, VERIFY_CLIENT, world.now_s + 56, &peer, &why),
                 STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "verify/expired");
    (void)snprintf(said, sizeof said,
                   "the certificate ended %s; judged at %s, 46 s after: it was not renewed, or the "
                   "judge's clock is ahead",
                   clock_utc(world.now_s + 10).text, clock_utc(world.now_s + 56).text);
    cr_assert_str_eq(why.detail, said);
    cr_assert_eq(verify_peer(world.bundle, chain, 1, VERIFY_CLIENT, world.now_s - 22, &peer, &why),
                 STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "verify/not-yet-valid");
    (void)snprintf(said, sizeof said,
                   "the certificate begins %s; judged at %s, 12 s before: the judge's clock is "
                   "behind, or the authority's was ahead",
                   clock_utc(world.now_s - 10).text, clock_utc(world.now_s - 22).text);
    cr_assert_str_eq(why.detail, said);
    /* The edges: valid from the first second on, no longer in the last. */
    cr_assert_eq(verify_peer(world.bundle, chain, 1, VERIFY_CLIENT, world.now_s - 10, &peer, NULL),
                 STATUS_OK);
    cr_assert_eq(verify_peer(world.bundle, chain, 1, VERIFY_CLIENT, world.now_s + 9, &peer, NULL),
                 STATUS_OK);
    cr_assert_eq(verify_peer(world.bundle, chain, 1, VERIFY_CLIENT, world.now_s + 10, &peer, NULL),
                 STATUS_UNTRUSTED);
    world_drop(&world);
}

Test(verify, I10_every_link_has_dates)
{
    struct test_ca_plan plan = test_ca_plan_intermediate("td");
    OWNED(test_ca) *old_root = NULL;
    struct world world;

    world_make(&world);
    plan.not_after = world.now_s - 1;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/expired");
    plan = test_ca_plan_intermediate("td");
    plan.not_before = world.now_s + 60;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/not-yet-valid");
    world_drop(&world);

    plan = test_ca_plan_root("td");
    plan.not_after = clock_unix_s() - 1;
    old_root = test_ca_make(&plan, NULL);
    {
        OWNED(test_ca) *leaf = test_ca_leaf(old_root, WEB);
        OWNED(bundle) *bundle = test_ca_bundle(old_root, "td");
        struct world old = {.bundle = bundle, .now_s = clock_unix_s()};

        cr_assert_str_eq(world_judge(&old, leaf, VERIFY_CLIENT), "verify/expired");
    }
}

Test(verify, I10_a_leaf_is_no_authority)
{
    struct world world;
    OWNED(test_ca) *thief = NULL;
    OWNED(test_ca) *forged = NULL;
    struct test_ca_plan plan = test_ca_plan_leaf("spiffe://td/ns/dev/sa/thief");

    world_make(&world);
    plan.common_name = "thief";
    thief = test_ca_make(&plan, world.middle);
    forged = test_ca_leaf(thief, WEB);
    cr_assert_str_eq(world_judge(&world, forged, VERIFY_CLIENT), "verify/not-a-ca");
    world_drop(&world);
}

Test(verify, I10_authorities_must_be_ones)
{
    struct test_ca_plan sound = test_ca_plan_intermediate("td");
    struct test_ca_plan plan = sound;
    struct world world;

    world_make(&world);
    cr_assert_str_eq(world_judge_middle(&world, &plan), "");
    plan.is_ca = false;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/not-a-ca");
    plan = sound;
    plan.basic_absent = true;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/not-a-ca");
    plan = sound;
    plan.usage = TEST_CA_CRL_SIGN;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/not-a-ca");
    plan = sound;
    plan.usage_absent = true;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/not-a-ca");
    plan = sound;
    plan.usage_not_critical = true;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/not-a-ca");
    plan = sound;
    plan.unknown_critical = true;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/unknown-critical");
    plan = sound;
    plan.wrong_signature = true;
    cr_assert_str_eq(world_judge_middle(&world, &plan), "verify/signature");
    world_drop(&world);
}

Test(verify, I10_path_lengths_are_honoured)
{
    struct world world;
    struct test_ca_plan plan = test_ca_plan_intermediate("td");
    OWNED(test_ca) *upper = NULL;
    OWNED(test_ca) *lower = NULL;
    OWNED(test_ca) *leaf = NULL;

    world_make(&world);
    for (int allowed = 0; allowed < 2; allowed++) {
        plan.path_len = allowed;
        plan.common_name = "upper";
        upper = test_ca_make(&plan, world.root);
        lower = test_ca_intermediate(upper, "td");
        leaf = test_ca_leaf(lower, WEB);
        cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT),
                         allowed == 0 ? "verify/path-length" : "");
        test_ca_drop(&upper);
        test_ca_drop(&lower);
        test_ca_drop(&leaf);
    }
    world_drop(&world);
}

Test(verify, I10_name_constraints_are_honoured)
{
    static const struct {
        const char *permitted;
        const char *excluded;
        const char *reason;
    } rows[] = {
        {"td", NULL, ""},
        {"other", NULL, "verify/name-constraint"},
        {".td", NULL, "verify/name-constraint"},
        {NULL, "td", "verify/name-constraint"},
        {NULL, "other", ""},
        {"td", "td", "verify/name-constraint"},
        {"TD", NULL, ""},
        {"d", NULL, "verify/name-constraint"},
    };
    struct world world;

    world_make(&world);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_ca_plan plan = test_ca_plan_intermediate("td");

        plan.permitted_uri = rows[i].permitted;
        plan.excluded_uri = rows[i].excluded;
        cr_assert_str_eq(world_judge_middle(&world, &plan), rows[i].reason, "row %zu", i);
    }
    world_drop(&world);
}

Test(verify, I10_name_constraints_of_a_root_bind_too)
{
    struct test_ca_plan plan = test_ca_plan_root("td");
    struct world world = {.now_s = clock_unix_s()};
    OWNED(test_ca) *leaf = NULL;

    plan.permitted_uri = "elsewhere";
    world.root = test_ca_make(&plan, NULL);
    world.bundle = test_ca_bundle(world.root, "td");
    leaf = test_ca_leaf(world.root, WEB);
    cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "verify/name-constraint");
    world_drop(&world);
}

Test(verify, I10_I20_each_domain_has_its_own_roots)
{
    OWNED(test_ca) *ours = test_ca_root("td");
    OWNED(test_ca) *theirs = test_ca_root("td"); /* the same subject as ours */
    struct bundle_part parts[] = {
        {.trust_domain = bytes_of("td"), .roots_der = test_ca_der(ours)},
        {.trust_domain = bytes_of("other"), .roots_der = test_ca_der(theirs)},
        {.trust_domain = bytes_of("empty"), .roots_der = bytes_of("")},
    };
    struct world world = {.now_s = clock_unix_s()};
    OWNED(test_ca) *sound = test_ca_leaf(theirs, "spiffe://other/a");
    OWNED(test_ca) *forged = test_ca_leaf(theirs, WEB);
    OWNED(test_ca) *reversed = test_ca_leaf(ours, "spiffe://other/a");
    OWNED(test_ca) *nobodys = test_ca_leaf(ours, "spiffe://nobody/a");
    OWNED(test_ca) *emptys = test_ca_leaf(ours, "spiffe://empty/a");

    cr_assert_eq(bundle_make(parts, 3, 1, &world.bundle, NULL), STATUS_OK);
    cr_assert_str_eq(world_judge(&world, sound, VERIFY_CLIENT), "");
    cr_assert_str_eq(world_judge(&world, forged, VERIFY_CLIENT), "verify/untrusted-root");
    cr_assert_str_eq(world_judge(&world, reversed, VERIFY_CLIENT), "verify/untrusted-root");
    cr_assert_str_eq(world_judge(&world, nobodys, VERIFY_CLIENT), "verify/no-bundle");
    cr_assert_str_eq(world_judge(&world, emptys, VERIFY_CLIENT), "verify/untrusted-root");
    bundle_drop(&world.bundle);
}

Test(verify, I10_a_foreign_root_with_our_roots_name_and_no_key_ids_is_refused_by_its_signature)
{
    struct test_ca_plan plan = test_ca_plan_root("td");
    OWNED(test_ca) *foreign = NULL;
    OWNED(test_ca) *leaf = NULL;
    struct world world;

    world_make(&world);
    plan.key_ids_absent = true;
    foreign = test_ca_make(&plan, NULL);
    plan = test_ca_plan_leaf(WEB);
    plan.key_ids_absent = true;
    leaf = test_ca_make(&plan, foreign);
    cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "verify/signature");
    world_drop(&world);
}

Test(verify, I10_what_a_root_vouched_for_goes_with_its_bundle)
{
    struct world world;
    OWNED(test_ca) *leaf = NULL;
    OWNED(test_ca) *new_root = test_ca_root("td");
    OWNED(bundle) *next = test_ca_bundle(new_root, "td");

    world_make(&world);
    leaf = test_ca_leaf(world.middle, WEB);
    cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "");
    bundle_drop(&world.bundle);
    world.bundle = bundle_ref(next);
    cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "verify/untrusted-root");
    world_drop(&world);
}

Test(verify, I10_an_intermediate_that_was_vouched_for_still_has_dates_and_a_leaf_still_a_signature)
{
    struct world world;
    OWNED(test_ca) *leaf = NULL;
    struct test_ca_plan plan = test_ca_plan_leaf(WEB);

    world_make(&world);
    leaf = test_ca_leaf_between(world.middle, WEB, world.now_s - 9, world.now_s + 1000000);
    cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "");
    plan.wrong_signature = true;
    cr_assert_str_eq(world_judge_plan(&world, &plan), "verify/signature");
    world.now_s += 90000; /* the intermediate's day is over, the leaf's is not */
    cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "verify/expired");
    world_drop(&world);
}

Test(verify, more_intermediates_than_are_remembered_are_judged_all_the_same)
{
    struct world world;

    world_make(&world);
    for (int i = 0; i < 2 * VOUCHED_MAX; i++) {
        OWNED(test_ca) *middle = test_ca_intermediate(world.root, "td");
        OWNED(test_ca) *leaf = test_ca_leaf(middle, WEB);

        cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "");
        cr_assert_str_eq(world_judge(&world, leaf, VERIFY_CLIENT), "");
    }
    world_drop(&world);
}

Test(verify, I10_a_chain_of_a_hundred_certificates_is_refused_before_any_is_read)
{
    struct bytes chain[100];
    struct world world;
    OWNED(test_ca) *leaf = NULL;
    struct verified_peer peer;
    struct failure why = {0};

    world_make(&world);
    leaf = test_ca_leaf(world.middle, WEB);
    chain[0] = test_ca_der(leaf);
    for (size_t i = 1; i < 100; i++) {
        chain[i] = test_ca_der(world.middle);
    }
    cr_assert_eq(verify_peer(world.bundle, chain, 100, VERIFY_CLIENT, world.now_s, &peer, &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "verify/chain-too-long");
    cr_assert_eq(verify_peer(world.bundle, chain, 8, VERIFY_CLIENT, world.now_s, &peer, &why),
                 STATUS_OK);
    cr_assert_eq(verify_peer(world.bundle, chain, 0, VERIFY_CLIENT, world.now_s, &peer, &why),
                 STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "verify/no-certificate");
    world_drop(&world);
}

/* Seven intermediates that could each have issued each other, none of them under our root. */
Test(verify, I10_a_knot_of_intermediates_costs_a_bounded_number_of_steps)
{
    struct test_ca *knot[7];
    struct bytes chain[8];
    OWNED(test_ca) *leaf = NULL;
    OWNED(test_ca) *stranger = NULL;
    struct test_ca_plan plan = test_ca_plan_intermediate("td");
    struct world world;
    struct verified_peer peer;
    struct failure why = {0};
    enum status status;

    world_make(&world);
    plan.key_ids_absent = true;
    plan.common_name = "knot";
    stranger = test_ca_make(&plan, NULL); /* issued by its own name */
    leaf = test_ca_leaf(stranger, WEB);
    chain[0] = test_ca_der(leaf);
    for (size_t i = 0; i < 7; i++) {
        knot[i] = test_ca_make(&plan, stranger);
        chain[i + 1] = test_ca_der(knot[i]);
    }
    status = verify_peer(world.bundle, chain, 8, VERIFY_CLIENT, world.now_s, &peer, &why);
    cr_assert_eq(status, STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "verify/too-complex");
    for (size_t i = 0; i < 7; i++) {
        test_ca_drop(&knot[i]);
    }
    world_drop(&world);
}

/* The same knot right below our root's name: each path costs a signature, until the bound. */
Test(verify, I10_many_false_paths_to_a_root_cost_a_bounded_number_of_signatures)
{
    struct test_ca *fakes[7];
    struct bytes chain[8];
    OWNED(test_ca) *leaf = NULL;
    OWNED(test_ca) *fake_root = NULL;
    struct test_ca_plan plan = test_ca_plan_root("td");
    struct world world;
    struct verified_peer peer;
    struct failure why = {0};

    world_make(&world);
    plan.key_ids_absent = true;
    fake_root = test_ca_make(&plan, NULL); /* our root's name, another key, issued by that name */
    leaf = test_ca_leaf(fake_root, WEB);
    plan = test_ca_plan_leaf(WEB);
    plan.key_ids_absent = true;
    test_ca_drop(&leaf);
    leaf = test_ca_make(&plan, fake_root);
    plan = test_ca_plan_root("td");
    plan.key_ids_absent = true;
    chain[0] = test_ca_der(leaf);
    for (size_t i = 0; i < 7; i++) {
        fakes[i] = test_ca_make(&plan, fake_root);
        chain[i + 1] = test_ca_der(fakes[i]);
    }
    cr_assert_eq(verify_peer(world.bundle, chain, 8, VERIFY_CLIENT, world.now_s, &peer, &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "verify/too-complex");
    for (size_t i = 0; i < 7; i++) {
        test_ca_drop(&fakes[i]);
    }
    world_drop(&world);
}

Test(verify, finds_the_way_among_intermediates_in_any_order_and_old_ones)
{
    struct world world;
    OWNED(test_ca) *upper = NULL;
    OWNED(test_ca) *lower = NULL;
    OWNED(test_ca) *leaf = NULL;
    OWNED(test_ca) *other = NULL;
    struct test_ca_plan plan = test_ca_plan_intermediate("td");
    struct bytes chain[5];
    struct verified_peer peer;

    world_make(&world);
    plan.common_name = "upper";
    upper = test_ca_make(&plan, world.root);
    plan.common_name = "lower";
    lower = test_ca_make(&plan, upper);
    plan.not_after = world.now_s - 1; /* the same authority, expired */
    plan.key = test_ca_key(lower);
    other = test_ca_make(&plan, upper);
    leaf = test_ca_leaf(lower, WEB);
    chain[0] = test_ca_der(leaf);
    chain[1] = test_ca_der(world.root);
    chain[2] = test_ca_der(other);
    chain[3] = test_ca_der(upper);
    chain[4] = test_ca_der(lower);
    cr_assert_eq(verify_peer(world.bundle, chain, 5, VERIFY_SERVER, world.now_s, &peer, NULL),
                 STATUS_OK);
    world_drop(&world);
}

Test(verify, I10_every_flipped_bit_of_a_leaf_is_refused)
{
    struct world world;
    OWNED(test_ca) *leaf = NULL;
    static uint8_t copy[2048];
    size_t len;

    world_make(&world);
    leaf = test_ca_leaf(world.root, WEB);
    len = test_ca_der(leaf).len;
    memcpy(copy, test_ca_der(leaf).at, len);
    for (size_t i = 0; i < 8 * len; i++) {
        struct bytes chain = bytes_make(copy, len);
        struct verified_peer peer;

        copy[i / 8] ^= (uint8_t)(1u << i % 8);
        cr_assert_neq(verify_peer(world.bundle, &chain, 1, VERIFY_CLIENT, world.now_s, &peer, NULL),
                      STATUS_OK, "bit %zu", i);
        copy[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    world_drop(&world);
}
