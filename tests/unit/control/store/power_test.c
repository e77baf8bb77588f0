/* SPDX-License-Identifier: Apache-2.0 */
/* What was said to be written is there after the power went, and a full disk is told as one. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/support/suite.h"
#include "tests/unit/control/store/power.h"
#include "tests/unit/control/store/shelf.h"

SUITE(power, .timeout = 300);

/* Enough pages that the log is copied into the database (at 1000 of them) more than once. */
#define POWER_CHANGES 330
#define POWER_CUTS 60

/* What the one whose power goes told the one who looks at the rest. */
struct power_told {
    long operations;
    int promised; /* changes that were said to be committed */
    bool unsynced;
};

static enum status power_change_one(struct store *store, void *user, struct failure *why)
{
    int number = *(int *)user;
    uint8_t value[6000];
    char key[16];

    memset(value, number, sizeof value);
    (void)snprintf(key, sizeof key, "k/%04d", number);
    TRY(store_put(store, bytes_of(key), bytes_make(value, (size_t)(64 + number)), why));
    TRY(store_put(store, bytes_of("left"), bytes_make(value, sizeof value), why));
    TRY(store_put(store, bytes_of("right"), bytes_make(value, sizeof value), why));
    if (number % 50 == 0 && number > 0) {
        (void)snprintf(key, sizeof key, "k/%04d", number - 1);
        TRY(store_remove(store, bytes_of(key), why));
        TRY(store_put(store, bytes_of(key), bytes_make(value, 10), why));
    }
    return STATUS_OK;
}

/* The child: writes until the power goes. */
static void power_work(const struct shelf *shelf, const struct power_plan *plan,
                       struct power_told *told)
{
    struct store *store = NULL;

    power_install(plan);
    for (int i = 0; i < POWER_CHANGES; i++) {
        if (i % 100 == 0) {
            store_drop(&store); /* a restart in order, with what that copies and removes */
            if (store_open(shelf->path, &store, NULL) != STATUS_OK) {
                _exit(3);
            }
        }
        if (store_change(store, power_change_one, &i, NULL) != STATUS_OK) {
            _exit(4);
        }
        told->promised = i + 1;
        told->unsynced = told->unsynced || power_unsynced() > 8192; /* a padding frame may be */
        told->operations = power_operations();
    }
    store_drop(&store);
    told->operations = power_operations();
    _exit(0);
}

/* Runs the child with this plan; what is left lies in `left`. */
static void power_run(struct power_plan *plan, struct shelf *left, struct power_told *told)
{
    struct shelf shelf;
    int how = -1;
    pid_t child;

    shelf_make(&shelf);
    shelf_make(left);
    plan->folder = left->folder;
    *told = (struct power_told){0};
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        power_work(&shelf, plan, told);
    }
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%x", (unsigned)how);
    shelf_clear(&shelf);
}

static enum status power_count_one(void *user, struct bytes key, struct bytes value,
                                   struct failure *why)
{
    (void)key;
    (void)value;
    (void)why;
    ++*(int *)user;
    return STATUS_OK;
}

/* How many of the changes are there; -1 where they are not the first ones, each of them whole. */
static int power_kept(struct shelf *left)
{
    CLEARED(buffer) first = {.max = 8192};
    CLEARED(buffer) second = {.max = 8192};
    struct store *store = shelf_open(left);
    int count = 0;
    bool whole;

    cr_assert_eq(store_list(store, bytes_of("k/"), power_count_one, &count, NULL), STATUS_OK);
    whole = (store_get(store, bytes_of("left"), &first, NULL, NULL) == STATUS_OK) ==
            (store_get(store, bytes_of("right"), &second, NULL, NULL) == STATUS_OK);
    whole = whole && bytes_equal(buffer_bytes(&first), buffer_bytes(&second)) &&
            (first.len > 0) == (count > 0) &&
            (count == 0 || first.at[0] == (uint8_t)(count - 1));
    store_drop(&store);
    return whole ? count : -1;
}

Test(power, what_is_committed_is_there_after_the_power_went_at_any_moment)
{
    struct power_told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct power_plan plan = {.seed = 5};
    struct shelf left;
    uint32_t seed = 17;
    long all;

    cr_assert_neq(told, MAP_FAILED);
    power_run(&plan, &left, told);
    shelf_clear(&left);
    all = told->operations;
    cr_assert_eq(told->promised, POWER_CHANGES);
    cr_assert(!told->unsynced, "a commit returned before it was synced");
    for (int cut = 0; cut < POWER_CUTS; cut++) {
        int kept;

        /* The first third at the making of the file, the rest anywhere. */
        plan.cut_at = 1 + (cut < POWER_CUTS / 3 ? cut : (long)(shelf_draw(&seed) % (uint32_t)all));
        plan.seed = shelf_draw(&seed);
        power_run(&plan, &left, told);
        kept = power_kept(&left);
        cr_assert(kept == told->promised || kept == told->promised + 1,
                  "cut at %ld of %ld: %d promised, %d kept", plan.cut_at, all, told->promised,
                  kept);
        shelf_clear(&left);
    }
    (void)munmap(told, sizeof *told);
}

/* The rig itself: on a disk that only says that it syncs, promises are broken. */
Test(power, a_disk_that_lies_about_syncs_loses_what_was_promised)
{
    struct power_told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct power_plan plan = {.lies = true, .seed = 4, .cut_at = 2000};
    struct shelf left;
    struct store *store = NULL;
    struct failure why = {0};
    int count = 0;

    cr_assert_neq(told, MAP_FAILED);
    power_run(&plan, &left, told);
    cr_assert_gt(told->promised, 20);
    cr_assert(told->unsynced);
    if (store_open(left.path, &store, &why) == STATUS_OK) {
        cr_assert_eq(store_list(store, bytes_of("k/"), power_count_one, &count, NULL), STATUS_OK);
    }
    store_drop(&store);
    cr_assert_lt(count, told->promised);
    shelf_clear(&left);
    (void)munmap(told, sizeof *told);
}

/* --- a full disk ---------------------------------------------------------------------------------- */

static enum status power_fill(struct store *store, struct failure *why)
{
    uint8_t value[3000] = {0};
    enum status status = STATUS_OK;

    for (int i = 0; i < 10000 && status == STATUS_OK; i++) {
        char key[16];

        (void)snprintf(key, sizeof key, "full/%05d", i);
        status = store_put(store, bytes_of(key), bytes_make(value, sizeof value), why);
    }
    return status;
}

Test(power, a_full_disk_is_told_and_its_end_is_noticed)
{
    struct power_plan plan = {.seed = 3};
    CLEARED(buffer) value = {.max = 16};
    struct failure why = {0};
    struct shelf shelf;
    struct store *store;

    power_install(&plan);
    shelf_make(&shelf);
    store = shelf_open(&shelf);
    cr_assert_null(store_refusal(store));
    cr_assert_eq(store_put(store, bytes_of("k"), bytes_of("kept"), &why), STATUS_OK);
    power_set_room(power_used() + 200000);
    cr_assert_eq(power_fill(store, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "store/full", "%s", why.detail);
    cr_assert_not_null(strstr(why.detail, shelf.path), "%s", why.detail);
    cr_assert_not_null(store_refusal(store));
    cr_assert_str_eq(store_refusal(store)->reason, "store/full");
    power_set_room(0);
    for (int i = 0; i < 100 && store_probe(store, &why) == STATUS_OK; i++) {
        /* what the log has grown to already is still room for a few */
    }
    cr_assert_str_eq(store_refusal(store)->reason, "store/full");
    cr_assert_eq(store_get(store, bytes_of("k"), &value, NULL, &why), STATUS_OK); /* still read */
    power_set_room(SIZE_MAX);
    cr_assert_eq(store_probe(store, &why), STATUS_OK, "%s", why.detail);
    cr_assert_null(store_refusal(store));
    store_drop(&store);
    cr_assert_eq(shelf_judge(&shelf, &why), STATUS_OK, "%s", why.detail);
    shelf_clear(&shelf);
}

Test(power, a_start_on_a_full_disk_says_so)
{
    struct power_plan plan = {.seed = 3};
    struct failure why = {0};
    struct shelf shelf;
    struct store *store;

    power_install(&plan);
    shelf_make(&shelf);
    power_set_room(0);
    cr_assert_eq(shelf_judge(&shelf, &why), STATUS_IO); /* a new store */
    cr_assert_str_eq(why.reason, "store/full", "%s", why.detail);
    power_set_room(SIZE_MAX);
    store = shelf_open(&shelf);
    store_drop(&store);
    power_set_room(0);
    cr_assert_eq(shelf_judge(&shelf, &why), STATUS_IO); /* and one that is there */
    cr_assert_str_eq(why.reason, "store/full", "%s", why.detail);
    power_set_room(SIZE_MAX);
    cr_assert_eq(shelf_judge(&shelf, &why), STATUS_OK, "%s", why.detail);
    shelf_clear(&shelf);
}
