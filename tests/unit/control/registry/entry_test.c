/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/entry.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "core/control/registry/record.h"
#include "core/control/registry/token.h"
#include "tests/support/suite.h"
#include "tests/unit/control/registry/place.h"

SUITE(entry, .timeout = 30);

struct entry_refusal {
    char name[80];
    char id[160];
    char description[16];
    char reason[32];
};

ParameterizedTestParameters(entry, refuses)
{
    static struct entry_refusal cases[] = {
        {"", "spiffe://cluster.local/a", "", "entry/name"},
        {"Web", "spiffe://cluster.local/a", "", "entry/name"},
        {"-web", "spiffe://cluster.local/a", "", "entry/name"},
        {"web.", "spiffe://cluster.local/a", "", "entry/name"},
        {"a/b", "spiffe://cluster.local/a", "", "entry/name"},
        {"a b", "spiffe://cluster.local/a", "", "entry/name"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "spiffe://cluster.local/a", "", "entry/name"},
        {"web", "spiffe://cluster.local", "", "entry/id"},
        {"web", "https://cluster.local/a", "", "entry/id"},
        {"web", "spiffe://cluster.local/a/../b", "", "entry/id"},
        {"web", "", "", "entry/id"},
        {"web", "spiffe://example.org/ns/shop/sa/web", "", "entry/trust-domain"},
        {"web", "spiffe://cluster.local.evil/ns/shop/sa/web", "", "entry/trust-domain"},
        {"web", "spiffe://cluster.local/ns/signet-system/sa/signet-control", "", "entry/reserved"},
        {"web", "spiffe://cluster.local/a", "two\nlines", "entry/description"},
    };
    return cr_make_param_array(struct entry_refusal, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct entry_refusal *given, entry, refuses)
{
    struct registry registry;
    struct entry entry = {.name = "untouched"};
    struct failure why = {0};

    cr_assert_eq(registry_init(&registry, NULL, "cluster.local", &why), STATUS_OK);
    cr_assert_eq(entry_make(&registry, bytes_of(given->name), bytes_of(given->id),
                            bytes_of(given->description), &entry, &why),
                 STATUS_CONFIG, "%s %s", given->name, given->id);
    cr_assert_str_eq(why.reason, given->reason);
    cr_assert_str_eq(entry.name, "untouched");
}

Test(entry, is_found_by_name_and_by_identity_after_a_restart)
{
    struct place place = {0};
    struct entry entry;
    struct spiffe_id id;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 3);
    place_add(&place, "api", 0);
    store_drop(&place.store);
    place_open(&place);
    cr_assert_eq(entry_get(&place.registry, bytes_of("web"), &entry, &why), STATUS_OK);
    cr_assert_str_eq(entry.spiffe_id.text, "spiffe://cluster.local/ns/shop/sa/web");
    cr_assert_eq(entry.max_instances, 3);
    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://cluster.local/ns/shop/sa/api"), &id, &why),
                 STATUS_OK);
    cr_assert_eq(entry_of_identity(&place.registry, &id, &entry, &why), STATUS_OK);
    cr_assert_str_eq(entry.name, "api");
    cr_assert_eq(entry_get(&place.registry, bytes_of("nobody"), &entry, &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "entry/unknown");
    place_clear(&place);
}

Test(entry, two_entries_are_never_one_identity)
{
    struct place place = {0};
    struct entry entry;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    place_add(&place, "web", 0); /* the very same again is fine */
    cr_assert_eq(entry_make(&place.registry, bytes_of("other"),
                            bytes_of("spiffe://cluster.local/ns/shop/sa/web"), (struct bytes){0},
                            &entry, &why),
                 STATUS_OK);
    cr_assert_eq(entry_add(&place.registry, &entry, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "entry/identity-taken");
    cr_assert_eq(entry_make(&place.registry, bytes_of("web"),
                            bytes_of("spiffe://cluster.local/ns/shop/sa/admin"), (struct bytes){0},
                            &entry, &why),
                 STATUS_OK);
    cr_assert_eq(entry_add(&place.registry, &entry, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "entry/exists");
    place_clear(&place);
}

/* A token was given out for an identity, not for a name. */
Test(entry, I4_a_changed_identity_does_not_inherit_the_tokens_of_the_old_one)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct entry entry;
    struct token token;
    struct failure why = {0};
    struct digest key = digest_of(bytes_of("key"));
    struct token_order order = {.entry = bytes_of("web"), .life_s = 60, .now = 1000};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_OK);
    cr_assert_eq(entry_make(&place.registry, bytes_of("web"),
                            bytes_of("spiffe://cluster.local/ns/shop/sa/admin"), (struct bytes){0},
                            &entry, &why),
                 STATUS_OK);
    cr_assert_eq(entry_load(&place.registry, &entry, 1, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(token_redeem(place.store, secret_bytes(&text), &key, 1001, &token, &why),
                 STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "bootstrap/token-unknown");
    place_clear(&place);
}

Test(entry, loads_all_of_a_list_or_nothing)
{
    struct place place = {0};
    struct entry entries[2];
    struct entry got;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(entry_make(&place.registry, bytes_of("new"),
                            bytes_of("spiffe://cluster.local/new"), (struct bytes){0}, &entries[0],
                            &why),
                 STATUS_OK);
    cr_assert_eq(entry_make(&place.registry, bytes_of("thief"),
                            bytes_of("spiffe://cluster.local/ns/shop/sa/web"), (struct bytes){0},
                            &entries[1], &why),
                 STATUS_OK);
    cr_assert_eq(entry_load(&place.registry, entries, 2, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "entry/identity-taken");
    cr_assert_eq(entry_get(&place.registry, bytes_of("new"), &got, &why), STATUS_NOT_FOUND);
    cr_assert_eq(entry_load(&place.registry, entries, 1, &why), STATUS_OK);
    cr_assert_eq(entry_get(&place.registry, bytes_of("new"), &got, &why), STATUS_OK);
    place_clear(&place);
}

Test(entry, takes_its_identity_and_tokens_along_when_removed)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct entry entry;
    struct spiffe_id id;
    struct token token;
    struct failure why = {0};
    struct digest key = digest_of(bytes_of("key"));
    struct token_order order = {.entry = bytes_of("web"), .life_s = 60, .now = 1000};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_OK);
    cr_assert_eq(entry_get(&place.registry, bytes_of("web"), &entry, &why), STATUS_OK);
    spiffe_id_copy(&entry.spiffe_id, &id);
    cr_assert_eq(entry_remove(&place.registry, bytes_of("web"), &why), STATUS_OK);
    cr_assert_eq(entry_of_identity(&place.registry, &id, &entry, &why), STATUS_NOT_FOUND);
    cr_assert_eq(entry_remove(&place.registry, bytes_of("web"), &why), STATUS_NOT_FOUND);
    cr_assert_eq(token_redeem(place.store, secret_bytes(&text), &key, 1001, &token, &why),
                 STATUS_UNTRUSTED);
    place_clear(&place);
}

struct record_refusal {
    uint8_t at[24];
    size_t len;
    char reason[24];
};

ParameterizedTestParameters(entry, refuses_records)
{
    static struct record_refusal cases[] = {
        {{0}, 0, "record/version"},
        {{2, 1, 0, 0}, 4, "record/version"},
        {{1, 1}, 2, "record/short"},
        {{1, 1, 0, 5, 'w'}, 5, "record/short"},
        {{1, 1, 0, 1, 'w', 1, 0, 1, 'w'}, 9, "record/order"},
        {{1, 0, 0, 0}, 4, "record/order"},
        {{1, 1, 0, 1, '\n'}, 5, "record/text"},
        {{1, 4, 0, 1, 0}, 5, "record/number"},
        {{1, 4, 0, 8, 255, 0, 0, 0, 0, 0, 0, 0}, 12, "entry/record"},
        {{1}, 1, "entry/record"},
        {{1, 2, 0, 1, 'x'}, 5, "spiffe-id/scheme"},
    };
    return cr_make_param_array(struct record_refusal, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct record_refusal *given, entry, refuses_records)
{
    struct entry entry;
    struct failure why = {0};

    cr_assert_neq(entry_decode(bytes_make(given->at, given->len), &entry, &why), STATUS_OK);
    cr_assert_str_eq(why.reason, given->reason);
}

Test(entry, reads_past_fields_of_a_newer_program)
{
    CLEARED(buffer) record = {0};
    struct entry entry = {.name = "web", .max_life_s = 60, .created_at = -1};
    struct entry got;

    cr_assert_eq(spiffe_id_parse(bytes_of("spiffe://cluster.local/web"), &entry.spiffe_id, NULL),
                 STATUS_OK);
    entry_encode(&entry, &record);
    record_add(&record, 200, bytes_of("from the future"));
    cr_assert_eq(entry_decode(buffer_bytes(&record), &got, NULL), STATUS_OK);
    cr_assert_str_eq(got.name, "web");
    cr_assert_eq(got.max_life_s, 60);
    cr_assert_eq(got.created_at, -1);
}
