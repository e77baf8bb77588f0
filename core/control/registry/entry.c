/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two keys per entry: "entry/NAME" holds it, "identity/SPIFFE_ID" holds its name, so that a renewal
 * finds it and no two entries are one identity.
 */
#include "core/control/registry/entry.h"

#include <stdio.h>
#include <string.h>

#include "core/control/registry/instance.h"
#include "core/control/registry/record.h"
#include "core/control/registry/token.h"

enum entry_tag {
    ENTRY_TAG_NAME = 1,
    ENTRY_TAG_ID,
    ENTRY_TAG_DESCRIPTION,
    ENTRY_TAG_LIFE,
    ENTRY_TAG_INSTANCES,
    ENTRY_TAG_CREATED,
};

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

    TRY(spiffe_id_of(bytes_of(trust_domain), bytes_of("signet-system"), bytes_of("signet-control"),
                     &own, why));
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
    if (spiffe_id_equal(out_id, &registry->own)) {
        return fail(why, STATUS_CONFIG, "entry/reserved",
                    "%.200s is the control plane itself: no workload may be it", out_id->text);
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

void entry_encode(const struct entry *entry, struct buffer *out_record)
{
    record_begin(out_record);
    record_add(out_record, ENTRY_TAG_NAME, bytes_of(entry->name));
    record_add(out_record, ENTRY_TAG_ID, spiffe_id_text(&entry->spiffe_id));
    record_add(out_record, ENTRY_TAG_DESCRIPTION, bytes_of(entry->description));
    record_add_number(out_record, ENTRY_TAG_LIFE, entry->max_life_s);
    record_add_number(out_record, ENTRY_TAG_INSTANCES, entry->max_instances);
    record_add_number(out_record, ENTRY_TAG_CREATED, entry->created_at);
}

static enum status entry_decode_field(const struct record_field *field, struct entry *entry,
                                      struct failure *why)
{
    int64_t number = 0;

    switch (field->tag) {
    case ENTRY_TAG_NAME:
        return record_text(field, entry->name, sizeof entry->name, why);
    case ENTRY_TAG_ID:
        return spiffe_id_parse(field->content, &entry->spiffe_id, why);
    case ENTRY_TAG_DESCRIPTION:
        return record_text(field, entry->description, sizeof entry->description, why);
    case ENTRY_TAG_LIFE:
    case ENTRY_TAG_INSTANCES:
        TRY(record_number(field, &number, why));
        if (number < 0 || number > UINT32_MAX) {
            return fail(why, STATUS_PROTOCOL, "entry/record", "field %d is out of range",
                        field->tag);
        }
        *(field->tag == ENTRY_TAG_LIFE ? &entry->max_life_s : &entry->max_instances) =
            (uint32_t)number;
        return STATUS_OK;
    case ENTRY_TAG_CREATED:
        return record_number(field, &entry->created_at, why);
    default:
        return STATUS_OK; /* of a newer program */
    }
}

enum status entry_decode(struct bytes record, struct entry *out_entry, struct failure *why)
{
    struct entry entry = {0};
    struct record_field field = {0};
    struct bytes rest;
    enum status status;

    TRY(record_open(record, &rest, why));
    while ((status = record_next(&rest, &field, why)) == STATUS_OK) {
        TRY(entry_decode_field(&field, &entry, why));
    }
    if (status != STATUS_CLOSED) {
        return status;
    }
    if (entry.name[0] == '\0' || spiffe_id_path(&entry.spiffe_id).len == 0) {
        return fail(why, STATUS_PROTOCOL, "entry/record", "an entry without a name or an identity");
    }
    *out_entry = entry;
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

static enum status entry_count_one(void *user, struct bytes key, struct bytes value,
                                   struct failure *why)
{
    size_t *count = user;

    (void)key;
    (void)value;
    (void)why;
    *count += 1;
    return STATUS_OK;
}

enum status entry_count(struct registry *registry, size_t *out_count, struct failure *why)
{
    size_t count = 0;

    TRY(store_list(registry->store, bytes_of("entry/"), entry_count_one, &count, why));
    *out_count = count;
    return STATUS_OK;
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
    bool may_replace;
};

static enum status entry_store_one(struct entry_job *job, const struct entry *entry, size_t count,
                                   struct failure *why)
{
    struct store *store = job->registry->store;
    struct entry old;
    struct entry kept = *entry;
    enum status status = entry_get(job->registry, bytes_of(entry->name), &old, why);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    if (status == STATUS_OK && entry_same(&old, entry)) {
        return STATUS_OK;
    }
    if (status == STATUS_OK && !job->may_replace) {
        return fail(why, STATUS_DENIED, "entry/exists", "entry %s is something else: %.150s",
                    old.name, old.spiffe_id.text);
    }
    if (status == STATUS_NOT_FOUND && count >= ENTRIES_MAX) {
        return fail(why, STATUS_LIMIT, "entry/too-many", "the registry holds %d entries",
                    ENTRIES_MAX);
    }
    TRY(entry_check_identity_free(job->registry, entry, why));
    if (status == STATUS_OK) {
        kept.created_at = old.created_at;
        if (!spiffe_id_equal(&old.spiffe_id, &entry->spiffe_id)) {
            TRY(entry_forget_identity(store, &old, why));
        }
    }
    return entry_write(store, &kept, why);
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
    struct entry_job job = {.registry = registry, .entries = entry, .num_entries = 1};

    return store_change(registry->store, entry_store_all, &job, why);
}

enum status entry_load(struct registry *registry, const struct entry *entries, size_t num_entries,
                       struct failure *why)
{
    struct entry_job job = {
        .registry = registry, .entries = entries, .num_entries = num_entries, .may_replace = true};

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
