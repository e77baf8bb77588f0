/* SPDX-License-Identifier: Apache-2.0 */
/* A folder with a store file in it, for the tests of what happens to such files. */
#ifndef SIGNET_TESTS_UNIT_CONTROL_STORE_SHELF_H
#define SIGNET_TESTS_UNIT_CONTROL_STORE_SHELF_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control/store/store.h"

struct shelf {
    char folder[64];
    char path[96];
};

static inline void shelf_make(struct shelf *shelf)
{
    (void)snprintf(shelf->folder, sizeof shelf->folder, "/tmp/signet-shelf-XXXXXX");
    cr_assert_not_null(mkdtemp(shelf->folder));
    (void)snprintf(shelf->path, sizeof shelf->path, "%s/signet.db", shelf->folder);
}

/* Takes the store's files away and leaves the folder. */
static inline void shelf_empty(const struct shelf *shelf)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char path[128];

        (void)snprintf(path, sizeof path, "%s%s", shelf->path, endings[i]);
        (void)unlink(path);
    }
}

static inline void shelf_clear(struct shelf *shelf)
{
    shelf_empty(shelf);
    (void)rmdir(shelf->folder);
}

static inline struct store *shelf_open(const struct shelf *shelf)
{
    struct store *store = NULL;
    struct failure why = {0};

    cr_assert_eq(store_open(shelf->path, &store, &why), STATUS_OK, "%s: %s", why.reason,
                 why.detail);
    return store;
}

/* What store_open says; STATUS_OK also gives the store back at once. */
static inline enum status shelf_judge(const struct shelf *shelf, struct failure *out_why)
{
    struct store *store = NULL;
    enum status status;

    *out_why = (struct failure){0};
    status = store_open(shelf->path, &store, out_why);
    store_drop(&store);
    return status;
}

static inline void shelf_sql(const struct shelf *shelf, const char *text)
{
    sqlite3 *db = NULL;

    cr_assert_eq(sqlite3_open(shelf->path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    (void)sqlite3_close(db);
}

static inline void shelf_read(const struct shelf *shelf, struct buffer *out_content)
{
    struct failure why = {0};

    buffer_init(out_content, (size_t)64 * 1024 * 1024);
    cr_assert_eq(buffer_read_file(out_content, shelf->path, &why), STATUS_OK, "%s", why.detail);
}

/* Puts a whole file, mode 0600, in the place of the store's. */
static inline void shelf_write(const struct shelf *shelf, const char *ending, struct bytes content)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof path, "%s%s", shelf->path, ending);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, content.at, content.len), (ssize_t)content.len);
    cr_assert_eq(close(fd), 0);
}

/* Numbers that look drawn and are the same at each run (xorshift, Marsaglia). */
static inline uint32_t shelf_draw(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

#endif
