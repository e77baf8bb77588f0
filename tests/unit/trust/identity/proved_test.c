/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of a peer saves work and changes no verdict (I10). */
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/trust/identity/proved.h"
#include "core/trust/identity/verify.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(proved);

#define WEB "spiffe://td/ns/shop/sa/web"

static const char *proved_judge(const struct bundle *bundle, struct bytes leaf_der, int64_t now_s)
{
    struct verified_peer peer;
    static struct failure why;

    why = (struct failure){.reason = ""};
    (void)!verify_peer(bundle, &leaf_der, 1, VERIFY_CLIENT, now_s, &peer, &why);
    return why.reason;
}

Test(proved, knows_only_what_it_was_told)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *leaf = test_ca_leaf(root, WEB);
    struct certificate cert;
    struct certificate above;
    uint8_t digest[PROVED_DIGEST_LEN];
    uint8_t other[PROVED_DIGEST_LEN];

    cr_assert_eq(certificate_parse(test_ca_der(leaf), &cert, NULL), STATUS_OK);
    cr_assert_eq(certificate_parse(test_ca_der(root), &above, NULL), STATUS_OK);
    proved_digest(&cert, above.spki, digest);
    proved_digest(&cert, cert.spki, other);
    cr_assert_neq(memcmp(digest, other, sizeof digest), 0,
                  "the issuer's key is part of the question");
    cr_assert_not(proved_find(digest));
    proved_add(digest);
    cr_assert(proved_find(digest));
    cr_assert_not(proved_find(other));
}

Test(proved, I10_a_known_leaf_still_ends_with_its_date)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(bundle) *bundle = test_ca_bundle(root, "td");
    int64_t now_s = clock_unix_s();
    OWNED(test_ca) *leaf = test_ca_leaf_between(root, WEB, now_s - 60, now_s + 60);

    cr_assert_str_eq(proved_judge(bundle, test_ca_der(leaf), now_s), "");
    cr_assert_str_eq(proved_judge(bundle, test_ca_der(leaf), now_s + 61), "verify/expired");
    cr_assert_str_eq(proved_judge(bundle, test_ca_der(leaf), now_s), "");
}

Test(proved, I10_a_known_leaf_is_refused_once_its_root_is_gone)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(test_ca) *other_root = test_ca_root("td"); /* the same name, another key */
    OWNED(bundle) *bundle = test_ca_bundle(root, "td");
    OWNED(bundle) *later = test_ca_bundle(other_root, "td");
    OWNED(test_ca) *leaf = test_ca_leaf(root, WEB);
    int64_t now_s = clock_unix_s();

    cr_assert_str_eq(proved_judge(bundle, test_ca_der(leaf), now_s), "");
    cr_assert_str_neq(proved_judge(later, test_ca_der(leaf), now_s), "");
}

Test(proved, I10_each_flipped_bit_of_a_known_leaf_is_refused)
{
    OWNED(test_ca) *root = test_ca_root("td");
    OWNED(bundle) *bundle = test_ca_bundle(root, "td");
    OWNED(test_ca) *leaf = test_ca_leaf(root, WEB);
    struct bytes der = test_ca_der(leaf);
    uint8_t changed[CERTIFICATE_MAX];
    int64_t now_s = clock_unix_s();

    cr_assert_str_eq(proved_judge(bundle, der, now_s), "");
    for (size_t i = 0; i < der.len; i++) {
        memcpy(changed, der.at, der.len);
        changed[i] = (uint8_t)(changed[i] ^ 1u << i % 8);
        cr_assert_str_neq(proved_judge(bundle, bytes_make(changed, der.len), now_s), "", "byte %zu",
                          i);
    }
}
