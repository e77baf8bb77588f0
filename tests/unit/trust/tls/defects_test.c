/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every defect of a certificate that a peer may show, in both directions: the handshake ends with its
 * reason, and the peer is sent the alert that fits. What verification itself says of more forms is in
 * trust/identity/verify_test.c.
 */
#include <string.h>
#include <time.h>

#include "tests/support/suite.h"
#include "tests/unit/trust/tls/duo.h"

SUITE(tls_defects, .timeout = 60);

enum { DEFECT_CERTS_MAX = 128 };

/* What a peer shows: chain[0] is `leaf`'s. */
struct defect_shown {
    struct test_ca *made[DEFECT_CERTS_MAX];
    size_t num_made;
    struct test_ca *leaf; /* one of made */
    struct bytes chain[DEFECT_CERTS_MAX];
    size_t num_certs;
};

struct defect_row {
    const char *name;
    /* Makes what is shown under `root`; `as_server`: by a server. */
    void (*make)(struct defect_shown *shown, const struct test_ca *root, bool as_server);
    const char *reason;
    int alert;
};

#define DEFECT_ID "spiffe://example.org/ns/shop/sa/raw"

static struct test_ca *defect_keep(struct defect_shown *shown, struct test_ca *made)
{
    shown->made[shown->num_made++] = made;
    return made;
}

/* Shows a leaf of `plan`, issued by `issuer`, with its chain. */
static void defect_show(struct defect_shown *shown, const struct test_ca_plan *plan,
                        const struct test_ca *issuer)
{
    shown->leaf = defect_keep(shown, test_ca_make(plan, issuer));
    shown->num_certs = test_ca_chain(shown->leaf, shown->chain, DEFECT_CERTS_MAX);
}

static void defect_ca_leaf(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    plan.is_ca = true;
    defect_show(shown, &plan, root);
}

static void defect_leaf_as_ca(struct defect_shown *shown, const struct test_ca *root,
                              bool as_server)
{
    struct test_ca_plan thief = test_ca_plan_leaf(DEFECT_ID);
    struct test_ca_plan plan = test_ca_plan_leaf("spiffe://example.org/ns/bank/sa/vault");

    (void)as_server;
    thief.common_name = "thief";
    defect_show(shown, &plan, defect_keep(shown, test_ca_make(&thief, root)));
}

static void defect_two_uris(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    plan.uris[1] = bytes_of("spiffe://example.org/ns/bank/sa/vault");
    plan.num_uris = 2;
    defect_show(shown, &plan, root);
}

static void defect_dns_only(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    plan.num_uris = 0;
    plan.dns[0] = "raw.example.org";
    defect_show(shown, &plan, root);
}

static void defect_nul_in_id(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    plan.uris[0] = bytes_make("spiffe://example.org/ns/shop/sa/pay\0x", 37);
    defect_show(shown, &plan, root);
}

static void defect_expired(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    plan.not_before = time(NULL) - 7200;
    plan.not_after = time(NULL) - 3;
    defect_show(shown, &plan, root);
}

static void defect_not_yet(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    plan.not_before = time(NULL) + 1000;
    defect_show(shown, &plan, root);
}

static void defect_wrong_use(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    plan.for_client = as_server;
    plan.for_server = !as_server;
    defect_show(shown, &plan, root);
}

static void defect_key_usage(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    plan.usage = TEST_CA_DIGITAL_SIGNATURE | TEST_CA_KEY_CERT_SIGN;
    defect_show(shown, &plan, root);
}

static void defect_foreign_root(struct defect_shown *shown, const struct test_ca *root,
                                bool as_server)
{
    struct test_ca *foreign = defect_keep(shown, test_ca_root("example.org"));
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)root;
    (void)as_server;
    defect_show(shown, &plan, foreign);
}

static void defect_other_domain(struct defect_shown *shown, const struct test_ca *root,
                                bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf("spiffe://other.org/ns/shop/sa/raw");

    (void)as_server;
    defect_show(shown, &plan, root);
}

static void defect_signature(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    plan.wrong_signature = true;
    defect_show(shown, &plan, root);
}

static void defect_unknown_critical(struct defect_shown *shown, const struct test_ca *root,
                                    bool as_server)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    plan.unknown_critical = true;
    defect_show(shown, &plan, root);
}

static void defect_constrained(struct defect_shown *shown, const struct test_ca *root,
                               bool as_server)
{
    struct test_ca_plan middle = test_ca_plan_intermediate("example.org");
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    (void)as_server;
    middle.permitted_uri = "other.org";
    defect_show(shown, &plan, defect_keep(shown, test_ca_make(&middle, root)));
}

static void defect_many(struct defect_shown *shown, const struct test_ca *root, size_t count)
{
    struct test_ca_plan plan = test_ca_plan_leaf(DEFECT_ID);

    defect_show(shown, &plan, root);
    while (shown->num_certs < count) {
        shown->chain[shown->num_certs++] = test_ca_der(root);
    }
}

static void defect_nine(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    (void)as_server;
    defect_many(shown, root, 9);
}

static void defect_hundred(struct defect_shown *shown, const struct test_ca *root, bool as_server)
{
    (void)as_server;
    defect_many(shown, root, 60);
}

static const struct defect_row defect_rows[] = {
    {"a CA's certificate as a leaf", defect_ca_leaf, "verify/ca-leaf", SSL_AD_BAD_CERTIFICATE},
    {"a leaf used as a CA", defect_leaf_as_ca, "verify/not-a-ca", SSL_AD_UNKNOWN_CA},
    {"two URI SANs", defect_two_uris, "verify/uri-san-count", SSL_AD_BAD_CERTIFICATE},
    {"a DNS name only", defect_dns_only, "verify/uri-san-count", SSL_AD_BAD_CERTIFICATE},
    {"a NUL in the ID", defect_nul_in_id, "verify/leaf-id", SSL_AD_BAD_CERTIFICATE},
    {"expired", defect_expired, "verify/expired", SSL_AD_CERTIFICATE_EXPIRED},
    {"not yet valid", defect_not_yet, "verify/not-yet-valid", SSL_AD_CERTIFICATE_EXPIRED},
    {"made for the other direction", defect_wrong_use, "verify/eku",
     SSL_AD_UNSUPPORTED_CERTIFICATE},
    {"keyCertSign in a leaf", defect_key_usage, "verify/key-usage", SSL_AD_BAD_CERTIFICATE},
    {"a foreign root of the same name", defect_foreign_root, "verify/untrusted-root",
     SSL_AD_UNKNOWN_CA},
    {"a domain without a bundle", defect_other_domain, "verify/no-bundle", SSL_AD_UNKNOWN_CA},
    {"a wrong signature", defect_signature, "verify/signature", SSL_AD_UNKNOWN_CA},
    {"an unknown critical extension", defect_unknown_critical, "verify/unknown-critical",
     SSL_AD_BAD_CERTIFICATE},
    {"outside its issuer's name constraints", defect_constrained, "verify/name-constraint",
     SSL_AD_BAD_CERTIFICATE},
    {"nine certificates", defect_nine, "verify/chain-too-long", SSL_AD_BAD_CERTIFICATE},
    {"sixty certificates", defect_hundred, "verify/chain-too-long", SSL_AD_BAD_CERTIFICATE},
};

static void defect_try(const struct defect_row *row, bool as_server)
{
    struct defect_shown shown = {0};
    struct stream *far = NULL;
    struct duo_raw raw;
    struct duo duo;
    struct duo_end *ours;

    duo_open_one(&duo, as_server ? TLS_CLIENT : TLS_SERVER, &far);
    ours = &duo.ends[as_server ? 0 : 1];
    row->make(&shown, duo.root, as_server);
    duo_raw_open(&raw, &duo, far,
                 &(struct duo_raw_manner){.as_server = as_server,
                                          .leaf = shown.leaf,
                                          .chain = shown.chain,
                                          .num_certs = shown.num_certs,
                                          .least = TLS1_3_VERSION,
                                          .most = TLS1_3_VERSION});
    duo_raw_begin(&raw);
    for (int i = 0; i < 20; i++) {
        duo_turn(&duo);
    }
    cr_expect_eq(ours->answers, 1, "%s: no answer", row->name);
    cr_expect_neq(ours->status, STATUS_OK, "%s: let in", row->name);
    cr_expect_str_eq(ours->why.reason == NULL ? "" : ours->why.reason, row->reason, "%s: %s",
                     row->name, ours->why.detail);
    cr_expect_null(tls_stream_peer(ours->stream), "%s: a peer", row->name);
    cr_expect_eq(raw.alert, row->alert, "%s: alert %d", row->name, raw.alert);
    duo_raw_close(&raw);
    while (shown.num_made > 0) {
        test_ca_drop(&shown.made[--shown.num_made]);
    }
    duo_close(&duo);
}

Test(tls_defects, I10_each_is_refused_by_our_server_with_its_reason_and_alert)
{
    for (size_t i = 0; i < sizeof defect_rows / sizeof defect_rows[0]; i++) {
        defect_try(&defect_rows[i], false);
    }
}

Test(tls_defects, I10_each_is_refused_by_our_client_with_its_reason_and_alert)
{
    for (size_t i = 0; i < sizeof defect_rows / sizeof defect_rows[0]; i++) {
        defect_try(&defect_rows[i], true);
    }
}
