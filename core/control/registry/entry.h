/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: which workload may be which SPIFFE ID. An entry has a name, which operators and join
 * tokens use, and one SPIFFE ID, which no other entry has.
 *
 * Nothing but an entry makes an identity: a token is bound to one, a renewal needs one that still
 * stands. One thread at a time, that of the store's handle.
 *
 * Elsewhere: proving to be an entry's workload (attest.h), the file form (entry_file.h).
 */
#ifndef SIGNET_CORE_CONTROL_REGISTRY_ENTRY_H
#define SIGNET_CORE_CONTROL_REGISTRY_ENTRY_H

#include "core/control/store/store.h"
#include "core/trust/identity/spiffe_id.h"

#define ENTRY_NAME_MAX 63
#define ENTRY_DESCRIPTION_MAX 256
#define ENTRY_LIFE_MAX_S (7 * 24 * 3600)
#define ENTRY_INSTANCES_MAX 100000
#define ENTRY_ID_PATH_MAX 512 /* bytes of an entry's SPIFFE ID after its trust domain */
#define ENTRIES_MAX 20000

/* Of whom the registry speaks. A value; the parts outlive it. */
struct registry {
    struct store *store; /* borrowed */
    char trust_domain[SPIFFE_ID_TRUST_DOMAIN_MAX + 1];
    struct spiffe_id own; /* the control plane's own identity; no entry is in its namespace */
    uint32_t life_floor_s; /* the shortest certificate there is; no entry may ask for less */
};

/* Who answers for an entry. */
enum entry_source {
    ENTRY_OF_OPERATOR, /* made and removed by an operation */
    ENTRY_OF_FILE,     /* of the entries file: it goes when the file does not name it any more */
};

struct entry {
    char name[ENTRY_NAME_MAX + 1];               /* a-z 0-9 . - beginning and ending with a-z 0-9 */
    struct spiffe_id spiffe_id;                  /* of our trust domain, with a path */
    char description[ENTRY_DESCRIPTION_MAX + 1]; /* for people; printable; may be empty */
    uint32_t max_life_s;    /* longest certificate; 0: what the authority gives */
    uint32_t max_instances; /* workloads that hold this identity at once; 0: no limit */
    int64_t created_at;     /* Unix s */
    int64_t made_revision;  /* of the store, when it got this identity; 0: before that was kept */
    enum entry_source source;
};

/*
 * registry_init makes the registry of one trust domain over `store`, which must outlive it.
 * STATUS_PROTOCOL "spiffe-id/…" when the trust domain is not one.
 */
enum status registry_init(struct registry *registry, struct store *store, const char *trust_domain,
                          struct failure *why) MUST_USE;

/*
 * entry_make checks the parts of an entry and puts them together. `description` may be NULL.
 *
 * STATUS_CONFIG "entry/name", "entry/description", "entry/id" (not a SPIFFE ID: the detail says why; or
 * without a path, or longer than ENTRY_ID_PATH_MAX), "entry/trust-domain" (not ours), "entry/reserved"
 * (in the control plane's own namespace)
 */
enum status entry_make(const struct registry *registry, struct bytes name, struct bytes spiffe_id,
                       struct bytes description, struct entry *out_entry,
                       struct failure *why) MUST_USE;

/*
 * entry_set_life sets an entry's longest life, in s; 0: what the authority gives.
 * STATUS_CONFIG "entry/life": below registry->life_floor_s, so that no certificate could keep to it.
 */
enum status entry_set_life(const struct registry *registry, struct entry *entry, int64_t life_s,
                           struct failure *why) MUST_USE;

/*
 * entry_add stores a new entry. STATUS_DENIED "entry/exists" (a name already used for something else;
 * the very same entry again is fine), "entry/identity-taken"; STATUS_LIMIT "entry/too-many"; "store/…".
 */
enum status entry_add(struct registry *registry, const struct entry *entry,
                      struct failure *why) MUST_USE;

/* What entry_load() took out; entry_dropped_clear() frees it, a zeroed struct may be cleared. */
struct entry_dropped {
    struct entry *entries; /* owned */
    size_t count;
};

/*
 * entry_load makes `entries` those of the entries file, in one transaction. First those go that the
 * file named before and does not name now, as with entry_remove(). Then new names are added, and known
 * ones changed to what is given (and lose tokens and instances when their SPIFFE ID changes). What
 * operators made stays, unless the file names it: then it is the file's from now on.
 * Errors as entry_add, but for "entry/exists".
 */
enum status entry_load(struct registry *registry, const struct entry *entries, size_t num_entries,
                       struct entry_dropped *out_dropped, struct failure *why) MUST_USE;

/* entry_dropped_clear frees the list. */
void entry_dropped_clear(struct entry_dropped *dropped);

/* entry_get reads one by name. STATUS_NOT_FOUND "entry/unknown"; STATUS_IO "store/damaged". */
enum status entry_get(struct registry *registry, struct bytes name, struct entry *out_entry,
                      struct failure *why) MUST_USE;

/* entry_of_identity reads the one that has this SPIFFE ID. Errors as entry_get. */
enum status entry_of_identity(struct registry *registry, const struct spiffe_id *id,
                              struct entry *out_entry, struct failure *why) MUST_USE;

/*
 * entry_remove takes an entry out, with its tokens and its record of instances. That is eviction:
 * whoever holds a certificate of it keeps it to its end and is refused the next one, also when the same
 * entry is made again (entry_check_leaf). STATUS_NOT_FOUND "entry/unknown".
 */
enum status entry_remove(struct registry *registry, struct bytes name,
                         struct failure *why) MUST_USE;

/*
 * entry_check_leaf is the rule whether a leaf with this serial number may still renew as the entry: not
 * when it was issued before the entry was made. Both are counted in revisions of the store, so that no
 * clock can change the answer, and a leaf that is newer than a restored backup is as good as ever. A
 * leaf of a version without revisions counts as older than any entry that has one.
 * STATUS_UNTRUSTED "renew/evicted".
 */
enum status entry_check_leaf(const struct entry *entry, struct bytes serial_hex,
                             struct failure *why) MUST_USE;

/* What entry_list() does with each entry, borrowed for the call; it may not use the store. */
typedef enum status (*entry_visit_fn)(void *user, const struct entry *entry, struct failure *why);

/* entry_list visits all entries in the order of their names; ends as store_list() does. */
enum status entry_list(struct registry *registry, entry_visit_fn visit, void *user,
                       struct failure *why) MUST_USE;

/* entry_count counts them, and reads none: cheap enough for each second. */
enum status entry_count(struct registry *registry, size_t *out_count, struct failure *why) MUST_USE;

/* entry_encode writes an entry as a record; entry_decode reads it: STATUS_PROTOCOL "record/…", "entry/…". */
void entry_encode(const struct entry *entry, struct buffer *out_record);
enum status entry_decode(struct bytes record, struct entry *out_entry,
                         struct failure *why) MUST_USE;

#endif
