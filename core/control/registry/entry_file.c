/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/entry_file.h"

#include <stdlib.h>

#include "core/runtime/base/map.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/yaml/yaml.h"

static enum status entry_file_text(const struct yaml_node *item, const char *key, size_t max,
                                   struct bytes *out_text, struct failure *why)
{
    const struct yaml_node *node = yaml_node_get(item, key);

    return node == NULL ? STATUS_OK : yaml_node_text(node, max, out_text, why);
}

/* The longest life: told apart from other numbers because the authority has a shortest one. */
static enum status entry_file_life(const struct registry *registry, const struct yaml_node *item,
                                   struct entry *entry, struct failure *why)
{
    const struct yaml_node *node = yaml_node_get(item, "maxLifeSeconds");
    struct failure inner = {0};
    uint64_t life_s = 0;

    if (node == NULL) {
        return STATUS_OK;
    }
    TRY(yaml_node_number(node, 1, ENTRY_LIFE_MAX_S, &life_s, why));
    if (entry_set_life(registry, entry, (int64_t)life_s, &inner) != STATUS_OK) {
        return yaml_node_fail(why, node, inner.reason, "%s", inner.detail);
    }
    return STATUS_OK;
}

static enum status entry_file_number(const struct yaml_node *item, const char *key, uint64_t max,
                                     uint32_t *out_number, struct failure *why)
{
    const struct yaml_node *node = yaml_node_get(item, key);
    uint64_t number = 0;

    if (node == NULL) {
        return STATUS_OK;
    }
    TRY(yaml_node_number(node, 1, max, &number, why));
    *out_number = (uint32_t)number;
    return STATUS_OK;
}

/* The identity is given whole, or as namespace and service account of our trust domain. */
static enum status entry_file_identity(const struct registry *registry,
                                       const struct yaml_node *item, struct spiffe_id *out_id,
                                       struct failure *why)
{
    struct bytes whole = {0};
    struct bytes namespace = {0};
    struct bytes account = {0};
    struct failure inner = {0};
    enum status status;

    TRY(entry_file_text(item, "spiffeId", SPIFFE_ID_MAX, &whole, why));
    TRY(entry_file_text(item, "namespace", 253, &namespace, why));
    TRY(entry_file_text(item, "serviceAccount", 253, &account, why));
    if ((whole.len > 0) == (namespace.len > 0 || account.len > 0) ||
        (namespace.len > 0) != (account.len > 0)) {
        return yaml_node_fail(why, item, "entry-file/identity",
                              "an entry needs spiffeId, or namespace and serviceAccount");
    }
    status = whole.len > 0 ? spiffe_id_parse(whole, out_id, &inner)
                           : spiffe_id_of(bytes_of(registry->trust_domain), namespace, account,
                                          out_id, &inner);
    if (status != STATUS_OK) {
        return yaml_node_fail(why, item, "entry/id", "%s: %s", inner.reason, inner.detail);
    }
    return STATUS_OK;
}

static enum status entry_file_item(const struct registry *registry, const struct yaml_node *item,
                                   struct entry *out_entry, struct failure *why)
{
    static const char *const allowed[] = {"name",           "spiffeId",    "namespace",
                                          "serviceAccount", "description", "maxLifeSeconds",
                                          "maxInstances",   NULL};
    const struct yaml_node *node;
    struct bytes name;
    struct bytes description = {0};
    struct spiffe_id id;
    struct failure inner = {0};

    TRY(yaml_node_check_keys(item, allowed, why));
    TRY(yaml_node_need(item, "name", &node, why));
    TRY(yaml_node_text(node, ENTRY_NAME_MAX, &name, why));
    TRY(entry_file_text(item, "description", ENTRY_DESCRIPTION_MAX, &description, why));
    TRY(entry_file_identity(registry, item, &id, why));
    if (entry_make(registry, name, spiffe_id_text(&id), description, out_entry, &inner) !=
        STATUS_OK) {
        return yaml_node_fail(why, item, inner.reason, "%s", inner.detail);
    }
    TRY(entry_file_life(registry, item, out_entry, why));
    return entry_file_number(item, "maxInstances", ENTRY_INSTANCES_MAX, &out_entry->max_instances,
                             why);
}

/* Names and identities seen so far; the values only say "seen". */
struct entry_file_seen {
    struct map names;
    struct map identities;
};

static void entry_file_seen_clear(struct entry_file_seen *seen)
{
    map_clear(&seen->names);
    map_clear(&seen->identities);
}

static enum status entry_file_check_once(struct entry_file_seen *seen, const struct yaml_node *item,
                                         struct entry *entry, struct failure *why)
{
    if (map_put(&seen->names, bytes_of(entry->name), seen) != NULL) {
        return yaml_node_fail(why, item, "entry-file/twice", "%s is named twice", entry->name);
    }
    if (map_put(&seen->identities, spiffe_id_text(&entry->spiffe_id), seen) != NULL) {
        return yaml_node_fail(why, item, "entry-file/twice", "%.150s is given to two entries",
                              entry->spiffe_id.text);
    }
    return STATUS_OK;
}

static enum status entry_file_list(const struct registry *registry, const struct yaml_node *list,
                                   struct entry_file *file, struct failure *why)
{
    CLEARED(entry_file_seen) seen = {0};

    TRY(yaml_node_check_kind(list, YAML_SEQUENCE, why));
    if (list->count > ENTRIES_MAX) {
        return fail(why, STATUS_LIMIT, "entry/too-many", "%u entries, at most %d", list->count,
                    ENTRIES_MAX);
    }
    file->entries = memory_make((list->count + 1) * sizeof *file->entries);
    YAML_EACH(list, item)
    {
        struct entry *entry = &file->entries[file->count];

        TRY(entry_file_item(registry, item, entry, why));
        TRY(entry_file_check_once(&seen, item, entry, why));
        file->count++;
    }
    return STATUS_OK;
}

enum status entry_file_parse(const struct registry *registry, const char *name, struct bytes text,
                             struct entry_file *out_file, struct failure *why)
{
    static const char *const allowed[] = {"entries", NULL};
    OWNED(yaml_file) *yaml = NULL;
    CLEARED(entry_file) file = {0};
    const struct yaml_node *list;

    TRY(yaml_file_parse(name, text, &yaml, why));
    if (yaml_file_count(yaml) != 1) {
        return fail(why, STATUS_CONFIG, "entry-file/documents",
                    "%s:1:1: one document with `entries:` is needed, not %zu", name,
                    yaml_file_count(yaml));
    }
    TRY(yaml_node_check_keys(yaml_file_document(yaml, 0), allowed, why));
    TRY(yaml_node_need(yaml_file_document(yaml, 0), "entries", &list, why));
    TRY(entry_file_list(registry, list, &file, why));
    *out_file = file;
    file = (struct entry_file){0};
    return STATUS_OK;
}

enum status entry_file_read(const struct registry *registry, const char *path,
                            struct entry_file *out_file, struct failure *why)
{
    CLEARED(buffer) text = {.max = YAML_MAX_SIZE};

    TRY(buffer_read_file(&text, path, why));
    return entry_file_parse(registry, path, buffer_bytes(&text), out_file, why);
}

void entry_file_clear(struct entry_file *file)
{
    free(file->entries);
    *file = (struct entry_file){0};
}
