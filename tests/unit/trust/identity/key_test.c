/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/trust/identity/key.h"
#include "core/trust/identity/pem.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(key);
SUITE(public_key);
SUITE(pem);

static struct test_ca *key_holder(enum test_ca_key_kind kind)
{
    struct test_ca_plan plan = test_ca_plan_leaf("spiffe://td/a");
    OWNED(test_ca) *root = test_ca_root("td");

    plan.key_kind = kind;
    return test_ca_make(&plan, root);
}

static bool key_signs(const struct key *key)
{
    CLEARED(buffer) signature;
    EVP_PKEY *public = NULL;
    bool good;

    buffer_init(&signature, SIGNATURE_MAX);
    cr_assert_eq(key_sign(key, bytes_of("hello"), &signature, NULL), STATUS_OK);
    cr_assert_eq(public_key_parse(key_public_spki(key), &public, NULL), STATUS_OK);
    good =
        public_key_verify(public, key_signature(key), bytes_of("hello"), buffer_bytes(&signature));
    cr_assert_not(
        public_key_verify(public, key_signature(key), bytes_of("hellp"), buffer_bytes(&signature)));
    cr_assert_not(
        public_key_verify(public, SIGNATURE_NONE, bytes_of("hello"), buffer_bytes(&signature)));
    EVP_PKEY_free(public);
    return good;
}

Test(key, I3_each_key_is_new)
{
    OWNED(key) *one = NULL;
    OWNED(key) *two = NULL;

    cr_assert_eq(key_make(&one, NULL), STATUS_OK);
    cr_assert_eq(key_make(&two, NULL), STATUS_OK);
    cr_assert_not(bytes_equal(key_public_spki(one), key_public_spki(two)));
    cr_assert(key_signs(one));
}

Test(key, survives_pem_and_der)
{
    OWNED(key) *key = NULL;
    OWNED(key) *from_pem = NULL;
    OWNED(key) *from_der = NULL;
    CLEARED(secret) pem = {0};
    CLEARED(secret) der = {0};

    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    cr_assert_eq(key_to_pem(key, &pem, NULL), STATUS_OK);
    cr_assert_eq(key_to_der(key, &der, NULL), STATUS_OK);
    cr_assert_eq(key_parse(secret_bytes(&pem), &from_pem, NULL), STATUS_OK);
    cr_assert_eq(key_parse(secret_bytes(&der), &from_der, NULL), STATUS_OK);
    cr_assert(bytes_equal(key_public_spki(key), key_public_spki(from_pem)));
    cr_assert(bytes_equal(key_public_spki(key), key_public_spki(from_der)));
}

Test(key, accepts_p384_and_rsa_2048_from_files)
{
    static const enum test_ca_key_kind kinds[] = {TEST_CA_P256, TEST_CA_P384, TEST_CA_RSA_2048};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        OWNED(test_ca) *holder = key_holder(kinds[i]);
        OWNED(key) *key = NULL;

        cr_assert_eq(key_parse(test_ca_key_pem(holder), &key, NULL), STATUS_OK);
        cr_assert(key_signs(key));
    }
}

Test(key, refuses_weak_and_foreign_kinds)
{
    static const enum test_ca_key_kind kinds[] = {TEST_CA_P224, TEST_CA_RSA_1024, TEST_CA_ED25519};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        OWNED(test_ca) *holder = key_holder(kinds[i]);
        struct key *key = NULL;
        struct failure why = {0};

        cr_assert_eq(key_parse(test_ca_key_pem(holder), &key, &why), STATUS_PROTOCOL);
        cr_assert_str_eq(why.reason, "key/kind");
        cr_assert_null(key);
    }
}

Test(key, refuses_what_is_no_key)
{
    static const struct {
        const char *text;
        const char *reason;
    } refusals[] = {
        {"", "key/pem"},
        {"nonsense", "key/pem"},
        {"0nonsense", "key/der"}, /* 0x30 begins DER */
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "key/der"},
        {"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "key/der"},
        {"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "key/der"},
        {"-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n", "key/pem"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n", "key/pem"},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "key/pem"},
        {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
         "key/encrypted"},
    };

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct key *key = NULL;
        struct failure why = {0};

        cr_assert_eq(key_parse(bytes_of(refusals[i].text), &key, &why), STATUS_PROTOCOL);
        cr_assert_str_eq(why.reason, refusals[i].reason, "%s", refusals[i].text);
    }
}

Test(key, refuses_more_than_its_bound)
{
    static uint8_t many[KEY_FILE_MAX + 1];
    struct key *key = NULL;
    struct failure why = {0};

    cr_assert_eq(key_parse(bytes_make(many, sizeof many), &key, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "key/too-long");
}

Test(public_key, I2_refuses_points_off_the_curve_and_at_infinity)
{
    OWNED(key) *key = NULL;
    uint8_t spki[128];
    size_t len;
    struct failure why = {0};

    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    len = key_public_spki(key).len;
    memcpy(spki, key_public_spki(key).at, len);
    cr_assert_eq(public_key_check(bytes_make(spki, len), &why), STATUS_OK);
    spki[len - 1] ^= 1; /* another y */
    cr_assert_eq(public_key_check(bytes_make(spki, len), &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "public-key/der");

    /* The same key with the point at infinity, one byte 00. */
    static const uint8_t infinity[] = {0x30, 25,   0x30, 19, 6, 7, 0x2a, 0x86, 0x48,
                                       0xce, 0x3d, 2,    1,  6, 8, 0x2a, 0x86, 0x48,
                                       0xce, 0x3d, 3,    1,  7, 3, 2,    0,    0};
    cr_assert_eq(public_key_check(bytes_make(infinity, sizeof infinity), &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "public-key/der");
}

Test(public_key, I2_refuses_trailing_bytes_and_compressed_points)
{
    OWNED(key) *key = NULL;
    uint8_t spki[128];
    size_t len;
    struct failure why = {0};

    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    len = key_public_spki(key).len;
    memcpy(spki, key_public_spki(key).at, len);
    spki[len] = 0;
    cr_assert_eq(public_key_check(bytes_make(spki, len + 1), &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "public-key/form");

    /* Compressed: 02 or 03 and x alone. */
    spki[1] = (uint8_t)(spki[1] - 32);
    spki[24] = (uint8_t)(spki[24] - 32);
    spki[26] = (uint8_t)(2 + (spki[len - 1] & 1));
    cr_assert_eq(public_key_check(bytes_make(spki, len - 32), &why), STATUS_PROTOCOL);
}

Test(public_key, I2_refuses_weak_and_foreign_kinds)
{
    static const struct {
        enum test_ca_key_kind kind;
        const char *reason;
    } refusals[] = {
        {TEST_CA_P224, "public-key/kind"},
        {TEST_CA_RSA_1024, "public-key/weak"},
        {TEST_CA_ED25519, "public-key/kind"},
    };

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        OWNED(test_ca) *holder = key_holder(refusals[i].kind);
        struct certificate cert;
        struct failure why = {0};

        cr_assert_eq(certificate_parse(test_ca_der(holder), &cert, NULL), STATUS_OK);
        cr_assert_eq(public_key_check(cert.spki, &why), STATUS_PROTOCOL);
        cr_assert_str_eq(why.reason, refusals[i].reason);
    }
}

Test(pem, passes_over_text_and_reads_blocks_in_order)
{
    struct bytes text = bytes_of("hello\n-----BEGIN A-----\nAAEC\n-----END A-----\nbetween\r\n"
                                 "-----BEGIN B C-----\r\nAw\r\n==\r\n-----END B C-----");
    struct bytes label;
    CLEARED(secret) der = {0};

    cr_assert_eq(pem_next(&text, &label, &der, NULL), STATUS_OK);
    cr_assert(bytes_equal_text(label, "A"));
    cr_assert_arr_eq(der.at, ((uint8_t[]){0, 1, 2}), 3);
    cr_assert_eq(pem_next(&text, &label, &der, NULL), STATUS_OK);
    cr_assert(bytes_equal_text(label, "B C"));
    cr_assert_eq(der.len, 1);
    cr_assert_eq(pem_next(&text, &label, &der, NULL), STATUS_NOT_FOUND);
}

Test(pem, refuses_broken_blocks)
{
    static const char *const broken[] = {
        "-----BEGIN A",
        "-----BEGIN A-----\nAAEC\n",
        "-----BEGIN A-----\nAAEC\n-----END B-----\n",
        "-----BEGIN A-----\nAAEC\n-----END A",
        "-----BEGIN A-----\n-----END A-----\n",
        "-----BEGIN A-----\nAAE\n-----END A-----\n",
        "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAAEC\n-----END A-----\n",
        "-----BEGIN A-----\nAA*C\n-----END A-----\n",
    };

    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct bytes text = bytes_of(broken[i]);
        struct bytes label;
        CLEARED(secret) der = {0};
        struct failure why = {0};

        cr_assert_eq(pem_next(&text, &label, &der, &why), STATUS_PROTOCOL, "%s", broken[i]);
        cr_assert_str_eq(why.reason, "pem/block");
    }
}

Test(pem, writes_what_it_reads)
{
    CLEARED(buffer) text;
    CLEARED(secret) der = {0};
    uint8_t many[200];
    struct bytes label;
    struct bytes rest;

    buffer_init(&text, 4096);
    for (size_t i = 0; i < sizeof many; i++) {
        many[i] = (uint8_t)i;
    }
    for (size_t len = 1; len < sizeof many; len++) {
        buffer_reset(&text);
        cr_assert_eq(pem_add(&text, "X Y", bytes_make(many, len)), STATUS_OK);
        rest = buffer_bytes(&text);
        cr_assert_eq(pem_next(&rest, &label, &der, NULL), STATUS_OK);
        cr_assert(bytes_equal(secret_bytes(&der), bytes_make(many, len)));
    }
}
