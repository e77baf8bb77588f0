/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables, and how they came to be.
 *
 * Schema 1: pair(key, value, revision) and clock(last): nothing told a lost record from one that never was.
 * Schema 2: record(key, value, revision, checksum) and tally(last, commits, count, total, checksum).
 * Source: sqlite.org/pragma.html (application_id, user_version).
 */
#include <stdio.h>
#include <string.h>

#include "core/control/store/handle.h"

#define STORE_APPLICATION_ID 0x53474e54 /* "SGNT" */
#define STORE_SCHEMA 2

#define STORE_RECORD_TABLE                                                                         \
    "CREATE TABLE record (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL,"                     \
    " revision INTEGER NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID"
#define STORE_RECORD_INDEX "CREATE INDEX record_revision ON record (revision)"
#define STORE_TALLY_TABLE                                                                          \
    "CREATE TABLE tally (only INTEGER PRIMARY KEY CHECK (only = 1), last INTEGER NOT NULL,"        \
    " commits INTEGER NOT NULL, count INTEGER NOT NULL, total INTEGER NOT NULL,"                   \
    " checksum INTEGER NOT NULL)"

/* One text as SQLite keeps it, in the order of the names. */
static const char store_schema_query[] =
    "SELECT coalesce(group_concat(sql, ';'), '')"
    " FROM (SELECT sql FROM sqlite_schema ORDER BY name)";
static const char store_schema_text[] =
    STORE_RECORD_TABLE ";" STORE_RECORD_INDEX ";" STORE_TALLY_TABLE;

static enum status store_first_tally(struct store *store, const struct checksum_tally *tally,
                                     struct failure *why)
{
    char text[160];

    (void)snprintf(text, sizeof text, "INSERT INTO tally VALUES (1, %lld, %lld, %lld, %lld, %lld)",
                   (long long)tally->last, (long long)tally->commits, (long long)tally->count,
                   (long long)tally->total, (long long)checksum_of_tally(tally));
    return store_exec(store, text, why);
}

static enum status store_make_tables(struct store *store, struct failure *why)
{
    return store_exec(store,
                      STORE_RECORD_TABLE ";" STORE_RECORD_INDEX ";" STORE_TALLY_TABLE ";"
                      "PRAGMA application_id = 1397182036;" /* STORE_APPLICATION_ID */
                      "PRAGMA user_version = 2",            /* STORE_SCHEMA */
                      why);
}

/* --- from schema 1 ------------------------------------------------------------------------------ */

/* Keys were always printable ASCII (store.h): the one thing that schema 1 lets us judge. */
static bool store_plausible(const struct checksum_record *record)
{
    for (size_t i = 0; i < record->key.len; i++) {
        if (record->key.at[i] < 0x20 || record->key.at[i] > 0x7e) {
            return false;
        }
    }
    return record->key.len > 0;
}

static enum status store_take_over_row(struct store *store, sqlite3_stmt *from, sqlite3_stmt *into,
                                       struct checksum_tally *tally, struct failure *why)
{
    struct checksum_record record = {.key = store_column(from, 0),
                                     .value = store_column(from, 1),
                                     .revision = sqlite3_column_int64(from, 2)};
    uint64_t sum = checksum_of_record(&record);
    int code;

    if (sqlite3_column_type(from, 0) != SQLITE_BLOB ||
        sqlite3_column_type(from, 1) != SQLITE_BLOB ||
        sqlite3_column_type(from, 2) != SQLITE_INTEGER || !store_plausible(&record) ||
        record.revision > tally->last) {
        return fail(why, STATUS_IO, "store/damaged",
                    "%s: the record %.*s cannot be one of ours; restore the file from a backup",
                    store->path, record.key.len > 80 ? 80 : (int)record.key.len,
                    (const char *)record.key.at);
    }
    store_blob(into, 1, record.key);
    store_blob(into, 2, record.value);
    (void)sqlite3_bind_int64(into, 3, record.revision);
    (void)sqlite3_bind_int64(into, 4, (int64_t)sum);
    code = sqlite3_step(into);
    store_release(into);
    if (code != SQLITE_DONE) {
        return store_fail(store, code, "store/write", why);
    }
    tally->count++;
    tally->total += sum;
    return STATUS_OK;
}

static enum status store_take_over_rows(struct store *store, struct checksum_tally *tally,
                                        struct failure *why)
{
    sqlite3_stmt *from = NULL;
    sqlite3_stmt *into = NULL;
    enum status status = STATUS_OK;
    int code = sqlite3_prepare_v2(
        store->db, "SELECT key, value, revision FROM pair ORDER BY key", -1, &from, NULL);

    if (code == SQLITE_OK) {
        code = sqlite3_prepare_v2(store->db, "INSERT INTO record VALUES (?1, ?2, ?3, ?4)", -1,
                                  &into, NULL);
    }
    while (code == SQLITE_OK && status == STATUS_OK && (code = sqlite3_step(from)) == SQLITE_ROW) {
        status = store_take_over_row(store, from, into, tally, why);
        code = SQLITE_OK;
    }
    if (status == STATUS_OK && code != SQLITE_DONE) {
        status = store_fail(store, code, "store/damaged", why);
    }
    (void)sqlite3_finalize(from);
    (void)sqlite3_finalize(into);
    return status;
}

static enum status store_take_over(struct store *store, struct failure *why)
{
    struct checksum_tally tally = {0};

    TRY(store_check_pages(store, why));
    TRY(store_number(store, "SELECT last FROM clock", &tally.last, why));
    TRY(store_make_tables(store, why));
    TRY(store_take_over_rows(store, &tally, why));
    TRY(store_first_tally(store, &tally, why));
    return store_exec(store, "DROP TABLE pair; DROP TABLE clock", why);
}

/* --- whose file --------------------------------------------------------------------------------- */

enum status store_schema(struct store *store, struct failure *why)
{
    const struct checksum_tally none = {0};
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
    if (application == 0 && tables == 0) {
        TRY(store_make_tables(store, why));
        return store_first_tally(store, &none, why);
    }
    return schema == 1 ? store_take_over(store, why) : STATUS_OK;
}

enum status store_schema_check(struct store *store, struct failure *why)
{
    char text[sizeof store_schema_text + 64];

    TRY(store_word(store, store_schema_query, text, sizeof text, why));
    if (strcmp(text, store_schema_text) != 0) {
        return fail(why, STATUS_IO, "store/damaged",
                    "%s: its tables are not those of schema %d; restore the file from a backup",
                    store->path, STORE_SCHEMA);
    }
    return STATUS_OK;
}
