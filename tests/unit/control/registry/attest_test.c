/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/attest.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "core/control/ca/serial.h"
#include "core/control/registry/instance.h"
#include "core/control/registry/record.h"
#include "core/control/registry/token.h"
#include "tests/support/suite.h"
#include "tests/unit/control/registry/place.h"

SUITE(attest, .timeout = 60);

#define NOW ((int64_t)1800000000)

/* Who calls, with what, and what he gets: an identity, or a reason. */
struct attest_case {
    char proof[12];   /* "token" or "leaf" */
    char holds[64];   /* the token's entry, or the leaf's SPIFFE ID */
    int64_t age_s;    /* of the proof; it lives 100 s */
    char gets[64];    /* an identity, or "" */
    char refused[32]; /* a reason, or "" */
};

ParameterizedTestParameters(attest, I4_a_caller_gets_only_its_own_identity)
{
    static struct attest_case cases[] = {
        {"token", "web", 0, "spiffe://cluster.local/ns/shop/sa/web", ""},
        {"token", "api", 0, "spiffe://cluster.local/ns/shop/sa/api", ""},
        {"token", "gone", 0, "", "bootstrap/token-unknown"},
        {"token", "web", 100, "", "bootstrap/token-expired"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/web", 0,
         "spiffe://cluster.local/ns/shop/sa/web", ""},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/api", 99,
         "spiffe://cluster.local/ns/shop/sa/api", ""},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/web", 100, "", "renew/expired-leaf"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/web", 101, "", "renew/expired-leaf"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/gone", 0, "", "renew/no-entry"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/we", 0, "", "renew/no-entry"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/web/x", 0, "", "renew/no-entry"},
        {"leaf", "spiffe://example.org/ns/shop/sa/web", 0, "", "renew/no-entry"},
        {"leaf", "spiffe://cluster.local/ns/signet-system/sa/signet-control", 0, "",
         "renew/no-entry"},
        {"leaf", "", 0, "", "renew/no-leaf"},
    };
    return cr_make_param_array(struct attest_case, cases, sizeof cases / sizeof cases[0]);
}

/* A serial number as we give them now, told apart from others by `mark` (digits of hex). */
static void attest_serial(struct place *place, const char *mark, char out[CERTIFICATE_SERIAL_HEX])
{
    uint8_t random[SERIAL_RANDOM_LEN] = {0};
    uint8_t serial[SERIAL_LEN];
    int64_t revision = 0;

    cr_assert_eq(store_revision(place->store, &revision, NULL), STATUS_OK);
    memcpy(random, mark, strlen(mark));
    serial_make(revision, random, serial);
    bytes_to_hex(bytes_make(serial, sizeof serial), out);
}

static enum status attest_try(struct place *place, const struct attest_case *given,
                              struct bytes token, struct attested *out_attested,
                              struct failure *why)
{
    struct verified_peer leaf = {.serial_hex = "0a0b", .expires_at = NOW + 100};
    struct attest_proof proof = {.key = digest_of(bytes_of("key")), .now = NOW + given->age_s};

    if (strcmp(given->proof, "token") == 0) {
        proof.token = token;
        return attest_join_token.attest(&place->registry, &proof, out_attested, why);
    }
    if (given->holds[0] != '\0') {
        cr_assert_eq(spiffe_id_parse(bytes_of(given->holds), &leaf.id, why), STATUS_OK);
        attest_serial(place, "0a0b", leaf.serial_hex);
        proof.leaf = &leaf;
    }
    return attest_leaf.attest(&place->registry, &proof, out_attested, why);
}

ParameterizedTest(struct attest_case *given, attest, I4_a_caller_gets_only_its_own_identity)
{
    static const char *const names[] = {"web", "api", "gone"};
    struct place place = {0};
    CLEARED(secret) token = {0};
    struct attested attested = {0};
    struct failure why = {0};
    enum status status;

    place_make(&place);
    for (size_t i = 0; i < 3; i++) {
        place_add(&place, names[i], 0);
    }
    if (strcmp(given->proof, "token") == 0) {
        struct token_order order = {.entry = bytes_of(given->holds), .life_s = 100, .now = NOW};

        cr_assert_eq(token_create(&place.registry, &order, &token, NULL, &why), STATUS_OK);
    }
    cr_assert_eq(entry_remove(&place.registry, bytes_of("gone"), &why), STATUS_OK);
    status = attest_try(&place, given, secret_bytes(&token), &attested, &why);
    if (given->refused[0] == '\0') {
        cr_assert_eq(status, STATUS_OK, "%s %s: %s", given->proof, given->holds, why.detail);
        cr_assert_str_eq(attested.entry.spiffe_id.text, given->gets);
    } else {
        cr_assert_neq(status, STATUS_OK, "%s %s", given->proof, given->holds);
        cr_assert_str_eq(why.reason, given->refused);
        cr_assert_str_empty(attested.entry.name);
    }
    place_clear(&place);
}

/* Who was refused for a time sees the certificate's or token's own, and ours: as dates. */
Test(attest, a_refusal_for_its_time_says_both_times)
{
    static const struct attest_case cases[] = {
        {"token", "web", 100, "", "bootstrap/token-expired"},
        {"leaf", "spiffe://cluster.local/ns/shop/sa/web", 101, "", "renew/expired-leaf"},
    };
    static const char *const said[] = {
        " ended at 2027-01-15T08:01:40Z, the control plane's clock says 2027-01-15T08:01:40Z; ",
        " ended at 2027-01-15T08:01:40Z, the control plane's clock says 2027-01-15T08:01:41Z",
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct place place = {0};
        CLEARED(secret) token = {0};
        struct token_order order = {.entry = bytes_of("web"), .life_s = 100, .now = NOW};
        struct attested attested = {0};
        struct failure why = {0};

        place_make(&place);
        place_add(&place, "web", 0);
        cr_assert_eq(token_create(&place.registry, &order, &token, NULL, &why), STATUS_OK);
        cr_assert_neq(attest_try(&place, &cases[i], secret_bytes(&token), &attested, &why),
                      STATUS_OK);
        cr_assert_str_eq(why.reason, cases[i].refused);
        cr_assert_not_null(strstr(why.detail, said[i]), "%s", why.detail);
        place_clear(&place);
    }
}

/* --- instances ---------------------------------------------------------------------------------- */

/* The serial numbers that were given out, by the names that a test has for them. */
struct attest_leaves {
    char names[16][8];
    char serials[16][CERTIFICATE_SERIAL_HEX];
    size_t count;
};

static struct attest_leaves attest_leaves;

static const char *attest_leaf_named(const char *name)
{
    for (size_t i = 0; i < attest_leaves.count; i++) {
        if (strcmp(attest_leaves.names[i], name) == 0) {
            return attest_leaves.serials[i];
        }
    }
    cr_assert_fail("no leaf %s", name);
    return NULL;
}

/* What follows an attestation: a certificate with the revision that was told. */
static enum status attest_certify(struct place *place, const struct attest_proof *proof,
                                  const struct attested *attested, const char *name,
                                  struct failure *why)
{
    uint8_t random[SERIAL_RANDOM_LEN] = {0};
    uint8_t serial[SERIAL_LEN];
    size_t i = attest_leaves.count++;

    cr_assert_lt(i, 16);
    memcpy(random, name, strlen(name));
    serial_make(attested->revision, random, serial);
    bytes_to_hex(bytes_make(serial, sizeof serial), attest_leaves.serials[i]);
    (void)snprintf(attest_leaves.names[i], sizeof attest_leaves.names[i], "%s", name);
    return attest_issued(&place->registry, proof, attested, attest_leaves.serials[i],
                         proof->now + 1000, why);
}

static enum status attest_join(struct place *place, int64_t now, const char *name,
                               struct attested *out_attested, struct failure *why)
{
    CLEARED(secret) token = {0};
    struct attest_proof proof = {.key = digest_of(bytes_of(name)), .now = now};
    struct token_order order = {.entry = bytes_of("web"), .life_s = 100, .now = now};

    cr_assert_eq(token_create(&place->registry, &order, &token, NULL, why), STATUS_OK);
    proof.token = secret_bytes(&token);
    TRY(attest_join_token.attest(&place->registry, &proof, out_attested, why));
    return attest_certify(place, &proof, out_attested, name, why);
}

/* A renewal with a leaf of this serial number, for a certificate that the test calls `name`. */
static enum status attest_renew_as(struct place *place, int64_t now, const char *serial,
                                   const char *name, struct attested *out_attested,
                                   struct failure *why)
{
    struct verified_peer leaf = {.expires_at = now + 500};
    struct attest_proof proof = {.leaf = &leaf, .key = digest_of(bytes_of(name)), .now = now};

    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://cluster.local/ns/shop/sa/web"), &leaf.id, why),
                 STATUS_OK);
    (void)snprintf(leaf.serial_hex, sizeof leaf.serial_hex, "%s", serial);
    TRY(attest_leaf.attest(&place->registry, &proof, out_attested, why));
    return attest_certify(place, &proof, out_attested, name, why);
}

static enum status attest_again(struct place *place, int64_t now, const char *shown,
                                const char *name, struct attested *out_attested,
                                struct failure *why)
{
    return attest_renew_as(place, now, attest_leaf_named(shown), name, out_attested, why);
}

Test(attest, an_identity_is_held_by_no_more_instances_than_its_limit)
{
    struct place place = {0};
    struct attested first = {0};
    struct attested other = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 2);
    cr_assert_eq(attest_join(&place, NOW, "a1", &first, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(attest_join(&place, NOW, "b1", &other, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(attest_join(&place, NOW, "c1", &other, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "bootstrap/instance-limit");
    cr_assert_eq(attest_again(&place, NOW + 400, "a1", "a2", &other, &why), STATUS_OK);
    cr_assert_str_eq(other.instance, first.instance);
    cr_assert_eq(attest_join(&place, NOW + 999, "c1", &other, &why), STATUS_DENIED);
    cr_assert_eq(attest_join(&place, NOW + 1000, "c1", &other, &why), STATUS_OK); /* b ended */
    cr_assert_eq(attest_join(&place, NOW + 1000, "d1", &other, &why), STATUS_DENIED);
    place_clear(&place);
}

/* What a clock that is ahead for a moment calls ended lives on, and what it begins takes no place. */
Test(attest, a_clock_that_was_ahead_costs_no_instance_its_place)
{
    const int64_t ahead = NOW + (int64_t)30 * 86400;
    struct place place = {0};
    struct attested first = {0};
    struct attested other = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 3);
    cr_assert_eq(attest_join(&place, NOW, "a1", &first, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(attest_join(&place, NOW, "b1", &other, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(attest_join(&place, ahead, "c1", &other, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(attest_again(&place, NOW + 10, "a1", "a2", &other, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);
    cr_assert_not(other.adopted, "it was forgotten");
    cr_assert_str_eq(other.instance, first.instance);
    cr_assert_eq(attest_again(&place, NOW + 10, "b1", "b2", &other, &why), STATUS_OK);
    cr_assert_not(other.adopted, "it was forgotten");
    cr_assert_eq(attest_join(&place, NOW + 20, "d1", &other, &why), STATUS_OK, "%s: %s", why.reason,
                 why.detail);
    cr_assert_eq(attest_join(&place, NOW + 20, "e1", &other, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "bootstrap/instance-limit");
    place_clear(&place);
}

Test(attest, a_lost_reply_costs_an_instance_nothing_and_a_copied_old_leaf_is_told)
{
    struct place place = {0};
    struct attested first = {0};
    struct attested again = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 1);
    cr_assert_eq(attest_join(&place, NOW, "a1", &first, &why), STATUS_OK);
    cr_assert_eq(attest_again(&place, NOW + 1, "a1", "lost", &again, &why), STATUS_OK);
    cr_assert_eq(attest_again(&place, NOW + 2, "a1", "a2", &again, &why), STATUS_OK);
    cr_assert_str_eq(again.instance, first.instance);
    cr_assert_eq(attest_again(&place, NOW + 3, "a2", "a3", &again, &why), STATUS_OK);
    cr_assert_not(again.adopted);
    /* a1 is two renewals old: whoever shows it is not the instance that went on. */
    cr_assert_eq(attest_again(&place, NOW + 4, "a1", "x1", &again, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "renew/instance-limit");
    place_clear(&place);
}

Test(attest, a_live_leaf_that_the_store_does_not_know_is_adopted_and_said)
{
    struct place place = {0};
    struct attested attested = {0};
    struct failure why = {0};
    char serial[CERTIFICATE_SERIAL_HEX];

    place_make(&place);
    place_add(&place, "web", 0);
    attest_serial(&place, "a1", serial);
    cr_assert_eq(attest_renew_as(&place, NOW, serial, "a2", &attested, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert(attested.adopted);
    cr_assert_eq(attest_again(&place, NOW + 1, "a2", "a3", &attested, &why), STATUS_OK);
    cr_assert_not(attested.adopted);
    place_clear(&place);
}

Test(attest, a_renewal_with_the_leaf_s_own_key_is_refused)
{
    struct place place = {0};
    struct verified_peer leaf = {.expires_at = NOW + 100};
    struct attest_proof proof = {.leaf = &leaf, .key = digest_of(bytes_of("key")), .now = NOW};
    struct attested attested;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    attest_serial(&place, "a1", leaf.serial_hex);
    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://cluster.local/ns/shop/sa/web"), &leaf.id, NULL),
                 STATUS_OK);
    memcpy(leaf.key_sha256, proof.key.at, sizeof leaf.key_sha256);
    cr_assert_eq(attest_leaf.attest(&place.registry, &proof, &attested, &why), STATUS_PROTOCOL);
    cr_assert_str_eq(why.reason, "renew/same-key");
    place_clear(&place);
}

/* --- removing an entry is eviction -------------------------------------------------------------- */

Test(attest, a_leaf_from_before_its_entry_was_made_again_does_not_renew)
{
    struct place place = {0};
    struct attested attested = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(attest_join(&place, NOW, "a1", &attested, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(entry_remove(&place.registry, bytes_of("web"), &why), STATUS_OK);
    cr_assert_eq(attest_again(&place, NOW + 1, "a1", "x", &attested, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "renew/no-entry");
    place_add(&place, "web", 0);
    cr_assert_eq(attest_again(&place, NOW + 1, "a1", "x", &attested, &why), STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "renew/evicted");
    cr_assert_not_null(strstr(why.detail, "signet token create --entry web"), "%s", why.detail);
    /* Whatever the clock says. */
    cr_assert_eq(attest_again(&place, NOW - 5000, "a1", "x", &attested, &why), STATUS_UNTRUSTED);
    cr_assert_eq(attest_again(&place, NOW + 90000, "a1", "x", &attested, &why), STATUS_UNTRUSTED);
    cr_assert_eq(attest_join(&place, NOW + 2, "b1", &attested, &why), STATUS_OK);
    cr_assert_eq(attest_again(&place, NOW + 3, "b1", "b2", &attested, &why), STATUS_OK, "%s",
                 why.detail);
    place_clear(&place);
}

Test(attest, an_entry_that_changes_in_other_ways_keeps_its_workloads)
{
    struct place place = {0};
    CLEARED(entry_dropped) dropped = {0};
    struct attested attested = {0};
    struct entry entry;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(attest_join(&place, NOW, "a1", &attested, &why), STATUS_OK);
    cr_assert_eq(entry_get(&place.registry, bytes_of("web"), &entry, &why), STATUS_OK);
    entry.max_life_s = 600;
    cr_assert_eq(entry_load(&place.registry, &entry, 1, &dropped, &why), STATUS_OK);
    cr_assert_eq(attest_again(&place, NOW + 1, "a1", "a2", &attested, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_str_eq(attested.entry.name, "web");
    place_clear(&place);
}

/* What a leaf of the version before serial numbers had revisions gets. */
Test(attest, a_leaf_without_a_revision_is_older_than_an_entry_that_has_one)
{
    static const char serial[] = "7f0102030405060708090a0b0c0d0e0f";
    struct place place = {0};
    CLEARED(buffer) record = {0};
    struct attested attested = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(attest_renew_as(&place, NOW, serial, "x", &attested, &why), STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "renew/evicted");
    record_begin(&record); /* the entry as that version wrote it */
    record_add(&record, 1, bytes_of("web"));
    record_add(&record, 2, bytes_of("spiffe://cluster.local/ns/shop/sa/web"));
    record_add(&record, 3, (struct bytes){0});
    record_add_number(&record, 4, 0);
    record_add_number(&record, 5, 0);
    record_add_number(&record, 6, NOW);
    cr_assert_eq(store_put(place.store, bytes_of("entry/web"), buffer_bytes(&record), &why),
                 STATUS_OK);
    cr_assert_eq(attest_renew_as(&place, NOW, serial, "a2", &attested, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_eq(attest_again(&place, NOW, "a2", "a3", &attested, &why), STATUS_OK);
    place_clear(&place);
}

/* Copies the store's file, as a backup of the stopped control plane would. */
static void attest_copy(struct place *place, const char *from, const char *to)
{
    CLEARED(buffer) all = {.max = (size_t)64 << 20};
    FILE *file;

    (void)place;
    cr_assert_eq(buffer_read_file(&all, from, NULL), STATUS_OK);
    file = fopen(to, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(all.at, 1, all.len, file), all.len);
    cr_assert_eq(fclose(file), 0);
}

Test(attest, a_leaf_newer_than_a_restored_backup_renews_and_moves_the_store_past_it)
{
    struct place place = {0};
    struct attested attested = {0};
    struct failure why = {0};
    char backup[128];
    int64_t revision = 0;
    int64_t shown;

    place_make(&place);
    place_add(&place, "web", 0);
    store_drop(&place.store);
    (void)snprintf(backup, sizeof backup, "%s.backup", place.path);
    attest_copy(&place, place.path, backup);
    place_open(&place);
    for (int i = 0; i < 20; i++) { /* time goes by */
        place_add(&place, "other", 0);
        cr_assert_eq(entry_remove(&place.registry, bytes_of("other"), &why), STATUS_OK);
    }
    cr_assert_eq(attest_join(&place, NOW, "a1", &attested, &why), STATUS_OK);
    cr_assert_eq(attest_join(&place, NOW, "b1", &attested, &why), STATUS_OK);
    shown = serial_revision(bytes_of(attest_leaf_named("b1")));
    store_drop(&place.store);
    attest_copy(&place, backup, place.path);
    place_open(&place);
    cr_assert_eq(store_revision(place.store, &revision, NULL), STATUS_OK);
    cr_assert_lt(revision, shown);
    cr_assert_eq(attest_again(&place, NOW + 1, "b1", "b2", &attested, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert(attested.adopted);
    cr_assert_eq(store_revision(place.store, &revision, NULL), STATUS_OK);
    cr_assert_gt(revision, shown);
    /* So that an eviction after the restore holds for all leaves up to the one that was seen. */
    cr_assert_eq(entry_remove(&place.registry, bytes_of("web"), &why), STATUS_OK);
    place_add(&place, "web", 0);
    cr_assert_eq(attest_again(&place, NOW + 2, "a1", "x", &attested, &why), STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "renew/evicted");
    cr_assert_eq(attest_again(&place, NOW + 2, "b2", "x", &attested, &why), STATUS_UNTRUSTED);
    (void)unlink(backup);
    place_clear(&place);
}

Test(attest, only_leaves_of_our_own_trust_domain_move_the_store)
{
    static const char *const ids[] = {"spiffe://example.org/ns/shop/sa/web",
                                      "spiffe://cluster.local.evil/ns/shop/sa/web"};
    struct place place = {0};
    uint8_t random[SERIAL_RANDOM_LEN] = {0};
    uint8_t serial[SERIAL_LEN];
    int64_t before = 0;
    int64_t after = 0;

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(store_revision(place.store, &before, NULL), STATUS_OK);
    for (size_t i = 0; i < 3; i++) {
        struct verified_peer leaf = {.expires_at = NOW + 100};
        struct attest_proof proof = {.leaf = &leaf, .key = digest_of(bytes_of("k")), .now = NOW};
        struct attested attested;

        /* The third is ours, and says what no store of ours ever reaches. */
        serial_make(i < 2 ? 1000000 : INT64_MAX, random, serial);
        bytes_to_hex(bytes_make(serial, sizeof serial), leaf.serial_hex);
        cr_assert_eq(spiffe_id_parse(bytes_of(i < 2 ? ids[i] : "spiffe://cluster.local/x"),
                                     &leaf.id, NULL),
                     STATUS_OK);
        cr_assert_eq(attest_leaf.attest(&place.registry, &proof, &attested, NULL), STATUS_DENIED);
    }
    cr_assert_eq(store_revision(place.store, &after, NULL), STATUS_OK);
    cr_assert_eq(after, before);
    place_clear(&place);
}
