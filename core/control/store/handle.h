/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handle of the store from within: what the files of this folder share. Nobody else
 * includes it.
 */
#ifndef SIGNET_CORE_CONTROL_STORE_HANDLE_H
#define SIGNET_CORE_CONTROL_STORE_HANDLE_H

#include <sqlite3.h>
#include <sys/stat.h>

#include "core/control/store/checksum.h"
#include "core/control/store/store.h"

#define STORE_BUSY_MS 5000

enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_GET,
    STORE_PUT,
    STORE_REMOVE,
    STORE_LIST,
    STORE_COUNT,
    STORE_TALLY,
    STORE_SET_TALLY,
    STORE_STATEMENTS
};

struct store {
    sqlite3 *db;                                /* owned */
    sqlite3_stmt *statements[STORE_STATEMENTS]; /* owned, prepared once */
    char *path;                                 /* owned; for messages */
    bool copied;                                /* a copy in memory: nothing to sync */
    bool changing;                              /* a transaction is open */
    bool drawn;                                 /* it writes: `tally` is what it will commit */
    int64_t revision;                           /* of its writes; 0 before the first one */
    bool broken;                                /* one of its writes failed: it cannot commit */
    struct checksum_tally tally;
    struct failure refusal; /* of the last write; reason NULL: it held */
};

/* store_fail says what SQLite answered, by the reason that fits best; `reason` where none does. */
enum status store_fail(const struct store *store, int code, const char *reason,
                       struct failure *why);

/* store_exec runs texts that give no rows. */
enum status store_exec(struct store *store, const char *text, struct failure *why) MUST_USE;

/* store_number is the first column of the first row of `text`, as a number. */
enum status store_number(struct store *store, const char *text, int64_t *out_number,
                         struct failure *why) MUST_USE;

/* store_word is the same as text, cut to `room` bytes with its NUL. */
enum status store_word(struct store *store, const char *text, char *out, size_t room,
                       struct failure *why) MUST_USE;

/* store_set_up makes a handle of an open database: `db`, `path` and `copied` are there. */
enum status store_set_up(struct store *store, struct failure *why) MUST_USE;

/* store_blob binds bytes, never SQL's NULL. */
void store_blob(sqlite3_stmt *statement, int index, struct bytes all);

/* store_column borrows a blob of the present row. */
struct bytes store_column(sqlite3_stmt *statement, int index);

/* store_release makes a statement ready for its next use. */
void store_release(sqlite3_stmt *statement);

/*
 * store_check_file: a regular file, of ours or root's, that nobody else may read or write.
 * STATUS_CONFIG "store/mode", "store/owner".
 */
enum status store_check_file(const char *path, const struct stat *about,
                             struct failure *why) MUST_USE;

/* Schema (schema.c) */

/*
 * store_schema finds out whose file this is, makes the tables of a new one, and brings those of
 * schema 1 to the present one; within a transaction.
 */
enum status store_schema(struct store *store, struct failure *why) MUST_USE;

/* store_schema_check compares the tables' own texts with what this program makes. */
enum status store_schema_check(struct store *store, struct failure *why) MUST_USE;

/* Proof (proof.c) */

/* store_check_pages asks SQLite whether the pages are whole. */
enum status store_check_pages(struct store *store, struct failure *why) MUST_USE;

/*
 * store_prove proves tally, records and pages, in one state of the file whoever else writes.
 * STATUS_IO "store/damaged", "store/read".
 */
enum status store_prove(struct store *store, struct failure *why) MUST_USE;

/*
 * store_row reads a row of (key, value, revision, checksum), in that order, and proves it.
 * STATUS_IO "store/damaged" names the record.
 */
enum status store_row(const struct store *store, sqlite3_stmt *statement,
                      struct checksum_record *out_record, struct failure *why) MUST_USE;

/* store_read_tally reads and proves the tally. */
enum status store_read_tally(struct store *store, struct checksum_tally *out_tally,
                             struct failure *why) MUST_USE;

#endif
