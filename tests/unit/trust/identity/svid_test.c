/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/trust/identity/svid.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(svid);
SUITE(identity_set);

#define WEB "spiffe://td/ns/shop/sa/web"

/* The reason why a leaf of this plan is refused; "" when it is not. */
static const char *svid_refused(const struct test_ca_plan *plan)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_make(plan, root);
    struct svid *svid = NULL;
    struct failure why = {.reason = ""};

    if (svid_parse(test_ca_chain_der(leaf), NULL, &svid, &why) == STATUS_OK) {
        svid_drop(&svid);
    }
    return why.reason;
}

Test(svid, knows_itself)
{
    int64_t now = clock_unix_s();
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *middle = test_ca_intermediate(root, "td");
    OWNED(test_ca) *leaf = test_ca_leaf_between(middle, WEB, now - 10, now + 100);
    OWNED(svid) *svid = test_ca_svid(leaf);
    OWNED(svid) *from_pem = NULL;
    OWNED(svid) *shared = svid_ref(svid);

    cr_assert_str_eq(svid_id(svid)->text, WEB);
    cr_assert_eq(svid_starts_at(svid), now - 10);
    cr_assert_eq(svid_expires_at(svid), now + 100);
    cr_assert_eq(svid_num_certs(svid), 2);
    cr_assert(bytes_equal(svid_leaf_der(svid), test_ca_der(leaf)));
    cr_assert(bytes_equal(svid_cert_der(svid, 1), test_ca_der(middle)));
    cr_assert(bytes_equal(svid_chain_der(svid), test_ca_chain_der(leaf)));
    cr_assert(bytes_equal(svid_chain_pem(svid), test_ca_chain_pem(leaf)));
    cr_assert_eq(svid_key(svid), test_ca_key(leaf));
    cr_assert_eq(strlen(svid_issuer_hex(svid)), 40);
    cr_assert_eq(svid_parse_pem(test_ca_chain_pem(leaf), test_ca_key_pem(leaf), &from_pem, NULL),
                 STATUS_OK);
    cr_assert_str_eq(svid_serial_hex(from_pem), svid_serial_hex(shared));
}

Test(svid, I11_expires_with_the_first_of_its_chain)
{
    int64_t now = clock_unix_s();
    struct test_ca_plan plan = test_ca_plan_intermediate("td");
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *middle = NULL;
    OWNED(test_ca) *leaf = NULL;
    OWNED(svid) *svid = NULL;

    plan.not_after = now + 50;
    middle = test_ca_make(&plan, root);
    leaf = test_ca_leaf_between(middle, WEB, now, now + 100);
    svid = test_ca_svid(leaf);
    cr_assert_eq(svid_expires_at(svid), now + 50);
}

/* Source: X509-SVID 4 and 5.2. */
Test(svid, refuses_leaves_that_break_the_standard)
{
    struct test_ca_plan sound = test_ca_plan_leaf(WEB);
    struct test_ca_plan plan = sound;

    cr_assert_str_eq(svid_refused(&plan), "");

    plan.num_uris = 0;
    plan.dns[0] = "web.shop";
    cr_assert_str_eq(svid_refused(&plan), "svid/uri-san-count");
    plan = sound;
    plan.uris[plan.num_uris++] = bytes_of("spiffe://td/ns/shop/sa/api");
    cr_assert_str_eq(svid_refused(&plan), "svid/uri-san-count");
    plan = sound;
    plan.uris[plan.num_uris++] = plan.uris[0]; /* the same one twice is two */
    cr_assert_str_eq(svid_refused(&plan), "svid/uri-san-count");
    plan = sound;
    plan.uris[0] = bytes_of("spiffe://td");
    cr_assert_str_eq(svid_refused(&plan), "svid/leaf-id");
    plan.uris[0] = bytes_of("https://td/a");
    cr_assert_str_eq(svid_refused(&plan), "svid/leaf-id");
    plan.uris[0] = bytes_make("spiffe://td/a\0b", 15);
    cr_assert_str_eq(svid_refused(&plan), "svid/leaf-id");
    plan = sound;
    plan.is_ca = true;
    cr_assert_str_eq(svid_refused(&plan), "svid/leaf-is-ca");
    plan = sound;
    plan.usage_absent = true;
    cr_assert_str_eq(svid_refused(&plan), "svid/key-usage");
    plan = sound;
    plan.usage_not_critical = true;
    cr_assert_str_eq(svid_refused(&plan), "svid/key-usage");
    plan = sound;
    plan.usage = TEST_CA_KEY_ENCIPHERMENT;
    cr_assert_str_eq(svid_refused(&plan), "svid/key-usage");
    plan.usage = TEST_CA_DIGITAL_SIGNATURE | TEST_CA_KEY_CERT_SIGN;
    cr_assert_str_eq(svid_refused(&plan), "svid/key-usage");
    plan.usage = TEST_CA_DIGITAL_SIGNATURE | TEST_CA_CRL_SIGN;
    cr_assert_str_eq(svid_refused(&plan), "svid/key-usage");
}

Test(svid, refuses_a_chain_of_leaves)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_leaf(root, WEB);
    CLEARED(buffer) chain;
    struct svid *svid = NULL;
    struct failure why = {0};

    buffer_init(&chain, SVID_CHAIN_MAX);
    cr_assert_eq(buffer_add(&chain, test_ca_der(leaf)), STATUS_OK);
    cr_assert_eq(buffer_add(&chain, test_ca_der(leaf)), STATUS_OK);
    cr_assert_eq(svid_parse(buffer_bytes(&chain), NULL, &svid, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "svid/chain");
}

Test(svid, refuses_somebody_elses_key)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_leaf(root, WEB);
    struct svid *svid = NULL;
    struct failure why = {0};

    cr_assert_eq(svid_parse(test_ca_der(leaf), test_ca_key(root), &svid, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "svid/key-mismatch");
}

Test(svid, refuses_what_is_empty_broken_or_too_long)
{
    static uint8_t many[SVID_CHAIN_MAX + 1];
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_leaf(root, WEB);
    CLEARED(buffer) chain;
    struct svid *svid = NULL;
    struct failure why = {0};

    cr_assert_eq(svid_parse(bytes_of(""), NULL, &svid, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "svid/empty");
    cr_assert_eq(svid_parse(bytes_of("nonsense"), NULL, &svid, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "svid/der");
    cr_assert_eq(svid_parse(bytes_make(many, sizeof many), NULL, &svid, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "svid/too-long");
    cr_assert_eq(svid_parse_pem(bytes_of("nothing"), bytes_of(""), &svid, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "svid/pem");
    cr_assert_eq(svid_parse_pem(test_ca_pem(leaf), bytes_of("nothing"), &svid, &why),
                 STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "key/pem");

    buffer_init(&chain, SVID_CHAIN_MAX);
    cr_assert_eq(buffer_add(&chain, test_ca_der(leaf)), STATUS_OK);
    for (size_t i = 0; i < SVID_CERTS_MAX; i++) {
        cr_assert_eq(buffer_add(&chain, test_ca_der(root)), STATUS_OK);
    }
    cr_assert_eq(svid_parse(buffer_bytes(&chain), NULL, &svid, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "svid/too-long");
}

Test(identity_set, holds_svid_and_bundle)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(identity_set) *set = test_ca_identity_set(root, WEB, 7);
    OWNED(identity_set) *shared = identity_set_ref(set);

    cr_assert_eq(identity_set_generation(shared), 7);
    cr_assert_str_eq(svid_id(identity_set_svid(shared))->text, WEB);
    cr_assert_not_null(bundle_find(identity_set_bundle(shared), bytes_of("td")));
}

Test(identity_set, refuses_half_an_identity)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_leaf(root, WEB);
    OWNED(svid) *peer = NULL;
    OWNED(svid) *own = test_ca_svid(leaf);
    OWNED(bundle) *bundle = test_ca_bundle(root, "td");
    OWNED(bundle) *foreign = test_ca_bundle(root, "other");
    struct identity_set *set = NULL;
    struct failure why = {0};

    cr_assert_eq(svid_parse(test_ca_der(leaf), NULL, &peer, NULL), STATUS_OK);
    cr_assert_eq(identity_set_make(peer, bundle, 1, &set, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "identity-set/no-key");
    cr_assert_eq(identity_set_make(own, foreign, 1, &set, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "identity-set/no-bundle");
}
