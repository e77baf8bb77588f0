/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates for tests: roots, intermediates and leaves, sound or with any defect, made in well
 * under a millisecond. It writes its DER itself and shares no line with the code under test.
 *
 * A struct test_ca is one certificate with its private key and the certificates between it and its
 * root. The plain helpers use the wall clock: valid from five minutes ago, for an hour (a CA: for a
 * day).
 *
 *     OWNED(test_ca) *root = test_ca_root("example.org");
 *     OWNED(test_ca) *web = test_ca_leaf(root, "spiffe://example.org/ns/shop/sa/web");
 *     OWNED(bundle) *bundle = test_ca_bundle(root, "example.org");
 *     OWNED(svid) *svid = test_ca_svid(web);
 *
 * What the caller asks wrongly ends the test with abort().
 */
#ifndef SIGNET_TESTS_SUPPORT_TEST_CA_H
#define SIGNET_TESTS_SUPPORT_TEST_CA_H

#include "core/runtime/base/bytes.h"
#include "core/trust/identity/bundle.h"
#include "core/trust/identity/identity_set.h"
#include "core/trust/identity/key.h"
#include "core/trust/identity/svid.h"

#define TEST_CA_NAMES_MAX 4

enum test_ca_key_kind {
    TEST_CA_P256,
    TEST_CA_P384,
    TEST_CA_P224,
    TEST_CA_RSA_2048, /* made once per process */
    TEST_CA_RSA_1024, /* made once per process */
    TEST_CA_ED25519,
};

enum test_ca_digest { TEST_CA_SHA256, TEST_CA_SHA384, TEST_CA_SHA1 };

enum test_ca_usage { /* keyUsage bits, as RFC 5280 numbers them */
    TEST_CA_DIGITAL_SIGNATURE = 1 << 0,
    TEST_CA_KEY_ENCIPHERMENT = 1 << 2,
    TEST_CA_KEY_CERT_SIGN = 1 << 5,
    TEST_CA_CRL_SIGN = 1 << 6,
};

/* What a certificate is to look like. Start from one of the test_ca_plan_… below and spoil it. */
struct test_ca_plan {
    const char *common_name;              /* NULL: empty Subject */
    struct bytes uris[TEST_CA_NAMES_MAX]; /* URI SANs, as many as num_uris; any bytes */
    size_t num_uris;
    const char *dns[TEST_CA_NAMES_MAX];   /* DNS SANs, up to the first NULL */
    bool names_critical;
    int64_t not_before, not_after;        /* Unix s */
    bool basic_absent, is_ca;             /* basicConstraints */
    bool basic_false;                     /* the CA flag is there and FALSE, which is no DER */
    int path_len;                         /* -1: none */
    bool usage_absent, usage_not_critical;
    unsigned usage;                       /* enum test_ca_usage */
    bool extended_absent, for_client, for_server;
    const char *permitted_uri, *excluded_uri; /* URI name constraints; NULL: none */
    bool unknown_critical;                /* adds a critical extension that nobody knows */
    bool wrong_signature;                 /* flips a bit of the signature */
    bool key_ids_absent;                  /* no subjectKeyIdentifier, no authorityKeyIdentifier */
    enum test_ca_key_kind key_kind;
    enum test_ca_digest digest;           /* of this certificate's signature */
    struct key *key;                      /* used instead of a new one; borrowed; NULL: new */
};

/* The plans of a sound root, intermediate and leaf. */
struct test_ca_plan test_ca_plan_root(const char *trust_domain);
struct test_ca_plan test_ca_plan_intermediate(const char *trust_domain);
struct test_ca_plan test_ca_plan_leaf(const char *spiffe_id);

struct test_ca;

/*
 * test_ca_make issues a certificate; without an issuer it is self-signed. Neither keeps the other.
 */
struct test_ca *test_ca_make(const struct test_ca_plan *plan, const struct test_ca *issuer);

/* test_ca_make from a sound plan. */
struct test_ca *test_ca_root(const char *trust_domain);
struct test_ca *test_ca_intermediate(const struct test_ca *issuer, const char *trust_domain);
struct test_ca *test_ca_leaf(const struct test_ca *issuer, const char *spiffe_id);

/* test_ca_leaf that is valid from `from_s` to `until_s`, Unix s. */
struct test_ca *test_ca_leaf_between(const struct test_ca *issuer, const char *spiffe_id,
                                     int64_t from_s, int64_t until_s);

/* test_ca_drop frees it and sets *ca to NULL. */
void test_ca_drop(struct test_ca **ca);

/* One certificate in DER and PEM; borrowed from `ca`. */
struct bytes test_ca_der(const struct test_ca *ca);
struct bytes test_ca_pem(const struct test_ca *ca);

/* The chain as a peer shows it: this certificate, then its intermediates, without the root. */
struct bytes test_ca_chain_der(const struct test_ca *ca);
struct bytes test_ca_chain_pem(const struct test_ca *ca);

/* test_ca_chain gives the same as slices; returns how many, at most `room`. */
size_t test_ca_chain(const struct test_ca *ca, struct bytes *out, size_t room);

/* The private key, and its PEM. test_ca_key is NULL for kinds that our key.h refuses. */
struct key *test_ca_key(const struct test_ca *ca);
struct bytes test_ca_key_pem(const struct test_ca *ca);

/* What our own code makes of it; the caller drops them. */
struct svid *test_ca_svid(const struct test_ca *leaf);
struct bundle *test_ca_bundle(const struct test_ca *root, const char *trust_domain);

/* test_ca_identity_set is a new leaf under `root`, whose bundle it trusts. */
struct identity_set *test_ca_identity_set(const struct test_ca *root, const char *spiffe_id,
                                          uint64_t generation);

/*
 * test_ca_csr appends a certificate request in DER that asks for everything in `plan` (names, CA
 * flag, usages, name constraints), signed with `ca`'s key: what a hostile workload would send.
 */
void test_ca_csr(const struct test_ca *ca, const struct test_ca_plan *plan, struct buffer *out_der);

#endif
