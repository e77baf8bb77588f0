/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy in memory of a store that somebody else may have open: nothing in its folder is made, changed or
 * removed, and nobody is kept out. Which way that goes depends on what lies beside the file:
 *
 *   log and index   a running process, or one that was killed: both are read, neither is written
 *   a log alone     the index is made in memory
 *   neither         all is in the file
 *   a journal       only the making of the tables has one: there is nothing in them yet
 *
 * Source: sqlite.org/wal.html ("Read-Only Databases"), sqlite.org/uri.html, sqlite.org/backup.html.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control/store/handle.h"
#include "core/runtime/base/memory.h"

#define STORE_COPY_TRIES 10 /* at a file that somebody changes meanwhile */

/* What lies there: to see whether it is still the same afterwards. */
struct store_look {
    struct stat file;
    struct stat log;
    bool has_log;
    bool has_index;
    bool is_unmade; /* its making was cut off: the next start takes that back */
};

static bool store_beside(const char *path, const char *ending, struct stat *out_about)
{
    char *name = memory_format("%s%s", path, ending);
    bool found = stat(name, out_about) == 0;

    free(name);
    return found;
}

static enum status store_look_at(const char *path, struct store_look *out_look, struct failure *why)
{
    struct stat other;

    *out_look = (struct store_look){0};
    if (lstat(path, &out_look->file) != 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? fail(why, STATUS_NOT_FOUND, "store/missing", "%s is not there", path)
                   : fail_os(why, errno, "store/open", "%s", path);
    }
    out_look->has_log = store_beside(path, "-wal", &out_look->log) && out_look->log.st_size > 0;
    out_look->has_index = store_beside(path, "-shm", &other);
    out_look->is_unmade = store_beside(path, "-journal", &other) && other.st_size > 0;
    TRY(store_check_file(path, &out_look->file, why));
    /* We only read; store_open() does not. */
    return faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0
               ? STATUS_OK
               : fail_os(why, errno, "store/open", "%s", path);
}

static bool store_same_time(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_ino == b->st_ino &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool store_is_unchanged(const char *path, const struct store_look *before)
{
    struct store_look now;

    return store_look_at(path, &now, NULL) == STATUS_OK &&
           store_same_time(&before->file, &now.file) && before->has_log == now.has_log &&
           (!now.has_log || store_same_time(&before->log, &now.log));
}

/* A path as a URI of SQLite: what means something there is written as %XX. */
static char *store_uri(const char *path, const char *how)
{
    static const char digits[] = "0123456789abcdef";
    char *escaped = memory_make(3 * strlen(path) + 1);
    char *to = escaped;
    char *uri;

    for (const char *at = path; *at != '\0'; at++) {
        if (strchr("%?#", *at) != NULL) {
            *to++ = '%';
            *to++ = digits[(unsigned char)*at >> 4];
            *to++ = digits[*at & 15];
        } else {
            *to++ = *at;
        }
    }
    uri = memory_format("file:%s?mode=ro&%s", escaped, how);
    free(escaped);
    return uri;
}

static enum status store_open_to_read(struct store *source, const struct store_look *look,
                                      struct failure *why)
{
    const char *how = look->has_log && look->has_index ? "readonly_shm=1"
                      : look->has_log                  ? "vfs=unix-none"
                                                       : "immutable=1";
    char *uri = store_uri(source->path, how);
    int code = sqlite3_open_v2(
        uri, &source->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);

    free(uri);
    if (code != SQLITE_OK) {
        return store_fail(source, code, "store/open", why);
    }
    (void)sqlite3_busy_timeout(source->db, STORE_BUSY_MS);
    /* The last one out copies the log into the file and removes it: not we. */
    (void)sqlite3_db_config(source->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return look->has_log && !look->has_index
               ? store_exec(source, "PRAGMA locking_mode = EXCLUSIVE", why)
               : STATUS_OK;
}

static enum status store_fill(struct store *copy, struct store *source, struct failure *why)
{
    sqlite3_backup *backup = sqlite3_backup_init(copy->db, "main", source->db, "main");
    int code = backup != NULL ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(copy->db);
    int ended = sqlite3_backup_finish(backup);

    if (code == SQLITE_DONE && ended == SQLITE_OK) {
        return STATUS_OK;
    }
    return fail(why, STATUS_IO, code == SQLITE_BUSY ? "store/busy" : "store/damaged", "%s: %s",
                source->path, sqlite3_errstr(code == SQLITE_DONE ? ended : code));
}

static enum status store_copy_once(const char *path, const struct store_look *look,
                                   struct store **out_store, struct failure *why)
{
    OWNED(store) *source = memory_make(sizeof *source);
    OWNED(store) *copy = memory_make(sizeof *copy);
    int code = sqlite3_open_v2(":memory:", &copy->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_MEMORY,
                               NULL);

    copy->path = memory_text(path);
    copy->copied = true;
    source->path = memory_text(path);
    if (code != SQLITE_OK) {
        return store_fail(copy, code, "store/open", why);
    }
    if (look != NULL && look->file.st_size > 0 && !look->is_unmade) {
        TRY(store_open_to_read(source, look, why));
        TRY(store_fill(copy, source, why));
    }
    TRY(store_set_up(copy, why));
    *out_store = TAKE(copy);
    return STATUS_OK;
}

enum status store_open_copy(const char *path, struct store **out_store, struct failure *why)
{
    struct failure inner = {0};
    enum status status = STATUS_OK;

    for (int i = 0; i < STORE_COPY_TRIES; i++) {
        struct store_look look;

        status = store_look_at(path, &look, &inner);
        if (status == STATUS_NOT_FOUND) {
            return store_copy_once(path, NULL, out_store, why);
        }
        if (status == STATUS_OK) {
            status = store_copy_once(path, &look, out_store, &inner);
        }
        /* What was refused may have been half of a change: only what stands still is judged. */
        if (status == STATUS_OK || store_is_unchanged(path, &look)) {
            break;
        }
    }
    if (status != STATUS_OK && why != NULL) {
        *why = inner;
    }
    return status;
}
