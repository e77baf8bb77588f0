/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our verify_peer against the library's X509_verify_cert on random chains, sound and spoiled:
 * whatever we accept it accepts, and what it accepts we refuse only for a rule of SPIFFE's or ours.
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/trust/identity/verify.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(verify_differential, .timeout = 120);

enum { ROUNDS = 4000, LINKS_MAX = 3 };

static uint64_t seed = 20260417;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* Spoils a plan in one of many ways, one time in `odds`. */
static void spoil(struct test_ca_plan *plan, uint32_t odds, int64_t now_s)
{
    static const char *const domains[] = {"td", "other", ".td", "d"};

    if (draw(odds) != 0) {
        return;
    }
    switch (draw(16)) {
    case 0:
        plan->not_after = now_s - 1 - draw(9);
        break;
    case 1:
        plan->not_before = now_s + 1 + draw(9);
        break;
    case 2:
        plan->is_ca = !plan->is_ca;
        break;
    case 3:
        plan->usage = draw(128);
        break;
    case 4:
        plan->usage_absent = true;
        break;
    case 5:
        plan->permitted_uri = domains[draw(4)];
        break;
    case 6:
        plan->excluded_uri = domains[draw(4)];
        break;
    case 7:
        plan->path_len = (int)draw(2);
        break;
    case 8:
        plan->unknown_critical = true;
        break;
    case 9:
        plan->wrong_signature = true;
        break;
    case 10:
        plan->extended_absent = false;
        plan->for_client = draw(2) != 0;
        break;
    case 11:
        plan->extended_absent = false;
        plan->for_server = draw(2) != 0;
        break;
    case 12:
        plan->key_ids_absent = true;
        break;
    case 13:
        plan->basic_absent = true;
        break;
    case 14:
        plan->key_kind = TEST_CA_P384;
        break;
    default:
        plan->digest = TEST_CA_SHA384;
        break;
    }
}

static X509 *x509_of(struct bytes der)
{
    const uint8_t *at = der.at;
    X509 *cert = d2i_X509(NULL, &at, (long)der.len);

    cr_assert_not_null(cert);
    return cert;
}

static bool library_accepts(const struct test_ca *root, const struct bytes *chain, size_t num_certs,
                            enum verify_use use, int64_t now_s)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *judge = X509_STORE_CTX_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    X509 *root_cert = x509_of(test_ca_der(root));
    X509 *leaf = x509_of(chain[0]);
    bool accepted;

    cr_assert(X509_STORE_add_cert(store, root_cert));
    for (size_t i = 1; i < num_certs; i++) {
        cr_assert(sk_X509_push(others, x509_of(chain[i])));
    }
    cr_assert(X509_STORE_CTX_init(judge, store, leaf, others));
    X509_VERIFY_PARAM_set_time_posix(X509_STORE_CTX_get0_param(judge), now_s);
    cr_assert(X509_STORE_CTX_set_purpose(judge, use == VERIFY_CLIENT ? X509_PURPOSE_SSL_CLIENT
                                                                     : X509_PURPOSE_SSL_SERVER));
    accepted = X509_verify_cert(judge) == 1;
    ERR_clear_error();
    X509_STORE_CTX_free(judge);
    X509_STORE_free(store);
    sk_X509_pop_free(others, X509_free);
    X509_free(root_cert);
    X509_free(leaf);
    return accepted;
}

/*
 * Reasons for which the library must refuse as well. The others are SPIFFE's rules, or ours: among
 * them that a root's own path length counts, which the library passes over in self-issued ones.
 */
static bool is_common_reason(const struct failure *why)
{
    static const char *const common[] = {
        "verify/untrusted-root",   "verify/signature",   "verify/expired",
        "verify/not-yet-valid",    "verify/path-length", "verify/name-constraint",
        "verify/unknown-critical",
    };

    if (strcmp(why->reason, "verify/path-length") == 0 && strstr(why->detail, "root") != NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        if (strcmp(why->reason, common[i]) == 0) {
            return true;
        }
    }
    return false;
}

static struct test_ca *make_root(int64_t now_s)
{
    struct test_ca_plan plan = test_ca_plan_root("td");

    plan.path_len = draw(4) == 0 ? (int)draw(3) : -1;
    if (draw(8) == 0) {
        plan.permitted_uri = draw(2) == 0 ? "td" : "other";
    }
    if (draw(16) == 0) {
        plan.not_after = now_s - 1;
    }
    return test_ca_make(&plan, NULL);
}

Test(verify_differential, I10_we_accept_no_more_than_the_library_and_no_less_but_by_rule)
{
    static const char *const names[] = {"A", "B", "C"};
    int64_t now_s = clock_unix_s();
    int accepted = 0;

    for (int round = 0; round < ROUNDS; round++) {
        OWNED(test_ca) *root = make_root(now_s);
        struct test_ca *links[LINKS_MAX + 1] = {root};
        size_t num_links = draw(LINKS_MAX + 1);
        struct test_ca_plan plan;
        struct bytes chain[LINKS_MAX + 1];
        size_t num_certs;
        struct verified_peer peer;
        struct failure why = {.reason = ""};
        enum verify_use use = draw(2) == 0 ? VERIFY_CLIENT : VERIFY_SERVER;
        OWNED(bundle) *bundle = test_ca_bundle(root, "td");
        bool ours;
        bool theirs;

        for (size_t i = 1; i <= num_links; i++) {
            plan = test_ca_plan_intermediate("td");
            plan.common_name = names[i - 1];
            spoil(&plan, 6, now_s);
            links[i] = test_ca_make(&plan, links[i - 1]);
        }
        plan = test_ca_plan_leaf("spiffe://td/ns/shop/sa/web");
        spoil(&plan, 4, now_s);
        {
            OWNED(test_ca) *leaf = test_ca_make(&plan, links[num_links]);

            num_certs = test_ca_chain(leaf, chain, LINKS_MAX + 1);
            ours = verify_peer(bundle, chain, num_certs, use, now_s, &peer, &why) == STATUS_OK;
            theirs = library_accepts(root, chain, num_certs, use, now_s);
            cr_assert(!ours || theirs, "round %d: we accept, the library does not", round);
            cr_assert(!theirs || ours || !is_common_reason(&why),
                      "round %d: the library accepts, we say %s: %s", round, why.reason,
                      why.detail);
        }
        accepted += ours;
        for (size_t i = 1; i <= num_links; i++) {
            test_ca_drop(&links[i]);
        }
    }
    cr_assert(accepted > ROUNDS / 10 && accepted < ROUNDS * 9 / 10,
              "%d of %d accepted: the test judges nothing", accepted, ROUNDS);
}
