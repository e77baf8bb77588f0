/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/issue.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "core/control/registry/instance.h"
#include "core/trust/identity/svid.h"
#include "core/trust/identity/verify.h"
#include "tests/support/suite.h"
#include "tests/unit/control/serve/office.h"

SUITE(issue, .timeout = 60);

#define NOW ((int64_t)1800000000)
#define LEAF_S 3600

Test(renewal_moment, lies_between_a_third_and_a_half_of_life_whatever_is_drawn)
{
    static const int64_t lives[] = {6, 7, 8, 120, 3600, 43200, 604800};

    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        for (uint64_t drawn = 0; drawn <= UINT32_MAX; drawn += 0x1000001) {
            int64_t at = issue_renew_at(1000, 1000 + lives[i], (uint32_t)drawn) - 1000;

            cr_assert(at * 100 >= lives[i] * 33 && at * 100 <= lives[i] * 50, "life %ld: at %ld",
                      (long)lives[i], (long)at);
        }
        cr_assert_leq((issue_renew_at(0, lives[i], UINT32_MAX)) * 100, lives[i] * 50);
    }
    cr_assert_eq(issue_renew_at(1000, 1000, 5), 1000);
    cr_assert_eq(issue_renew_at(1000, 900, 5), 1000);
}

static enum status issue_with_token(struct office *office, struct bytes token, struct bytes csr,
                                    int64_t now, struct issued *out_issued, struct failure *why)
{
    struct issue_request request = {
        .attestor = &attest_join_token, .proof = {.token = token, .now = now}, .csr_der = csr};

    return issue(&office->issuer, &request, out_issued, why);
}

static enum status issue_with_leaf(struct office *office, const struct verified_peer *peer,
                                   int64_t now, struct issued *out_issued, struct failure *why)
{
    CLEARED(buffer) csr = {0};
    struct issue_request request = {.attestor = &attest_leaf,
                                    .proof = {.leaf = peer, .now = now}};

    office_csr(&csr, NULL);
    request.csr_der = buffer_bytes(&csr);
    return issue(&office->issuer, &request, out_issued, why);
}

/* Who the certificate says the holder is, judged as a peer would. */
static void issue_judged(struct office *office, const struct issued *issued, int64_t now,
                         struct verified_peer *out_peer)
{
    struct bytes rest = buffer_bytes(&issued->certificate.chain_der);
    struct bytes chain[SVID_CERTS_MAX];
    struct failure why = {0};
    size_t count = 0;

    while (count < SVID_CERTS_MAX && certificate_next(&rest, &chain[count])) {
        count++;
    }
    cr_assert_eq(rest.len, 0);
    cr_assert_eq(verify_peer(authority_bundle(office->authority), chain, count, VERIFY_CLIENT, now,
                             out_peer, &why),
                 STATUS_OK, "%s: %s", why.reason, why.detail);
}

Test(issue, gives_the_identity_of_the_entry_and_then_renews_it)
{
    struct office office = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(issued) first = {0};
    CLEARED(issued) second = {0};
    struct verified_peer peer;
    struct failure why = {0};

    office_make(&office, LEAF_S, NOW);
    place_add(&office.place, "web", 1);
    office_token(&office, "web", NOW, &token);
    office_csr(&csr, NULL);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW + 1, &first, &why),
        STATUS_OK, "%s: %s", why.reason, why.detail);
    issue_judged(&office, &first, NOW + 2, &peer);
    cr_assert_str_eq(peer.id.text, "spiffe://cluster.local/ns/shop/sa/web");
    cr_assert_eq(first.certificate.issued_at, NOW + 1);
    cr_assert_leq(first.certificate.not_after, NOW + 1 + LEAF_S);
    cr_assert_gt(first.renew_at, first.certificate.issued_at);
    cr_assert_eq(issue_with_leaf(&office, &peer, first.renew_at, &second, &why), STATUS_OK,
                 "%s: %s", why.reason, why.detail);
    issue_judged(&office, &second, first.renew_at, &peer);
    cr_assert_str_eq(peer.id.text, "spiffe://cluster.local/ns/shop/sa/web");
    cr_assert_str_neq(peer.serial_hex, first.certificate.serial_hex);
    cr_assert_str_eq(second.attested.instance, first.attested.instance);
    office_clear(&office);
}

Test(issue, I6_a_lost_reply_is_made_good_and_a_refused_request_uses_nothing_up)
{
    struct office office = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(buffer) other = {0};
    CLEARED(issued) first = {0};
    CLEARED(issued) again = {0};
    CLEARED(issued) third = {0};
    CLEARED(issued) renewed = {0};
    struct verified_peer peer;
    struct issued none = {0};
    struct failure why = {0};

    office_make(&office, LEAF_S, NOW);
    place_add(&office.place, "web", 1);
    office_token(&office, "web", NOW, &token);
    office_csr(&csr, NULL);
    office_csr(&other, NULL);
    other.at[other.len - 1] ^= 1; /* the proof of possession breaks */
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&other), NOW, &none, &why),
        STATUS_PROTOCOL);
    cr_assert_eq(strncmp(why.reason, "csr/", 4), 0, "%s", why.reason);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW, &first, &why),
        STATUS_OK, "%s", why.detail);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW + 30, &again, &why),
        STATUS_OK, "%s", why.detail);
    cr_assert_str_eq(again.attested.instance, first.attested.instance);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW + 99, &third, &why),
        STATUS_OK, "%s", why.detail);
    issue_judged(&office, &third, NOW + 99, &peer);
    cr_assert_eq(issue_with_leaf(&office, &peer, NOW + 99, &renewed, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_str_eq(renewed.attested.instance, first.attested.instance);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW + 99, &none, &why),
        STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "bootstrap/key-renewed");
    office_clear(&office);
}

/* Whatever fails after the redemption: the use is the key's, and the certificate can be got. */
Test(issue, I6_a_failure_after_the_redemption_burns_no_token)
{
    struct office office = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(buffer) thief = {0};
    CLEARED(issued) issued = {0};
    struct issued none = {0};
    struct failure why = {0};
    const int64_t late = NOW + 15 * (int64_t)366 * 24 * 3600; /* the root has ended: nothing is signed */
    struct token_order order = {
        .entry = bytes_of("web"), .life_s = TOKEN_LIFE_MAX_S, .now = late - 100};

    office_make(&office, LEAF_S, NOW);
    place_add(&office.place, "web", 1);
    cr_assert_eq(token_create(&office.place.registry, &order, &token, NULL, &why), STATUS_OK);
    office_csr(&csr, NULL);
    office_csr(&thief, NULL);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), late, &none, &why),
        STATUS_DENIED);
    cr_assert_eq(strcmp(why.reason, "authority/root-expired"), 0, "%s", why.reason);
    /* A quarter of an hour later, the clock is right again. */
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&thief), NOW, &none, &why),
        STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "bootstrap/token-used");
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW, &issued, &why),
        STATUS_OK, "%s: %s", why.reason, why.detail);
    office_clear(&office);
}

/* A leaf tells by its own serial number that it is older than its entry. */
Test(issue, a_removed_entry_evicts_also_when_it_is_made_again)
{
    struct office office = {0};
    CLEARED(secret) token = {0};
    CLEARED(secret) fresh = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(buffer) other = {0};
    CLEARED(issued) first = {0};
    CLEARED(issued) joined = {0};
    CLEARED(issued) renewed = {0};
    struct issued none = {0};
    struct verified_peer peer;
    struct failure why = {0};

    office_make(&office, LEAF_S, NOW);
    place_add(&office.place, "web", 0);
    office_token(&office, "web", NOW, &token);
    office_csr(&csr, NULL);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW, &first, &why),
        STATUS_OK, "%s", why.detail);
    issue_judged(&office, &first, NOW, &peer);
    cr_assert_eq(entry_remove(&office.place.registry, bytes_of("web"), &why), STATUS_OK);
    place_add(&office.place, "web", 0);
    cr_assert_eq(issue_with_leaf(&office, &peer, NOW + 1, &none, &why), STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "renew/evicted");
    office_token(&office, "web", NOW, &fresh);
    office_csr(&other, NULL);
    cr_assert_eq(issue_with_token(&office, secret_bytes(&fresh), buffer_bytes(&other), NOW + 2,
                                  &joined, &why),
                 STATUS_OK, "%s", why.detail);
    issue_judged(&office, &joined, NOW + 2, &peer);
    cr_assert_eq(issue_with_leaf(&office, &peer, NOW + 3, &renewed, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);
    office_clear(&office);
}

Test(issue, a_renewal_with_the_key_of_the_leaf_is_refused)
{
    struct office office = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(issued) first = {0};
    struct issued none = {0};
    struct verified_peer peer;
    struct issue_request request = {.attestor = &attest_leaf};
    struct failure why = {0};

    office_make(&office, LEAF_S, NOW);
    place_add(&office.place, "web", 0);
    office_token(&office, "web", NOW, &token);
    office_csr(&csr, NULL);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW, &first, &why),
        STATUS_OK);
    issue_judged(&office, &first, NOW, &peer);
    request.proof = (struct attest_proof){.leaf = &peer, .now = NOW + 1};
    request.csr_der = buffer_bytes(&csr);
    cr_assert_eq(issue(&office.issuer, &request, &none, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "renew/same-key");
    office_clear(&office);
}

/* An entry's own limit shortens a certificate; nothing lengthens it. */
Test(issue, I11_no_certificate_outlives_its_entry_s_limit_or_its_issuer)
{
    struct office office = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(issued) issued = {0};
    struct entry entry;
    struct failure why = {0};

    office_make(&office, LEAF_S, NOW);
    cr_assert_eq(entry_make(&office.place.registry, bytes_of("short"),
                            bytes_of("spiffe://cluster.local/short"), (struct bytes){0}, &entry,
                            &why),
                 STATUS_OK);
    entry.max_life_s = 600;
    cr_assert_eq(entry_add(&office.place.registry, &entry, &why), STATUS_OK);
    office_token(&office, "short", NOW, &token);
    office_csr(&csr, NULL);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW, &issued, &why),
        STATUS_OK, "%s", why.detail);
    cr_assert_eq(issued.certificate.not_after, NOW + 600);
    cr_assert_leq(issued.certificate.not_after, authority_intermediate_ends_at(office.authority));
    office_clear(&office);
}

/* After a restart of everything the same root stands, and a live leaf renews. */
Test(issue, I13_a_renewal_works_after_a_restart_of_the_control_plane)
{
    struct office office = {0};
    CLEARED(secret) token = {0};
    CLEARED(buffer) csr = {0};
    CLEARED(issued) first = {0};
    CLEARED(issued) second = {0};
    struct verified_peer peer;
    struct failure why = {0};

    office_make(&office, LEAF_S, NOW);
    place_add(&office.place, "web", 1);
    office_token(&office, "web", NOW, &token);
    office_csr(&csr, NULL);
    cr_assert_eq(
        issue_with_token(&office, secret_bytes(&token), buffer_bytes(&csr), NOW, &first, &why),
        STATUS_OK);
    authority_drop(&office.authority);
    store_drop(&office.place.store);
    place_open(&office.place);
    office_open(&office, LEAF_S, NOW + 100);
    issue_judged(&office, &first, NOW + 100, &peer);
    cr_assert_eq(issue_with_leaf(&office, &peer, NOW + 100, &second, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);
    cr_assert_str_eq(second.attested.instance, first.attested.instance);
    office_clear(&office);
}
