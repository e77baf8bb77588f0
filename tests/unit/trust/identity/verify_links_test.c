/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/clock.h"
#include "core/trust/identity/verify.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(verify_links);

#define WEB "spiffe://td/ns/shop/sa/web"

/* The reason why `leaf`, as a client, is refused under `root`'s bundle; "" when it is accepted. */
static const char *links_judge(const struct test_ca *root, const struct test_ca *leaf)
{
    OWNED(bundle) *bundle = test_ca_bundle(root, "td");
    struct bytes chain[4];
    size_t num_certs = test_ca_chain(leaf, chain, 4);
    struct verified_peer peer;
    static struct failure why;

    why = (struct failure){.reason = ""};
    (void)!verify_peer(bundle, chain, num_certs, VERIFY_CLIENT, clock_unix_s(), &peer, &why);
    return why.reason;
}

/* Source: X509-SVID 4.1: a signing certificate's ID has no path, and is of the leaf's trust domain. */
Test(verify_links, I10_an_authority_with_an_id_has_that_of_the_trust_domain)
{
    static const struct {
        const char *uri;
        const char *reason;
    } rows[] = {
        {"spiffe://td", ""},
        {"spiffe://other", "verify/authority-id"},
        {"spiffe://td/ns/shop/sa/web", "verify/authority-id"},
        {"spiffe://td/", "verify/authority-id"},
        {"spiffe://TD", "verify/authority-id"},
        {"spiffe://t", "verify/authority-id"},
        {"spiffe://td.other", "verify/authority-id"},
        {"https://td", "verify/authority-id"},
        {"", "verify/authority-id"},
    };
    OWNED(test_ca) *root = test_ca_root("td");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_ca_plan plan = test_ca_plan_intermediate("td");
        OWNED(test_ca) *middle = NULL;
        OWNED(test_ca) *leaf = NULL;

        plan.uris[0] = bytes_of(rows[i].uri);
        plan.num_uris = 1;
        middle = test_ca_make(&plan, root);
        leaf = test_ca_leaf(middle, WEB);
        /* Twice: a signature that is remembered excuses nothing. */
        cr_assert_str_eq(links_judge(root, leaf), rows[i].reason, "%s", rows[i].uri);
        cr_assert_str_eq(links_judge(root, leaf), rows[i].reason, "%s", rows[i].uri);
    }
}

Test(verify_links, I10_an_authority_has_at_most_one_id)
{
    struct test_ca_plan plan = test_ca_plan_intermediate("td");
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *middle = NULL;
    OWNED(test_ca) *leaf = NULL;

    plan.uris[0] = bytes_of("spiffe://td");
    plan.uris[1] = bytes_of("spiffe://other");
    plan.num_uris = 2;
    middle = test_ca_make(&plan, root);
    leaf = test_ca_leaf(middle, WEB);
    cr_assert_str_eq(links_judge(root, leaf), "verify/authority-id");
}

/* The lower of two authorities is a link as well. */
Test(verify_links, I10_every_link_of_a_longer_chain_is_judged)
{
    struct test_ca_plan plan = test_ca_plan_intermediate("td");
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *upper = NULL;
    OWNED(test_ca) *lower = NULL;
    OWNED(test_ca) *leaf = NULL;

    plan.common_name = "upper";
    upper = test_ca_make(&plan, root);
    plan.common_name = "lower";
    plan.uris[0] = bytes_of("spiffe://other");
    plan.num_uris = 1;
    lower = test_ca_make(&plan, upper);
    leaf = test_ca_leaf(lower, WEB);
    cr_assert_str_eq(links_judge(root, leaf), "verify/authority-id");
}

/* Source: X.690 11.5: a component that equals its default is left out. */
Test(verify_links, I10_an_explicit_false_of_the_ca_flag_is_no_der)
{
    struct test_ca_plan plan = test_ca_plan_leaf(WEB);
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *sound = test_ca_make(&plan, root);
    OWNED(test_ca) *leaf = NULL;

    cr_assert_str_eq(links_judge(root, sound), "");
    plan.basic_false = true;
    leaf = test_ca_make(&plan, root);
    cr_assert_str_eq(links_judge(root, leaf), "verify/der");
}
