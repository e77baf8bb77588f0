/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/attest.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "core/control/registry/instance.h"
#include "core/control/registry/token.h"
#include "tests/support/suite.h"
#include "tests/unit/control/registry/place.h"

SUITE(attest, .timeout = 60);

#define NOW ((int64_t)1800000000)

/* Who calls, with what, and what he gets: an identity, or a reason. */
struct attest_case {
    char proof[12];   /* "token" or "leaf" */
    char holds[64];   /* the token's entry, or the leaf's SPIFFE ID */
    int64_t age_s;    /* of the proof; it lives 100 s */
    char gets[64];    /* an identity, or "" */
    char refused[32]; /* a reason, or "" */
};

ParameterizedTestParameters(attest, I4_a_caller_gets_only_its_own_identity)
{
    static struct attest_case cases[] = {
        {"token", "web", 0, "spiffe://cluster.local/ns/shop/sa/web", ""},
        {"token", "api", 0, "spiffe://cluster.local/ns/shop/sa/api", ""},
        {"token", "gone", 0, "", "bootstrap/token-unknown"},
        {"token", "web", 100, "", "bootstrap/token-expired"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/web", 0,
         "spiffe://cluster.local/ns/shop/sa/web", ""},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/api", 99,
         "spiffe://cluster.local/ns/shop/sa/api", ""},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/web", 100, "", "renew/expired-leaf"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/web", 101, "", "renew/expired-leaf"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/gone", 0, "", "renew/no-entry"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/we", 0, "", "renew/no-entry"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/web/x", 0, "", "renew/no-entry"},
        {"leaf", "spiffe://example.org/ns/shop/sa/web", 0, "", "renew/no-entry"},
        {"leaf", "spiffe://cluster.local/ns/signet-system/sa/signet-control", 0, "",
         "renew/no-entry"},
        {"leaf", "", 0, "", "renew/no-leaf"},
    };
    return cr_make_param_array(struct attest_case, cases, sizeof cases / sizeof cases[0]);
}

static enum status attest_try(struct place *place, const struct attest_case *given,
                              struct bytes token, struct attested *out_attested,
                              struct failure *why)
{
    struct spiffe_id leaf;
    struct attest_proof proof = {.key = digest_of(bytes_of("key")), .now = NOW + given->age_s};

    if (strcmp(given->proof, "token") == 0) {
        proof.token = token;
        return attest_join_token.attest(&place->registry, &proof, out_attested, why);
    }
    if (given->holds[0] != '\0') {
        cr_assert_eq(spiffe_id_parse(bytes_of(given->holds), &leaf, why), STATUS_OK);
        proof.leaf = &leaf;
        proof.leaf_serial = bytes_of("0a0b");
        proof.leaf_expires_at = NOW + 100;
    }
    return attest_leaf.attest(&place->registry, &proof, out_attested, why);
}

ParameterizedTest(struct attest_case *given, attest, I4_a_caller_gets_only_its_own_identity)
{
    static const char *const names[] = {"web", "api", "gone"};
    struct place place = {0};
    CLEARED(secret) token = {0};
    struct attested attested = {0};
    struct failure why = {0};
    enum status status;

    place_make(&place);
    for (size_t i = 0; i < 3; i++) {
        place_add(&place, names[i], 0);
    }
    if (strcmp(given->proof, "token") == 0) {
        struct token_order order = {.entry = bytes_of(given->holds), .life_s = 100, .now = NOW};

        cr_assert_eq(token_create(&place.registry, &order, &token, NULL, &why), STATUS_OK);
    }
    cr_assert_eq(entry_remove(&place.registry, bytes_of("gone"), &why), STATUS_OK);
    status = attest_try(&place, given, secret_bytes(&token), &attested, &why);
    if (given->refused[0] == '\0') {
        cr_assert_eq(status, STATUS_OK, "%s %s: %s", given->proof, given->holds, why.detail);
        cr_assert_str_eq(attested.entry.spiffe_id.text, given->gets);
    } else {
        cr_assert_neq(status, STATUS_OK, "%s %s", given->proof, given->holds);
        cr_assert_str_eq(why.reason, given->refused);
        cr_assert_str_empty(attested.entry.name);
    }
    place_clear(&place);
}

/* --- instances ---------------------------------------------------------------------------------- */

static enum status attest_join(struct place *place, int64_t now, const char *serial,
                               struct attested *out_attested, struct failure *why)
{
    CLEARED(secret) token = {0};
    struct attest_proof proof = {.key = digest_of(bytes_of(serial)), .now = now};
    struct token_order order = {.entry = bytes_of("web"), .life_s = 100, .now = now};

    cr_assert_eq(token_create(&place->registry, &order, &token, NULL, why), STATUS_OK);
    proof.token = secret_bytes(&token);
    TRY(attest_join_token.attest(&place->registry, &proof, out_attested, why));
    return attest_issued(&place->registry, &proof, out_attested, serial, now + 1000, why);
}

static enum status attest_again(struct place *place, int64_t now, const char *shown,
                                const char *serial, struct attested *out_attested,
                                struct failure *why)
{
    struct attest_proof proof = {.key = digest_of(bytes_of(serial)),
                                 .now = now,
                                 .leaf_serial = bytes_of(shown),
                                 .leaf_expires_at = now + 500};
    struct spiffe_id leaf;

    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://cluster.local/ns/shop/sa/web"), &leaf, why),
                 STATUS_OK);
    proof.leaf = &leaf;
    TRY(attest_leaf.attest(&place->registry, &proof, out_attested, why));
    return attest_issued(&place->registry, &proof, out_attested, serial, now + 1000, why);
}

Test(attest, an_identity_is_held_by_no_more_instances_than_its_limit)
{
    struct place place = {0};
    struct attested first = {0};
    struct attested other = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 2);
    cr_assert_eq(attest_join(&place, NOW, "a1", &first, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(attest_join(&place, NOW, "b1", &other, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(attest_join(&place, NOW, "c1", &other, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "bootstrap/instance-limit");
    cr_assert_eq(attest_again(&place, NOW + 400, "a1", "a2", &other, &why), STATUS_OK);
    cr_assert_str_eq(other.instance, first.instance);
    cr_assert_eq(attest_join(&place, NOW + 999, "c1", &other, &why), STATUS_DENIED);
    cr_assert_eq(attest_join(&place, NOW + 1000, "c1", &other, &why), STATUS_OK); /* b ended */
    cr_assert_eq(attest_join(&place, NOW + 1000, "d1", &other, &why), STATUS_DENIED);
    place_clear(&place);
}

Test(attest, a_lost_reply_costs_an_instance_nothing_and_a_copied_old_leaf_is_told)
{
    struct place place = {0};
    struct attested first = {0};
    struct attested again = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 1);
    cr_assert_eq(attest_join(&place, NOW, "a1", &first, &why), STATUS_OK);
    cr_assert_eq(attest_again(&place, NOW + 1, "a1", "lost", &again, &why), STATUS_OK);
    cr_assert_eq(attest_again(&place, NOW + 2, "a1", "a2", &again, &why), STATUS_OK);
    cr_assert_str_eq(again.instance, first.instance);
    cr_assert_eq(attest_again(&place, NOW + 3, "a2", "a3", &again, &why), STATUS_OK);
    cr_assert_not(again.adopted);
    /* a1 is two renewals old: whoever shows it is not the instance that went on. */
    cr_assert_eq(attest_again(&place, NOW + 4, "a1", "x1", &again, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "renew/instance-limit");
    place_clear(&place);
}

Test(attest, a_live_leaf_that_the_store_does_not_know_is_adopted_and_said)
{
    struct place place = {0};
    struct attested attested = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(attest_again(&place, NOW, "a1", "a2", &attested, &why), STATUS_OK);
    cr_assert(attested.adopted);
    cr_assert_eq(attest_again(&place, NOW + 1, "a2", "a3", &attested, &why), STATUS_OK);
    cr_assert_not(attested.adopted);
    place_clear(&place);
}
