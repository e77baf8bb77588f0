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
    struct spiffe_id own; /* the control plane's own identity: no entry may have it */
};

struct entry {
    char name[ENTRY_NAME_MAX + 1];               /* a-z 0-9 . - beginning and ending with a-z 0-9 */
    struct spiffe_id spiffe_id;                  /* of our trust domain, with a path */
    char description[ENTRY_DESCRIPTION_MAX + 1]; /* for people; printable; may be empty */
    uint32_t max_life_s;    /* longest certificate; 0: what the authority gives */
    uint32_t max_instances; /* workloads that hold this identity at once; 0: no limit */
    int64_t created_at;     /* Unix s */
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
 * (the control plane's own identity)
 */
enum status entry_make(const struct registry *registry, struct bytes name, struct bytes spiffe_id,
                       struct bytes description, struct entry *out_entry,
                       struct failure *why) MUST_USE;

/*
 * entry_add stores a new entry. STATUS_DENIED "entry/exists" (a name already used for something else;
 * the very same entry again is fine), "entry/identity-taken"; STATUS_LIMIT "entry/too-many"; "store/…".
 */
enum status entry_add(struct registry *registry, const struct entry *entry,
                      struct failure *why) MUST_USE;

/*
 * entry_load stores all of `entries` in one transaction: new names are added, known ones changed to
 * what is given (and lose their open tokens when their SPIFFE ID changes). Entries not named stay.
 * Errors as entry_add, but for "entry/exists".
 */
enum status entry_load(struct registry *registry, const struct entry *entries, size_t num_entries,
                       struct failure *why) MUST_USE;

/* entry_get reads one by name. STATUS_NOT_FOUND "entry/unknown"; STATUS_IO "store/damaged". */
enum status entry_get(struct registry *registry, struct bytes name, struct entry *out_entry,
                      struct failure *why) MUST_USE;

/* entry_of_identity reads the one that has this SPIFFE ID. Errors as entry_get. */
enum status entry_of_identity(struct registry *registry, const struct spiffe_id *id,
                              struct entry *out_entry, struct failure *why) MUST_USE;

/*
 * entry_remove takes an entry out, with its tokens and its record of instances: whoever holds a
 * certificate of it keeps it to its end and is refused the next one. STATUS_NOT_FOUND "entry/unknown".
 */
enum status entry_remove(struct registry *registry, struct bytes name,
                         struct failure *why) MUST_USE;

/* What entry_list() does with each entry, borrowed for the call; it may not use the store. */
typedef enum status (*entry_visit_fn)(void *user, const struct entry *entry, struct failure *why);

/* entry_list visits all entries in the order of their names; ends as store_list() does. */
enum status entry_list(struct registry *registry, entry_visit_fn visit, void *user,
                       struct failure *why) MUST_USE;

/* entry_count counts them. */
enum status entry_count(struct registry *registry, size_t *out_count, struct failure *why) MUST_USE;

/* entry_encode writes an entry as a record; entry_decode reads it: STATUS_PROTOCOL "record/…", "entry/…". */
void entry_encode(const struct entry *entry, struct buffer *out_record);
enum status entry_decode(struct bytes record, struct entry *out_entry,
                         struct failure *why) MUST_USE;

#endif
