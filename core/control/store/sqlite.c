/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in one SQLite file: write-ahead log, every commit synced (synchronous=FULL).
 *
 * Schema 1: pair(key, value, revision), and one row in clock for the last revision given out.
 * Source: sqlite.org/wal.html, sqlite.org/pragma.html (application_id, user_version).
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control/store/store.h"
#include "core/runtime/base/memory.h"

#define STORE_APPLICATION_ID 0x53474e54 /* "SGNT" */
#define STORE_SCHEMA 1
#define STORE_BUSY_MS 5000

enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_GET,
    STORE_PUT,
    STORE_REMOVE,
    STORE_LIST,
    STORE_REVISION,
    STORE_ADVANCE,
    STORE_RAISE,
    STORE_STATEMENTS
};

static const char *const store_texts[STORE_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_GET] = "SELECT value, revision FROM pair WHERE key = ?1",
    [STORE_PUT] = "INSERT INTO pair (key, value, revision) VALUES (?1, ?2, ?3)"
                  " ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3",
    [STORE_REMOVE] = "DELETE FROM pair WHERE key = ?1",
    [STORE_LIST] = "SELECT key, value FROM pair WHERE key >= ?1 ORDER BY key",
    [STORE_REVISION] = "SELECT last FROM clock",
    [STORE_ADVANCE] = "UPDATE clock SET last = last + 1",
    [STORE_RAISE] = "UPDATE clock SET last = ?1 WHERE last < ?1",
};

struct store {
    sqlite3 *db;                                /* owned */
    sqlite3_stmt *statements[STORE_STATEMENTS]; /* owned, prepared once */
    char *path;                                 /* owned; for messages */
    bool changing;                              /* a transaction is open */
    int64_t revision;                           /* of its writes; 0 before the first one */
};

static enum status store_fail(const struct store *store, int code, const char *reason,
                              struct failure *why)
{
    const char *text = store->db != NULL ? sqlite3_errmsg(store->db) : sqlite3_errstr(code);

    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fail(why, STATUS_IO, "store/damaged", "%s: %s", store->path, text);
    case SQLITE_FULL:
        return fail(why, STATUS_IO, "store/full", "%s: %s", store->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail(why, STATUS_IO, "store/busy", "%s: %s", store->path, text);
    default:
        return fail(why, STATUS_IO, reason, "%s: %s", store->path, text);
    }
}

/* Runs a statement that gives no rows. */
static enum status store_run(struct store *store, enum store_statement which, struct failure *why)
{
    int code = sqlite3_step(store->statements[which]);
    enum status status = STATUS_OK;

    if (code != SQLITE_DONE) {
        status = store_fail(store, code, "store/write", why);
    }
    (void)sqlite3_reset(store->statements[which]);
    return status;
}

static enum status store_exec(struct store *store, const char *text, struct failure *why)
{
    int code = sqlite3_exec(store->db, text, NULL, NULL, NULL);

    return code == SQLITE_OK ? STATUS_OK : store_fail(store, code, "store/open", why);
}

/* The first column of the only row of `text`, as a number. */
static enum status store_number(struct store *store, const char *text, int64_t *out_number,
                                struct failure *why)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, text, -1, &statement, NULL);
    enum status status = STATUS_OK;

    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    if (code == SQLITE_ROW) {
        *out_number = sqlite3_column_int64(statement, 0);
    } else {
        status = store_fail(store, code, "store/open", why);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

/* SQLite creates files by umask: ours exists, private, before SQLite sees it. */
static enum status store_make_file(const char *path, struct failure *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat about;

    if (fd < 0) {
        return fail_os(why, errno, "store/open", "%s", path);
    }
    if (fstat(fd, &about) != 0) {
        int os_error = errno;

        (void)close(fd);
        return fail_os(why, os_error, "store/open", "%s", path);
    }
    (void)close(fd);
    if (!S_ISREG(about.st_mode) || (about.st_mode & 0177) != 0) {
        return fail(why, STATUS_CONFIG, "store/mode",
                    "%s has mode %04o; it must be a regular file of mode 0600", path,
                    (unsigned)(about.st_mode & 07777));
    }
    return STATUS_OK;
}

/* Page by page, so that damage is told at start and by name, not by a wrong answer later. */
static enum status store_check_pages(struct store *store, struct failure *why)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    enum status status;

    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    if (code != SQLITE_ROW) {
        status = store_fail(store, code, "store/damaged", why);
    } else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0) {
        status = fail(why, STATUS_IO, "store/damaged", "%s: %s; restore it from a backup",
                      store->path, (const char *)sqlite3_column_text(statement, 0));
    } else {
        status = STATUS_OK;
    }
    (void)sqlite3_finalize(statement);
    return status;
}

/* Under the write lock: two processes that open a new file at once make one schema. */
static enum status store_make_schema(struct store *store, struct failure *why)
{
    int64_t application = 0;
    int64_t schema = 0;
    int64_t tables = 0;

    TRY(store_number(store, "PRAGMA application_id", &application, why));
    TRY(store_number(store, "PRAGMA user_version", &schema, why));
    TRY(store_number(store, "SELECT count(*) FROM sqlite_schema", &tables, why));
    if (application != STORE_APPLICATION_ID && (application != 0 || tables != 0)) {
        return fail(why, STATUS_CONFIG, "store/not-ours",
                    "%s is the database of another program; it is left as it is", store->path);
    }
    if (schema > STORE_SCHEMA) {
        return fail(why, STATUS_CONFIG, "store/newer-schema",
                    "%s has schema %lld and this version knows %d; it is left as it is",
                    store->path, (long long)schema, STORE_SCHEMA);
    }
    if (tables != 0) {
        return STATUS_OK;
    }
    return store_exec(store,
                      "CREATE TABLE pair (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL,"
                      " revision INTEGER NOT NULL) WITHOUT ROWID;"
                      "CREATE INDEX pair_revision ON pair (revision);"
                      "CREATE TABLE clock (only INTEGER PRIMARY KEY CHECK (only = 1),"
                      " last INTEGER NOT NULL);"
                      "INSERT INTO clock VALUES (1, 0);"
                      "PRAGMA application_id = 1397182036;" /* STORE_APPLICATION_ID */
                      "PRAGMA user_version = 1",            /* STORE_SCHEMA */
                      why);
}

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

static enum status store_set_up(struct store *store, struct failure *why)
{
    enum status status;
    int code =
        sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (code != SQLITE_OK) {
        return store_fail(store, code, "store/open", why);
    }
    (void)sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    TRY(store_check_pages(store, why));
    TRY(store_exec(store, "BEGIN IMMEDIATE", why));
    status = store_make_schema(store, why);
    if (status == STATUS_OK) {
        status = store_exec(store, "COMMIT", why);
    }
    if (status != STATUS_OK) {
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return status;
    }
    /* After the look at whose file it is: the journal mode is a change of the file. secure_delete
     * wipes what was removed, so that a used token's hash does not linger in free pages. */
    TRY(store_exec(store,
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                   "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;"
                   "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON",
                   why));
    return store_prepare(store, why);
}

enum status store_open(const char *path, struct store **out_store, struct failure *why)
{
    OWNED(store) *store = NULL;

    TRY(store_make_file(path, why));
    store = memory_make(sizeof *store);
    store->path = memory_text(path);
    TRY(store_set_up(store, why));
    *out_store = TAKE(store);
    return STATUS_OK;
}

void store_drop(struct store **store)
{
    struct store *old = TAKE(*store);

    if (old == NULL) {
        return;
    }
    for (int i = 0; i < STORE_STATEMENTS; i++) {
        (void)sqlite3_finalize(old->statements[i]);
    }
    (void)sqlite3_close(old->db);
    free(old->path);
    free(old);
}

static void store_bind(sqlite3_stmt *statement, int index, struct bytes all)
{
    /* A NULL pointer would bind SQL's NULL, which is not an empty value. */
    (void)sqlite3_bind_blob(statement, index, all.len > 0 ? (const void *)all.at : "", (int)all.len,
                            SQLITE_STATIC);
}

static struct bytes store_column(sqlite3_stmt *statement, int index)
{
    const void *at = sqlite3_column_blob(statement, index);

    return bytes_make(at, (size_t)sqlite3_column_bytes(statement, index));
}

static void store_finish(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}

static enum status store_check_key(struct bytes key, struct failure *why)
{
    if (key.len == 0 || key.len > STORE_KEY_MAX) {
        return fail(why, STATUS_LIMIT, "store/key-size", "a key has 1 to %zu bytes, not %zu",
                    STORE_KEY_MAX, key.len);
    }
    return STATUS_OK;
}

enum status store_get(struct store *store, struct bytes key, struct buffer *out_value,
                      int64_t *out_revision, struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_GET];
    enum status status;
    int code;

    TRY(store_check_key(key, why));
    store_bind(statement, 1, key);
    code = sqlite3_step(statement);
    if (code == SQLITE_DONE) {
        status = fail(why, STATUS_NOT_FOUND, "store/no-key", "no key %.*s", (int)key.len,
                      (const char *)key.at);
    } else if (code != SQLITE_ROW) {
        status = store_fail(store, code, "store/read", why);
    } else {
        status = buffer_add(out_value, store_column(statement, 0));
        if (status != STATUS_OK) {
            (void)fail(why, status, "buffer/full", "the value of %.*s passes the reader's bound",
                       (int)key.len, (const char *)key.at);
        } else if (out_revision != NULL) {
            *out_revision = sqlite3_column_int64(statement, 1);
        }
    }
    store_finish(statement);
    return status;
}

enum status store_revision(struct store *store, int64_t *out_revision, struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_REVISION];
    enum status status = STATUS_OK;
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW) {
        *out_revision = sqlite3_column_int64(statement, 0);
    } else {
        status = store_fail(store, code, "store/damaged", why);
    }
    (void)sqlite3_reset(statement);
    return status;
}

enum status store_raise(struct store *store, int64_t least, struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_RAISE];
    enum status status;

    if (least > STORE_REVISION_MAX) {
        return fail(why, STATUS_LIMIT, "store/revision", "%s: revision %lld is past %lld",
                    store->path, (long long)least, (long long)STORE_REVISION_MAX);
    }
    (void)sqlite3_bind_int64(statement, 1, least); /* a statement is a transaction of its own */
    status = store_run(store, STORE_RAISE, why);
    store_finish(statement);
    return status;
}

static enum status store_end(struct store *store, enum status status, struct failure *why)
{
    if (status == STATUS_OK) {
        status = store_run(store, STORE_COMMIT, why);
    }
    /* SQLite has already rolled back after some errors; then there is nothing to take back. */
    if (status != STATUS_OK && sqlite3_get_autocommit(store->db) == 0) {
        (void)store_run(store, STORE_ROLLBACK, NULL);
    }
    store->changing = false;
    store->revision = 0;
    return status;
}

enum status store_change(struct store *store, store_change_fn change, void *user,
                         struct failure *why)
{
    /* IMMEDIATE takes the write lock before the first read: nobody can write in between. */
    TRY(store_run(store, STORE_BEGIN, why));
    store->changing = true;
    return store_end(store, change(store, user, why), why);
}

/* The transaction's revision is drawn at its first write: one that only reads costs no sync. */
static enum status store_advance(struct store *store, struct failure *why)
{
    if (store->revision != 0) {
        return STATUS_OK;
    }
    TRY(store_run(store, STORE_ADVANCE, why));
    return store_revision(store, &store->revision, why);
}

enum status store_own_revision(struct store *store, int64_t *out_revision, struct failure *why)
{
    TRY(store_advance(store, why));
    *out_revision = store->revision;
    return STATUS_OK;
}

static enum status store_write(struct store *store, struct bytes key, struct bytes value,
                               struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_PUT];
    enum status status;

    TRY(store_advance(store, why));
    store_bind(statement, 1, key);
    store_bind(statement, 2, value);
    (void)sqlite3_bind_int64(statement, 3, store->revision);
    status = store_run(store, STORE_PUT, why);
    store_finish(statement);
    return status;
}

/* One change, the same inside a transaction and alone. */
struct store_single {
    struct bytes key;
    struct bytes value;
    int64_t expected;
};

static enum status store_single_put(struct store *store, void *user, struct failure *why)
{
    const struct store_single *single = user;

    return store_write(store, single->key, single->value, why);
}

static enum status store_single_swap(struct store *store, void *user, struct failure *why)
{
    const struct store_single *single = user;
    CLEARED(buffer) old = {.max = STORE_VALUE_MAX};
    int64_t revision = STORE_ABSENT;
    enum status status = store_get(store, single->key, &old, &revision, why);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    if (revision != single->expected) {
        return fail(why, STATUS_DENIED, "store/changed", "%.*s is at revision %lld, not %lld",
                    (int)single->key.len, (const char *)single->key.at, (long long)revision,
                    (long long)single->expected);
    }
    return store_write(store, single->key, single->value, why);
}

static enum status store_single_remove(struct store *store, void *user, struct failure *why)
{
    const struct store_single *single = user;
    sqlite3_stmt *statement = store->statements[STORE_REMOVE];
    enum status status;

    TRY(store_advance(store, why));
    store_bind(statement, 1, single->key);
    status = store_run(store, STORE_REMOVE, why);
    store_finish(statement);
    if (status == STATUS_OK && sqlite3_changes(store->db) == 0) {
        return fail(why, STATUS_NOT_FOUND, "store/no-key", "no key %.*s", (int)single->key.len,
                    (const char *)single->key.at);
    }
    return status;
}

static enum status store_apply(struct store *store, store_change_fn change,
                               struct store_single *single, struct failure *why)
{
    TRY(store_check_key(single->key, why));
    if (single->value.len > STORE_VALUE_MAX) {
        return fail(why, STATUS_LIMIT, "store/value-size", "a value has at most %zu bytes, not %zu",
                    STORE_VALUE_MAX, single->value.len);
    }
    if (store->changing) {
        return change(store, single, why);
    }
    return store_change(store, change, single, why);
}

enum status store_put(struct store *store, struct bytes key, struct bytes value,
                      struct failure *why)
{
    struct store_single single = {.key = key, .value = value};

    return store_apply(store, store_single_put, &single, why);
}

enum status store_swap(struct store *store, struct bytes key, int64_t expected, struct bytes value,
                       struct failure *why)
{
    struct store_single single = {.key = key, .value = value, .expected = expected};

    return store_apply(store, store_single_swap, &single, why);
}

enum status store_remove(struct store *store, struct bytes key, struct failure *why)
{
    struct store_single single = {.key = key};

    return store_apply(store, store_single_remove, &single, why);
}

enum status store_list(struct store *store, struct bytes prefix, store_visit_fn visit, void *user,
                       struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_LIST];
    enum status status = STATUS_OK;

    store_bind(statement, 1, prefix);
    while (status == STATUS_OK) {
        int code = sqlite3_step(statement);

        if (code == SQLITE_DONE) {
            break;
        }
        if (code != SQLITE_ROW) {
            status = store_fail(store, code, "store/read", why);
            break;
        }
        struct bytes key = store_column(statement, 0);

        if (!bytes_starts(key, prefix)) {
            break; /* keys are in order: none follows */
        }
        status = visit(user, key, store_column(statement, 1), why);
    }
    store_finish(statement);
    return status;
}
