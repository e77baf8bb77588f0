/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/runtime/base/buffer.h"
#include "core/trust/identity/certificate.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(certificate);

/* A sound leaf to spoil; `at` and `len` are a copy of its DER. */
struct sample {
    uint8_t at[2048];
    size_t len;
};

static void sample_make(struct sample *sample)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_leaf(root, "spiffe://td/a");

    sample->len = test_ca_der(leaf).len;
    memcpy(sample->at, test_ca_der(leaf).at, sample->len);
}

static uint8_t *sample_find(struct sample *sample, const void *part, size_t part_len)
{
    uint8_t *found = memmem(sample->at, sample->len, part, part_len);

    cr_assert_not_null(found);
    return found;
}

static const char *sample_refused(const struct sample *sample)
{
    struct certificate cert;
    static struct failure why;

    why = (struct failure){.reason = "accepted"};
    (void)!certificate_parse(bytes_make(sample->at, sample->len), &cert, &why);
    return why.reason;
}

Test(certificate, takes_a_leaf_apart)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_leaf_between(root, "spiffe://td/a", 1700000000, 1700003600);
    struct certificate cert;
    struct certificate above;
    char serial[CERTIFICATE_SERIAL_HEX];
    char issuer[CERTIFICATE_KEY_ID_HEX];

    cr_assert_eq(certificate_parse(test_ca_der(leaf), &cert, NULL), STATUS_OK);
    cr_assert_eq(certificate_parse(test_ca_der(root), &above, NULL), STATUS_OK);
    cr_assert(bytes_equal_text(cert.uri, "spiffe://td/a"));
    cr_assert_eq(cert.num_uris, 1);
    cr_assert_eq(cert.not_before, 1700000000);
    cr_assert_eq(cert.not_after, 1700003600);
    cr_assert_eq(cert.key_usage, CERTIFICATE_DIGITAL_SIGNATURE);
    cr_assert(cert.has_key_usage && cert.key_usage_critical && cert.names_critical);
    cr_assert(cert.for_client && cert.for_server && !cert.is_ca && cert.subject_empty);
    cr_assert(bytes_equal(cert.issuer, above.subject));
    cr_assert(bytes_equal(cert.authority_key_id, above.subject_key_id));
    cr_assert(above.is_ca && above.path_len == -1 && certificate_may_sign(&above));
    cr_assert_not(certificate_may_sign(&cert));
    certificate_serial_hex(&cert, serial);
    certificate_issuer_hex(&cert, issuer);
    cr_assert(strlen(serial) > 0 && strlen(issuer) == 40);
}

Test(certificate, reads_dates_beyond_2049)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_leaf_between(root, "spiffe://td/a", 1700000000, 2600000000);
    struct certificate cert;

    cr_assert_eq(certificate_parse(test_ca_der(leaf), &cert, NULL), STATUS_OK);
    cr_assert_eq(cert.not_after, 2600000000);
}

Test(certificate, refuses_every_cut)
{
    struct sample sample;
    size_t whole;

    sample_make(&sample);
    whole = sample.len;
    cr_assert_str_eq(sample_refused(&sample), "accepted");
    for (sample.len = 0; sample.len < whole; sample.len++) {
        cr_assert_str_neq(sample_refused(&sample), "accepted", "%zu bytes", sample.len);
    }
    sample.at[whole] = 0;
    sample.len = whole + 1;
    cr_assert_str_eq(sample_refused(&sample), "certificate/der");
}

Test(certificate, refuses_other_versions)
{
    static const uint8_t version[] = {0xa0, 3, 2, 1, 2};
    struct sample sample;

    sample_make(&sample);
    sample_find(&sample, version, sizeof version)[4] = 1;
    cr_assert_str_eq(sample_refused(&sample), "certificate/version");
}

Test(certificate, refuses_negative_serial_numbers)
{
    static const uint8_t version[] = {0xa0, 3, 2, 1, 2};
    struct sample sample;
    uint8_t *serial;

    sample_make(&sample);
    serial = sample_find(&sample, version, sizeof version) + 5;
    cr_assert_eq(serial[0], 2);
    serial[2] = 0x80 | 1;
    cr_assert_str_eq(sample_refused(&sample), "certificate/serial");
    serial[2] = 0; /* a zero that is not needed, unless the next bit is set */
    serial[3] &= 0x7f;
    cr_assert_str_eq(sample_refused(&sample), "certificate/serial");
}

Test(certificate, refuses_malformed_dates)
{
    struct sample sample;
    uint8_t *date;

    sample_make(&sample);
    date = sample_find(&sample, "\x17\x0d", 2) + 2;
    date[3] = '9'; /* month 19, 29… */
    date[2] = '9';
    cr_assert_str_eq(sample_refused(&sample), "certificate/time");
    sample_make(&sample);
    date = sample_find(&sample, "\x17\x0d", 2) + 2;
    date[12] = '+';
    cr_assert_str_eq(sample_refused(&sample), "certificate/time");
}

Test(certificate, refuses_an_extension_given_twice)
{
    static const uint8_t subject_key_id[] = {6, 3, 0x55, 0x1d, 14};
    static const uint8_t authority_key_id[] = {6, 3, 0x55, 0x1d, 35};
    static const uint8_t key_usage[] = {6, 3, 0x55, 0x1d, 15};
    struct sample sample;

    sample_make(&sample);
    sample_find(&sample, authority_key_id, 5)[4] = 99; /* unknown, not critical: fine */
    cr_assert_str_eq(sample_refused(&sample), "accepted");
    sample_find(&sample, subject_key_id, 5)[4] = 99; /* twice unknown */
    cr_assert_str_eq(sample_refused(&sample), "certificate/extension");
    sample_make(&sample);
    sample_find(&sample, key_usage, 5)[4] = 37; /* extKeyUsage whose value is a keyUsage */
    cr_assert_str_eq(sample_refused(&sample), "certificate/extension");
}

Test(certificate, refuses_an_inner_algorithm_that_is_not_the_outer_one)
{
    static const uint8_t sha256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2};
    struct sample sample;

    sample_make(&sample);
    sample_find(&sample, sha256, sizeof sha256)[7] = 3;
    cr_assert_str_eq(sample_refused(&sample), "certificate/der");
}

Test(certificate, says_that_a_critical_extension_is_unknown)
{
    struct test_ca_plan plan = test_ca_plan_leaf("spiffe://td/a");
    OWNED(test_ca) *leaf = NULL;
    struct certificate cert;

    plan.unknown_critical = true;
    plan.common_name = "a";
    leaf = test_ca_make(&plan, NULL);
    cr_assert_eq(certificate_parse(test_ca_der(leaf), &cert, NULL), STATUS_OK);
    cr_assert(cert.unknown_critical);
}

Test(certificate, refuses_an_issuer_without_a_name)
{
    struct test_ca_plan plan = test_ca_plan_leaf("spiffe://td/a"); /* self-signed, no name */
    OWNED(test_ca) *leaf = test_ca_make(&plan, NULL);
    struct certificate cert;
    struct failure why = {0};

    cr_assert_eq(certificate_parse(test_ca_der(leaf), &cert, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "certificate/issuer");
}

Test(certificate, refuses_more_than_its_bound)
{
    static uint8_t many[CERTIFICATE_MAX + 1] = {0x30, 0x82, 0x3f, 0xfd};
    struct certificate cert;
    struct failure why = {0};

    cr_assert_eq(certificate_parse(bytes_make(many, sizeof many), &cert, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "certificate/too-long");
}

Test(certificate, next_cuts_whole_elements_only)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *middle = test_ca_intermediate(root, "td");
    OWNED(test_ca) *leaf = test_ca_leaf(middle, "spiffe://td/a");
    struct bytes rest = test_ca_chain_der(leaf);
    struct bytes der;

    cr_assert(certificate_next(&rest, &der));
    cr_assert(bytes_equal(der, test_ca_der(leaf)));
    cr_assert(certificate_next(&rest, &der));
    cr_assert(bytes_equal(der, test_ca_der(middle)));
    cr_assert_not(certificate_next(&rest, &der));
    rest = bytes_of("\x30\x05xx");
    cr_assert_not(certificate_next(&rest, &der));
}
