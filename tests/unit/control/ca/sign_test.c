/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "core/control/ca/sign.h"
#include "core/control/ca/signer_disk.h"
#include "core/trust/identity/csr.h"
#include "core/trust/identity/verify.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(sign);

enum { NOW = 1800000000, DAY = 86400 };

/* A root of our own making, valid for ten days from NOW - 300. */
struct shop {
    struct seal seal;
    struct signer *signer;
    struct buffer root_der;
    struct certificate root;
    struct sign_issuer issuer;
    struct spiffe_id id;
};

static void shop_open(struct shop *shop)
{
    struct spiffe_id domain;
    struct sign_authority_order order = {
        .domain_id = &domain,
        .common_name = "Signet root",
        .serial = {1, 2, 3},
        .issued_at = NOW,
        .not_after = NOW + 10 * DAY,
        .path_len = 1,
    };
    CLEARED(buffer) sealed;

    *shop = (struct shop){.signer = NULL};
    buffer_init(&sealed, 4096);
    buffer_init(&shop->root_der, SIGN_CERTIFICATE_MAX);
    cr_assert_eq(spiffe_id_of_domain(bytes_of("td"), &domain, NULL), STATUS_OK);
    cr_assert_eq(spiffe_id_of(bytes_of("td"), bytes_of("shop"), bytes_of("web"), &shop->id, NULL),
                 STATUS_OK);
    cr_assert_eq(seal_make(bytes_of("p"), SEAL_COST_MIN, &shop->seal, NULL), STATUS_OK);
    cr_assert_eq(signer_disk_make(&shop->seal, &shop->signer, &sealed, NULL), STATUS_OK);
    order.spki_der = signer_public_spki(shop->signer);
    cr_assert_eq(sign_authority(NULL, shop->signer, &order, &shop->root_der, NULL), STATUS_OK);
    cr_assert_eq(certificate_parse(buffer_bytes(&shop->root_der), &shop->root, NULL), STATUS_OK);
    shop->issuer = (struct sign_issuer){
        .signer = shop->signer,
        .name = shop->root.subject,
        .not_before = shop->root.not_before,
        .not_after = shop->root.not_after,
    };
    memcpy(shop->issuer.key_id, shop->root.subject_key_id.at, PUBLIC_KEY_ID_LEN);
}

static void shop_close(struct shop *shop)
{
    signer_drop(&shop->signer);
    buffer_clear(&shop->root_der);
    seal_clear(&shop->seal);
}

static uint64_t seed = 4711;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* A request that asks for anything one could ask for. */
static struct test_ca_plan draw_wishes(void)
{
    static const char *const uris[] = {
        "spiffe://td/ns/signet-system/sa/signet-control",
        "spiffe://other/admin",
        "https://example.org/",
        "spiffe://td",
        "\xff\xfe\x01",
        "",
    };
    static const char *const names[] = {NULL, "admin", "\xc3\xa4", "a\nb", "CN=root"};
    struct test_ca_plan plan = {
        .common_name = names[draw(5)],
        .num_uris = draw(TEST_CA_NAMES_MAX + 1),
        .names_critical = draw(2) != 0,
        .basic_absent = draw(2) != 0,
        .is_ca = draw(2) != 0,
        .path_len = (int)draw(4) - 1,
        .usage = draw(256),
        .usage_absent = draw(2) != 0,
        .extended_absent = draw(2) != 0,
        .for_client = draw(2) != 0,
        .permitted_uri = draw(2) == 0 ? NULL : "td",
        .excluded_uri = draw(2) == 0 ? NULL : "td",
        .unknown_critical = draw(2) != 0,
        .digest = draw(2) == 0 ? TEST_CA_SHA256 : TEST_CA_SHA384,
    };

    for (size_t i = 0; i < plan.num_uris; i++) {
        plan.uris[i] = bytes_of(uris[draw(6)]);
    }
    plan.dns[0] = draw(2) == 0 ? NULL : "kubernetes.default.svc";
    return plan;
}

Test(sign, I1_nothing_of_the_csr_but_the_key_reaches_the_leaf)
{
    struct test_ca_plan plan = test_ca_plan_leaf("spiffe://td/x");
    OWNED(test_ca) *asker = test_ca_make(&plan, NULL);
    CLEARED(buffer) first;
    struct bytes first_tbs = {0};
    struct shop shop;

    shop_open(&shop);
    buffer_init(&first, SIGN_CERTIFICATE_MAX);
    for (int round = 0; round < 300; round++) {
        CLEARED(buffer) request;
        CLEARED(buffer) der;
        OWNED(csr) *csr = NULL;
        struct certificate leaf;
        struct sign_leaf_order order = {
            .id = &shop.id, .serial = {9, 9}, .issued_at = NOW, .not_after = NOW + 3600};
        int64_t not_after;

        buffer_init(&request, CSR_MAX);
        buffer_init(&der, SIGN_CERTIFICATE_MAX);
        plan = draw_wishes();
        test_ca_csr(asker, &plan, &request);
        cr_assert_eq(csr_parse(buffer_bytes(&request), &csr, NULL), STATUS_OK);
        order.spki_der = csr_public_key(csr);
        cr_assert_eq(sign_leaf(&shop.issuer, &order, &der, &not_after, NULL), STATUS_OK);
        cr_assert_eq(certificate_parse(buffer_bytes(&der), &leaf, NULL), STATUS_OK);
        if (round == 0) {
            cr_assert_eq(buffer_add(&first, leaf.tbs), STATUS_OK);
            first_tbs = buffer_bytes(&first);
        }
        cr_assert(bytes_equal(leaf.tbs, first_tbs), "round %d: the request changed the leaf",
                  round);
    }
    shop_close(&shop);
}

Test(sign, I1_each_blank_changes_the_leaf)
{
    OWNED(key) *one = NULL;
    OWNED(key) *two = NULL;
    struct spiffe_id other;
    struct shop shop;

    shop_open(&shop);
    cr_assert_eq(key_make(&one, NULL), STATUS_OK);
    cr_assert_eq(key_make(&two, NULL), STATUS_OK);
    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://td/b"), &other, NULL), STATUS_OK);

    const struct sign_leaf_order base = {.id = &shop.id,
                                         .spki_der = key_public_spki(one),
                                         .serial = {1},
                                         .issued_at = NOW,
                                         .not_after = NOW + 100};
    struct sign_leaf_order orders[6] = {base, base, base, base, base, base};
    uint8_t tbs[6][SIGN_CERTIFICATE_MAX];
    size_t lens[6];

    orders[1].id = &other;
    orders[2].spki_der = key_public_spki(two);
    orders[3].serial[15] = 1;
    orders[4].issued_at = NOW + 1;
    orders[5].not_after = NOW + 101;
    for (size_t i = 0; i < 6; i++) {
        CLEARED(buffer) der;
        struct certificate leaf;
        int64_t not_after;

        buffer_init(&der, SIGN_CERTIFICATE_MAX);
        cr_assert_eq(sign_leaf(&shop.issuer, &orders[i], &der, &not_after, NULL), STATUS_OK);
        cr_assert_eq(certificate_parse(buffer_bytes(&der), &leaf, NULL), STATUS_OK);
        memcpy(tbs[i], leaf.tbs.at, leaf.tbs.len);
        lens[i] = leaf.tbs.len;
        cr_assert(i == 0 || !bytes_equal(bytes_make(tbs[i], lens[i]), bytes_make(tbs[0], lens[0])));
    }
    shop_close(&shop);
}

/* What the library reads out of the template, written down once: the profile. */
Test(sign, the_profile_is_as_written)
{
    OWNED(key) *key = NULL;
    CLEARED(buffer) der;
    struct shop shop;
    int64_t not_after;
    const uint8_t *at;
    X509 *leaf;
    GENERAL_NAMES *names;
    const GENERAL_NAME *name;
    const ASN1_IA5STRING *uri;
    int critical;

    shop_open(&shop);
    buffer_init(&der, SIGN_CERTIFICATE_MAX);
    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    {
        struct sign_leaf_order order = {.id = &shop.id,
                                        .spki_der = key_public_spki(key),
                                        .serial = {0xff, 7},
                                        .issued_at = NOW,
                                        .not_after = NOW + 3600};

        cr_assert_eq(sign_leaf(&shop.issuer, &order, &der, &not_after, NULL), STATUS_OK);
    }
    cr_assert_eq(not_after, NOW + 3600);
    at = der.at;
    leaf = d2i_X509(NULL, &at, (long)der.len);
    cr_assert_not_null(leaf);
    cr_assert_eq(at, der.at + der.len);
    cr_assert_eq(X509_get_version(leaf), 2);
    cr_assert_eq(X509_NAME_entry_count(X509_get_subject_name(leaf)), 0);
    cr_assert_eq(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
    cr_assert_eq(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER | XKU_SSL_CLIENT);
    cr_assert_eq(X509_check_ca(leaf), 0);
    cr_assert_eq(X509_get_ext_count(leaf), 6);
    cr_assert_eq(X509_get0_serialNumber(leaf)->length, SERIAL_LEN);
    names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
    cr_assert_not_null(names);
    cr_assert_eq(critical, 1);
    cr_assert_eq(sk_GENERAL_NAME_num(names), 1);
    name = sk_GENERAL_NAME_value(names, 0);
    cr_assert_eq(name->type, GEN_URI);
    uri = name->d.uniformResourceIdentifier;
    cr_assert(bytes_equal(bytes_make(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri)),
                          spiffe_id_text(&shop.id)));
    for (int i = 0; i < X509_get_ext_count(leaf); i++) {
        X509_EXTENSION *extension = X509_get_ext(leaf, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        bool must =
            nid == NID_key_usage || nid == NID_basic_constraints || nid == NID_subject_alt_name;

        cr_assert_eq(X509_EXTENSION_get_critical(extension), must, "%s", OBJ_nid2sn(nid));
    }
    GENERAL_NAMES_free(names);
    X509_free(leaf);
    shop_close(&shop);
}

Test(sign, I11_a_leaf_never_outlives_nor_precedes_its_issuer)
{
    OWNED(key) *key = NULL;
    struct shop shop;

    shop_open(&shop);
    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    for (int64_t now = NOW - 2000; now < NOW + 11 * DAY; now += 977) {
        CLEARED(buffer) der;
        struct sign_leaf_order order = {.id = &shop.id,
                                        .spki_der = key_public_spki(key),
                                        .issued_at = now,
                                        .not_after = now + 43200};
        struct certificate leaf;
        struct failure why = {0};
        int64_t not_after = 0;
        enum status status;

        buffer_init(&der, SIGN_CERTIFICATE_MAX);
        status = sign_leaf(&shop.issuer, &order, &der, &not_after, &why);
        if (now < shop.root.not_before) {
            cr_assert_eq(status, STATUS_DENIED);
            cr_assert_str_eq(why.reason, "sign/issuer-not-yet-valid");
        } else if (now >= shop.root.not_after) {
            cr_assert_eq(status, STATUS_DENIED);
            cr_assert_str_eq(why.reason, "sign/issuer-expired");
            cr_assert_eq(der.len, 0, "nothing is written");
        } else {
            cr_assert_eq(status, STATUS_OK);
            cr_assert_eq(certificate_parse(buffer_bytes(&der), &leaf, NULL), STATUS_OK);
            cr_assert_eq(leaf.not_after, not_after);
            cr_assert(leaf.not_after < shop.root.not_after && leaf.not_after <= now + 43200);
            cr_assert(leaf.not_before >= shop.root.not_before &&
                      leaf.not_before >= now - SIGN_BACKDATE_S && leaf.not_before <= now);
        }
    }
    shop_close(&shop);
}

Test(sign, refuses_ids_keys_and_lives_that_make_no_sense)
{
    OWNED(key) *key = NULL;
    CLEARED(buffer) der;
    struct spiffe_id domain;
    struct shop shop;
    struct failure why = {0};
    int64_t not_after;

    shop_open(&shop);
    buffer_init(&der, SIGN_CERTIFICATE_MAX);
    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    cr_assert_eq(spiffe_id_of_domain(bytes_of("td"), &domain, NULL), STATUS_OK);

    struct sign_leaf_order order = {
        .id = &domain, .spki_der = key_public_spki(key), .issued_at = NOW, .not_after = NOW + 60};

    cr_assert_eq(sign_leaf(&shop.issuer, &order, &der, &not_after, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "sign/leaf-id");
    order.id = &shop.id;
    order.not_after = NOW;
    cr_assert_eq(sign_leaf(&shop.issuer, &order, &der, &not_after, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "sign/no-life");
    order.not_after = NOW + 60;
    order.spki_der = bytes_of("no key");
    cr_assert_eq(sign_leaf(&shop.issuer, &order, &der, &not_after, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "public-key/der");
    cr_assert_eq(der.len, 0);
    shop_close(&shop);
}

Test(sign, dates_from_2050_on_have_four_digits_of_the_year)
{
    OWNED(key) *key = NULL;
    CLEARED(buffer) der;
    struct shop shop;
    struct certificate leaf;
    int64_t not_after;

    shop_open(&shop);
    buffer_init(&der, SIGN_CERTIFICATE_MAX);
    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    shop.issuer.not_after = 2600000000;

    struct sign_leaf_order order = {.id = &shop.id,
                                    .spki_der = key_public_spki(key),
                                    .issued_at = NOW,
                                    .not_after = 2599999999};

    cr_assert_eq(sign_leaf(&shop.issuer, &order, &der, &not_after, NULL), STATUS_OK);
    cr_assert_eq(certificate_parse(buffer_bytes(&der), &leaf, NULL), STATUS_OK);
    cr_assert_eq(leaf.not_after, 2599999999);
    cr_assert_not_null(memmem(der.at, der.len,
                              "\x18\x0f"
                              "20520522",
                              10));
    cr_assert_not_null(memmem(der.at, der.len,
                              "\x17\x0d"
                              "27011",
                              7));
    shop_close(&shop);
}

Test(sign, the_longest_identity_fits)
{
    static char text[SPIFFE_ID_MAX + 1];
    OWNED(key) *key = NULL;
    CLEARED(buffer) der;
    struct spiffe_id longest;
    struct shop shop;
    int64_t not_after;

    shop_open(&shop);
    buffer_init(&der, SIGN_CERTIFICATE_MAX);
    memset(text, 'a', SPIFFE_ID_MAX);
    memcpy(text, "spiffe://td/", 12);
    cr_assert_eq(spiffe_id_parse(bytes_of(text), &longest, NULL), STATUS_OK);
    cr_assert_eq(key_make(&key, NULL), STATUS_OK);

    struct sign_leaf_order order = {
        .id = &longest, .spki_der = key_public_spki(key), .issued_at = NOW, .not_after = NOW + 60};

    cr_assert_eq(sign_leaf(&shop.issuer, &order, &der, &not_after, NULL), STATUS_OK);
    shop_close(&shop);
}
