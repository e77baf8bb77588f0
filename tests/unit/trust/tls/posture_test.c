/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/posture.h"

#include <openssl/ssl.h>

#include "core/trust/tls/reason.h"
#include "core/trust/tls/slot.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(posture);
SUITE(slot);
SUITE(reason);

Test(posture, groups_are_read_in_their_order)
{
    struct posture posture;

    cr_assert_eq(posture_parse_groups(bytes_of("P-256, X25519"), &posture, NULL), STATUS_OK);
    cr_assert_eq(posture.num_groups, 2);
    cr_assert_eq(posture.groups[0], SSL_GROUP_SECP256R1);
    cr_assert_eq(posture.groups[1], SSL_GROUP_X25519);
}

Test(posture, refuses_groups)
{
    static const char *const rows[] = {
        "",
        ",",
        "P-521",
        "X25519,",
        "X25519,X25519",
        "x25519",
        "P-256;P-384",
        "P-256,P-384,X25519,X25519MLKEM768,P-256",
        "MLKEM768",
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct posture posture = {.num_groups = 9};
        struct failure why = {0};

        cr_assert_eq(posture_parse_groups(bytes_of(rows[i]), &posture, &why), STATUS_CONFIG,
                     "\"%s\"", rows[i]);
        cr_assert_str_eq(why.reason, "posture/group");
        cr_assert_eq(posture.num_groups, 9, "untouched");
    }
}

Test(posture, knows_the_mesh_by_its_protocol)
{
    static const struct {
        const char *list;
        bool ours;
    } rows[] = {
        {"\6signet", true},
        {"\5istio", true},
        {"\2h2\6signet", true},
        {"\2h2\10http/1.1", false},
        {"\23istio-peer-exchange\2h2", false},
        {"\23istio-peer-exchange\5istio", true},
        {"", false},
        {"\6signe", false},
        {"\7signets", false},
        {"\5signe", false},
        {"\6SIGNET", false},
        {"\x7fsignet", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(posture_is_mesh_alpn(bytes_of(rows[i].list)), rows[i].ours, "row %zu", i);
    }
    cr_assert(!posture_is_mesh_alpn(bytes_make("\0\6signet", 8)), "an empty name is malformed");
}

Test(slot, a_swap_gives_the_old_one_back_and_takes_are_counted)
{
    OWNED(test_ca) *root = test_ca_root("example.org");
    OWNED(identity_set) *set = test_ca_identity_set(root, "spiffe://example.org/ns/a/sa/b", 1);
    struct posture posture = posture_default();
    struct tls_context *made[2] = {NULL, NULL};
    struct tls_slot slot = {0};
    struct tls_context *taken;

    cr_assert_null(slot_take(&slot));
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(tls_context_make(set, &posture, &made[i], NULL), STATUS_OK);
    }
    slot_swap(&slot, made[0]);
    taken = slot_take(&slot);
    cr_assert_eq(taken, made[0]);
    slot_swap(&slot, made[1]);
    cr_assert_eq(slot.current, made[1]);
    cr_assert_eq(tls_context_identities(taken), set, "the old one lives while somebody holds it");
    tls_context_drop(&taken);
    slot_clear(&slot);
    cr_assert_null(slot.current);
}

Test(reason, every_refusal_of_verification_has_its_alert)
{
    static const struct {
        const char *reason;
        enum status status;
        int alert;
    } rows[] = {
        {"verify/expired", STATUS_UNTRUSTED, SSL_AD_CERTIFICATE_EXPIRED},
        {"verify/not-yet-valid", STATUS_UNTRUSTED, SSL_AD_CERTIFICATE_EXPIRED},
        {"verify/no-bundle", STATUS_UNTRUSTED, SSL_AD_UNKNOWN_CA},
        {"verify/untrusted-root", STATUS_UNTRUSTED, SSL_AD_UNKNOWN_CA},
        {"verify/signature", STATUS_UNTRUSTED, SSL_AD_UNKNOWN_CA},
        {"verify/not-a-ca", STATUS_UNTRUSTED, SSL_AD_UNKNOWN_CA},
        {"verify/authority-id", STATUS_UNTRUSTED, SSL_AD_BAD_CERTIFICATE},
        {"tls/not-mutual", STATUS_PROTOCOL, SSL_AD_HANDSHAKE_FAILURE},
        {"verify/path-length", STATUS_UNTRUSTED, SSL_AD_BAD_CERTIFICATE},
        {"verify/name-constraint", STATUS_UNTRUSTED, SSL_AD_BAD_CERTIFICATE},
        {"verify/chain-too-long", STATUS_LIMIT, SSL_AD_BAD_CERTIFICATE},
        {"verify/too-complex", STATUS_LIMIT, SSL_AD_BAD_CERTIFICATE},
        {"verify/uri-san-count", STATUS_PROTOCOL, SSL_AD_BAD_CERTIFICATE},
        {"verify/eku", STATUS_PROTOCOL, SSL_AD_UNSUPPORTED_CERTIFICATE},
        {"tls/peer-identity", STATUS_UNTRUSTED, SSL_AD_CERTIFICATE_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(reason_status_of_verify(rows[i].reason), rows[i].status, "%s", rows[i].reason);
        cr_expect_eq(reason_alert_of_verify(rows[i].reason), rows[i].alert, "%s", rows[i].reason);
    }
}
