/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/trust/identity/csr.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(csr);

Test(csr, makes_what_it_reads)
{
    OWNED(key) *key = NULL;
    OWNED(csr) *csr = NULL;
    CLEARED(buffer) der;

    buffer_init(&der, CSR_MAX);
    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    cr_assert_eq(csr_make(key, &der, NULL), STATUS_OK);
    cr_assert_eq(csr_parse(buffer_bytes(&der), &csr, NULL), STATUS_OK);
    cr_assert(bytes_equal(csr_public_key(csr), key_public_spki(key)));
}

Test(csr, accepts_p384_and_rsa_2048)
{
    static const enum test_ca_key_kind kinds[] = {TEST_CA_P384, TEST_CA_RSA_2048};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct test_ca_plan plan = test_ca_plan_leaf("spiffe://td/a");
        OWNED(test_ca) *asker = NULL;
        OWNED(csr) *csr = NULL;
        CLEARED(buffer) der;

        buffer_init(&der, CSR_MAX);
        plan.key_kind = kinds[i];
        asker = test_ca_make(&plan, NULL);
        test_ca_csr(asker, &plan, &der);
        cr_assert_eq(csr_parse(buffer_bytes(&der), &csr, NULL), STATUS_OK);
    }
}

Test(csr, I2_every_flipped_bit_is_refused)
{
    OWNED(key) *key = NULL;
    CLEARED(buffer) der;

    buffer_init(&der, CSR_MAX);
    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    cr_assert_eq(csr_make(key, &der, NULL), STATUS_OK);
    for (size_t i = 0; i < 8 * der.len; i++) {
        struct csr *csr = NULL;

        der.at[i / 8] ^= (uint8_t)(1u << i % 8);
        cr_assert_neq(csr_parse(buffer_bytes(&der), &csr, NULL), STATUS_OK, "bit %zu", i);
        cr_assert_null(csr);
        der.at[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

Test(csr, I2_weak_and_foreign_keys_are_refused)
{
    static const struct {
        enum test_ca_key_kind kind;
        enum test_ca_digest digest;
        const char *reason;
    } refusals[] = {
        {TEST_CA_P224, TEST_CA_SHA256, "public-key/kind"},
        {TEST_CA_RSA_1024, TEST_CA_SHA256, "public-key/weak"},
        {TEST_CA_ED25519, TEST_CA_SHA256, "csr/algorithm"},
        {TEST_CA_P256, TEST_CA_SHA1, "csr/algorithm"},
        {TEST_CA_RSA_2048, TEST_CA_SHA1, "csr/algorithm"},
    };

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct test_ca_plan plan = test_ca_plan_leaf("spiffe://td/a");
        OWNED(test_ca) *asker = NULL;
        CLEARED(buffer) der;
        struct csr *csr = NULL;
        struct failure why = {0};

        buffer_init(&der, CSR_MAX);
        plan.key_kind = refusals[i].kind;
        asker = test_ca_make(&plan, NULL);
        plan.digest = refusals[i].digest;
        test_ca_csr(asker, &plan, &der);
        cr_assert_eq(csr_parse(buffer_bytes(&der), &csr, &why), STATUS_PROTOCOL);
        cr_assert_str_eq(why.reason, refusals[i].reason);
    }
}

Test(csr, refuses_malformed_requests)
{
    OWNED(key) *key = NULL;
    CLEARED(buffer) der;
    struct csr *csr = NULL;
    struct failure why = {0};

    buffer_init(&der, 2 * CSR_MAX);
    cr_assert_eq(csr_parse(bytes_of(""), &csr, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "csr/der");

    cr_assert_eq(key_make(&key, NULL), STATUS_OK);
    cr_assert_eq(csr_make(key, &der, NULL), STATUS_OK);
    for (size_t len = 0; len < der.len; len++) { /* cut anywhere */
        cr_assert_neq(csr_parse(bytes_make(der.at, len), &csr, &why), STATUS_OK);
    }
    cr_assert_eq(buffer_add(&der, bytes_make("\0", 1)), STATUS_OK); /* trailing byte */
    cr_assert_eq(csr_parse(buffer_bytes(&der), &csr, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "csr/der");

    while (der.len <= CSR_MAX) {
        cr_assert_eq(buffer_add(&der, bytes_make("\0\0\0\0\0\0\0\0", 8)), STATUS_OK);
    }
    cr_assert_eq(csr_parse(buffer_bytes(&der), &csr, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "csr/too-long");
}

Test(csr, I2_proof_by_another_key_is_refused)
{
    struct test_ca_plan plan = test_ca_plan_leaf("spiffe://td/a");
    OWNED(test_ca) *asker = test_ca_make(&plan, NULL);
    CLEARED(buffer) der;
    struct csr *csr = NULL;
    struct failure why = {0};

    buffer_init(&der, CSR_MAX);
    plan.wrong_signature = true;
    test_ca_csr(asker, &plan, &der);
    cr_assert_eq(csr_parse(buffer_bytes(&der), &csr, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "csr/signature");
}
