/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two keys per entry: "entry/NAME" holds it, "identity/SPIFFE_ID" holds its name, so that a renewal
 * finds it and no two entries are one identity.
 */
#include "core/control/registry/entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control/ca/serial.h"
#include "core/control/registry/instance.h"
#include "core/control/registry/record.h"
#include "core/control/registry/token.h"
#include "core/runtime/base/map.h"
#include "core/runtime/base/memory.h"

#define ENTRY_SYSTEM_NAMESPACE "signet-system"

/* A key is made on the stack; the struct bytes of it borrow from here. */
struct entry_key {
    char text[STORE_KEY_MAX + 1];
};

static struct bytes entry_key_of(struct entry_key *key, const char *prefix, struct bytes rest)
{
    (void)snprintf(key->text, sizeof key->text, "%s/%.*s", prefix, (int)rest.len,
                   (const char *)rest.at);
    return bytes_of(key->text);
}

enum status registry_init(struct registry *registry, struct store *store, const char *trust_domain,
                          struct failure *why)
{
    struct spiffe_id own;

    TRY(spiffe_id_of(bytes_of(trust_domain), bytes_of(ENTRY_SYSTEM_NAMESPACE),
                     bytes_of("signet-control"), &own, why));
    registry->store = store;
    registry->own = own;
    (void)snprintf(registry->trust_domain, sizeof registry->trust_domain, "%s", trust_domain);
    return STATUS_OK;
}

static bool entry_is_alphanumeric(uint8_t letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
}

static enum status entry_check_name(struct bytes name, struct failure *why)
{
    bool good = name.len > 0 && name.len <= ENTRY_NAME_MAX && entry_is_alphanumeric(name.at[0]) &&
                entry_is_alphanumeric(name.at[name.len - 1]);

    for (size_t i = 0; good && i < name.len; i++) {
        good = entry_is_alphanumeric(name.at[i]) || name.at[i] == '.' || name.at[i] == '-';
    }
    if (!good) {
        return fail(why, STATUS_CONFIG, "entry/name",
                    "an entry's name has 1 to %d of a-z 0-9 . - and begins and ends with a-z 0-9",
                    ENTRY_NAME_MAX);
    }
    return STATUS_OK;
}

static enum status entry_check_description(struct bytes description, struct failure *why)
{
    bool good = description.len <= ENTRY_DESCRIPTION_MAX;

    for (size_t i = 0; good && i < description.len; i++) {
        good = description.at[i] >= 0x20 && description.at[i] != 0x7f;
    }
    if (!good) {
        return fail(why, STATUS_CONFIG, "entry/description",
                    "a description has at most %d bytes and no control characters",
                    ENTRY_DESCRIPTION_MAX);
    }
    return STATUS_OK;
}

/* All of the control plane's namespace: what it may do is not to be had by an entry. */
static bool entry_is_reserved(const struct spiffe_id *id)
{
    static const char space[] = "/ns/" ENTRY_SYSTEM_NAMESPACE;
    struct bytes path = spiffe_id_path(id);

    return bytes_starts(path, bytes_of(space)) &&
           (path.len == sizeof space - 1 || path.at[sizeof space - 1] == '/');
}

static enum status entry_check_id(const struct registry *registry, struct bytes text,
                                  struct spiffe_id *out_id, struct failure *why)
{
    struct failure inner = {0};
    size_t path_len;

    if (spiffe_id_parse(text, out_id, &inner) != STATUS_OK) {
        return fail(why, STATUS_CONFIG, "entry/id", "%s: %s", inner.reason, inner.detail);
    }
    path_len = spiffe_id_path(out_id).len;
    if (path_len == 0 || path_len > ENTRY_ID_PATH_MAX) {
        return fail(why, STATUS_CONFIG, "entry/id",
                    "an entry's SPIFFE ID has a path of 1 to %d bytes, not %zu", ENTRY_ID_PATH_MAX,
                    path_len);
    }
    if (!bytes_equal_text(spiffe_id_trust_domain(out_id), registry->trust_domain)) {
        return fail(why, STATUS_CONFIG, "entry/trust-domain",
                    "%.100s is not of our trust domain %.100s", out_id->text,
                    registry->trust_domain);
    }
    if (entry_is_reserved(out_id)) {
        return fail(why, STATUS_CONFIG, "entry/reserved",
                    "%.150s is in ns/" ENTRY_SYSTEM_NAMESPACE
                    ", the control plane's own: no workload may be there",
                    out_id->text);
    }
    return STATUS_OK;
}

enum status entry_make(const struct registry *registry, struct bytes name, struct bytes spiffe_id,
                       struct bytes description, struct entry *out_entry, struct failure *why)
{
    struct entry entry = {0};

    TRY(entry_check_name(name, why));
    TRY(entry_check_description(description, why));
    TRY(entry_check_id(registry, spiffe_id, &entry.spiffe_id, why));
    memcpy(entry.name, name.at, name.len);
    if (description.len > 0) {
        memcpy(entry.description, description.at, description.len);
    }
    *out_entry = entry;
    return STATUS_OK;
}

enum status entry_set_life(const struct registry *registry, struct entry *entry, int64_t life_s,
                           struct failure *why)
{
    if (life_s != 0 && life_s < registry->life_floor_s) {
        return fail(why, STATUS_CONFIG, "entry/life",
                    "a longest life of %lld s is below the shortest certificate, %u s",
                    (long long)life_s, registry->life_floor_s);
    }
    entry->max_life_s = (uint32_t)life_s;
    return STATUS_OK;
}

/* A record of ours that does not read is damage of the store, whatever its first symptom is. */
static enum status entry_read(struct bytes record, struct entry *out_entry, struct failure *why)
{
    struct failure inner = {0};

    if (entry_decode(record, out_entry, &inner) != STATUS_OK) {
        return fail(why, STATUS_IO, "store/damaged", "an entry does not read: %s: %s", inner.reason,
                    inner.detail);
    }
    return STATUS_OK;
}

enum status entry_get(struct registry *registry, struct bytes name, struct entry *out_entry,
                      struct failure *why)
{
    CLEARED(buffer) record = {.max = RECORD_MAX};
    struct entry_key key;
    enum status status;

    TRY(entry_check_name(name, why));
    status = store_get(registry->store, entry_key_of(&key, "entry", name), &record, NULL, why);
    if (status == STATUS_NOT_FOUND) {
        return fail(why, STATUS_NOT_FOUND, "entry/unknown", "there is no entry %.*s", (int)name.len,
                    (const char *)name.at);
    }
    TRY(status);
    return entry_read(buffer_bytes(&record), out_entry, why);
}

enum status entry_of_identity(struct registry *registry, const struct spiffe_id *id,
                              struct entry *out_entry, struct failure *why)
{
    CLEARED(buffer) name = {.max = ENTRY_NAME_MAX};
    struct entry entry;
    struct entry_key key;
    enum status status = store_get(
        registry->store, entry_key_of(&key, "identity", spiffe_id_text(id)), &name, NULL, why);

    if (status == STATUS_NOT_FOUND) {
        return fail(why, STATUS_NOT_FOUND, "entry/unknown", "no entry is %.200s", id->text);
    }
    TRY(status);
    TRY(entry_get(registry, buffer_bytes(&name), &entry, why));
    if (!spiffe_id_equal(&entry.spiffe_id, id)) {
        return fail(why, STATUS_IO, "store/damaged", "entry %s is not %.150s", entry.name,
                    id->text);
    }
    *out_entry = entry;
    return STATUS_OK;
}

enum status entry_count(struct registry *registry, size_t *out_count, struct failure *why)
{
    return store_count(registry->store, bytes_of("entry/"), out_count, why);
}

static enum status entry_check_identity_free(struct registry *registry, const struct entry *entry,
                                             struct failure *why)
{
    struct entry holder;
    enum status status = entry_of_identity(registry, &entry->spiffe_id, &holder, why);

    if (status == STATUS_NOT_FOUND ||
        (status == STATUS_OK && strcmp(holder.name, entry->name) == 0)) {
        return STATUS_OK;
    }
    TRY(status);
    return fail(why, STATUS_DENIED, "entry/identity-taken", "entry %s is %.150s already",
                holder.name, entry->spiffe_id.text);
}

/* Both keys of an entry; within a transaction. */
static enum status entry_write(struct store *store, const struct entry *entry, struct failure *why)
{
    CLEARED(buffer) record = {0};
    struct entry_key key;

    entry_encode(entry, &record);
    TRY(store_put(store, entry_key_of(&key, "entry", bytes_of(entry->name)), buffer_bytes(&record),
                  why));
    return store_put(store, entry_key_of(&key, "identity", spiffe_id_text(&entry->spiffe_id)),
                     bytes_of(entry->name), why);
}

/* Within a transaction: what hung on an identity ends with it. */
static enum status entry_forget_identity(struct store *store, const struct entry *entry,
                                         struct failure *why)
{
    struct entry_key key;

    TRY(store_remove(store, entry_key_of(&key, "identity", spiffe_id_text(&entry->spiffe_id)),
                     why));
    TRY(token_revoke_all(store, bytes_of(entry->name), why));
    return instance_forget_all(store, entry->name, why);
}

static bool entry_same(const struct entry *a, const struct entry *b)
{
    return strcmp(a->name, b->name) == 0 && spiffe_id_equal(&a->spiffe_id, &b->spiffe_id) &&
           strcmp(a->description, b->description) == 0 && a->max_life_s == b->max_life_s &&
           a->max_instances == b->max_instances;
}

/* What a change of the registry works on. */
struct entry_job {
    struct registry *registry;
    const struct entry *entries;
    size_t num_entries;
    struct bytes name;
    enum entry_source source;
    struct entry_dropped dropped; /* of a file: what it names no longer */
};

/* An entry that has its identity already: what else is new? */
static enum status entry_replace(struct entry_job *job, const struct entry *old,
                                 const struct entry *entry, struct failure *why)
{
    struct store *store = job->registry->store;
    struct entry kept = *entry;

    kept.source = job->source;
    if (entry_same(old, entry) && (old->source == kept.source || kept.source != ENTRY_OF_FILE)) {
        return STATUS_OK;
    }
    if (job->source != ENTRY_OF_FILE) {
        return fail(why, STATUS_DENIED, "entry/exists", "entry %s is something else: %.150s",
                    old->name, old->spiffe_id.text);
    }
    kept.created_at = old->created_at;
    kept.made_revision = old->made_revision;
    TRY(entry_check_identity_free(job->registry, entry, why));
    if (!spiffe_id_equal(&old->spiffe_id, &entry->spiffe_id)) {
        TRY(store_own_revision(store, &kept.made_revision, why));
        TRY(entry_forget_identity(store, old, why));
    }
    return entry_write(store, &kept, why);
}

static enum status entry_store_one(struct entry_job *job, const struct entry *entry, size_t count,
                                   struct failure *why)
{
    struct store *store = job->registry->store;
    struct entry old;
    struct entry made = *entry;
    enum status status = entry_get(job->registry, bytes_of(entry->name), &old, why);

    if (status == STATUS_OK) {
        return entry_replace(job, &old, entry, why);
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    if (count >= ENTRIES_MAX) {
        return fail(why, STATUS_LIMIT, "entry/too-many", "the registry holds %d entries",
                    ENTRIES_MAX);
    }
    TRY(entry_check_identity_free(job->registry, entry, why));
    made.source = job->source;
    TRY(store_own_revision(store, &made.made_revision, why));
    return entry_write(store, &made, why);
}

static enum status entry_store_all(struct store *store, void *user, struct failure *why)
{
    struct entry_job *job = user;
    size_t count = 0;

    (void)store;
    TRY(entry_count(job->registry, &count, why));
    for (size_t i = 0; i < job->num_entries; i++) {
        TRY(entry_store_one(job, &job->entries[i], count + i, why));
    }
    return STATUS_OK;
}

enum status entry_add(struct registry *registry, const struct entry *entry, struct failure *why)
{
    struct entry_job job = {.registry = registry,
                            .entries = entry,
                            .num_entries = 1,
                            .source = ENTRY_OF_OPERATOR};

    return store_change(registry->store, entry_store_all, &job, why);
}

static enum status entry_remove_one(struct store *store, void *user, struct failure *why)
{
    struct entry_job *job = user;
    struct entry entry;
    struct entry_key key;

    TRY(entry_get(job->registry, job->name, &entry, why));
    TRY(entry_forget_identity(store, &entry, why));
    return store_remove(store, entry_key_of(&key, "entry", job->name), why);
}

enum status entry_remove(struct registry *registry, struct bytes name, struct failure *why)
{
    struct entry_job job = {.registry = registry, .name = name};

    return store_change(registry->store, entry_remove_one, &job, why);
}

/* What is the file's in the store, and not in the file. */
struct entry_search {
    struct map named; /* names in the file; the values only say so */
    struct entry_dropped *dropped;
};

static void entry_search_clear(struct entry_search *search)
{
    map_clear(&search->named);
}

static enum status entry_search_one(void *user, const struct entry *entry, struct failure *why)
{
    struct entry_search *search = user;
    struct entry_dropped *dropped = search->dropped;

    (void)why;
    if (entry->source == ENTRY_OF_FILE &&
        map_get(&search->named, bytes_of(entry->name)) == NULL) {
        dropped->entries =
            memory_grow(dropped->entries, (dropped->count + 1) * sizeof *dropped->entries);
        dropped->entries[dropped->count++] = *entry;
    }
    return STATUS_OK;
}

/* First what goes, so that an identity can move to another name. */
static enum status entry_load_all(struct store *store, void *user, struct failure *why)
{
    struct entry_job *job = user;
    CLEARED(entry_search) search = {.dropped = &job->dropped};

    for (size_t i = 0; i < job->num_entries; i++) {
        (void)map_put(&search.named, bytes_of(job->entries[i].name), job);
    }
    TRY(entry_list(job->registry, entry_search_one, &search, why));
    for (size_t i = 0; i < job->dropped.count; i++) {
        job->name = bytes_of(job->dropped.entries[i].name);
        TRY(entry_remove_one(store, job, why));
    }
    return entry_store_all(store, job, why);
}

enum status entry_load(struct registry *registry, const struct entry *entries, size_t num_entries,
                       struct entry_dropped *out_dropped, struct failure *why)
{
    struct entry_job job = {.registry = registry,
                            .entries = entries,
                            .num_entries = num_entries,
                            .source = ENTRY_OF_FILE};
    enum status status = store_change(registry->store, entry_load_all, &job, why);

    if (status != STATUS_OK) {
        entry_dropped_clear(&job.dropped);
        return status;
    }
    *out_dropped = job.dropped;
    return STATUS_OK;
}

void entry_dropped_clear(struct entry_dropped *dropped)
{
    free(dropped->entries);
    *dropped = (struct entry_dropped){0};
}

enum status entry_check_leaf(const struct entry *entry, struct bytes serial_hex,
                             struct failure *why)
{
    if (serial_revision(serial_hex) >= entry->made_revision) {
        return STATUS_OK;
    }
    return fail(why, STATUS_UNTRUSTED, "renew/evicted",
                "this certificate is older than entry %s, which was removed and made again: join "
                "anew, with a token of `signet token create --entry %s --out FILE`",
                entry->name, entry->name);
}

struct entry_walk {
    entry_visit_fn visit;
    void *user;
};

static enum status entry_visit(void *user, struct bytes key, struct bytes value,
                               struct failure *why)
{
    const struct entry_walk *walk = user;
    struct entry entry;

    (void)key;
    TRY(entry_read(value, &entry, why));
    return walk->visit(walk->user, &entry, why);
}

enum status entry_list(struct registry *registry, entry_visit_fn visit, void *user,
                       struct failure *why)
{
    struct entry_walk walk = {.visit = visit, .user = user};

    return store_list(registry->store, bytes_of("entry/"), entry_visit, &walk, why);
}
