/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is everything there, once, and as it was written? SQLite's own check looks at pages and order; it
 * passes over a record whose bytes changed, and over one that is gone.
 */
#include <stdlib.h>
#include <string.h>

#include "core/control/store/handle.h"
#include "core/runtime/base/memory.h"

enum status store_check_pages(struct store *store, struct failure *why)
{
    char answer[128];
    struct failure inner = {0};
    enum status status = store_word(store, "PRAGMA integrity_check(1)", answer, sizeof answer,
                                    &inner);

    if (status != STATUS_OK) {
        return fail(why, status, inner.reason, "%s", inner.detail);
    }
    if (strcmp(answer, "ok") != 0) {
        const char *line = strchr(answer, '\n'); /* behind a heading */

        return fail(why, STATUS_IO, "store/damaged", "%s: %s; restore the file from a backup",
                    store->path, line != NULL ? line + 1 : answer);
    }
    return STATUS_OK;
}

enum status store_row(const struct store *store, sqlite3_stmt *statement,
                      struct checksum_record *out_record, struct failure *why)
{
    struct checksum_record record = {.key = store_column(statement, 0),
                                     .value = store_column(statement, 1),
                                     .revision = sqlite3_column_int64(statement, 2)};

    /* A text of the same bytes has another place in the order than a blob: types count. */
    if (sqlite3_column_type(statement, 0) != SQLITE_BLOB ||
        sqlite3_column_type(statement, 1) != SQLITE_BLOB ||
        sqlite3_column_type(statement, 2) != SQLITE_INTEGER ||
        (uint64_t)sqlite3_column_int64(statement, 3) != checksum_of_record(&record)) {
        return fail(why, STATUS_IO, "store/damaged",
                    "%s: the record %.*s is not what was written; restore the file from a backup",
                    store->path, record.key.len > 80 ? 80 : (int)record.key.len,
                    (const char *)record.key.at);
    }
    *out_record = record;
    return STATUS_OK;
}

enum status store_read_tally(struct store *store, struct checksum_tally *out_tally,
                             struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_TALLY];
    struct checksum_tally tally;
    enum status status = STATUS_OK;
    int code = sqlite3_step(statement);

    if (code != SQLITE_ROW) {
        status = store_fail(store, code, "store/damaged", why);
    } else {
        tally = (struct checksum_tally){.last = sqlite3_column_int64(statement, 0),
                                        .commits = sqlite3_column_int64(statement, 1),
                                        .count = sqlite3_column_int64(statement, 2),
                                        .total = (uint64_t)sqlite3_column_int64(statement, 3)};
        if ((uint64_t)sqlite3_column_int64(statement, 4) != checksum_of_tally(&tally)) {
            status = fail(why, STATUS_IO, "store/damaged",
                          "%s: its tally is not what was written; restore the file from a backup",
                          store->path);
        } else {
            *out_tally = tally;
        }
    }
    (void)sqlite3_reset(statement);
    return status;
}

/* A key kept from one row to the next. */
struct store_last_key {
    uint8_t at[STORE_KEY_MAX];
    size_t len;
};

static bool store_follows(const struct store_last_key *last, struct bytes key)
{
    size_t both = last->len < key.len ? last->len : key.len;
    int order = memcmp(last->at, key.at, both);

    return order < 0 || (order == 0 && last->len < key.len);
}

static enum status store_prove_rows(struct store *store, struct checksum_tally *counted,
                                    struct store_last_key *last, struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_LIST];
    struct checksum_record record;
    int code;

    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        TRY(store_row(store, statement, &record, why));
        if (record.key.len == 0 || record.key.len > STORE_KEY_MAX ||
            (counted->count > 0 && !store_follows(last, record.key))) {
            return fail(why, STATUS_IO, "store/damaged",
                        "%s: the record %.*s is out of its order; restore the file from a backup",
                        store->path, record.key.len > 80 ? 80 : (int)record.key.len,
                        (const char *)record.key.at);
        }
        memcpy(last->at, record.key.at, record.key.len);
        last->len = record.key.len;
        counted->count++;
        counted->total += checksum_of_record(&record);
    }
    return code == SQLITE_DONE ? STATUS_OK : store_fail(store, code, "store/read", why);
}

static enum status store_prove_all(struct store *store, struct failure *why)
{
    struct store_last_key *last = memory_make(sizeof *last);
    sqlite3_stmt *statement = store->statements[STORE_LIST];
    struct checksum_tally counted = {0};
    struct checksum_tally tally = {0};
    enum status status = store_read_tally(store, &tally, why);

    if (status == STATUS_OK) {
        store_blob(statement, 1, bytes_of(""));
        status = store_prove_rows(store, &counted, last, why);
        store_release(statement);
    }
    free(last);
    TRY(status);
    if (counted.count != tally.count || counted.total != tally.total) {
        return fail(why, STATUS_IO, "store/damaged",
                    "%s: %lld records are there and %lld were written, or some are older than "
                    "they should be; restore the file from a backup",
                    store->path, (long long)counted.count, (long long)tally.count);
    }
    return store_check_pages(store, why);
}

enum status store_prove(struct store *store, struct failure *why)
{
    enum status status;

    /* One state of the file, whoever else writes. */
    TRY(store_exec(store, "BEGIN", why));
    status = store_prove_all(store, why);
    (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}
