/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test_ca.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/posix_time.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/trust/identity/pem.h"

enum {
    TEST_CA_BUFFER = 1 << 17,
    TEST_CA_BACKDATE_S = 300,
    TEST_CA_LEAF_S = 3600,
    TEST_CA_AUTHORITY_S = 86400,
    TEST_CA_KEY_ID = 20,
};

struct test_ca {
    struct buffer der, pem, chain_der, chain_pem, key_pem; /* owned */
    struct buffer name;                                    /* Subject, DER */
    uint8_t key_id[TEST_CA_KEY_ID];
    bool is_root; /* self-signed: no part of a chain that is shown */
    EVP_PKEY *evp;
    struct key *key; /* NULL for kinds that key.h refuses */
};

/* test_ca_must ends the test: a wish that cannot be fulfilled is a mistake in the test. */
static void test_ca_must(bool good)
{
    if (!good) {
        abort();
    }
}

struct test_ca_plan test_ca_plan_root(const char *trust_domain)
{
    struct test_ca_plan plan = test_ca_plan_intermediate(trust_domain);

    plan.common_name = trust_domain;
    return plan;
}

struct test_ca_plan test_ca_plan_intermediate(const char *trust_domain)
{
    int64_t now = clock_unix_s();

    (void)trust_domain; /* all of them have one name, as in a mesh whose authority renews them */
    return (struct test_ca_plan){
        .common_name = "test intermediate",
        .not_before = now - TEST_CA_BACKDATE_S,
        .not_after = now + TEST_CA_AUTHORITY_S,
        .is_ca = true,
        .path_len = -1,
        .usage = TEST_CA_KEY_CERT_SIGN | TEST_CA_CRL_SIGN,
        .extended_absent = true,
    };
}

struct test_ca_plan test_ca_plan_leaf(const char *spiffe_id)
{
    int64_t now = clock_unix_s();

    return (struct test_ca_plan){
        .uris = {bytes_of(spiffe_id)},
        .num_uris = 1,
        .names_critical = true,
        .not_before = now - TEST_CA_BACKDATE_S,
        .not_after = now + TEST_CA_LEAF_S,
        .path_len = -1,
        .usage = TEST_CA_DIGITAL_SIGNATURE,
        .for_client = true,
        .for_server = true,
    };
}

/* Keys ---------------------------------------------------------------------------------------- */

static EVP_PKEY *test_ca_make_ec(int curve)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
    EVP_PKEY *evp = EVP_PKEY_new();

    test_ca_must(ec != NULL && EC_KEY_generate_key(ec) && EVP_PKEY_set1_EC_KEY(evp, ec));
    EC_KEY_free(ec);
    return evp;
}

/* RSA keys are slow to make: one of each size for the whole process. */
static EVP_PKEY *test_ca_make_rsa(int bits)
{
    static EVP_PKEY *made[2];
    EVP_PKEY **slot = &made[bits == 2048];

    if (*slot == NULL) {
        RSA *rsa = RSA_new();
        BIGNUM *exponent = BN_new();

        *slot = EVP_PKEY_new();
        test_ca_must(BN_set_word(exponent, RSA_F4) &&
                     RSA_generate_key_ex(rsa, bits, exponent, NULL) &&
                     EVP_PKEY_set1_RSA(*slot, rsa));
        BN_free(exponent);
        RSA_free(rsa);
    }
    EVP_PKEY_up_ref(*slot);
    return *slot;
}

static EVP_PKEY *test_ca_make_ed25519(void)
{
    uint8_t public[32];
    uint8_t private[64];
    EVP_PKEY *evp;

    ED25519_keypair(public, private);
    evp = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private, 32);
    test_ca_must(evp != NULL);
    return evp;
}

static EVP_PKEY *test_ca_make_key(const struct test_ca_plan *plan)
{
    if (plan->key != NULL) {
        EVP_PKEY_up_ref(key_evp(plan->key));
        return key_evp(plan->key);
    }
    switch (plan->key_kind) {
    case TEST_CA_P256:
        return test_ca_make_ec(NID_X9_62_prime256v1);
    case TEST_CA_P384:
        return test_ca_make_ec(NID_secp384r1);
    case TEST_CA_P224:
        return test_ca_make_ec(NID_secp224r1);
    case TEST_CA_RSA_2048:
        return test_ca_make_rsa(2048);
    case TEST_CA_RSA_1024:
        return test_ca_make_rsa(1024);
    case TEST_CA_ED25519:
        return test_ca_make_ed25519();
    }
    abort();
}

static const EVP_MD *test_ca_md(enum test_ca_digest digest)
{
    switch (digest) {
    case TEST_CA_SHA384:
        return EVP_sha384();
    case TEST_CA_SHA1:
        return EVP_sha1();
    default:
        return EVP_sha256();
    }
}

static void test_ca_add_algorithm(CBB *to, const EVP_PKEY *signer, enum test_ca_digest digest)
{
    static const char *const ec[] = {"1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3",
                                     "1.2.840.10045.4.1"};
    static const char *const rsa[] = {"1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12",
                                      "1.2.840.113549.1.1.5"};
    const char *text = EVP_PKEY_id(signer) == EVP_PKEY_RSA       ? rsa[digest]
                       : EVP_PKEY_id(signer) == EVP_PKEY_ED25519 ? "1.3.101.112"
                                                                 : ec[digest];
    CBB algorithm;
    CBB oid;

    test_ca_must(CBB_add_asn1(to, &algorithm, CBS_ASN1_SEQUENCE) &&
                 CBB_add_asn1(&algorithm, &oid, CBS_ASN1_OBJECT) &&
                 CBB_add_asn1_oid_from_text(&oid, text, strlen(text)));
    if (EVP_PKEY_id(signer) == EVP_PKEY_RSA) {
        CBB null;

        test_ca_must(CBB_add_asn1(&algorithm, &null, CBS_ASN1_NULL));
    }
    test_ca_must(CBB_flush(to));
}

/* Parts of a certificate ----------------------------------------------------------------------- */

static void test_ca_add_oid(CBB *to, const char *text)
{
    CBB oid;

    test_ca_must(CBB_add_asn1(to, &oid, CBS_ASN1_OBJECT) &&
                 CBB_add_asn1_oid_from_text(&oid, text, strlen(text)) && CBB_flush(to));
}

static void test_ca_add_name(CBB *to, const char *common_name)
{
    CBB name;
    CBB set;
    CBB pair;
    CBB text;

    test_ca_must(CBB_add_asn1(to, &name, CBS_ASN1_SEQUENCE));
    if (common_name != NULL) {
        test_ca_must(CBB_add_asn1(&name, &set, CBS_ASN1_SET) &&
                     CBB_add_asn1(&set, &pair, CBS_ASN1_SEQUENCE));
        test_ca_add_oid(&pair, "2.5.4.3");
        test_ca_must(CBB_add_asn1(&pair, &text, CBS_ASN1_UTF8STRING) &&
                     CBB_add_bytes(&text, (const uint8_t *)common_name, strlen(common_name)));
    }
    test_ca_must(CBB_flush(to));
}

static void test_ca_add_time(CBB *to, int64_t at)
{
    char text[32];
    struct tm tm;
    CBB time;

    test_ca_must(OPENSSL_posix_to_tm(at, &tm));
    test_ca_must(tm.tm_year >= 50 ? strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &tm) > 0 : false);
    if (tm.tm_year < 150) { /* until 2049, two digits */
        memmove(text, text + 2, strlen(text) - 1);
    }
    test_ca_must(
        CBB_add_asn1(to, &time, tm.tm_year < 150 ? CBS_ASN1_UTCTIME : CBS_ASN1_GENERALIZEDTIME) &&
        CBB_add_bytes(&time, (const uint8_t *)text, strlen(text)) && CBB_flush(to));
}

/*
 * Opens an extension; what is written into *out_value is its value. Close it with CBB_flush(list).
 */
static void test_ca_add_extension(CBB *list, const char *oid, bool critical, CBB *out_extension,
                                  CBB *out_value)
{
    test_ca_must(CBB_add_asn1(list, out_extension, CBS_ASN1_SEQUENCE));
    test_ca_add_oid(out_extension, oid);
    if (critical) {
        test_ca_must(CBB_add_asn1_bool(out_extension, 1));
    }
    test_ca_must(CBB_add_asn1(out_extension, out_value, CBS_ASN1_OCTETSTRING));
}

static void test_ca_add_alternative_names(CBB *list, const struct test_ca_plan *plan)
{
    CBB extension;
    CBB value;
    CBB names;
    CBB name;

    if (plan->num_uris == 0 && plan->dns[0] == NULL) {
        return;
    }
    test_ca_add_extension(list, "2.5.29.17", plan->names_critical, &extension, &value);
    test_ca_must(CBB_add_asn1(&value, &names, CBS_ASN1_SEQUENCE));
    for (size_t i = 0; i < plan->num_uris; i++) {
        test_ca_must(CBB_add_asn1(&names, &name, CBS_ASN1_CONTEXT_SPECIFIC | 6) &&
                     CBB_add_bytes(&name, plan->uris[i].at, plan->uris[i].len));
    }
    for (size_t i = 0; i < TEST_CA_NAMES_MAX && plan->dns[i] != NULL; i++) {
        test_ca_must(CBB_add_asn1(&names, &name, CBS_ASN1_CONTEXT_SPECIFIC | 2) &&
                     CBB_add_bytes(&name, (const uint8_t *)plan->dns[i], strlen(plan->dns[i])));
    }
    test_ca_must(CBB_flush(list));
}

static void test_ca_add_basic(CBB *list, const struct test_ca_plan *plan)
{
    CBB extension;
    CBB value;
    CBB basic;

    if (plan->basic_absent) {
        return;
    }
    test_ca_add_extension(list, "2.5.29.19", true, &extension, &value);
    test_ca_must(CBB_add_asn1(&value, &basic, CBS_ASN1_SEQUENCE));
    if (plan->is_ca) {
        test_ca_must(CBB_add_asn1_bool(&basic, 1));
    } else if (plan->basic_false) {
        test_ca_must(CBB_add_asn1_bool(&basic, 0));
    }
    if (plan->is_ca && plan->path_len >= 0) {
        test_ca_must(CBB_add_asn1_uint64(&basic, (uint64_t)plan->path_len));
    }
    test_ca_must(CBB_flush(list));
}

static void test_ca_add_usages(CBB *list, const struct test_ca_plan *plan)
{
    uint8_t bits = 0;
    uint8_t unused = 8;
    CBB extension;
    CBB value;
    CBB content;

    for (unsigned bit = 0; bit < 8; bit++) {
        if ((plan->usage & 1u << bit) != 0) {
            bits = (uint8_t)(bits | 0x80u >> bit);
            unused = (uint8_t)(7 - bit);
        }
    }
    if (!plan->usage_absent) {
        test_ca_add_extension(list, "2.5.29.15", !plan->usage_not_critical, &extension, &value);
        test_ca_must(CBB_add_asn1(&value, &content, CBS_ASN1_BITSTRING) &&
                     CBB_add_u8(&content, bits == 0 ? 0 : unused) &&
                     (bits == 0 || CBB_add_u8(&content, bits)) && CBB_flush(list));
    }
    if (!plan->extended_absent) {
        test_ca_add_extension(list, "2.5.29.37", false, &extension, &value);
        test_ca_must(CBB_add_asn1(&value, &content, CBS_ASN1_SEQUENCE));
        if (plan->for_server) {
            test_ca_add_oid(&content, "1.3.6.1.5.5.7.3.1");
        }
        if (plan->for_client) {
            test_ca_add_oid(&content, "1.3.6.1.5.5.7.3.2");
        }
        if (!plan->for_server && !plan->for_client) {
            test_ca_add_oid(&content, "1.3.6.1.5.5.7.3.3"); /* codeSigning */
        }
        test_ca_must(CBB_flush(list));
    }
}

static void test_ca_add_subtree(CBB *constraints, unsigned which, const char *uri)
{
    CBB trees;
    CBB tree;
    CBB base;

    if (uri != NULL) {
        test_ca_must(CBB_add_asn1(constraints, &trees,
                                  CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | which) &&
                     CBB_add_asn1(&trees, &tree, CBS_ASN1_SEQUENCE) &&
                     CBB_add_asn1(&tree, &base, CBS_ASN1_CONTEXT_SPECIFIC | 6) &&
                     CBB_add_bytes(&base, (const uint8_t *)uri, strlen(uri)) &&
                     CBB_flush(constraints));
    }
}

static void test_ca_add_constraints(CBB *list, const struct test_ca_plan *plan)
{
    CBB extension;
    CBB value;
    CBB constraints;

    if (plan->permitted_uri != NULL || plan->excluded_uri != NULL) {
        test_ca_add_extension(list, "2.5.29.30", true, &extension, &value);
        test_ca_must(CBB_add_asn1(&value, &constraints, CBS_ASN1_SEQUENCE));
        test_ca_add_subtree(&constraints, 0, plan->permitted_uri);
        test_ca_add_subtree(&constraints, 1, plan->excluded_uri);
        test_ca_must(CBB_flush(list));
    }
    if (plan->unknown_critical) {
        test_ca_add_extension(list, "1.3.6.1.4.1.32473.1", true, &extension, &value);
        test_ca_must(CBB_add_asn1_bool(&value, 1) && CBB_flush(list));
    }
}

static void test_ca_add_key_ids(CBB *list, const uint8_t *own, const uint8_t *issuers)
{
    CBB extension;
    CBB value;
    CBB content;
    CBB id;

    test_ca_add_extension(list, "2.5.29.14", false, &extension, &value);
    test_ca_must(CBB_add_asn1_octet_string(&value, own, TEST_CA_KEY_ID) && CBB_flush(list));
    test_ca_add_extension(list, "2.5.29.35", false, &extension, &value);
    test_ca_must(CBB_add_asn1(&value, &content, CBS_ASN1_SEQUENCE) &&
                 CBB_add_asn1(&content, &id, CBS_ASN1_CONTEXT_SPECIFIC | 0) &&
                 CBB_add_bytes(&id, issuers, TEST_CA_KEY_ID) && CBB_flush(list));
}

/* Certificates --------------------------------------------------------------------------------- */

static void test_ca_add_tbs(CBB *to, const struct test_ca *ca, const struct test_ca_plan *plan,
                            const struct test_ca *issuer)
{
    uint8_t serial[8];
    CBB tbs;
    CBB child;
    CBB list;
    uint64_t number = 0;

    RAND_bytes(serial, sizeof serial);
    memcpy(&number, serial, sizeof number);
    test_ca_must(CBB_add_asn1(to, &tbs, CBS_ASN1_SEQUENCE) &&
                 CBB_add_asn1(&tbs, &child, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
                 CBB_add_asn1_uint64(&child, 2) && CBB_add_asn1_uint64(&tbs, number | 1));
    test_ca_add_algorithm(&tbs, issuer->evp, plan->digest);
    test_ca_must(CBB_add_bytes(&tbs, issuer->name.at, issuer->name.len) &&
                 CBB_add_asn1(&tbs, &child, CBS_ASN1_SEQUENCE));
    test_ca_add_time(&child, plan->not_before);
    test_ca_add_time(&child, plan->not_after);
    test_ca_must(CBB_add_bytes(&tbs, ca->name.at, ca->name.len) &&
                 EVP_marshal_public_key(&tbs, ca->evp) &&
                 CBB_add_asn1(&tbs, &child, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3) &&
                 CBB_add_asn1(&child, &list, CBS_ASN1_SEQUENCE));
    test_ca_add_alternative_names(&list, plan);
    test_ca_add_basic(&list, plan);
    test_ca_add_usages(&list, plan);
    test_ca_add_constraints(&list, plan);
    if (!plan->key_ids_absent) {
        test_ca_add_key_ids(&list, ca->key_id, issuer->key_id);
    }
    test_ca_must(CBB_flush(to));
}

/* Signs what `tbs` holds and appends SEQUENCE { tbs, algorithm, signature }. */
static void test_ca_finish(CBB *tbs, EVP_PKEY *signer, enum test_ca_digest digest, bool spoil,
                           struct buffer *out_der)
{
    const EVP_MD *md = EVP_PKEY_id(signer) == EVP_PKEY_ED25519 ? NULL : test_ca_md(digest);
    uint8_t signature[SIGNATURE_MAX];
    size_t signature_len = sizeof signature;
    EVP_MD_CTX sign;
    uint8_t *der;
    size_t len;
    CBB all;
    CBB whole;
    CBB bits;

    EVP_MD_CTX_init(&sign);
    test_ca_must(CBB_flush(tbs) && EVP_DigestSignInit(&sign, NULL, md, NULL, signer) &&
                 EVP_DigestSign(&sign, signature, &signature_len, CBB_data(tbs), CBB_len(tbs)));
    EVP_MD_CTX_cleanup(&sign);
    if (spoil) {
        signature[signature_len - 1] ^= 1;
    }
    test_ca_must(CBB_init(&all, 1024) && CBB_add_asn1(&all, &whole, CBS_ASN1_SEQUENCE) &&
                 CBB_add_bytes(&whole, CBB_data(tbs), CBB_len(tbs)));
    test_ca_add_algorithm(&whole, signer, digest);
    test_ca_must(CBB_add_asn1(&whole, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0) &&
                 CBB_add_bytes(&bits, signature, signature_len) && CBB_finish(&all, &der, &len));
    test_ca_must(buffer_add(out_der, bytes_make(der, len)) == STATUS_OK);
    OPENSSL_free(der);
}

/* Fills what the parts need: name, key identifier, the key in our own form. */
static void test_ca_begin(struct test_ca *ca, const struct test_ca_plan *plan)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint8_t *der;
    size_t len;
    CBB cbb;

    ca->evp = test_ca_make_key(plan);
    test_ca_must(CBB_init(&cbb, 512) && EVP_marshal_public_key(&cbb, ca->evp) &&
                 CBB_finish(&cbb, &der, &len));
    (void)SHA256(der, len, digest);
    memcpy(ca->key_id, digest, sizeof ca->key_id);
    OPENSSL_free(der);

    test_ca_must(CBB_init(&cbb, 64));
    test_ca_add_name(&cbb, plan->common_name);
    test_ca_must(CBB_finish(&cbb, &der, &len) &&
                 buffer_add(&ca->name, bytes_make(der, len)) == STATUS_OK);
    OPENSSL_free(der);

    test_ca_must(CBB_init(&cbb, 512));
    if (EVP_marshal_private_key(&cbb, ca->evp) && CBB_finish(&cbb, &der, &len)) {
        struct bytes pkcs8 = bytes_make(der, len);

        (void)!key_parse(pkcs8, &ca->key, NULL);
        test_ca_must(pem_add(&ca->key_pem, "PRIVATE KEY", pkcs8) == STATUS_OK);
        OPENSSL_free(der);
    }
}

struct test_ca *test_ca_make(const struct test_ca_plan *plan, const struct test_ca *issuer)
{
    struct test_ca *ca = memory_make(sizeof *ca);
    struct buffer *all[] = {&ca->der,       &ca->pem,     &ca->chain_der,
                            &ca->chain_pem, &ca->key_pem, &ca->name};
    CBB tbs;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        buffer_init(all[i], TEST_CA_BUFFER);
    }
    ca->is_root = issuer == NULL;
    test_ca_begin(ca, plan);
    test_ca_must(CBB_init(&tbs, 1024));
    test_ca_add_tbs(&tbs, ca, plan, issuer == NULL ? ca : issuer);
    test_ca_finish(&tbs, issuer == NULL ? ca->evp : issuer->evp, plan->digest,
                   plan->wrong_signature, &ca->der);
    CBB_cleanup(&tbs);
    test_ca_must(pem_add(&ca->pem, "CERTIFICATE", buffer_bytes(&ca->der)) == STATUS_OK &&
                 buffer_add(&ca->chain_der, buffer_bytes(&ca->der)) == STATUS_OK &&
                 buffer_add(&ca->chain_pem, buffer_bytes(&ca->pem)) == STATUS_OK);
    if (issuer != NULL && !issuer->is_root) {
        test_ca_must(buffer_add(&ca->chain_der, buffer_bytes(&issuer->chain_der)) == STATUS_OK &&
                     buffer_add(&ca->chain_pem, buffer_bytes(&issuer->chain_pem)) == STATUS_OK);
    }
    return ca;
}

struct test_ca *test_ca_root(const char *trust_domain)
{
    struct test_ca_plan plan = test_ca_plan_root(trust_domain);

    return test_ca_make(&plan, NULL);
}

struct test_ca *test_ca_intermediate(const struct test_ca *issuer, const char *trust_domain)
{
    struct test_ca_plan plan = test_ca_plan_intermediate(trust_domain);

    return test_ca_make(&plan, issuer);
}

struct test_ca *test_ca_leaf(const struct test_ca *issuer, const char *spiffe_id)
{
    struct test_ca_plan plan = test_ca_plan_leaf(spiffe_id);

    return test_ca_make(&plan, issuer);
}

struct test_ca *test_ca_leaf_between(const struct test_ca *issuer, const char *spiffe_id,
                                     int64_t from_s, int64_t until_s)
{
    struct test_ca_plan plan = test_ca_plan_leaf(spiffe_id);

    plan.not_before = from_s;
    plan.not_after = until_s;
    return test_ca_make(&plan, issuer);
}

void test_ca_drop(struct test_ca **ca)
{
    struct test_ca *gone = TAKE(*ca);

    if (gone != NULL) {
        buffer_clear(&gone->der);
        buffer_clear(&gone->pem);
        buffer_clear(&gone->chain_der);
        buffer_clear(&gone->chain_pem);
        buffer_clear(&gone->key_pem);
        buffer_clear(&gone->name);
        EVP_PKEY_free(gone->evp);
        key_drop(&gone->key);
        free(gone);
    }
}

struct bytes test_ca_der(const struct test_ca *ca)
{
    return buffer_bytes(&ca->der);
}

struct bytes test_ca_pem(const struct test_ca *ca)
{
    return buffer_bytes(&ca->pem);
}

struct bytes test_ca_chain_der(const struct test_ca *ca)
{
    return buffer_bytes(&ca->chain_der);
}

struct bytes test_ca_chain_pem(const struct test_ca *ca)
{
    return buffer_bytes(&ca->chain_pem);
}

size_t test_ca_chain(const struct test_ca *ca, struct bytes *out, size_t room)
{
    struct bytes rest = test_ca_chain_der(ca);
    size_t count = 0;

    while (count < room && certificate_next(&rest, &out[count])) {
        count++;
    }
    return count;
}

struct key *test_ca_key(const struct test_ca *ca)
{
    return ca->key;
}

struct bytes test_ca_key_pem(const struct test_ca *ca)
{
    return buffer_bytes(&ca->key_pem);
}

struct svid *test_ca_svid(const struct test_ca *leaf)
{
    struct svid *svid = NULL;
    struct failure why = {0};

    test_ca_must(svid_parse(test_ca_chain_der(leaf), leaf->key, &svid, &why) == STATUS_OK);
    return svid;
}

struct bundle *test_ca_bundle(const struct test_ca *root, const char *trust_domain)
{
    struct bundle *bundle = NULL;

    test_ca_must(bundle_parse_der(bytes_of(trust_domain), test_ca_der(root), 1, &bundle, NULL) ==
                 STATUS_OK);
    return bundle;
}

struct identity_set *test_ca_identity_set(const struct test_ca *root, const char *spiffe_id,
                                          uint64_t generation)
{
    OWNED(test_ca) *leaf = test_ca_leaf(root, spiffe_id);
    OWNED(svid) *svid = test_ca_svid(leaf);
    OWNED(bundle) *bundle = NULL;
    struct bytes domain = spiffe_id_trust_domain(svid_id(svid));
    struct identity_set *set = NULL;

    test_ca_must(bundle_parse_der(domain, test_ca_der(root), 1, &bundle, NULL) == STATUS_OK &&
                 identity_set_make(svid, bundle, generation, &set, NULL) == STATUS_OK);
    return set;
}

void test_ca_csr(const struct test_ca *ca, const struct test_ca_plan *plan, struct buffer *out_der)
{
    CBB cbb;
    CBB body;
    CBB attributes;
    CBB attribute;
    CBB set;
    CBB list;

    test_ca_must(CBB_init(&cbb, 512) && CBB_add_asn1(&cbb, &body, CBS_ASN1_SEQUENCE) &&
                 CBB_add_asn1_uint64(&body, 0));
    test_ca_add_name(&body, plan->common_name);
    test_ca_must(
        EVP_marshal_public_key(&body, ca->evp) &&
        CBB_add_asn1(&body, &attributes, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
        CBB_add_asn1(&attributes, &attribute, CBS_ASN1_SEQUENCE));
    test_ca_add_oid(&attribute, "1.2.840.113549.1.9.14"); /* extensionRequest */
    test_ca_must(CBB_add_asn1(&attribute, &set, CBS_ASN1_SET) &&
                 CBB_add_asn1(&set, &list, CBS_ASN1_SEQUENCE));
    test_ca_add_alternative_names(&list, plan);
    test_ca_add_basic(&list, plan);
    test_ca_add_usages(&list, plan);
    test_ca_add_constraints(&list, plan);
    test_ca_finish(&cbb, ca->evp, plan->digest, plan->wrong_signature, out_der);
    CBB_cleanup(&cbb);
}
