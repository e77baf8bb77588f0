/* SPDX-License-Identifier: Apache-2.0 */
/* A store is served as it was written, or not at all. */
#include "tests/support/suite.h"
#include "tests/unit/control/store/shelf.h"

SUITE(damage, .timeout = 300);

#define DAMAGE_ENTRIES 480
#define DAMAGE_ROUNDS 1200

static void damage_key(char key[32], int number)
{
    (void)snprintf(key, 32, "entry/workload-%03d", number);
}

static enum status damage_fill(struct store *store, void *user, struct failure *why)
{
    uint32_t *seed = user;

    for (int i = 0; i < DAMAGE_ENTRIES; i++) {
        char key[32];
        uint8_t value[200];
        size_t len = 40 + shelf_draw(seed) % 160;

        for (size_t at = 0; at < len; at++) {
            value[at] = (uint8_t)shelf_draw(seed);
        }
        damage_key(key, i);
        TRY(store_put(store, bytes_of(key), bytes_make(value, len), why));
        key[0] = 'i'; /* what else a registry keeps of it */
        TRY(store_put(store, bytes_of(key), bytes_of(key), why));
    }
    return STATUS_OK;
}

static void damage_make(struct shelf *shelf)
{
    uint32_t seed = 7;
    struct store *store;
    struct failure why = {0};

    shelf_make(shelf);
    store = shelf_open(shelf);
    cr_assert_eq(store_change(store, damage_fill, &seed, &why), STATUS_OK, "%s", why.detail);
    store_drop(&store);
}

static enum status damage_note(void *user, struct bytes key, struct bytes value,
                               struct failure *why)
{
    struct buffer *all = user;
    uint8_t lens[8] = {(uint8_t)key.len, (uint8_t)(key.len >> 8), (uint8_t)value.len,
                       (uint8_t)(value.len >> 8)};

    (void)why;
    cr_assert_eq(buffer_add(all, bytes_make(lens, sizeof lens)), STATUS_OK);
    cr_assert_eq(buffer_add(all, key), STATUS_OK);
    cr_assert_eq(buffer_add(all, value), STATUS_OK);
    return STATUS_OK;
}

/* All that a store holds, by its list and again key by key. */
static void damage_read_all(struct store *store, struct buffer *out_all)
{
    struct failure why = {0};

    buffer_init(out_all, (size_t)4 * 1024 * 1024);
    cr_assert_eq(store_list(store, bytes_of(""), damage_note, out_all, &why), STATUS_OK, "%s",
                 why.detail);
    for (int i = 0; i < DAMAGE_ENTRIES; i++) {
        CLEARED(buffer) value = {.max = 1024};
        char key[32];

        damage_key(key, i);
        cr_assert_eq(store_get(store, bytes_of(key), &value, NULL, &why), STATUS_OK, "%s: %s", key,
                     why.detail);
        (void)damage_note(out_all, bytes_of(key), buffer_bytes(&value), NULL);
    }
}

/* One bit, or eight in one page as a dying disk gives them, or eight anywhere. */
static void damage_flip(struct buffer *file, uint32_t *seed, int round)
{
    size_t page = shelf_draw(seed) % (file->len / 4096) * 4096;

    for (int i = 0; i < (round % 3 == 0 ? 1 : 8); i++) {
        size_t at = round % 3 == 1 ? page + shelf_draw(seed) % 4096 : shelf_draw(seed) % file->len;

        if (round % 6 == 3) {
            at %= 8192; /* the header and the tables' own page, often enough */
        }
        file->at[at] ^= (uint8_t)(1U << shelf_draw(seed) % 8);
    }
}

Test(damage, flipped_bits_are_refused_by_name_or_change_nothing)
{
    struct shelf shelf;
    CLEARED(buffer) good = {0};
    CLEARED(buffer) expected = {0};
    uint32_t seed = 20;
    int served = 0;

    damage_make(&shelf);
    shelf_read(&shelf, &good);
    {
        OWNED(store) *store = shelf_open(&shelf);

        damage_read_all(store, &expected);
    }
    for (int round = 0; round < DAMAGE_ROUNDS; round++) {
        CLEARED(buffer) bad = {.max = good.max};
        struct store *store = NULL;
        struct failure why = {0};

        cr_assert_eq(buffer_add(&bad, buffer_bytes(&good)), STATUS_OK);
        damage_flip(&bad, &seed, round);
        shelf_empty(&shelf);
        shelf_write(&shelf, "", buffer_bytes(&bad));
        if (store_open(shelf.path, &store, &why) == STATUS_OK) {
            CLEARED(buffer) got = {0};

            damage_read_all(store, &got);
            cr_assert(bytes_equal(buffer_bytes(&got), buffer_bytes(&expected)),
                      "round %d: served, but not as it was written", round);
            served++;
            store_drop(&store);
        } else {
            cr_assert_eq(strncmp(why.reason, "store/", 6), 0, "round %d: %s", round, why.reason);
            cr_assert_not_null(strstr(why.detail, shelf.path), "round %d: %s", round, why.detail);
        }
    }
    cr_assert(served > 0 && served < DAMAGE_ROUNDS / 2, "%d of %d served", served, DAMAGE_ROUNDS);
    shelf_clear(&shelf);
}

static void damage_expect(const struct shelf *shelf, const char *part)
{
    struct failure why;

    cr_assert_eq(shelf_judge(shelf, &why), STATUS_IO, "%s", part);
    cr_assert_str_eq(why.reason, "store/damaged");
    cr_assert_not_null(strstr(why.detail, shelf->path), "%s", why.detail);
    cr_assert_not_null(strstr(why.detail, part), "%s does not say %s", why.detail, part);
}

Test(damage, a_changed_value_is_refused_and_its_record_named)
{
    struct shelf shelf;
    struct store *store;
    CLEARED(buffer) file = {0};
    uint8_t *found;

    damage_make(&shelf);
    store = shelf_open(&shelf);
    cr_assert_eq(store_put(store, bytes_of("entry/web"), bytes_of("<<the value of web>>"), NULL),
                 STATUS_OK);
    store_drop(&store);
    shelf_read(&shelf, &file);
    found = memmem(file.at, file.len, "<<the value of web>>", 20);
    cr_assert_not_null(found);
    found[8] ^= 0x20;
    shelf_write(&shelf, "", buffer_bytes(&file));
    damage_expect(&shelf, "entry/web");
    shelf_clear(&shelf);
}

Test(damage, a_lost_a_doubled_and_a_misplaced_record_are_refused)
{
    struct shelf shelf;

    damage_make(&shelf);
    shelf_sql(&shelf, "DELETE FROM record WHERE key = CAST('entry/workload-007' AS BLOB)");
    damage_expect(&shelf, "959 records are there and 960 were written");
    shelf_clear(&shelf);

    damage_make(&shelf);
    shelf_sql(&shelf, "INSERT INTO record SELECT CAST('entry/workload-0070' AS BLOB), value,"
                      " revision, checksum FROM record WHERE key = "
                      "CAST('entry/workload-007' AS BLOB)");
    damage_expect(&shelf, "entry/workload-0070");
    shelf_clear(&shelf);

    damage_make(&shelf);
    shelf_sql(&shelf, "CREATE TABLE kept AS SELECT * FROM record WHERE key = "
                      "CAST('entry/workload-007' AS BLOB)");
    damage_expect(&shelf, "its tables");
    shelf_sql(&shelf, "PRAGMA user_version = 0");
    damage_expect(&shelf, "its tables");
    shelf_clear(&shelf);

    damage_make(&shelf);
    shelf_sql(&shelf, "UPDATE record SET (value, revision, checksum) = (SELECT value, revision,"
                      " checksum FROM record WHERE key = CAST('entry/workload-008' AS BLOB))"
                      " WHERE key = CAST('entry/workload-007' AS BLOB)");
    damage_expect(&shelf, "entry/workload-007");
    shelf_clear(&shelf);
}

/* Each record is in order, and so is the tally: but one of the records is that of yesterday. */
Test(damage, a_record_of_yesterday_is_refused)
{
    struct shelf shelf;
    struct store *store;
    sqlite3 *db = NULL;

    damage_make(&shelf);
    cr_assert_eq(sqlite3_open(shelf.path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "CREATE TEMP TABLE kept AS SELECT * FROM record", NULL, NULL,
                              NULL),
                 SQLITE_OK);
    store = shelf_open(&shelf);
    cr_assert_eq(store_put(store, bytes_of("entry/workload-007"), bytes_of("today"), NULL),
                 STATUS_OK);
    store_drop(&store);
    cr_assert_eq(sqlite3_exec(db, "REPLACE INTO record SELECT * FROM kept WHERE key = "
                                  "CAST('entry/workload-007' AS BLOB)",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    (void)sqlite3_close(db);
    damage_expect(&shelf, "older than they should be");
    shelf_clear(&shelf);
}

/* Damage that comes while the store is open is told at the next reading, and no list ends early. */
Test(damage, a_record_that_changes_later_is_refused_when_it_is_read)
{
    struct shelf shelf;
    struct store *store;
    struct failure why = {0};
    CLEARED(buffer) value = {.max = 1024};
    CLEARED(buffer) all = {.max = (size_t)1024 * 1024};

    damage_make(&shelf);
    store = shelf_open(&shelf);
    shelf_sql(&shelf, "UPDATE record SET key = CAST('fntry/workload-007' AS BLOB)"
                      " WHERE key = CAST('entry/workload-479' AS BLOB);"
                      "UPDATE record SET value = CAST('x' AS BLOB)"
                      " WHERE key = CAST('entry/workload-100' AS BLOB)");
    cr_assert_eq(store_get(store, bytes_of("entry/workload-100"), &value, NULL, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "store/damaged");
    cr_assert_not_null(strstr(why.detail, "entry/workload-100"), "%s", why.detail);
    cr_assert_eq(value.len, 0);
    cr_assert_eq(store_put(store, bytes_of("entry/workload-100"), bytes_of("y"), &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "store/damaged");
    cr_assert_eq(store_list(store, bytes_of("entry/workload-2"), damage_note, &all, &why),
                 STATUS_OK);
    cr_assert_eq(store_list(store, bytes_of("entry/workload-4"), damage_note, &all, &why),
                 STATUS_IO);
    cr_assert_str_eq(why.reason, "store/damaged");
    cr_assert_eq(store_get(store, bytes_of("entry/workload-101"), &value, NULL, NULL), STATUS_OK);
    store_drop(&store);
    shelf_clear(&shelf);
}

/* --- schema 1 ------------------------------------------------------------------------------------ */

/* What the first version made, word for word. */
static void damage_make_old(struct shelf *shelf)
{
    shelf_make(shelf);
    shelf_write(shelf, "", (struct bytes){0});
    shelf_sql(shelf, "CREATE TABLE pair (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL,"
                     " revision INTEGER NOT NULL) WITHOUT ROWID;"
                     "CREATE INDEX pair_revision ON pair (revision);"
                     "CREATE TABLE clock (only INTEGER PRIMARY KEY CHECK (only = 1),"
                     " last INTEGER NOT NULL);"
                     "INSERT INTO clock VALUES (1, 9);"
                     "INSERT INTO pair VALUES (CAST('entry/web' AS BLOB), x'0102', 4),"
                     " (CAST('entry/api' AS BLOB), x'', 9),"
                     " (CAST('token/1' AS BLOB), x'ff00ff', 7);"
                     "PRAGMA application_id = 1397182036; PRAGMA user_version = 1;"
                     "PRAGMA journal_mode = WAL");
}

Test(damage, a_store_of_schema_1_is_taken_over_with_its_revisions)
{
    struct shelf shelf;
    struct failure why = {0};

    damage_make_old(&shelf);
    for (int opened = 0; opened < 2; opened++) {
        OWNED(store) *store = shelf_open(&shelf);
        CLEARED(buffer) web = {.max = 16};
        CLEARED(buffer) all = {.max = 1024};
        int64_t revision = 0;

        cr_assert_eq(store_get(store, bytes_of("entry/web"), &web, &revision, &why), STATUS_OK);
        cr_assert(bytes_equal(buffer_bytes(&web), bytes_make("\1\2", 2)));
        cr_assert_eq(revision, 4);
        cr_assert_eq(store_list(store, bytes_of(""), damage_note, &all, &why), STATUS_OK);
        cr_assert_eq(all.len, 3 * 8 + 9 + 9 + 7 + 2 + 0 + 3);
        cr_assert_eq(store_revision(store, &revision, &why), STATUS_OK);
        cr_assert_eq(revision, 9);
    }
    {
        OWNED(store) *store = shelf_open(&shelf);

        cr_assert_eq(store_put(store, bytes_of("entry/web"), bytes_of("new"), &why), STATUS_OK);
    }
    cr_assert_eq(shelf_judge(&shelf, &why), STATUS_OK, "%s", why.detail);
    shelf_clear(&shelf);
}

Test(damage, a_store_of_schema_1_that_cannot_be_right_is_refused_and_left_alone)
{
    struct shelf shelf;

    damage_make_old(&shelf);
    shelf_sql(&shelf, "UPDATE pair SET key = x'656e7472792ff7'"
                      " WHERE key = CAST('token/1' AS BLOB)");
    damage_expect(&shelf, "entry/");
    shelf_sql(&shelf, "UPDATE pair SET key = CAST('token/1' AS BLOB)"
                      " WHERE key = x'656e7472792ff7'");
    {
        struct failure why;

        cr_assert_eq(shelf_judge(&shelf, &why), STATUS_OK, "%s", why.detail);
    }
    shelf_clear(&shelf);
}
