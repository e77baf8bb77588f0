/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/token.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "core/control/registry/attest.h"
#include "core/control/registry/instance.h"
#include "core/control/registry/record.h"
#include "core/control/registry/token_use.h"
#include "tests/support/suite.h"
#include "tests/unit/control/registry/place.h"

SUITE(token, .timeout = 120);

#define NOW ((int64_t)1800000000)

static void token_made_for(struct place *place, uint32_t uses, int64_t life_s,
                           struct secret *out_text)
{
    struct token_order order = {
        .entry = bytes_of("web"), .life_s = life_s, .now = NOW, .uses = uses};
    struct failure why = {0};

    cr_assert_eq(token_create(&place->registry, &order, out_text, NULL, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);
}

static void token_made(struct place *place, int64_t life_s, struct secret *out_text)
{
    token_made_for(place, 1, life_s, out_text);
}

static enum status token_tried(struct place *place, struct bytes text, const char *key, int64_t now,
                               struct failure *why)
{
    struct attest_proof proof = {.token = text, .key = digest_of(bytes_of(key)), .now = now};
    struct attested attested;

    return attest_join_token.attest(&place->registry, &proof, &attested, why);
}

static void token_expect_refused(struct place *place, struct bytes text, const char *key,
                                 int64_t now, const char *reason)
{
    struct failure why = {0};

    cr_assert_eq(token_tried(place, text, key, now, &why), STATUS_UNTRUSTED, "%s expected", reason);
    cr_assert_str_eq(why.reason, reason);
    if (text.len > 0 && text.len <= TOKEN_TEXT_LEN) {
        char *shown = bytes_text(text);

        cr_assert_null(strstr(why.detail, shown), "I21: %s", why.detail);
        free(shown);
    }
}

Test(token, is_256_random_bits_as_text)
{
    struct place place = {0};
    CLEARED(secret) first = {0};
    CLEARED(secret) second = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    token_made(&place, 60, &first);
    token_made(&place, 60, &second);
    cr_assert_eq(first.len, TOKEN_TEXT_LEN);
    cr_assert_eq(memcmp(first.at, "sgt_", 4), 0);
    cr_assert_eq(strspn((const char *)first.at + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                                                    "uvwxyz0123456789-_"),
                 TOKEN_TEXT_LEN - 4);
    cr_assert_not(bytes_equal(secret_bytes(&first), secret_bytes(&second)));
    place_clear(&place);
}

struct token_search {
    const char *text;
    size_t num_seen;
};

static enum status token_search(void *user, struct bytes key, struct bytes value,
                                struct failure *why)
{
    struct token_search *search = user;

    (void)key;
    (void)why;
    search->num_seen++;
    cr_assert_null(memmem(value.at, value.len, search->text, strlen(search->text)));
    cr_assert_null(memmem(value.at, value.len, search->text + 4, 16));
    return STATUS_OK;
}

Test(token, I6_is_stored_as_its_hash_only)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct token_search search = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    token_made(&place, 60, &text);
    search.text = (const char *)text.at;
    cr_assert_eq(store_list(place.store, bytes_of(""), token_search, &search, NULL), STATUS_OK);
    cr_assert_geq(search.num_seen, 3);
    place_clear(&place);
}

/* The instance of `key` gets a certificate; then, where it is said, the next one with that as its leaf. */
static void token_certified(struct place *place, struct bytes text, const char *key, int64_t now,
                            bool and_renews)
{
    struct verified_peer leaf = {.serial_hex = "aa", .expires_at = now + 3600};
    struct attest_proof proof = {.token = text, .key = digest_of(bytes_of(key)), .now = now};
    struct attested attested;
    struct failure why = {0};

    cr_assert_eq(attest_join_token.attest(&place->registry, &proof, &attested, &why), STATUS_OK,
                 "%s", why.detail);
    cr_assert_eq(attest_issued(&place->registry, &proof, &attested, "aa", now + 3600, &why),
                 STATUS_OK);
    if (and_renews) {
        proof.leaf = &leaf;
        cr_assert_eq(attest_issued(&place->registry, &proof, &attested, "bb", now + 3600, &why),
                     STATUS_OK, "%s", why.detail);
    }
}

Test(token, I6_a_spent_use_is_its_key_s_until_the_instance_has_renewed)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct bytes token;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 1);
    token_made(&place, 100000, &text);
    token = secret_bytes(&text);
    cr_assert_eq(token_tried(&place, token, "key", NOW + 5, &why), STATUS_OK, "%s", why.detail);
    token_expect_refused(&place, token, "thief", NOW + 5, "bootstrap/token-used");
    /* No certificate came: the same key asks again, a minute, a restart and hours later. */
    cr_assert_eq(token_tried(&place, token, "key", NOW + 66, &why), STATUS_OK, "%s", why.detail);
    store_drop(&place.store);
    place_open(&place);
    token_certified(&place, token, "key", NOW + 40000, false);
    token_expect_refused(&place, token, "thief", NOW + 40001, "bootstrap/token-used");
    /* The certificate came and ended without a renewal: its instance is forgotten, the use is not. */
    token_certified(&place, token, "key", NOW + 50000, true);
    token_expect_refused(&place, token, "key", NOW + 50001, "bootstrap/key-renewed");
    store_drop(&place.store);
    place_open(&place);
    token_expect_refused(&place, token, "key", NOW + 90000, "bootstrap/key-renewed");
    place_clear(&place);
}

Test(token, I6_a_bound_key_ends_with_its_token)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    token_made_for(&place, 2, 10, &text);
    cr_assert_eq(token_tried(&place, secret_bytes(&text), "key", NOW, &why), STATUS_OK);
    cr_assert_eq(token_tried(&place, secret_bytes(&text), "key", NOW + 9, &why), STATUS_OK);
    token_expect_refused(&place, secret_bytes(&text), "key", NOW + 10, "bootstrap/token-expired");
    token_expect_refused(&place, secret_bytes(&text), "new", NOW + 10, "bootstrap/token-expired");
    place_clear(&place);
}

Test(token, the_refusal_says_what_to_do)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    token_made(&place, 60, &text);
    cr_assert_eq(token_tried(&place, secret_bytes(&text), "first", NOW, &why), STATUS_OK);
    cr_assert_eq(token_tried(&place, secret_bytes(&text), "second", NOW, &why), STATUS_UNTRUSTED);
    cr_assert_str_eq(why.detail,
                     "this token was used by an earlier start of this workload; make another with "
                     "`signet token create --entry web --out FILE`");
    place_clear(&place);
}

Test(token, I6_each_use_begins_an_instance_of_its_own)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct token_order order = {
        .entry = bytes_of("web"), .life_s = 365 * 24 * 3600, .now = NOW, .uses = 3};
    char instances[3][49];
    struct attested attested;
    struct token token;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(token_create(&place.registry, &order, &text, &token, &why), STATUS_OK);
    cr_assert_eq(token_uses_left(&token), 3);
    for (unsigned i = 0; i < 3; i++) {
        char name[2] = {(char)('a' + i), 0};
        struct attest_proof proof = {
            .token = secret_bytes(&text), .key = digest_of(bytes_of(name)), .now = NOW + i};

        cr_assert_eq(attest_join_token.attest(&place.registry, &proof, &attested, &why), STATUS_OK,
                     "%s", why.detail);
        cr_assert_eq(token_uses_left(&attested.token), 2 - i);
        memcpy(instances[i], attested.instance, sizeof instances[i]);
        /* Asked again, the use is the same one. */
        cr_assert_eq(attest_join_token.attest(&place.registry, &proof, &attested, &why), STATUS_OK);
        cr_assert(attested.repeated);
        cr_assert_eq(token_uses_left(&attested.token), 2 - i);
        cr_assert_str_eq(attested.instance, instances[i]);
        for (unsigned j = 0; j < i; j++) {
            cr_assert_str_neq(instances[j], instances[i]);
        }
    }
    token_expect_refused(&place, secret_bytes(&text), "d", NOW + 9, "bootstrap/token-used");
    cr_assert_eq(token_tried(&place, secret_bytes(&text), "b", NOW + 10, &why), STATUS_OK);
    place_clear(&place);
}

Test(token, I7_a_second_key_of_one_process_is_another_use_and_is_told)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    static const struct {
        const char *key;
        const char *process;
        bool told;
    } tries[] = {{"a", "p1", false}, {"b", "p2", false}, {"a", "p1", false},
                 {"c", "p1", true},  {"d", "", false},   {"e", "", false}};

    place_make(&place);
    place_add(&place, "web", 0);
    token_made_for(&place, 5, 60, &text);
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        struct attest_proof proof = {.token = secret_bytes(&text),
                                     .process = bytes_of(tries[i].process),
                                     .key = digest_of(bytes_of(tries[i].key)),
                                     .now = NOW};
        struct attested attested;

        cr_assert_eq(attest_join_token.attest(&place.registry, &proof, &attested, NULL), STATUS_OK);
        cr_assert_eq(attested.second_key, tries[i].told, "%s of %s", tries[i].key,
                     tries[i].process);
    }
    token_expect_refused(&place, secret_bytes(&text), "f", NOW, "bootstrap/token-used");
    place_clear(&place);
}

Test(token, is_refused_from_other_addresses_before_a_use_is_spent)
{
    static const struct {
        const char *address;
        bool good;
    } callers[] = {{"10.1.2.3", true},   {"10.2.0.1", false}, {"::ffff:10.1.0.9", true},
                   {"fd00::7", true},    {"fd01::7", false},  {"0.0.0.0", false},
                   {"192.0.2.4", true}};
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct ip_block from[3];
    struct token_order order = {.entry = bytes_of("web"),
                                .life_s = 60,
                                .now = NOW,
                                .uses = 4,
                                .from = from,
                                .num_from = 3};
    struct token token;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert(ip_block_parse(bytes_of("10.1.0.0/16"), &from[0]));
    cr_assert(ip_block_parse(bytes_of("fd00::/16"), &from[1]));
    cr_assert(ip_block_parse(bytes_of("192.0.2.4"), &from[2]));
    cr_assert_eq(token_create(&place.registry, &order, &text, &token, &why), STATUS_OK);
    token_expect_refused(&place, secret_bytes(&text), "nowhere", NOW, "bootstrap/token-address");
    for (size_t i = 0; i < sizeof callers / sizeof callers[0]; i++) {
        struct attest_proof proof = {.token = secret_bytes(&text),
                                     .key = digest_of(bytes_of(callers[i].address)),
                                     .now = NOW};
        struct attested attested;
        enum status status;

        cr_assert(ip_parse(bytes_of(callers[i].address), &proof.address));
        status = attest_join_token.attest(&place.registry, &proof, &attested, &why);
        cr_assert_eq(status, callers[i].good ? STATUS_OK : STATUS_UNTRUSTED, "%s: %s",
                     callers[i].address, why.detail);
        cr_assert(callers[i].good || strcmp(why.reason, "bootstrap/token-address") == 0);
    }
    cr_assert_eq(token_get(place.store, token.id, &token, &why), STATUS_OK);
    cr_assert_eq(token_uses_left(&token), 0); /* four good callers, four uses */
    place_clear(&place);
}

/* As a version wrote it whose tokens were good once, for one key. */
Test(token, reads_what_an_older_version_wrote)
{
    struct place place = {0};
    struct digest key = digest_of(bytes_of("key"));

    place_make(&place);
    place_add(&place, "web", 0);
    for (int used = 0; used < 2; used++) {
        CLEARED(buffer) record = {0};
        CLEARED(secret) text = {0};
        char at[32];
        char id[TOKEN_ID_SIZE];
        struct digest hash;
        struct token token;
        struct failure why = {0};

        token_made(&place, 600, &text);
        cr_assert(token_identify(secret_bytes(&text), id, &hash));
        record_begin(&record);
        record_add(&record, 1, digest_bytes(&hash));
        record_add(&record, 2, bytes_of("web"));
        record_add_number(&record, 3, NOW);
        record_add_number(&record, 4, NOW + 600);
        if (used == 1) {
            record_add_number(&record, 5, NOW + 1);
            record_add(&record, 6, digest_bytes(&key));
        }
        (void)snprintf(at, sizeof at, "token/%s", id);
        cr_assert_eq(store_put(place.store, bytes_of(at), buffer_bytes(&record), NULL), STATUS_OK);
        cr_assert_eq(token_get(place.store, id, &token, &why), STATUS_OK, "%s", why.detail);
        cr_assert_eq(token.uses, 1);
        cr_assert_eq(token_uses_left(&token), used == 1 ? 0 : 1);
        if (used == 1) {
            token_expect_refused(&place, secret_bytes(&text), "other", NOW + 2,
                                 "bootstrap/token-used");
        } else {
            cr_assert_eq(token_tried(&place, secret_bytes(&text), "key", NOW + 2, &why), STATUS_OK);
            cr_assert_eq(token_tried(&place, secret_bytes(&text), "key", NOW + 3, &why), STATUS_OK);
        }
    }
    place_clear(&place);
}

Test(token, I6_expires)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    token_made(&place, 10, &text);
    token_expect_refused(&place, secret_bytes(&text), "key", NOW + 10, "bootstrap/token-expired");
    cr_assert_eq(token_tried(&place, secret_bytes(&text), "key", NOW + 9, &why), STATUS_OK);
    place_clear(&place);
}

/* One letter changed anywhere is another token. */
Test(token, refuses_what_was_never_made)
{
    static const char *const malformed[] = {
        "",
        "sgt_",
        "sgt_short",
        "xyz_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sgt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", /* not canonical: spare bits */
        "sgt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "sgt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/A",
        "sgt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    struct place place = {0};
    CLEARED(secret) text = {0};
    char *large = calloc(1, TOKEN_MAX + 1);

    place_make(&place);
    place_add(&place, "web", 0);
    token_made(&place, 60, &text);
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        token_expect_refused(&place, bytes_of(malformed[i]), "key", NOW, "bootstrap/token-form");
    }
    token_expect_refused(&place, bytes_make(large, TOKEN_MAX + 1), "key", NOW,
                         "bootstrap/token-form");
    for (size_t i = 4; i < TOKEN_TEXT_LEN - 1; i++) {
        char changed[TOKEN_TEXT_LEN + 1];

        memcpy(changed, text.at, sizeof changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        token_expect_refused(&place, bytes_of(changed), "key", NOW, "bootstrap/token-unknown");
    }
    free(large);
    place_clear(&place);
}

Test(token, has_a_bounded_life_and_a_known_entry)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct token_order order = {.entry = bytes_of("web"), .now = NOW};
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "token/life");
    order.life_s = TOKEN_LIFE_MAX_S + 1;
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_CONFIG);
    order.life_s = TOKEN_LIFE_MAX_S;
    order.uses = TOKEN_USES_MAX + 1;
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "token/uses");
    order.uses = 1;
    order.num_from = TOKEN_FROM_MAX + 1;
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "token/from");
    order = (struct token_order){.entry = bytes_of("nobody"), .life_s = 60, .now = NOW};
    cr_assert_eq(token_create(&place.registry, &order, &text, NULL, &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "entry/unknown");
    cr_assert_eq(text.len, 0);
    place_clear(&place);
}

static enum status token_count(void *user, const struct token *token, struct failure *why)
{
    (void)token;
    (void)why;
    ++*(size_t *)user;
    return STATUS_OK;
}

Test(token, is_swept_a_day_after_its_end_and_withdrawn_by_its_id)
{
    struct place place = {0};
    CLEARED(secret) first = {0};
    CLEARED(secret) second = {0};
    struct token_order order = {.entry = bytes_of("web"), .life_s = 5 * TOKEN_KEEP_S, .now = NOW};
    struct token token;
    struct failure why = {0};
    size_t count = 0;

    place_make(&place);
    place_add(&place, "web", 0);
    token_made(&place, 60, &first);
    cr_assert_eq(token_create(&place.registry, &order, &second, &token, &why), STATUS_OK);
    cr_assert_eq(token_sweep(&place.registry, NOW + 60 + TOKEN_KEEP_S, &why), STATUS_OK);
    cr_assert_eq(token_list(&place.registry, token_count, &count, &why), STATUS_OK);
    cr_assert_eq(count, 2);
    cr_assert_eq(token_sweep(&place.registry, NOW + 61 + TOKEN_KEEP_S, &why), STATUS_OK);
    count = 0;
    cr_assert_eq(token_list(&place.registry, token_count, &count, &why), STATUS_OK);
    cr_assert_eq(count, 1);
    cr_assert_eq(token_revoke(&place.registry, bytes_of("../entry/web"), &why), STATUS_NOT_FOUND);
    cr_assert_eq(token_revoke(&place.registry, bytes_of(token.id), &why), STATUS_OK);
    token_expect_refused(&place, secret_bytes(&second), "key", NOW, "bootstrap/token-unknown");
    place_clear(&place);
}

struct token_record_refusal {
    bool is_use;
    uint8_t at[24];
    size_t len;
    char reason[24];
};

ParameterizedTestParameters(token, refuses_records)
{
    static struct token_record_refusal cases[] = {
        {false, {0}, 0, "record/version"},
        {false, {1}, 1, "token/record"},
        {false, {1, 1, 0, 1, 9}, 5, "token/record"},                          /* no digest */
        {false, {1, 7, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0}, 12, "token/record"},    /* no uses at all */
        {false, {1, 7, 0, 8, 0, 0, 0, 0, 0, 0, 39, 17}, 12, "token/record"},  /* 10001 uses */
        {false, {1, 8, 0, 8, 255, 0, 0, 0, 0, 0, 0, 0}, 12, "token/record"},  /* less than none */
        {false, {1, 9, 0, 0}, 4, "token/record"},                             /* no block */
        {false, {1, 9, 0, 2, 1, 2}, 6, "token/record"},                       /* half a block */
        {false, {1, 9, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 129}, 21,
         "token/record"},
        {true, {2}, 1, "record/version"},
        {true, {1}, 1, "token/record"},
        {true, {1, 1, 0, 1, 1}, 5, "record/number"},
        {true, {1, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0}, 12, "token/record"},
        {true, {1, 1, 0, 8, 0, 0, 0, 0, 0, 0, 39, 17}, 12, "token/record"},
        {true, {1, 3, 0, 1, 1}, 5, "token/record"},
        {true, {1, 4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2}, 12, "token/record"},
    };
    return cr_make_param_array(struct token_record_refusal, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct token_record_refusal *given, token, refuses_records)
{
    struct bytes record = bytes_make(given->at, given->len);
    struct token_use_record use;
    struct token token;
    struct failure why = {0};

    cr_assert_neq(given->is_use ? token_use_decode(record, &use, &why)
                                : token_decode(record, &token, &why),
                  STATUS_OK);
    cr_assert_str_eq(why.reason, given->reason, "%s", why.detail);
}

/* --- many at once ------------------------------------------------------------------------------- */

#define RUNNERS 20
#define TRIES 50

struct token_runner {
    pthread_t thread;
    const char *path;
    struct bytes text;
    unsigned index;
    unsigned won;
    unsigned refused;
};

/* Each try has a key of its own; each runner a handle of its own, as separate processes would. */
static void token_run(struct token_runner *runner)
{
    struct place place = {0};

    (void)snprintf(place.path, sizeof place.path, "%s", runner->path);
    place_open(&place);
    for (unsigned i = 0; i < TRIES; i++) {
        struct failure why = {0};
        char key[32];
        enum status status;

        (void)snprintf(key, sizeof key, "key %u %u", runner->index, i);
        status = token_tried(&place, runner->text, key, NOW + 1, &why);
        runner->won += status == STATUS_OK ? 1 : 0;
        runner->refused +=
            status == STATUS_UNTRUSTED && strcmp(why.reason, "bootstrap/token-used") == 0 ? 1 : 0;
    }
    store_drop(&place.store);
}

static void *token_thread(void *argument)
{
    token_run(argument);
    return NULL;
}

/* Of so many tries, so many win as the token was made for; the others hear why. */
static void token_raced(uint32_t uses, unsigned won, unsigned refused)
{
    cr_assert_eq(won, uses, "%u won of %u", won, uses);
    cr_assert_eq(refused, RUNNERS * TRIES - uses);
}

static void token_race_in_threads(uint32_t uses)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct token_runner runners[RUNNERS] = {0};
    unsigned won = 0;
    unsigned refused = 0;

    place_make(&place);
    place_add(&place, "web", 0);
    token_made_for(&place, uses, 600, &text);
    for (unsigned i = 0; i < RUNNERS; i++) {
        runners[i].path = place.path;
        runners[i].text = secret_bytes(&text);
        runners[i].index = i;
        cr_assert_eq(pthread_create(&runners[i].thread, NULL, token_thread, &runners[i]), 0);
    }
    for (unsigned i = 0; i < RUNNERS; i++) {
        cr_assert_eq(pthread_join(runners[i].thread, NULL), 0);
        won += runners[i].won;
        refused += runners[i].refused;
    }
    token_raced(uses, won, refused);
    place_clear(&place);
}

Test(token, I6_of_1000_redemptions_in_threads_exactly_one_wins)
{
    token_race_in_threads(1);
}

Test(token, I6_of_1000_redemptions_in_threads_exactly_as_many_win_as_it_was_made_for)
{
    token_race_in_threads(7);
}

static void token_race_in_processes(uint32_t uses)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    unsigned won = 0;
    unsigned refused = 0;
    int ends[2];

    place_make(&place);
    place_add(&place, "web", 0);
    token_made_for(&place, uses, 600, &text);
    store_drop(&place.store); /* a handle must not be carried over a fork */
    cr_assert_eq(pipe(ends), 0);
    for (unsigned i = 0; i < RUNNERS; i++) {
        pid_t child = fork();

        cr_assert_geq(child, 0);
        if (child == 0) {
            struct token_runner runner = {
                .path = place.path, .text = secret_bytes(&text), .index = i};
            unsigned counts[2];

            token_run(&runner);
            counts[0] = runner.won;
            counts[1] = runner.refused;
            _exit(write(ends[1], counts, sizeof counts) == sizeof counts ? 0 : 1);
        }
    }
    for (unsigned i = 0; i < RUNNERS; i++) {
        unsigned counts[2];
        int how = 0;

        cr_assert_eq(read(ends[0], counts, sizeof counts), (ssize_t)sizeof counts);
        cr_assert_gt(wait(&how), 0);
        cr_assert_eq(how, 0);
        won += counts[0];
        refused += counts[1];
    }
    token_raced(uses, won, refused);
    place_clear(&place);
}

Test(token, I6_of_1000_redemptions_in_processes_exactly_one_wins)
{
    token_race_in_processes(1);
}

Test(token, I6_of_1000_redemptions_in_processes_exactly_as_many_win_as_it_was_made_for)
{
    token_race_in_processes(13);
}
