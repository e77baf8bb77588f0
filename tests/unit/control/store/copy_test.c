/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a store changes nothing, waits for nobody, and finds what a start would find. */
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/support/suite.h"
#include "tests/unit/control/store/shelf.h"

SUITE(copy, .timeout = 120);

/* Names, contents and times of all that lies in the folder. */
static void copy_survey(const struct shelf *shelf, struct buffer *out_all)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    struct stat about;

    buffer_init(out_all, (size_t)16 * 1024 * 1024);
    cr_assert_eq(stat(shelf->folder, &about), 0);
    cr_assert_eq(buffer_add(out_all, bytes_make(&about.st_mtim, sizeof about.st_mtim)), STATUS_OK);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char path[128];

        (void)snprintf(path, sizeof path, "%s%s", shelf->path, endings[i]);
        if (stat(path, &about) == 0) {
            cr_assert_eq(buffer_add_format(out_all, "%s %ld.%09ld ", endings[i],
                                           (long)about.st_mtim.tv_sec,
                                           (long)about.st_mtim.tv_nsec),
                         STATUS_OK);
            cr_assert_eq(buffer_read_file(out_all, path, NULL), STATUS_OK);
        }
    }
}

static void copy_expect(const struct shelf *shelf, const char *key, const char *value)
{
    OWNED(store) *store = NULL;
    CLEARED(buffer) before = {0};
    CLEARED(buffer) after = {0};
    CLEARED(buffer) got = {.max = 64};
    struct failure why = {0};

    copy_survey(shelf, &before);
    cr_assert_eq(store_open_copy(shelf->path, &store, &why), STATUS_OK, "%s: %s", why.reason,
                 why.detail);
    cr_assert_eq(store_get(store, bytes_of(key), &got, NULL, &why), STATUS_OK, "%s", why.detail);
    cr_assert(bytes_equal_text(buffer_bytes(&got), value));
    cr_assert_eq(store_put(store, bytes_of(key), bytes_of("of the copy"), &why), STATUS_OK);
    store_drop(&store);
    copy_survey(shelf, &after);
    cr_assert(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)), "the folder changed");
}

/* Opens the store in another process, writes, says so, and waits to be killed. */
static pid_t copy_hold(const struct shelf *shelf, const char *value)
{
    int ends[2];
    char letter;
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct store *store = NULL;

        if (store_open(shelf->path, &store, NULL) != STATUS_OK ||
            store_put(store, bytes_of("k"), bytes_of(value), NULL) != STATUS_OK ||
            write(ends[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            (void)pause();
        }
    }
    (void)close(ends[1]);
    cr_assert_eq(read(ends[0], &letter, 1), 1);
    (void)close(ends[0]);
    return child;
}

Test(copy, of_a_store_that_is_open_killed_without_its_index_or_closed)
{
    struct shelf shelf;
    struct store *store;
    char index[128];
    pid_t child;

    shelf_make(&shelf);
    child = copy_hold(&shelf, "one");
    copy_expect(&shelf, "k", "one");
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    copy_expect(&shelf, "k", "one"); /* what was written is in the log alone */
    (void)snprintf(index, sizeof index, "%s-shm", shelf.path);
    cr_assert_eq(unlink(index), 0);
    copy_expect(&shelf, "k", "one");
    store = shelf_open(&shelf);
    store_drop(&store);
    copy_expect(&shelf, "k", "one");
    shelf_clear(&shelf);
}

Test(copy, of_a_store_that_is_written_all_the_time)
{
    struct shelf shelf;
    struct store *store;
    pid_t child;
    int how = 0;

    shelf_make(&shelf);
    store = shelf_open(&shelf);
    cr_assert_eq(store_put(store, bytes_of("k"), bytes_of("v"), NULL), STATUS_OK);
    store_drop(&store);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        uint8_t value[2000] = {0};

        for (int i = 0; i < 2000; i++) {
            char key[16];

            (void)snprintf(key, sizeof key, "%d", i % 50);
            if (i % 20 == 0) { /* and ends and begins now and then */
                store_drop(&store);
                if (store_open(shelf.path, &store, NULL) != STATUS_OK) {
                    _exit(1);
                }
            }
            if (store_put(store, bytes_of(key), bytes_make(value, sizeof value), NULL) !=
                STATUS_OK) {
                _exit(2);
            }
        }
        store_drop(&store);
        _exit(0);
    }
    while (waitpid(child, &how, WNOHANG) == 0) {
        CLEARED(buffer) got = {.max = 64};
        struct failure why = {0};

        cr_assert_eq(store_open_copy(shelf.path, &store, &why), STATUS_OK, "%s: %s", why.reason,
                     why.detail);
        cr_assert_eq(store_get(store, bytes_of("k"), &got, NULL, &why), STATUS_OK);
        store_drop(&store);
    }
    cr_assert_eq(how, 0, "the writer was disturbed: %x", (unsigned)how);
    shelf_clear(&shelf);
}

Test(copy, finds_what_a_start_would_find)
{
    struct shelf shelf;
    struct store *store = NULL;
    struct failure why = {0};
    int64_t revision = 0;

    shelf_make(&shelf);
    cr_assert_eq(store_open_copy(shelf.path, &store, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(store_revision(store, &revision, &why), STATUS_OK);
    cr_assert_eq(revision, 0);
    store_drop(&store);
    cr_assert_neq(access(shelf.path, F_OK), 0, "looking made a store");

    store = shelf_open(&shelf);
    cr_assert_eq(store_put(store, bytes_of("k"), bytes_of("v"), NULL), STATUS_OK);
    store_drop(&store);
    cr_assert_eq(chmod(shelf.path, 0644), 0);
    cr_assert_eq(store_open_copy(shelf.path, &store, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "store/mode");
    cr_assert_eq(chmod(shelf.path, 0600), 0);
    shelf_sql(&shelf, "DELETE FROM record");
    cr_assert_eq(store_open_copy(shelf.path, &store, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "store/damaged");
    cr_assert_not_null(strstr(why.detail, shelf.path), "%s", why.detail);
    shelf_sql(&shelf, "PRAGMA user_version = 77");
    cr_assert_eq(store_open_copy(shelf.path, &store, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "store/newer-schema");
    shelf_clear(&shelf);
}

Test(copy, a_file_of_another_owner_is_refused)
{
    struct shelf shelf;
    struct store *store;
    struct failure why = {0};

    if (geteuid() != 0) {
        cr_skip_test("only root can give a file away");
    }
    shelf_make(&shelf);
    store = shelf_open(&shelf);
    store_drop(&store);
    cr_assert_eq(chown(shelf.path, 1234, 1234), 0);
    cr_assert_eq(store_open_copy(shelf.path, &store, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "store/owner");
    cr_assert_eq(shelf_judge(&shelf, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "store/owner");
    cr_assert_not_null(strstr(why.detail, "1234"), "%s", why.detail);
    shelf_clear(&shelf);
}
