/* SPDX-License-Identifier: Apache-2.0 */
/* Our own certificate and the peers that are expected, as they are judged at the start. */
#include "cmd/signet-proxy/fitness.h"

#include <string.h>

#include "core/runtime/base/clock.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(fitness);

#define FITNESS_ID "spiffe://td/ns/shop/sa/web"

/* A leaf for those directions, under the bundle of `roots` (which need not be its own). */
static struct identity_set *fitness_set(const struct test_ca *issuer, const struct test_ca *roots,
                                        bool for_client, bool for_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(FITNESS_ID);
    struct identity_set *set = NULL;
    OWNED(test_ca) *leaf = NULL;
    OWNED(svid) *svid = NULL;
    OWNED(bundle) *bundle = test_ca_bundle(roots, "td");

    plan.for_client = for_client;
    plan.for_server = for_server;
    leaf = test_ca_make(&plan, issuer);
    svid = test_ca_svid(leaf);
    cr_assert_eq(identity_set_make(svid, bundle, 1, &set, NULL), STATUS_OK);
    return set;
}

Test(fitness, a_certificate_must_serve_where_there_is_an_inbound_side)
{
    static const struct {
        bool transparent, inbound, outbound;
        bool for_client, for_server;
        const char *reason;
    } rows[] = {
        {true, false, false, true, true, ""},
        {true, false, false, true, false, "identity/no-server-auth"},
        {true, false, false, false, true, "identity/no-client-auth"},
        {false, true, false, true, false, "identity/no-server-auth"},
        {false, true, false, false, true, ""},
        {false, false, true, true, false, ""},
        {false, false, true, false, true, "identity/no-client-auth"},
        {false, true, true, true, false, "identity/no-server-auth"},
    };
    OWNED(test_ca) *root = test_ca_root("td");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        OWNED(identity_set) *set =
            fitness_set(root, root, rows[i].for_client, rows[i].for_server);
        struct forward forwards[2];
        struct sidecar_plan plan = {.transparent = rows[i].transparent, .forwards = forwards};
        struct failure why = {.reason = ""};

        if (rows[i].inbound) {
            forwards[plan.num_forwards++] = (struct forward){.inbound = true};
        }
        if (rows[i].outbound) {
            forwards[plan.num_forwards++] = (struct forward){.inbound = false};
        }
        (void)!fitness_of_leaf(set, &plan, clock_unix_s(), &why);
        cr_expect_str_eq(why.reason, rows[i].reason, "row %zu: %s", i, why.detail);
    }
}

Test(fitness, a_certificate_that_the_bundle_does_not_vouch_for_is_what_is_wrong)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *other = test_ca_root("td");
    OWNED(identity_set) *set = fitness_set(root, other, true, true);
    struct sidecar_plan plan = {.transparent = true};
    struct failure why = {0};

    cr_assert_eq(fitness_of_leaf(set, &plan, clock_unix_s(), &why), STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "identity/not-vouched-for");
    cr_assert_not_null(strstr(why.detail, "verify/untrusted-root"), "%s", why.detail);
}

Test(fitness, a_peer_of_a_trust_domain_without_roots_can_never_be_verified)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(identity_set) *set = fitness_set(root, root, true, true);
    struct failure why = {0};

    cr_assert_eq(fitness_of_peer(set, "peer=", "spiffe://td/a", &why), STATUS_OK);
    cr_assert_eq(fitness_of_peer(set, "peer=", "spiffe://other.org/a", &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "identity/peer-domain");
    cr_assert_not_null(strstr(why.detail, "other.org"), "%s", why.detail);
}
