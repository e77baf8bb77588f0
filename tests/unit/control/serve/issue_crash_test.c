/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at each step of a first certificate: before and after every write, the commit, and the
 * signature. The linker puts us around these functions (--wrap), so that what dies is the real issue().
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "tests/unit/control/serve/office.h"

SUITE(issue_crash, .timeout = 240);

#define NOW ((int64_t)1800000000)
#define LEAF_S 3600

static int crash_at = -1; /* the point to die at; -1: never */
static int crash_seen;

static int change_full_at = -1; /* the transaction that finds the disk full; -1: none */
static int change_seen;

static void crash_point(void)
{
    if (crash_seen++ == crash_at) {
        (void)raise(SIGKILL);
    }
}

enum status __real_store_put(struct store *store, struct bytes key, struct bytes value,
                             struct failure *why);
enum status __wrap_store_put(struct store *store, struct bytes key, struct bytes value,
                             struct failure *why);
enum status __real_store_change(struct store *store, store_change_fn change, void *user,
                                struct failure *why);
enum status __wrap_store_change(struct store *store, store_change_fn change, void *user,
                                struct failure *why);
enum status __real_authority_issue(struct authority *authority,
                                   const struct authority_request *request, int64_t now_s,
                                   struct authority_issued *out_issued, struct failure *why);
enum status __wrap_authority_issue(struct authority *authority,
                                   const struct authority_request *request, int64_t now_s,
                                   struct authority_issued *out_issued, struct failure *why);

enum status __wrap_store_put(struct store *store, struct bytes key, struct bytes value,
                             struct failure *why)
{
    enum status status;

    crash_point();
    status = __real_store_put(store, key, value, why);
    crash_point();
    return status;
}

enum status __wrap_store_change(struct store *store, store_change_fn change, void *user,
                                struct failure *why)
{
    enum status status;

    crash_point();
    if (change_seen++ == change_full_at) {
        return fail(why, STATUS_IO, "store/full", "a disk of this test");
    }
    status = __real_store_change(store, change, user, why);
    crash_point();
    return status;
}

enum status __wrap_authority_issue(struct authority *authority,
                                   const struct authority_request *request, int64_t now_s,
                                   struct authority_issued *out_issued, struct failure *why)
{
    enum status status;

    crash_point();
    status = __real_authority_issue(authority, request, now_s, out_issued, why);
    crash_point();
    return status;
}

static enum status crash_ask(struct office *office, const struct secret *token,
                             const struct buffer *csr, int64_t now, struct failure *why)
{
    CLEARED(issued) issued = {0};
    struct issue_request request = {.attestor = &attest_join_token,
                                    .proof = {.token = secret_bytes(token), .now = now},
                                    .csr_der = buffer_bytes(csr)};

    return issue(&office->issuer, &request, &issued, why);
}

/* Asks in a process that dies at `point`; false when it came through all of them. */
static bool crash_child(struct office *office, const struct secret *token,
                        const struct buffer *csr, int point)
{
    int how = 0;
    pid_t child;

    authority_drop(&office->authority);
    store_drop(&office->place.store);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        place_open(&office->place);
        office_open(office, LEAF_S, NOW);
        crash_seen = 0;
        crash_at = point;
        _exit(crash_ask(office, token, csr, NOW + 1, NULL) == STATUS_OK ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &how, 0), child);
    place_open(&office->place);
    office_open(office, LEAF_S, NOW + 2);
    if (WIFSIGNALED(how)) {
        cr_assert_eq(WTERMSIG(how), SIGKILL);
        return true;
    }
    cr_assert_eq(WEXITSTATUS(how), 0);
    return false;
}

/* One crash; then the key of the dead and three others ask, in either order. False past the last point. */
static bool crash_round(uint32_t uses, bool dead_first, int point)
{
    struct office office = {0};
    CLEARED(secret) token = {0};
    struct buffer csr[4] = {{0}};
    struct token_order order = {
        .entry = bytes_of("web"), .life_s = 600, .now = NOW, .uses = uses};
    struct failure why = {0};
    unsigned won = 0;
    bool died;

    office_make(&office, LEAF_S, NOW);
    place_add(&office.place, "web", 0);
    cr_assert_eq(token_create(&office.place.registry, &order, &token, NULL, &why), STATUS_OK);
    for (size_t i = 0; i < 4; i++) {
        office_csr(&csr[i], NULL);
    }
    died = crash_child(&office, &token, &csr[0], point);
    for (size_t i = 0; i < 4; i++) {
        size_t who = dead_first ? i : 3 - i;
        enum status status = crash_ask(&office, &token, &csr[who], NOW + 3, &why);

        won += status == STATUS_OK ? 1 : 0;
        cr_assert(status == STATUS_OK || strcmp(why.reason, "bootstrap/token-used") == 0, "%s",
                  why.detail);
        cr_assert(status == STATUS_OK || !dead_first || who != 0, "point %d: a spent token", point);
    }
    cr_assert_eq(won, uses, "%u of %u after a crash at point %d", won, uses, point);
    for (size_t i = 0; i < 4; i++) {
        buffer_clear(&csr[i]);
    }
    office_clear(&office);
    return died;
}

Test(issue_crash, I6_kill_9_at_each_step_never_loses_a_use_and_never_gives_one_twice)
{
    for (uint32_t uses = 1; uses <= 2; uses++) {
        for (int dead_first = 0; dead_first < 2; dead_first++) {
            int points = 0;

            while (crash_round(uses, dead_first != 0, points)) {
                points++;
            }
            cr_assert_geq(points, 12, "%d points were hit", points);
        }
    }
}

/* A full disk at the redemption costs nothing; after it, nobody but the key that was bound. */
Test(issue_crash, I6_a_full_disk_at_either_write_burns_no_token)
{
    for (int full_at = 0; full_at < 2; full_at++) {
        struct office office = {0};
        CLEARED(secret) token = {0};
        CLEARED(buffer) csr = {0};
        CLEARED(buffer) other = {0};
        struct failure why = {0};

        office_make(&office, LEAF_S, NOW);
        place_add(&office.place, "web", 0);
        office_token(&office, "web", NOW, &token);
        office_csr(&csr, NULL);
        office_csr(&other, NULL);
        change_seen = 0;
        change_full_at = full_at;
        cr_assert_eq(crash_ask(&office, &token, &csr, NOW + 1, &why), STATUS_IO);
        cr_assert_str_eq(why.reason, "store/full");
        change_full_at = -1;
        if (full_at == 1) {
            cr_assert_eq(crash_ask(&office, &token, &other, NOW + 2, &why), STATUS_UNTRUSTED);
            cr_assert_str_eq(why.reason, "bootstrap/token-used");
        }
        cr_assert_eq(crash_ask(&office, &token, full_at == 1 ? &csr : &other, NOW + 90, &why),
                     STATUS_OK, "%s: %s", why.reason, why.detail);
        office_clear(&office);
    }
}
