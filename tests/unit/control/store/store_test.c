/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/suite.h"

SUITE(store, .timeout = 60);

static char store_folder[64];
static char store_path[96];

static void store_make_folder(void)
{
    (void)snprintf(store_folder, sizeof store_folder, "/tmp/signet-store-XXXXXX");
    cr_assert_not_null(mkdtemp(store_folder));
    (void)snprintf(store_path, sizeof store_path, "%s/signet.db", store_folder);
}

static void store_remove_folder(void)
{
    static const char *const endings[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char path[128];

        (void)snprintf(path, sizeof path, "%s%s", store_path, endings[i]);
        (void)unlink(path);
    }
    (void)rmdir(store_folder);
}

static struct store *store_opened(void)
{
    struct store *store = NULL;
    struct failure why = {0};

    cr_assert_eq(store_open(store_path, &store, &why), STATUS_OK, "%s: %s", why.reason, why.detail);
    return store;
}

static void store_expect(struct store *store, const char *key, const char *value)
{
    CLEARED(buffer) got = {.max = 4096};
    struct failure why = {0};
    enum status status = store_get(store, bytes_of(key), &got, NULL, &why);

    if (value == NULL) {
        cr_assert_eq(status, STATUS_NOT_FOUND, "%s", key);
        cr_assert_str_eq(why.reason, "store/no-key");
        return;
    }
    cr_assert_eq(status, STATUS_OK, "%s: %s", key, why.detail);
    cr_assert(bytes_equal_text(buffer_bytes(&got), value), "%s is %.*s", key, (int)got.len,
              (const char *)got.at);
}

Test(store, gives_back_after_a_restart_what_was_put, .init = store_make_folder,
     .fini = store_remove_folder)
{
    OWNED(store) *store = store_opened();
    struct stat about;
    int64_t revision = -1;

    cr_assert_eq(store_revision(store, &revision, NULL), STATUS_OK);
    cr_assert_eq(revision, 0);
    cr_assert_eq(store_put(store, bytes_of("a"), bytes_of("one"), NULL), STATUS_OK);
    cr_assert_eq(store_put(store, bytes_of("empty"), (struct bytes){0}, NULL), STATUS_OK);
    cr_assert_eq(store_put(store, bytes_of("a"), bytes_of("two"), NULL), STATUS_OK);
    cr_assert_eq(store_put(store, bytes_of("gone"), bytes_of("x"), NULL), STATUS_OK);
    cr_assert_eq(store_remove(store, bytes_of("gone"), NULL), STATUS_OK);
    store_drop(&store);
    cr_assert_null(store);

    store = store_opened();
    store_expect(store, "a", "two");
    store_expect(store, "empty", "");
    store_expect(store, "gone", NULL);
    cr_assert_eq(store_revision(store, &revision, NULL), STATUS_OK);
    cr_assert_eq(revision, 5);
    cr_assert_eq(stat(store_path, &about), 0);
    cr_assert_eq(about.st_mode & 0777, 0600);
}

static enum status store_two_then(struct store *store, void *user, struct failure *why)
{
    TRY(store_put(store, bytes_of("first"), bytes_of("1"), why));
    store_expect(store, "first", "1"); /* a transaction sees its own writes */
    TRY(store_put(store, bytes_of("second"), bytes_of("2"), why));
    return user == NULL ? STATUS_OK : fail(why, STATUS_DENIED, "test/no", "changed its mind");
}

Test(store, a_transaction_holds_as_a_whole_or_not_at_all, .init = store_make_folder,
     .fini = store_remove_folder)
{
    OWNED(store) *store = store_opened();
    struct failure why = {0};
    int refuse = 1;

    cr_assert_eq(store_change(store, store_two_then, &refuse, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "test/no");
    store_expect(store, "first", NULL);
    store_expect(store, "second", NULL);
    cr_assert_eq(store_change(store, store_two_then, NULL, &why), STATUS_OK);
    store_expect(store, "first", "1");
    store_expect(store, "second", "2");
}

static enum status store_raise_within(struct store *store, void *user, struct failure *why)
{
    const int64_t *least = user;

    TRY(store_put(store, bytes_of("b"), bytes_of("2"), why));
    TRY(store_raise(store, *least, why));
    return store_put(store, bytes_of("c"), bytes_of("3"), why);
}

Test(store, gives_no_revision_twice_that_somebody_holds_from_before_a_restore,
     .init = store_make_folder, .fini = store_remove_folder)
{
    OWNED(store) *store = store_opened();
    CLEARED(buffer) got = {.max = 16};
    struct failure why = {0};
    int64_t revision = 0;
    int64_t least = 500;

    cr_assert_eq(store_put(store, bytes_of("a"), bytes_of("1"), NULL), STATUS_OK);
    cr_assert_eq(store_raise(store, 100, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(store_raise(store, 50, &why), STATUS_OK); /* never down */
    cr_assert_eq(store_revision(store, &revision, NULL), STATUS_OK);
    cr_assert_eq(revision, 100);
    cr_assert_eq(store_change(store, store_raise_within, &least, &why), STATUS_OK);
    store_drop(&store);
    store = store_opened();
    cr_assert_eq(store_revision(store, &revision, NULL), STATUS_OK);
    cr_assert_eq(revision, 500);
    cr_assert_eq(store_put(store, bytes_of("a"), bytes_of("4"), NULL), STATUS_OK);
    cr_assert_eq(store_get(store, bytes_of("a"), &got, &revision, NULL), STATUS_OK);
    cr_assert_eq(revision, 501);
    cr_assert_eq(store_raise(store, STORE_REVISION_MAX + 1, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "store/revision");
}

Test(store, swaps_only_what_nobody_changed, .init = store_make_folder, .fini = store_remove_folder)
{
    OWNED(store) *store = store_opened();
    CLEARED(buffer) value = {.max = 16};
    struct failure why = {0};
    int64_t revision = 0;

    cr_assert_eq(store_swap(store, bytes_of("k"), STORE_ABSENT, bytes_of("v1"), &why), STATUS_OK);
    cr_assert_eq(store_swap(store, bytes_of("k"), STORE_ABSENT, bytes_of("v2"), &why),
                 STATUS_DENIED);
    cr_assert_str_eq(why.reason, "store/changed");
    cr_assert_eq(store_get(store, bytes_of("k"), &value, &revision, &why), STATUS_OK);
    cr_assert_eq(store_swap(store, bytes_of("k"), revision, bytes_of("v3"), &why), STATUS_OK);
    cr_assert_eq(store_swap(store, bytes_of("k"), revision, bytes_of("v4"), &why), STATUS_DENIED);
    store_expect(store, "k", "v3");
}

struct store_seen {
    char text[256];
    int stop_after;
};

static enum status store_note(void *user, struct bytes key, struct bytes value, struct failure *why)
{
    struct store_seen *seen = user;
    size_t used = strlen(seen->text);

    (void)snprintf(seen->text + used, sizeof seen->text - used, "%.*s=%.*s;", (int)key.len,
                   (const char *)key.at, (int)value.len, (const char *)value.at);
    return --seen->stop_after == 0 ? fail(why, STATUS_LIMIT, "test/enough", "enough") : STATUS_OK;
}

Test(store, lists_and_counts_a_prefix_and_nothing_else, .init = store_make_folder,
     .fini = store_remove_folder)
{
    static const char *const keys[] = {"b/2", "a", "b/10", "b", "b0", "b/", "c/1"};
    OWNED(store) *store = store_opened();
    struct store_seen seen = {0};
    struct failure why = {0};
    size_t count = 0;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        cr_assert_eq(store_put(store, bytes_of(keys[i]), bytes_of(keys[i]), NULL), STATUS_OK);
    }
    cr_assert_eq(store_list(store, bytes_of("b/"), store_note, &seen, &why), STATUS_OK);
    cr_assert_str_eq(seen.text, "b/=b/;b/10=b/10;b/2=b/2;");
    cr_assert_eq(store_count(store, bytes_of("b/"), &count, &why), STATUS_OK);
    cr_assert_eq(count, 3);
    cr_assert_eq(store_count(store, bytes_of("b"), &count, &why), STATUS_OK);
    cr_assert_eq(count, 5);
    cr_assert_eq(store_count(store, bytes_of("d/"), &count, &why), STATUS_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(store_count(store, bytes_of(""), &count, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "store/key-size");
    seen = (struct store_seen){.stop_after = 2};
    cr_assert_eq(store_list(store, bytes_of(""), store_note, &seen, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "test/enough");
    cr_assert_str_eq(seen.text, "a=a;b=b;");
}

Test(store, bounds_keys_values_and_readers, .init = store_make_folder, .fini = store_remove_folder)
{
    OWNED(store) *store = store_opened();
    struct failure why = {0};
    CLEARED(buffer) small = {.max = 3};
    char *large = calloc(1, STORE_VALUE_MAX + 1);

    cr_assert_eq(store_put(store, bytes_of(""), bytes_of("x"), &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "store/key-size");
    cr_assert_eq(store_put(store, bytes_make(large, STORE_KEY_MAX + 1), bytes_of("x"), &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "store/key-size");
    cr_assert_eq(store_put(store, bytes_of("k"), bytes_make(large, STORE_VALUE_MAX + 1), &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "store/value-size");
    cr_assert_eq(store_put(store, bytes_of("k"), bytes_of("four"), &why), STATUS_OK);
    cr_assert_eq(store_get(store, bytes_of("k"), &small, NULL, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "buffer/full");
    cr_assert_eq(store_remove(store, bytes_of("absent"), &why), STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "store/no-key");
    free(large);
}

static void store_expect_refused(enum status status, const char *reason)
{
    struct store *store = NULL;
    struct failure why = {0};

    cr_assert_eq(store_open(store_path, &store, &why), status, "%s: %s", why.reason, why.detail);
    cr_assert_str_eq(why.reason, reason);
    cr_assert_not_null(strstr(why.detail, store_path), "names no file: %s", why.detail);
    cr_assert_null(store);
}

static void store_sql(const char *text)
{
    sqlite3 *db = NULL;

    cr_assert_eq(sqlite3_open(store_path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    (void)sqlite3_close(db);
}

Test(store, refuses_a_file_that_others_may_read, .init = store_make_folder,
     .fini = store_remove_folder)
{
    struct store *store = store_opened();

    store_drop(&store);
    cr_assert_eq(chmod(store_path, 0640), 0);
    store_expect_refused(STATUS_CONFIG, "store/mode");
}

Test(store, refuses_a_newer_schema_and_leaves_it_alone, .init = store_make_folder,
     .fini = store_remove_folder)
{
    struct store *store = store_opened();

    cr_assert_eq(store_put(store, bytes_of("k"), bytes_of("v"), NULL), STATUS_OK);
    store_drop(&store);
    store_sql("PRAGMA user_version = 3");
    store_expect_refused(STATUS_CONFIG, "store/newer-schema");
    store_sql("PRAGMA user_version = 2");
    store = store_opened();
    store_expect(store, "k", "v");
    store_drop(&store);
}

Test(store, refuses_the_database_of_another_program, .init = store_make_folder,
     .fini = store_remove_folder)
{
    (void)umask(0077);
    store_sql("CREATE TABLE theirs (x)");
    store_expect_refused(STATUS_CONFIG, "store/not-ours");
}

static void store_overwrite(off_t at, const char *with, size_t len)
{
    int fd = open(store_path, O_WRONLY);

    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, with, len, at), (ssize_t)len);
    cr_assert_eq(close(fd), 0);
}

Test(store, names_the_damaged_file, .init = store_make_folder, .fini = store_remove_folder)
{
    struct store *store = store_opened();
    char noise[4096];

    for (int i = 0; i < 200; i++) {
        char key[16];

        (void)snprintf(key, sizeof key, "key/%03d", i);
        memset(noise, i, sizeof noise);
        cr_assert_eq(store_put(store, bytes_of(key), bytes_make(noise, 900), NULL), STATUS_OK);
    }
    store_drop(&store);
    memset(noise, 0x5a, sizeof noise);
    store_overwrite(4096, noise, sizeof noise);
    store_expect_refused(STATUS_IO, "store/damaged");
    store_overwrite(0, noise, 64);
    store_expect_refused(STATUS_IO, "store/damaged");
}

static enum status store_both(struct store *store, void *user, struct failure *why)
{
    TRY(store_put(store, bytes_of("left"), bytes_of(user), why));
    return store_put(store, bytes_of("right"), bytes_of(user), why);
}

static void store_write_for_ever(int told)
{
    struct store *store = NULL;

    if (store_open(store_path, &store, NULL) != STATUS_OK) {
        _exit(1);
    }
    for (int i = 1;; i++) {
        char text[16];

        (void)snprintf(text, sizeof text, "%08d", i);
        if (store_change(store, store_both, text, NULL) != STATUS_OK || write(told, text, 8) != 8) {
            _exit(1);
        }
    }
}

/* What was said to be committed is there after kill -9, and what is there is whole. */
Test(store, survives_kill_9_at_any_moment, .init = store_make_folder, .fini = store_remove_folder)
{
    for (int round = 0; round < 12; round++) {
        CLEARED(buffer) left = {.max = 64};
        CLEARED(buffer) right = {.max = 64};
        struct timespec pause = {.tv_nsec = 4000000L + 3700000L * round};
        char last[9] = "";
        int ends[2];
        pid_t child;

        cr_assert_eq(pipe(ends), 0);
        child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
            (void)close(ends[0]);
            store_write_for_ever(ends[1]);
        }
        (void)close(ends[1]);
        cr_assert_eq(read(ends[0], last, 8), 8);
        (void)nanosleep(&pause, NULL);
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, NULL, 0), child);
        while (read(ends[0], last, 8) == 8) {
        }
        (void)close(ends[0]);

        struct store *store = store_opened();

        cr_assert_eq(store_get(store, bytes_of("left"), &left, NULL, NULL), STATUS_OK);
        cr_assert_eq(store_get(store, bytes_of("right"), &right, NULL, NULL), STATUS_OK);
        store_drop(&store);
        cr_assert(bytes_equal(buffer_bytes(&left), buffer_bytes(&right)));
        cr_assert_geq(memcmp(left.at, last, 8), 0, "promised %s, kept %.8s", last,
                      (const char *)left.at);
    }
}
