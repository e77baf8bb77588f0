/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/entry.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "core/control/registry/record.h"
#include "core/control/registry/token_use.h"
#include "tests/support/suite.h"
#include "tests/unit/control/registry/place.h"
#include "tests/unit/control/store/shelf.h"

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
        {"web", "spiffe://cluster.local/ns/signet-system/sa/web", "", "entry/reserved"},
        {"web", "spiffe://cluster.local/ns/signet-system/x", "", "entry/reserved"},
        {"web", "spiffe://cluster.local/ns/signet-system", "", "entry/reserved"},
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
    CLEARED(entry_dropped) dropped = {0};
    struct entry entry;
    struct token_shown shown = {.key = digest_of(bytes_of("key")), .now = 1001};
    struct token_use use;
    struct failure why = {0};
    struct token_order order = {.entry = bytes_of("web"), .life_s = 60, .now = 1000};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_OK);
    cr_assert_eq(entry_make(&place.registry, bytes_of("web"),
                            bytes_of("spiffe://cluster.local/ns/shop/sa/admin"), (struct bytes){0},
                            &entry, &why),
                 STATUS_OK);
    cr_assert_eq(entry_load(&place.registry, &entry, 1, &dropped, &why), STATUS_OK, "%s",
                 why.detail);
    shown.text = secret_bytes(&text);
    cr_assert_eq(token_redeem(place.store, &shown, &use, &why), STATUS_UNTRUSTED);
    cr_assert_str_eq(why.reason, "bootstrap/token-unknown");
    place_clear(&place);
}

Test(entry, loads_all_of_a_list_or_nothing)
{
    struct place place = {0};
    CLEARED(entry_dropped) dropped = {0};
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
    cr_assert_eq(entry_load(&place.registry, entries, 2, &dropped, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "entry/identity-taken");
    cr_assert_eq(entry_get(&place.registry, bytes_of("new"), &got, &why), STATUS_NOT_FOUND);
    cr_assert_eq(entry_load(&place.registry, entries, 1, &dropped, &why), STATUS_OK);
    cr_assert_eq(entry_get(&place.registry, bytes_of("new"), &got, &why), STATUS_OK);
    place_clear(&place);
}

static void entry_made(struct place *place, const char *name, struct entry *out_entry)
{
    char id[96];

    (void)snprintf(id, sizeof id, "spiffe://cluster.local/ns/file/sa/%s", name);
    cr_assert_eq(entry_make(&place->registry, bytes_of(name), bytes_of(id), (struct bytes){0},
                            out_entry, NULL),
                 STATUS_OK);
}

Test(entry, of_a_file_goes_when_the_file_does_not_name_it_any_more)
{
    struct place place = {0};
    CLEARED(entry_dropped) first = {0};
    CLEARED(entry_dropped) second = {0};
    CLEARED(entry_dropped) third = {0};
    CLEARED(secret) text = {0};
    struct token_order order = {.entry = bytes_of("two"), .life_s = 60, .now = 1000};
    struct token_shown shown = {.key = digest_of(bytes_of("key")), .now = 1001};
    struct token_use use;
    struct entry entries[2];
    struct entry got;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0); /* an operator's: no file takes it away */
    entry_made(&place, "one", &entries[0]);
    entry_made(&place, "two", &entries[1]);
    cr_assert_eq(entry_load(&place.registry, entries, 2, &first, &why), STATUS_OK);
    cr_assert_eq(first.count, 0);
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_OK);
    /* The identity of the one that goes may move to another name at once. */
    (void)snprintf(entries[1].name, sizeof entries[1].name, "deux");
    cr_assert_eq(entry_load(&place.registry, entries, 2, &second, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_eq(second.count, 1);
    cr_assert_str_eq(second.entries[0].name, "two");
    cr_assert_eq(entry_get(&place.registry, bytes_of("two"), &got, &why), STATUS_NOT_FOUND);
    cr_assert_eq(entry_of_identity(&place.registry, &entries[1].spiffe_id, &got, &why), STATUS_OK);
    cr_assert_str_eq(got.name, "deux");
    shown.text = secret_bytes(&text);
    cr_assert_eq(token_redeem(place.store, &shown, &use, &why), STATUS_UNTRUSTED);
    cr_assert_eq(entry_load(&place.registry, NULL, 0, &third, &why), STATUS_OK);
    cr_assert_eq(third.count, 2);
    cr_assert_eq(entry_get(&place.registry, bytes_of("web"), &got, &why), STATUS_OK);
    cr_assert_eq(got.source, ENTRY_OF_OPERATOR);
    place_clear(&place);
}

Test(entry, that_an_operator_made_becomes_the_file_s_when_the_file_names_it)
{
    struct place place = {0};
    CLEARED(entry_dropped) dropped = {0};
    CLEARED(entry_dropped) gone = {0};
    struct entry entry;
    struct entry got;
    struct failure why = {0};
    int64_t made;

    place_make(&place);
    entry_made(&place, "one", &entry);
    cr_assert_eq(entry_add(&place.registry, &entry, &why), STATUS_OK);
    cr_assert_eq(entry_get(&place.registry, bytes_of("one"), &got, &why), STATUS_OK);
    made = got.made_revision;
    cr_assert_gt(made, 0);
    cr_assert_eq(entry_load(&place.registry, &entry, 1, &dropped, &why), STATUS_OK);
    cr_assert_eq(entry_get(&place.registry, bytes_of("one"), &got, &why), STATUS_OK);
    cr_assert_eq(got.source, ENTRY_OF_FILE);
    cr_assert_eq(got.made_revision, made); /* its workloads stay */
    cr_assert_eq(entry_add(&place.registry, &entry, &why), STATUS_OK);
    cr_assert_eq(entry_load(&place.registry, NULL, 0, &gone, &why), STATUS_OK);
    cr_assert_eq(gone.count, 1);
    place_clear(&place);
}

Test(entry, a_longest_life_below_the_shortest_certificate_is_refused)
{
    struct registry registry;
    struct entry entry = {.max_life_s = 7};
    struct failure why = {0};

    cr_assert_eq(registry_init(&registry, NULL, "cluster.local", &why), STATUS_OK);
    registry.life_floor_s = 120;
    cr_assert_eq(entry_set_life(&registry, &entry, 119, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "entry/life");
    cr_assert_eq(entry.max_life_s, 7);
    cr_assert_eq(entry_set_life(&registry, &entry, 120, &why), STATUS_OK);
    cr_assert_eq(entry.max_life_s, 120);
    cr_assert_eq(entry_set_life(&registry, &entry, 0, &why), STATUS_OK);
    cr_assert_eq(entry.max_life_s, 0);
}

Test(entry, takes_its_identity_and_tokens_along_when_removed)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct entry entry;
    struct spiffe_id id;
    struct token_shown shown = {.key = digest_of(bytes_of("key")), .now = 1001};
    struct token_use use;
    struct failure why = {0};
    struct token_order order = {.entry = bytes_of("web"), .life_s = 60, .now = 1000};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_OK);
    cr_assert_eq(entry_get(&place.registry, bytes_of("web"), &entry, &why), STATUS_OK);
    spiffe_id_copy(&entry.spiffe_id, &id);
    cr_assert_eq(entry_remove(&place.registry, bytes_of("web"), &why), STATUS_OK);
    cr_assert_eq(entry_of_identity(&place.registry, &id, &entry, &why), STATUS_NOT_FOUND);
    cr_assert_eq(entry_remove(&place.registry, bytes_of("web"), &why), STATUS_NOT_FOUND);
    shown.text = secret_bytes(&text);
    cr_assert_eq(token_redeem(place.store, &shown, &use, &why), STATUS_UNTRUSTED);
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

/* They are counted each second: none is read for that, as one that cannot be read shows. */
Test(entry, are_counted_without_being_read)
{
    struct place place = {0};
    struct shelf shelf;
    struct entry entry;
    struct failure why = {0};
    size_t count = 0;

    place_make(&place);
    place_add(&place, "web", 0);
    place_add(&place, "api", 0);
    (void)snprintf(shelf.path, sizeof shelf.path, "%s", place.path);
    shelf_sql(&shelf, "UPDATE record SET value = x'00' WHERE key = CAST('entry/web' AS BLOB)");
    cr_assert_eq(entry_get(&place.registry, bytes_of("web"), &entry, &why), STATUS_IO);
    cr_assert_eq(entry_count(&place.registry, &count, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(count, 2);
    place_clear(&place);
}
