/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/token.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "core/control/registry/attest.h"
#include "core/control/registry/instance.h"
#include "tests/support/suite.h"
#include "tests/unit/control/registry/place.h"

SUITE(token, .timeout = 120);

#define NOW ((int64_t)1800000000)

static void token_made(struct place *place, int64_t life_s, struct secret *out_text)
{
    struct token_order order = {.entry = bytes_of("web"), .life_s = life_s, .now = NOW};
    struct failure why = {0};

    cr_assert_eq(token_create(&place->registry, &order, out_text, NULL, &why), STATUS_OK, "%s: %s",
                 why.reason, why.detail);
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

Test(token, I6_counts_once_and_repeats_for_the_same_key_for_a_minute)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct bytes token;
    struct failure why = {0};

    place_make(&place);
    place_add(&place, "web", 0);
    token_made(&place, 600, &text);
    token = secret_bytes(&text);
    cr_assert_eq(token_tried(&place, token, "key", NOW + 5, &why), STATUS_OK, "%s", why.detail);
    token_expect_refused(&place, token, "thief", NOW + 5, "bootstrap/token-used");
    cr_assert_eq(token_tried(&place, token, "key", NOW + 6, &why), STATUS_OK);
    cr_assert_eq(token_tried(&place, token, "key", NOW + 65, &why), STATUS_OK);
    token_expect_refused(&place, token, "key", NOW + 66, "bootstrap/token-used");
    token_expect_refused(&place, token, "key", NOW + 4, "bootstrap/token-used");
    store_drop(&place.store);
    place_open(&place);
    token_expect_refused(&place, token, "thief", NOW + 7, "bootstrap/token-used");
    cr_assert_eq(token_tried(&place, token, "key", NOW + 7, &why), STATUS_OK);
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

Test(token, I6_of_1000_redemptions_in_threads_exactly_one_wins)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    struct token_runner runners[RUNNERS] = {0};
    unsigned won = 0;
    unsigned refused = 0;

    place_make(&place);
    place_add(&place, "web", 0);
    token_made(&place, 600, &text);
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
    cr_assert_eq(won, 1, "%u won", won);
    cr_assert_eq(refused, RUNNERS * TRIES - 1);
    place_clear(&place);
}

Test(token, I6_of_1000_redemptions_in_processes_exactly_one_wins)
{
    struct place place = {0};
    CLEARED(secret) text = {0};
    unsigned won = 0;
    unsigned refused = 0;
    int ends[2];

    place_make(&place);
    place_add(&place, "web", 0);
    token_made(&place, 600, &text);
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
    cr_assert_eq(won, 1, "%u won", won);
    cr_assert_eq(refused, RUNNERS * TRIES - 1);
    place_clear(&place);
}

/* --- kill -9 ------------------------------------------------------------------------------------ */

struct token_crash {
    const struct attest_proof *proof;
    int stop_after; /* steps of a redemption that are done when the process dies */
};

/* A redemption, step by step as attest_join_token does it, in a process that dies before the commit. */
static enum status token_redeem_and_die(struct store *store, void *user, struct failure *why)
{
    const struct token_crash *crash = user;
    struct token token;

    if (crash->stop_after > 0) {
        TRY(token_redeem(store, crash->proof->token, &crash->proof->key, crash->proof->now, &token,
                         why));
    }
    (void)raise(SIGKILL);
    return STATUS_OK;
}

Test(token, I6_kill_9_between_check_and_use_leaves_it_unused)
{
    for (int steps = 0; steps < 2; steps++) {
        struct place place = {0};
        CLEARED(secret) text = {0};
        struct failure why = {0};
        int how = 0;
        pid_t child;

        place_make(&place);
        place_add(&place, "web", 0);
        token_made(&place, 600, &text);
        store_drop(&place.store);
        child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
            struct attest_proof proof = {
                .token = secret_bytes(&text), .key = digest_of(bytes_of("dead")), .now = NOW};
            struct token_crash crash = {&proof, steps};

            place_open(&place);
            _exit(store_change(place.store, token_redeem_and_die, &crash, NULL) == STATUS_OK);
        }
        cr_assert_eq(waitpid(child, &how, 0), child);
        cr_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
        place_open(&place);
        cr_assert_eq(token_tried(&place, secret_bytes(&text), "alive", NOW + 1, &why), STATUS_OK,
                     "%s", why.detail);
        token_expect_refused(&place, secret_bytes(&text), "dead", NOW + 1, "bootstrap/token-used");
        place_clear(&place);
    }
}

/* Killed at any moment: what was answered with a yes is used, and only by that key. */
Test(token, I6_kill_9_at_any_moment_never_lets_a_token_count_twice)
{
    for (long round = 0; round < 15; round++) {
        struct place place = {0};
        CLEARED(secret) text = {0};
        struct timespec pause = {.tv_nsec = 300000L * (round + 1)};
        struct failure why = {0};
        char told = 0;
        int ends[2];
        pid_t child;
        enum status status;

        place_make(&place);
        place_add(&place, "web", 0);
        token_made(&place, 600, &text);
        store_drop(&place.store);
        cr_assert_eq(pipe(ends), 0);
        child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
            place_open(&place);
            told = token_tried(&place, secret_bytes(&text), "first", NOW, &why) == STATUS_OK ? 'y'
                                                                                             : 'n';
            _exit(write(ends[1], &told, 1) == 1 ? 0 : 1);
        }
        (void)close(ends[1]);
        (void)nanosleep(&pause, NULL);
        (void)kill(child, SIGKILL);
        cr_assert_eq(waitpid(child, NULL, 0), child);
        (void)!read(ends[0], &told, 1);
        (void)close(ends[0]);
        place_open(&place);
        status = token_tried(&place, secret_bytes(&text), "second", NOW + 1, &why);
        cr_assert_neq(told, 'n');
        if (told == 'y') {
            cr_assert_eq(status, STATUS_UNTRUSTED);
        } else if (status == STATUS_OK) {
            token_expect_refused(&place, secret_bytes(&text), "first", NOW + 2,
                                 "bootstrap/token-used");
        } else {
            cr_assert_eq(token_tried(&place, secret_bytes(&text), "first", NOW + 2, &why),
                         STATUS_OK);
        }
        place_clear(&place);
    }
}
