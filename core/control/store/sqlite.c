/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in one SQLite file: write-ahead log, every commit synced (synchronous=FULL), every record
 * with its checksum and all of them in a tally, which each transaction brings up to date.
 *
 * Elsewhere: the tables (schema.c), the proof that all is there (proof.c), opening (open.c).
 * Source: sqlite.org/wal.html.
 */
#include <stdlib.h>
#include <string.h>

#include "core/control/store/handle.h"

void store_blob(sqlite3_stmt *statement, int index, struct bytes all)
{
    /* A NULL pointer would bind SQL's NULL, which is not an empty value. */
    (void)sqlite3_bind_blob(statement, index, all.len > 0 ? (const void *)all.at : "", (int)all.len,
                            SQLITE_STATIC);
}

struct bytes store_column(sqlite3_stmt *statement, int index)
{
    const void *at = sqlite3_column_blob(statement, index);

    return bytes_make(at, (size_t)sqlite3_column_bytes(statement, index));
}

void store_release(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
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

/* --- reading -------------------------------------------------------------------------------------- */

static enum status store_check_key(struct bytes key, struct failure *why)
{
    if (key.len == 0 || key.len > STORE_KEY_MAX) {
        return fail(why, STATUS_LIMIT, "store/key-size", "a key has 1 to %zu bytes, not %zu",
                    STORE_KEY_MAX, key.len);
    }
    return STATUS_OK;
}

/* The record of `key`, borrowed until store_release() of STORE_GET. */
static enum status store_find(struct store *store, struct bytes key,
                              struct checksum_record *out_record, struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_GET];
    int code;

    store_blob(statement, 1, key);
    code = sqlite3_step(statement);
    if (code == SQLITE_DONE) {
        return fail(why, STATUS_NOT_FOUND, "store/no-key", "no key %.*s", (int)key.len,
                    (const char *)key.at);
    }
    return code == SQLITE_ROW ? store_row(store, statement, out_record, why)
                              : store_fail(store, code, "store/read", why);
}

enum status store_get(struct store *store, struct bytes key, struct buffer *out_value,
                      int64_t *out_revision, struct failure *why)
{
    struct checksum_record record;
    enum status status;

    TRY(store_check_key(key, why));
    status = store_find(store, key, &record, why);
    if (status == STATUS_OK) {
        status = buffer_add(out_value, record.value);
        if (status != STATUS_OK) {
            (void)fail(why, status, "buffer/full", "the value of %.*s passes the reader's bound",
                       (int)key.len, (const char *)key.at);
        } else if (out_revision != NULL) {
            *out_revision = record.revision;
        }
    }
    store_release(store->statements[STORE_GET]);
    return status;
}

enum status store_list(struct store *store, struct bytes prefix, store_visit_fn visit, void *user,
                       struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_LIST];
    enum status status = STATUS_OK;

    store_blob(statement, 1, prefix);
    while (status == STATUS_OK) {
        struct checksum_record record;
        int code = sqlite3_step(statement);

        if (code == SQLITE_DONE) {
            break;
        }
        if (code != SQLITE_ROW) {
            status = store_fail(store, code, "store/read", why);
            break;
        }
        /* Proved before its key ends the list: a damaged one must not end it early. */
        status = store_row(store, statement, &record, why);
        if (status == STATUS_OK && !bytes_starts(record.key, prefix)) {
            break; /* keys are in order: none follows */
        }
        if (status == STATUS_OK) {
            status = visit(user, record.key, record.value, why);
        }
    }
    store_release(statement);
    return status;
}

enum status store_count(struct store *store, struct bytes prefix, size_t *out_count,
                        struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_COUNT];
    uint8_t behind[STORE_KEY_MAX]; /* the first key that could follow them all: keys are ASCII */
    enum status status = STATUS_OK;
    int code;

    TRY(store_check_key(prefix, why));
    memcpy(behind, prefix.at, prefix.len);
    behind[prefix.len - 1]++;
    store_blob(statement, 1, prefix);
    store_blob(statement, 2, bytes_make(behind, prefix.len));
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *out_count = (size_t)sqlite3_column_int64(statement, 0);
    } else {
        status = store_fail(store, code, "store/read", why);
    }
    store_release(statement);
    return status;
}

enum status store_revision(struct store *store, int64_t *out_revision, struct failure *why)
{
    struct checksum_tally tally;

    if (store->drawn) {
        *out_revision = store->tally.last;
        return STATUS_OK;
    }
    TRY(store_read_tally(store, &tally, why));
    *out_revision = tally.last;
    return STATUS_OK;
}

/* --- transactions --------------------------------------------------------------------------------- */

/* Runs a statement that gives no rows. What fails here is a write, and is remembered. */
static enum status store_run(struct store *store, enum store_statement which, struct failure *why)
{
    int code = sqlite3_step(store->statements[which]);
    enum status status = STATUS_OK;

    if (code != SQLITE_DONE) {
        status = store_fail(store, code, "store/write", &store->refusal);
        store->broken = true;
        if (why != NULL) {
            *why = store->refusal;
        }
    }
    (void)sqlite3_reset(store->statements[which]);
    return status;
}

static enum status store_write_tally(struct store *store, struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_SET_TALLY];
    enum status status;

    (void)sqlite3_bind_int64(statement, 1, store->tally.last);
    (void)sqlite3_bind_int64(statement, 2, store->tally.commits);
    (void)sqlite3_bind_int64(statement, 3, store->tally.count);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)store->tally.total);
    (void)sqlite3_bind_int64(statement, 5, (int64_t)checksum_of_tally(&store->tally));
    status = store_run(store, STORE_SET_TALLY, why);
    store_release(statement);
    return status;
}

static enum status store_commit(struct store *store, struct failure *why)
{
    /* After a write that failed, SQLite may have taken back more than that write. */
    if (store->broken) {
        if (why != NULL) {
            *why = store->refusal;
        }
        return STATUS_IO;
    }
    if (store->drawn) {
        TRY(store_write_tally(store, why));
    }
    TRY(store_run(store, STORE_COMMIT, why));
    if (store->drawn) {
        store->refusal.reason = NULL;
    }
    return STATUS_OK;
}

static enum status store_end(struct store *store, enum status status, struct failure *why)
{
    if (status == STATUS_OK) {
        status = store_commit(store, why);
    }
    /* SQLite has already rolled back after some errors; then there is nothing to take back. */
    if (status != STATUS_OK && sqlite3_get_autocommit(store->db) == 0) {
        (void)sqlite3_step(store->statements[STORE_ROLLBACK]);
        (void)sqlite3_reset(store->statements[STORE_ROLLBACK]);
    }
    store->changing = false;
    store->drawn = false;
    store->revision = 0;
    store->broken = false;
    return status;
}

enum status store_change(struct store *store, store_change_fn change, void *user,
                         struct failure *why)
{
    enum status status;

    /* IMMEDIATE takes the write lock before the first read: nobody can write in between. */
    status = store_run(store, STORE_BEGIN, why);
    store->broken = false;
    TRY(status);
    store->changing = true;
    return store_end(store, change(store, user, why), why);
}

/* The tally is drawn at a transaction's first write: one that only reads costs no sync. */
static enum status store_draw(struct store *store, struct failure *why)
{
    if (store->broken) {
        return fail(why, STATUS_IO, store->refusal.reason, "%s", store->refusal.detail);
    }
    if (!store->drawn) {
        TRY(store_read_tally(store, &store->tally, why));
        store->tally.commits++; /* SQLite writes nothing where nothing differs */
        store->drawn = true;
    }
    return STATUS_OK;
}

static enum status store_advance(struct store *store, struct failure *why)
{
    TRY(store_draw(store, why));
    if (store->revision == 0) {
        store->revision = ++store->tally.last;
    }
    return STATUS_OK;
}

enum status store_own_revision(struct store *store, int64_t *out_revision, struct failure *why)
{
    TRY(store_advance(store, why));
    *out_revision = store->revision;
    return STATUS_OK;
}

static enum status store_raise_one(struct store *store, void *user, struct failure *why)
{
    const int64_t *least = user;
    int64_t last = 0;

    TRY(store_revision(store, &last, why));
    if (last < *least) {
        TRY(store_draw(store, why));
        store->tally.last = *least;
    }
    return STATUS_OK;
}

enum status store_raise(struct store *store, int64_t least, struct failure *why)
{
    if (least > STORE_REVISION_MAX) {
        return fail(why, STATUS_LIMIT, "store/revision", "%s: revision %lld is past %lld",
                    store->path, (long long)least, (long long)STORE_REVISION_MAX);
    }
    return store->changing ? store_raise_one(store, &least, why)
                           : store_change(store, store_raise_one, &least, why);
}

static enum status store_probe_one(struct store *store, void *user, struct failure *why)
{
    (void)user;
    return store_draw(store, why);
}

enum status store_probe(struct store *store, struct failure *why)
{
    return store_change(store, store_probe_one, NULL, why);
}

const struct failure *store_refusal(const struct store *store)
{
    return store->refusal.reason != NULL ? &store->refusal : NULL;
}

/* --- changes -------------------------------------------------------------------------------------- */

/* One change, the same inside a transaction and alone. */
struct store_single {
    struct bytes key;
    struct bytes value;
    int64_t expected;
};

/* What a key weighs in the tally now; 0 where it is not there. A damaged record is not written over. */
static enum status store_weigh(struct store *store, struct bytes key, uint64_t *out_sum,
                               int64_t *out_revision, struct failure *why)
{
    struct checksum_record record;
    struct failure inner = {0};
    enum status status = store_find(store, key, &record, &inner);

    if (status == STATUS_OK) {
        *out_sum = checksum_of_record(&record);
        *out_revision = record.revision;
    } else if (status == STATUS_NOT_FOUND) {
        *out_sum = 0;
        *out_revision = STORE_ABSENT;
        status = STATUS_OK;
    } else if (why != NULL) {
        *why = inner;
    }
    store_release(store->statements[STORE_GET]);
    return status;
}

static enum status store_write(struct store *store, const struct store_single *single,
                               uint64_t old_sum, bool is_new, struct failure *why)
{
    sqlite3_stmt *statement = store->statements[STORE_PUT];
    struct checksum_record record = {.key = single->key, .value = single->value};
    enum status status;
    uint64_t sum;

    TRY(store_advance(store, why));
    record.revision = store->revision;
    sum = checksum_of_record(&record);
    store_blob(statement, 1, record.key);
    store_blob(statement, 2, record.value);
    (void)sqlite3_bind_int64(statement, 3, record.revision);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)sum);
    status = store_run(store, STORE_PUT, why);
    store_release(statement);
    TRY(status);
    store->tally.count += is_new ? 1 : 0;
    store->tally.total += sum - old_sum;
    return STATUS_OK;
}

static enum status store_single_put(struct store *store, void *user, struct failure *why)
{
    const struct store_single *single = user;
    int64_t revision;
    uint64_t sum;

    TRY(store_weigh(store, single->key, &sum, &revision, why));
    return store_write(store, single, sum, revision == STORE_ABSENT, why);
}

static enum status store_single_swap(struct store *store, void *user, struct failure *why)
{
    const struct store_single *single = user;
    int64_t revision;
    uint64_t sum;

    TRY(store_weigh(store, single->key, &sum, &revision, why));
    if (revision != single->expected) {
        return fail(why, STATUS_DENIED, "store/changed", "%.*s is at revision %lld, not %lld",
                    (int)single->key.len, (const char *)single->key.at, (long long)revision,
                    (long long)single->expected);
    }
    return store_write(store, single, sum, revision == STORE_ABSENT, why);
}

static enum status store_single_remove(struct store *store, void *user, struct failure *why)
{
    const struct store_single *single = user;
    sqlite3_stmt *statement = store->statements[STORE_REMOVE];
    enum status status;
    int64_t revision;
    uint64_t sum;

    TRY(store_weigh(store, single->key, &sum, &revision, why));
    if (revision == STORE_ABSENT) {
        return fail(why, STATUS_NOT_FOUND, "store/no-key", "no key %.*s", (int)single->key.len,
                    (const char *)single->key.at);
    }
    TRY(store_advance(store, why));
    store_blob(statement, 1, single->key);
    status = store_run(store, STORE_REMOVE, why);
    store_release(statement);
    TRY(status);
    store->tally.count--;
    store->tally.total -= sum;
    return STATUS_OK;
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
