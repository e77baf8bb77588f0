/* SPDX-License-Identifier: Apache-2.0 */
/* I6: what was promised to a workload or an operator is there after the power went. */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/control/registry/attest.h"
#include "core/control/registry/token.h"
#include "tests/support/suite.h"
#include "tests/unit/control/registry/place.h"
#include "tests/unit/control/store/power.h"

SUITE(registry_power, .timeout = 240);

#define NOW ((int64_t)1800000000)

enum { POWER_ROUNDS = 40, POWER_CUTS = 40 };

/* What the one whose power goes has promised. */
struct power_told {
    long operations;
    int entries;
    int tokens; /* made; the first `spent` of them are used up */
    int spent;
    char texts[POWER_ROUNDS][TOKEN_TEXT_LEN + 1];
};

static void power_name(char name[16], int number)
{
    (void)snprintf(name, 16, "w%02d", number);
}

static enum status power_spend(struct registry *registry, const char *text, uint8_t key,
                               struct failure *why)
{
    struct attest_proof proof = {.token = bytes_of(text), .now = NOW};
    struct attested attested;

    memset(proof.key.at, key, sizeof proof.key.at);
    return attest_join_token.attest(registry, &proof, &attested, why);
}

/* A folder without a store yet. */
static void power_folder(struct place *place)
{
    *place = (struct place){.store = NULL};
    (void)snprintf(place->folder, sizeof place->folder, "/tmp/signet-registry-XXXXXX");
    cr_assert_not_null(mkdtemp(place->folder));
    (void)snprintf(place->path, sizeof place->path, "%s/signet.db", place->folder);
}

/* The child: an entry, a token for it, its use; again and again, until the power goes. */
static void power_work(struct place *place, const struct power_plan *plan,
                       struct power_told *told)
{
    power_install(plan);
    place_open(place);
    for (int i = 0; i < POWER_ROUNDS; i++) {
        CLEARED(secret) text = {0};
        char name[16];
        struct token_order order = {.life_s = 3600, .now = NOW};

        power_name(name, i);
        order.entry = bytes_of(name);
        place_add(place, name, 0);
        told->entries = i + 1;
        if (token_create(&place->registry, &order, &text, NULL, NULL) != STATUS_OK) {
            _exit(3);
        }
        memcpy(told->texts[i], text.at, TOKEN_TEXT_LEN);
        told->tokens = i + 1;
        if (power_spend(&place->registry, told->texts[i], 1, NULL) != STATUS_OK) {
            _exit(4);
        }
        told->spent = i + 1;
        told->operations = power_operations();
    }
    store_drop(&place->store);
    _exit(0);
}

static void power_run(struct power_plan *plan, struct power_told *told)
{
    struct place place;
    int how = -1;
    pid_t child;

    power_folder(&place);
    *told = (struct power_told){0};
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        power_work(&place, plan, told);
    }
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%x", (unsigned)how);
    place_clear(&place);
}

static void power_judge(struct place *left, const struct power_told *told, long cut)
{
    struct failure why = {0};
    size_t entries = 0;

    cr_assert_eq(entry_count(&left->registry, &entries, &why), STATUS_OK, "%s", why.detail);
    cr_assert(entries == (size_t)told->entries || entries == (size_t)told->entries + 1,
              "cut at %ld: %d entries promised, %zu kept", cut, told->entries, entries);
    for (int i = 0; i < told->spent; i++) {
        cr_assert_eq(power_spend(&left->registry, told->texts[i], 2, &why), STATUS_UNTRUSTED,
                     "cut at %ld: spent token %d is good again", cut, i);
        cr_assert_str_eq(why.reason, "bootstrap/token-used");
        cr_assert_eq(power_spend(&left->registry, told->texts[i], 1, &why), STATUS_OK, "%s",
                     why.reason);
    }
    if (told->tokens > told->spent) { /* made, and perhaps spent, by the key that asked */
        cr_assert_eq(power_spend(&left->registry, told->texts[told->spent], 1, &why), STATUS_OK,
                     "cut at %ld: token %d is lost: %s", cut, told->spent, why.reason);
    }
}

Test(registry_power, I6_entries_and_spent_tokens_are_there_after_a_cut_at_any_moment)
{
    struct power_told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct power_plan plan = {.seed = 11};
    long all;

    cr_assert_neq(told, MAP_FAILED);
    power_run(&plan, told);
    all = told->operations;
    cr_assert_eq(told->spent, POWER_ROUNDS);
    for (int cut = 1; cut <= POWER_CUTS; cut++) {
        struct place left;

        power_folder(&left);
        plan.folder = left.folder;
        plan.cut_at = all * cut / (POWER_CUTS + 1) + cut % 7; /* at another step of each */
        plan.seed = (uint32_t)cut * 2654435761;
        power_run(&plan, told);
        place_open(&left);
        power_judge(&left, told, plan.cut_at);
        place_clear(&left);
    }
    (void)munmap(told, sizeof *told);
}
