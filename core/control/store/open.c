/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: the file itself, then SQLite's settings, whose database it is, and the proof that all is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control/store/handle.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/base/secret.h"

#define STORE_SYNCED 2 /* PRAGMA synchronous: FULL */

/* --- SQLite's own answers ------------------------------------------------------------------------ */

static bool store_disk_is_full(const struct store *store, int code)
{
    int os_error = store->db != NULL ? sqlite3_system_errno(store->db) : 0;

    return code == SQLITE_FULL ||
           ((code == SQLITE_IOERR || code == SQLITE_CANTOPEN) &&
            (os_error == ENOSPC || os_error == EDQUOT || os_error == EFBIG));
}

enum status store_fail(const struct store *store, int code, const char *reason,
                       struct failure *why)
{
    const char *text = store->db != NULL ? sqlite3_errmsg(store->db) : sqlite3_errstr(code);

    code &= 0xff;
    if (store_disk_is_full(store, code)) {
        return fail(why, STATUS_IO, "store/full", "%s: its disk is full (%s)", store->path, text);
    }
    switch (code) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fail(why, STATUS_IO, "store/damaged", "%s: %s; restore the file from a backup",
                    store->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail(why, STATUS_IO, "store/busy", "%s: %s", store->path, text);
    default:
        return fail(why, STATUS_IO, reason, "%s: %s", store->path, text);
    }
}

enum status store_exec(struct store *store, const char *text, struct failure *why)
{
    int code = sqlite3_exec(store->db, text, NULL, NULL, NULL);

    return code == SQLITE_OK ? STATUS_OK : store_fail(store, code, "store/open", why);
}

static enum status store_first_row(struct store *store, const char *text,
                                   sqlite3_stmt **out_statement, struct failure *why)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, text, -1, &statement, NULL);

    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    if (code != SQLITE_ROW) {
        enum status status = store_fail(store, code, "store/open", why);

        if (code == SQLITE_DONE) {
            status = fail(why, STATUS_IO, "store/damaged", "%s: nothing answers %.60s", store->path,
                          text);
        }
        (void)sqlite3_finalize(statement);
        return status;
    }
    *out_statement = statement;
    return STATUS_OK;
}

enum status store_number(struct store *store, const char *text, int64_t *out_number,
                         struct failure *why)
{
    sqlite3_stmt *statement = NULL;

    TRY(store_first_row(store, text, &statement, why));
    *out_number = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return STATUS_OK;
}

enum status store_word(struct store *store, const char *text, char *out, size_t room,
                       struct failure *why)
{
    sqlite3_stmt *statement = NULL;
    const char *word;

    TRY(store_first_row(store, text, &statement, why));
    word = (const char *)sqlite3_column_text(statement, 0);
    (void)snprintf(out, room, "%s", word != NULL ? word : "");
    (void)sqlite3_finalize(statement);
    return STATUS_OK;
}

/* --- the file ------------------------------------------------------------------------------------ */

enum status store_check_file(const char *path, const struct stat *about, struct failure *why)
{
    if (!S_ISREG(about->st_mode) || (about->st_mode & 0177) != 0) {
        return fail(why, STATUS_CONFIG, "store/mode",
                    "%s has mode %04o; it must be a regular file of mode 0600", path,
                    (unsigned)(about->st_mode & 07777));
    }
    if (!secret_owner_is_trusted(about->st_uid)) {
        return fail(why, STATUS_CONFIG, "store/owner",
                    "%s belongs to user %u; it must be ours (%u) or root's", path,
                    (unsigned)about->st_uid, (unsigned)geteuid());
    }
    return STATUS_OK;
}

/* A name is only durable when its folder is. */
static int store_sync_folder(const char *path)
{
    char *folder = memory_text(path);
    char *slash = strrchr(folder, '/');
    int os_error = 0;
    int fd;

    if (slash != NULL) {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        os_error = errno;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(folder);
    return os_error;
}

static enum status store_file_failed(const char *path, int os_error, struct failure *why)
{
    bool full = os_error == ENOSPC || os_error == EDQUOT;

    return fail_os(why, os_error, full ? "store/full" : "store/open", "%s", path);
}

/* SQLite creates files by umask: ours exists, private, before SQLite sees it. */
static enum status store_make_file(const char *path, struct failure *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat about;
    int os_error = 0;

    if (fd < 0) {
        return store_file_failed(path, errno, why);
    }
    if (fstat(fd, &about) != 0) {
        os_error = errno;
    }
    (void)close(fd);
    if (os_error == 0 && about.st_size == 0) {
        os_error = store_sync_folder(path);
    }
    if (os_error != 0) {
        return store_file_failed(path, os_error, why);
    }
    return store_check_file(path, &about, why);
}

/* --- settings ------------------------------------------------------------------------------------ */

static const char *const store_texts[STORE_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_GET] = "SELECT key, value, revision, checksum FROM record WHERE key = ?1",
    [STORE_PUT] = "INSERT INTO record (key, value, revision, checksum) VALUES (?1, ?2, ?3, ?4)"
                  " ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3, checksum = ?4",
    [STORE_REMOVE] = "DELETE FROM record WHERE key = ?1",
    [STORE_LIST] = "SELECT key, value, revision, checksum FROM record WHERE key >= ?1 ORDER BY key",
    [STORE_COUNT] = "SELECT count(*) FROM record WHERE key >= ?1 AND key < ?2",
    [STORE_TALLY] = "SELECT last, commits, count, total, checksum FROM tally",
    [STORE_SET_TALLY] = "UPDATE tally SET last = ?1, commits = ?2, count = ?3, total = ?4,"
                        " checksum = ?5",
};

static enum status store_prepare(struct store *store, struct failure *why)
{
    for (int i = 0; i < STORE_STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(store->db, store_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &store->statements[i], NULL);

        if (code != SQLITE_OK) {
            return store_fail(store, code, "store/damaged", why);
        }
    }
    return STATUS_OK;
}

/*
 * A commit is on the disk when it returns: asked for, and then looked at, because SQLite answers a
 * journal mode that the file system cannot keep with another one and no error.
 */
static enum status store_sync_commits(struct store *store, struct failure *why)
{
    char mode[16];
    int64_t synchronous = 0;

    TRY(store_word(store, "PRAGMA journal_mode = WAL", mode, sizeof mode, why));
    TRY(store_exec(store, "PRAGMA synchronous = FULL", why));
    TRY(store_number(store, "PRAGMA synchronous", &synchronous, why));
    if (strcmp(mode, "wal") != 0 || synchronous != STORE_SYNCED) {
        return fail(why, STATUS_IO, "store/open",
                    "%s: commits would not be safe here (journal %s, synchronous %lld): the file "
                    "system must be a local one",
                    store->path, mode, (long long)synchronous);
    }
    return STATUS_OK;
}

static enum status store_settle_schema(struct store *store, struct failure *why)
{
    enum status status;

    TRY(store_exec(store, "BEGIN IMMEDIATE", why)); /* two who open a new file make one schema */
    status = store_schema(store, why);
    if (status == STATUS_OK) {
        status = store_exec(store, "COMMIT", why);
    }
    if (status != STATUS_OK) {
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

enum status store_set_up(struct store *store, struct failure *why)
{
    (void)sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* secure_delete wipes what was removed, so that a used token's hash does not linger in free pages. */
    TRY(store_exec(store,
                   "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;"
                   "PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON",
                   why));
    TRY(store_settle_schema(store, why));
    TRY(store_schema_check(store, why));
    if (!store->copied) {
        /* After the look at whose file it is: the journal mode is a change of the file. */
        TRY(store_sync_commits(store, why));
    }
    TRY(store_prepare(store, why));
    return store_prove(store, why);
}

enum status store_open(const char *path, struct store **out_store, struct failure *why)
{
    OWNED(store) *store = NULL;
    int code;

    TRY(store_make_file(path, why));
    store = memory_make(sizeof *store);
    store->path = memory_text(path);
    code = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return store_fail(store, code, "store/open", why);
    }
    TRY(store_set_up(store, why));
    TRY(store_probe(store, why));
    *out_store = TAKE(store);
    return STATUS_OK;
}
