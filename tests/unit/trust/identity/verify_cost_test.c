/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger's chain costs: signatures computed, counted at the function that computes them. */
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/trust/identity/verify.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(verify_cost);

static unsigned verify_cost_signatures;

bool __real_public_key_verify(struct evp_pkey_st *key, enum signature_algorithm algorithm,
                              struct bytes text, struct bytes signature);
bool __wrap_public_key_verify(struct evp_pkey_st *key, enum signature_algorithm algorithm,
                              struct bytes text, struct bytes signature);

bool __wrap_public_key_verify(struct evp_pkey_st *key, enum signature_algorithm algorithm,
                              struct bytes text, struct bytes signature)
{
    verify_cost_signatures++;
    return __real_public_key_verify(key, algorithm, text, signature);
}

/* Judges a leaf and `copies` times its intermediate, whose signature is good or not. */
static enum status verify_cost_of(size_t copies, bool good, struct failure *why)
{
    struct test_ca_plan plan = test_ca_plan_intermediate("example.org");
    OWNED(test_ca) *root = test_ca_root("example.org");
    OWNED(bundle) *bundle = test_ca_bundle(root, "example.org");
    struct bytes chain[VERIFY_CERTS_MAX];
    struct verified_peer peer;

    plan.wrong_signature = !good;
    OWNED(test_ca) *intermediate = test_ca_make(&plan, root);
    OWNED(test_ca) *leaf = test_ca_leaf(intermediate, "spiffe://example.org/ns/shop/sa/web");
    chain[0] = test_ca_der(leaf);
    for (size_t i = 1; i <= copies; i++) {
        chain[i] = test_ca_der(intermediate);
    }
    verify_cost_signatures = 0;
    return verify_peer(bundle, chain, copies + 1, VERIFY_CLIENT, clock_unix_s(), &peer, why);
}

Test(verify_cost, I17_a_certificate_shown_seven_times_costs_one_signature)
{
    struct failure why = {0};

    cr_assert_eq(verify_cost_of(VERIFY_CERTS_MAX - 1, false, &why), STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "verify/signature");
    cr_assert_eq(verify_cost_signatures, 1, "%u signatures", verify_cost_signatures);
}

Test(verify_cost, a_good_chain_with_a_certificate_twice_stays_good)
{
    struct failure why = {0};

    cr_assert_eq(verify_cost_of(2, true, &why), STATUS_OK, "%s: %s", why.reason, why.detail);
    cr_assert_eq(verify_cost_signatures, 2);
}
