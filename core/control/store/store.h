/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane's durable memory: byte keys to byte values in key order, changed in transactions.
 *
 * A change is on the disk before the function that made it returns; a kill at any moment leaves either
 * the state before a transaction or the state after it. Every key carries the revision of the
 * transaction that wrote it last; revisions only grow, which is what compare-and-swap uses and what a
 * watch will be built on.
 *
 * Every record carries a checksum, and all of them together a tally (how many, and the sum of their
 * checksums): a store with a record that changed, is lost, doubled or older than it should be is refused
 * when it is opened, and a record that changed later when it is read. What is given out is what was put.
 *
 * One handle belongs to one thread; several handles, threads and processes may share one file.
 * What the keys mean is said by those who use them (registry, ca). Keys are made of printable ASCII,
 * parts joined by '/': "entry/web", "token/5c01...".
 */
#ifndef SIGNET_CORE_CONTROL_STORE_STORE_H
#define SIGNET_CORE_CONTROL_STORE_STORE_H

#include "core/runtime/base/buffer.h"

#define STORE_KEY_MAX ((size_t)2304)
#define STORE_VALUE_MAX ((size_t)1024 * 1024)

/* No revision is raised past this: the rest would last for ever, and must not run out. */
#define STORE_REVISION_MAX ((int64_t)1 << 62)

/* What store_swap() expects of a key that must not exist yet. */
#define STORE_ABSENT ((int64_t)0)

struct store;

/*
 * store_open opens the SQLite file at `path`, making it (mode 0600) when it is missing. An existing
 * file is proved first: whose it is, its schema, its pages, each record, and that none is missing; one of
 * an older schema is brought to the present one. Then a write is tried (store_probe).
 *
 *   out_store  on STATUS_OK, to be given back with store_drop()
 *
 * STATUS_CONFIG  "store/mode" (others may read or write the file, or it is not a regular file),
 *                "store/owner" (neither ours nor root's),
 *                "store/not-ours" (a database of another program),
 *                "store/newer-schema" (written by a newer version: it is left as it is)
 * STATUS_IO      "store/damaged" (the detail names the record where it is one), "store/full",
 *                "store/busy", "store/open" (also a file system that cannot keep commits safe); the
 *                detail names the file
 */
enum status store_open(const char *path, struct store **out_store, struct failure *why) MUST_USE;

/*
 * store_open_copy opens a copy in memory of the store at `path`, whether another process has it open or
 * not: it changes nothing there and keeps nobody out. What store_open() would find wrong with the file,
 * it finds; of a file that is not there, or of no length, the copy is a new store. What is changed in
 * the copy is gone with it. Errors as store_open().
 */
enum status store_open_copy(const char *path, struct store **out_store,
                            struct failure *why) MUST_USE;

/* store_drop closes the handle and sets *store to NULL; NULL is fine. Outside of transactions only. */
void store_drop(struct store **store);

/*
 * store_get appends the value of `key` to `out_value` (whose bound must allow it).
 *
 *   out_revision  revision of the transaction that wrote it; may be NULL
 *
 * STATUS_NOT_FOUND "store/no-key"; STATUS_LIMIT "buffer/full"; STATUS_IO "store/read", "store/damaged"
 */
enum status store_get(struct store *store, struct bytes key, struct buffer *out_value,
                      int64_t *out_revision, struct failure *why) MUST_USE;

/*
 * store_put sets the value of `key`. STATUS_LIMIT "store/key-size" (empty or longer than
 * STORE_KEY_MAX), "store/value-size"; STATUS_IO "store/write", "store/full", "store/busy".
 */
enum status store_put(struct store *store, struct bytes key, struct bytes value,
                      struct failure *why) MUST_USE;

/*
 * store_swap sets the value of `key` only where its revision is still `expected` (STORE_ABSENT: where
 * there is no such key). STATUS_DENIED "store/changed" when it is not; else as store_put().
 */
enum status store_swap(struct store *store, struct bytes key, int64_t expected, struct bytes value,
                       struct failure *why) MUST_USE;

/* store_remove takes `key` out. STATUS_NOT_FOUND "store/no-key"; else as store_put(). */
enum status store_remove(struct store *store, struct bytes key, struct failure *why) MUST_USE;

/* What store_list() does with each key; key and value are borrowed for the call. */
typedef enum status (*store_visit_fn)(void *user, struct bytes key, struct bytes value,
                                      struct failure *why);

/*
 * store_list visits every key that begins with `prefix` (empty: all keys), in byte order. A visit that
 * answers anything but STATUS_OK ends the list, and that is the answer. A visit may store_get() but
 * neither list nor change. STATUS_IO "store/read", "store/damaged".
 */
enum status store_list(struct store *store, struct bytes prefix, store_visit_fn visit, void *user,
                       struct failure *why) MUST_USE;

/*
 * store_count counts the keys that begin with `prefix`, which is not empty, without reading or proving
 * their values. STATUS_LIMIT "store/key-size"; STATUS_IO "store/read".
 */
enum status store_count(struct store *store, struct bytes prefix, size_t *out_count,
                        struct failure *why) MUST_USE;

/* What store_change() runs: reads and changes of one transaction, through the same handle. */
typedef enum status (*store_change_fn)(struct store *store, void *user, struct failure *why);

/*
 * store_change runs `change` as one transaction. Its STATUS_OK commits, durably, before store_change
 * returns; any other answer takes everything back and is passed on. No other handle writes between
 * its first read and its end. Transactions do not nest. `change` may be run once only by this store,
 * but should have no effect besides the store and its own outputs: a clustered store repeats it.
 *
 * STATUS_IO "store/busy" (others hold the file for more than five seconds), "store/write",
 * "store/full"
 */
enum status store_change(struct store *store, store_change_fn change, void *user,
                         struct failure *why) MUST_USE;

/* store_revision is the revision of the last committed transaction; 0 in a new store. */
enum status store_revision(struct store *store, int64_t *out_revision,
                           struct failure *why) MUST_USE;

/*
 * store_own_revision is, within store_change(), the revision that the writes of this transaction have. It
 * draws one where nothing was written yet. Errors as store_put().
 */
enum status store_own_revision(struct store *store, int64_t *out_revision,
                               struct failure *why) MUST_USE;

/*
 * store_raise lets no later transaction have a revision of `least` or below: for a store that may have
 * been restored from a backup, while somebody holds a greater revision of it. One that is greater
 * already is left alone, and nothing is written. Alone or within store_change().
 * STATUS_LIMIT "store/revision" (past STORE_REVISION_MAX: no store has seen so many changes);
 * else as store_put().
 */
enum status store_raise(struct store *store, int64_t least, struct failure *why) MUST_USE;

/*
 * store_probe writes and syncs, and changes nothing that a reader sees: can the store write now? Errors as
 * store_change(). Not within a transaction.
 */
enum status store_probe(struct store *store, struct failure *why) MUST_USE;

/*
 * store_refusal is why the last write failed, borrowed until the next one; NULL: it held. A write
 * that holds, a probe too, ends the refusal.
 */
const struct failure *store_refusal(const struct store *store);

#endif
