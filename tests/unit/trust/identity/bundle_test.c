/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/trust/identity/bundle.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(bundle);

Test(bundle, holds_each_domain_apart)
{
    OWNED(test_ca) *ours = test_ca_root("ours");
    OWNED(test_ca) *theirs = test_ca_root("theirs");
    struct bundle_part parts[] = {
        {.trust_domain = bytes_of("ours"), .roots_der = test_ca_der(ours)},
        {.trust_domain = bytes_of("theirs"), .roots_der = test_ca_der(theirs)},
        {.trust_domain = bytes_of("nobody"), .roots_der = bytes_of("")},
    };
    OWNED(bundle) *bundle = NULL;

    cr_assert_eq(bundle_make(parts, 3, 42, &bundle, NULL), STATUS_OK);
    cr_assert_eq(bundle_sequence(bundle), 42);
    cr_assert_eq(bundle_num_domains(bundle), 3);
    cr_assert_eq(bundle_num_roots(bundle_find(bundle, bytes_of("ours"))), 1);
    cr_assert_eq(bundle_num_roots(bundle_find(bundle, bytes_of("nobody"))), 0);
    cr_assert_null(bundle_find(bundle, bytes_of("our")));
    cr_assert_null(bundle_find(bundle, bytes_of("")));
    cr_assert(bytes_equal(bundle_root(bundle_find(bundle, bytes_of("theirs")), 0)->der,
                          test_ca_der(theirs)));
}

Test(bundle, the_same_root_twice_counts_once)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *second = test_ca_root("td");
    OWNED(bundle) *bundle = NULL;
    OWNED(bundle) *turned = NULL;
    OWNED(bundle) *less = test_ca_bundle(root, "td");
    CLEARED(buffer) pem;
    CLEARED(buffer) der;

    buffer_init(&pem, BUNDLE_MAX);
    buffer_init(&der, BUNDLE_MAX);
    cr_assert_eq(buffer_add_text(&pem, "# roots of td\n"), STATUS_OK);
    cr_assert_eq(buffer_add(&pem, test_ca_pem(root)), STATUS_OK);
    cr_assert_eq(buffer_add(&pem, test_ca_pem(second)), STATUS_OK);
    cr_assert_eq(buffer_add(&pem, test_ca_pem(root)), STATUS_OK);
    cr_assert_eq(bundle_parse_pem(bytes_of("td"), buffer_bytes(&pem), 1, &bundle, NULL), STATUS_OK);
    cr_assert_eq(bundle_num_roots(bundle_domain(bundle, 0)), 2);

    cr_assert_eq(buffer_add(&der, test_ca_der(second)), STATUS_OK);
    cr_assert_eq(buffer_add(&der, test_ca_der(root)), STATUS_OK);
    cr_assert_eq(bundle_parse_der(bytes_of("td"), buffer_bytes(&der), 2, &turned, NULL), STATUS_OK);
    cr_assert(bundle_same_roots(bundle, turned));
    cr_assert_not(bundle_same_roots(bundle, less));
    cr_assert_not(bundle_same_roots(less, bundle));
}

Test(bundle, writes_what_it_reads)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(bundle) *bundle = test_ca_bundle(root, "td");
    OWNED(bundle) *again = NULL;
    CLEARED(buffer) pem;
    CLEARED(buffer) der;

    buffer_init(&pem, BUNDLE_MAX);
    buffer_init(&der, BUNDLE_MAX);
    cr_assert_eq(bundle_pem(bundle_domain(bundle, 0), &pem), STATUS_OK);
    cr_assert(bytes_equal(buffer_bytes(&pem), test_ca_pem(root)));
    cr_assert_eq(bundle_der(bundle_domain(bundle, 0), &der), STATUS_OK);
    cr_assert_eq(bundle_parse_der(bytes_of("td"), buffer_bytes(&der), 1, &again, NULL), STATUS_OK);
    cr_assert(bundle_same_roots(bundle, again));
    cr_assert_arr_eq(bundle_root_sha256(bundle_domain(bundle, 0), 0),
                     bundle_root_sha256(bundle_domain(again, 0), 0), BUNDLE_SHA256_LEN);
}

Test(bundle, I20_refuses_what_cannot_be_judged)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_leaf(root, "spiffe://td/a");
    struct test_ca_plan plan = test_ca_plan_root("td");
    OWNED(test_ca) *no_sign = NULL;
    OWNED(test_ca) *weak = NULL;
    OWNED(test_ca) *odd = NULL;
    struct bundle *bundle = NULL;
    struct failure why = {0};

    plan.usage = TEST_CA_CRL_SIGN;
    no_sign = test_ca_make(&plan, NULL);
    plan = test_ca_plan_root("td");
    plan.key_kind = TEST_CA_RSA_1024;
    weak = test_ca_make(&plan, NULL);
    plan = test_ca_plan_root("td");
    plan.unknown_critical = true;
    odd = test_ca_make(&plan, NULL);

    const struct {
        struct bytes trust_domain;
        struct bytes der;
        const char *reason;
    } refusals[] = {
        {bytes_of("td"), test_ca_der(leaf), "bundle/root"},
        {bytes_of("td"), test_ca_der(no_sign), "bundle/root"},
        {bytes_of("td"), test_ca_der(odd), "bundle/root"},
        {bytes_of("td"), test_ca_der(weak), "public-key/weak"},
        {bytes_of("td"), bytes_of("nonsense"), "bundle/der"},
        {bytes_of("td"), bytes_of("\x30\x01\x01"), "bundle/der"},
        {bytes_of("TD"), test_ca_der(root), "bundle/trust-domain"},
        {bytes_of(""), test_ca_der(root), "bundle/trust-domain"},
        {bytes_of("a/b"), test_ca_der(root), "bundle/trust-domain"},
    };

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        cr_assert_eq(bundle_parse_der(refusals[i].trust_domain, refusals[i].der, 1, &bundle, &why),
                     STATUS_PROTOCOL);
        cr_assert_str_eq(why.reason, refusals[i].reason, "row %zu: %s", i, why.reason);
        cr_assert_null(bundle);
    }
}

Test(bundle, refuses_a_domain_given_twice_and_broken_pem)
{
    OWNED(test_ca) *root = test_ca_root("td");
    struct bundle_part parts[] = {
        {.trust_domain = bytes_of("td"), .roots_der = test_ca_der(root)},
        {.trust_domain = bytes_of("td"), .roots_der = test_ca_der(root)},
    };
    struct bundle *bundle = NULL;
    struct failure why = {0};

    cr_assert_eq(bundle_make(parts, 2, 1, &bundle, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "bundle/twice");
    cr_assert_eq(bundle_parse_pem(bytes_of("td"), bytes_of(""), 1, &bundle, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "bundle/empty");
    cr_assert_eq(
        bundle_parse_pem(bytes_of("td"), bytes_of("-----BEGIN CERTIFICATE-----"), 1, &bundle, &why),
        STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "bundle/pem");
}

Test(bundle, is_bounded)
{
    static struct bundle_part parts[BUNDLE_DOMAINS_MAX + 1];
    static char names[BUNDLE_DOMAINS_MAX + 1][16];
    static uint8_t many[BUNDLE_MAX + 1];
    OWNED(bundle) *most = NULL;
    struct bundle *bundle = NULL;
    CLEARED(buffer) der;
    struct failure why = {0};

    for (size_t i = 0; i <= BUNDLE_DOMAINS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "d%zu", i);
        parts[i].trust_domain = bytes_of(names[i]);
    }
    cr_assert_eq(bundle_make(parts, BUNDLE_DOMAINS_MAX, 1, &most, &why), STATUS_OK);
    cr_assert_eq(bundle_make(parts, BUNDLE_DOMAINS_MAX + 1, 1, &bundle, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "bundle/too-many");
    cr_assert_eq(bundle_parse_der(bytes_of("td"), bytes_make(many, sizeof many), 1, &bundle, &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "bundle/too-long");

    buffer_init(&der, BUNDLE_MAX);
    for (size_t i = 0; i <= BUNDLE_ROOTS_MAX; i++) {
        OWNED(test_ca) *root = test_ca_root("td");

        cr_assert_eq(buffer_add(&der, test_ca_der(root)), STATUS_OK);
    }
    cr_assert_eq(bundle_parse_der(bytes_of("td"), buffer_bytes(&der), 1, &bundle, &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "bundle/too-many");
}
