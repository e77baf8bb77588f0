/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mesh from YAML, in this order: all files into trees; settings, workloads and services of the
 * mesh documents; policies; then what needs both: each workload's policy, each service's endpoints.
 * See decode.h.
 */
#include "core/sidecar/discovery/decode.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/sidecar/discovery/decoding.h"
#include "core/sidecar/discovery/mesh_files.h"

enum { DECODE_DOMAIN_MAX = 255, DECODE_ALIASES_MAX = 32, DECODE_LABEL_MAX = 512 };

/* The settings of a mesh: each may be given once, in whatever document. */
enum decode_setting {
    DECODE_TRUST_DOMAIN,
    DECODE_ALIASES,
    DECODE_ROOT_NAMESPACE,
    DECODE_UNKNOWN,
    DECODE_DEFAULT_MTLS,
    DECODE_SETTINGS,
};

static const char *const decode_setting_names[DECODE_SETTINGS] = {
    "trustDomain", "trustDomainAliases", "rootNamespace", "unknownDestinations", "defaultMtls"};

static const char *const decode_mesh_keys[] = {"trustDomain",
                                               "trustDomainAliases",
                                               "rootNamespace",
                                               "unknownDestinations",
                                               "defaultMtls",
                                               "workloads",
                                               "services",
                                               NULL};

struct decode_input {
    struct yaml_file **files; /* owned, each one owned */
    size_t num_files;
    const struct yaml_node *settings[DECODE_SETTINGS];
    bool has_mesh;
    bool has_document;
};

/* DECODE_EACH visits all documents of all files. */
#define DECODE_EACH(input, document)                                                               \
    for (size_t file_##document = 0; file_##document < (input)->num_files; file_##document++)      \
        for (const struct yaml_node *document =                                                    \
                 yaml_file_document((input)->files[file_##document], 0);                           \
             document != NULL; document = document->next)

static void decode_input_clear(struct decode_input *input)
{
    for (size_t i = 0; i < input->num_files; i++) {
        yaml_file_drop(&input->files[i]);
    }
    free(input->files);
}

static void decoding_clear(struct decoding *decoding)
{
    for (size_t i = 0; decoding->services != NULL && i < decoding->room_services; i++) {
        free(decoding->services[i].behind);
    }
    free(decoding->services);
    map_clear(&decoding->workloads);
    map_clear(&decoding->service_ids);
    map_clear(&decoding->addresses);
}

enum status decoding_once(struct map *seen, struct bytes key, const struct yaml_node *node,
                          const char *what, struct failure *why)
{
    const struct yaml_node *first = map_put(seen, key, (void *)(uintptr_t)node);

    if (first != NULL) {
        return yaml_node_fail(why, node, "mesh/duplicate", "%s stands here again, first in %s:%u",
                              what, yaml_file_name(first->file), first->line);
    }
    return STATUS_OK;
}

static bool decode_is_name(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.' || c == '_')) {
            return false;
        }
    }
    return !bytes_equal_text(text, ".") && !bytes_equal_text(text, "..");
}

static enum status decode_name_text(struct decoding *decoding, const struct yaml_node *node,
                                    size_t max, const char **out_name, struct failure *why)
{
    struct bytes text;

    TRY(yaml_node_text(node, max, &text, why));
    if (!decode_is_name(text)) { /* it becomes part of a SPIFFE ID, whose path takes no other */
        return yaml_node_fail(why, node, "mesh/name",
                              "a name is made of letters, digits, \"-\", \".\" and \"_\"");
    }
    *out_name = arena_text(&decoding->snapshot->arena, text);
    return STATUS_OK;
}

enum status decoding_name(struct decoding *decoding, const struct yaml_node *node, const char *key,
                          size_t max, const char **out_name, struct failure *why)
{
    const struct yaml_node *value;

    TRY(yaml_node_need(node, key, &value, why));
    return decode_name_text(decoding, value, max, out_name, why);
}

static bool decode_is_unicast(const struct ip *ip)
{
    static const struct ip nobody = {{0}};

    if (ip_is_v4(ip)) {
        return ip->at[12] != 0 && ip->at[12] < 224;
    }
    return ip->at[0] != 0xff && !ip_equal(ip, &nobody);
}

enum status decoding_addresses(struct decoding *decoding, const struct yaml_node *list,
                               const struct ip **out_addresses, size_t *out_count,
                               struct failure *why)
{
    struct ip *addresses;
    size_t count = 0;

    TRY(yaml_node_check_kind(list, YAML_SEQUENCE, why));
    addresses = arena_take(&decoding->snapshot->arena, list->count, sizeof *addresses);
    YAML_EACH(list, node) {
        struct bytes text;

        TRY(yaml_node_text(node, IP_TEXT_MAX, &text, why));
        if (!ip_parse(text, &addresses[count]) || !decode_is_unicast(&addresses[count])) {
            return yaml_node_fail(
                why, node, "mesh/address",
                "\"%s\" is no address of one machine, such as 10.0.0.1 or fd00::1",
                (const char *)text.at);
        }
        TRY(decoding_once(&decoding->addresses, ip_bytes(&addresses[count]), node,
                          (const char *)text.at, why));
        count++;
    }
    *out_addresses = addresses;
    *out_count = count;
    return STATUS_OK;
}

enum status decoding_labels(struct decoding *decoding, const struct yaml_node *node,
                            const struct policy_label **out_labels, size_t *out_count,
                            struct failure *why)
{
    struct arena *arena = &decoding->snapshot->arena;
    struct policy_label *labels;
    size_t count = 0;

    TRY(yaml_node_check_kind(node, YAML_MAPPING, why));
    labels = arena_take(arena, node->count, sizeof *labels);
    YAML_EACH(node, label) {
        TRY(yaml_node_check_kind(label, YAML_SCALAR, why));
        if (yaml_node_is_nothing(label) || label->text.len > DECODE_LABEL_MAX) {
            return yaml_node_fail(why, label, "yaml/value",
                                  "a label's value is expected (\"\" for an empty one)");
        }
        labels[count++] =
            (struct policy_label){arena_text(arena, label->key), arena_text(arena, label->text)};
    }
    *out_labels = labels;
    *out_count = count;
    return STATUS_OK;
}

enum status decoding_unknown(const struct yaml_node *node, enum snapshot_unknown *out_unknown,
                             struct failure *why)
{
    static const char *const words[] = {"passthrough", "refuse", NULL};
    unsigned choice;

    TRY(yaml_node_choice(node, words, &choice, why));
    *out_unknown = (enum snapshot_unknown)choice;
    return STATUS_OK;
}

static enum status decode_read_files(const struct snapshot_file *files, size_t num_files,
                                     struct decode_input *input, struct failure *why)
{
    size_t left = SNAPSHOT_MAX_SIZE;

    if (num_files > SNAPSHOT_MAX_FILES) {
        return fail(why, STATUS_LIMIT, "mesh/too-many", "more than %d files", SNAPSHOT_MAX_FILES);
    }
    input->files = memory_make((num_files + 1) * sizeof input->files[0]);
    for (size_t i = 0; i < num_files; i++) {
        if (files[i].text.len > left) {
            return fail(why, STATUS_LIMIT, "mesh/too-large", "more than %zu bytes in all files",
                        SNAPSHOT_MAX_SIZE);
        }
        left -= files[i].text.len;
        TRY(yaml_file_parse(files[i].name, files[i].text, &input->files[i], why));
        input->num_files++;
    }
    return STATUS_OK;
}

/* decode_sort_documents checks what each document is, and finds the settings of the mesh. */
static enum status decode_sort_documents(struct decode_input *input, struct failure *why)
{
    DECODE_EACH(input, document) {
        const struct yaml_node *version = yaml_node_get(document, "apiVersion");

        input->has_document = true;
        if (policy_set_is_policy(document)) {
            continue;
        }
        if (version != NULL || yaml_node_get(document, "kind") != NULL) {
            return yaml_node_fail(
                why, version != NULL ? version : document, "mesh/kind",
                "neither a mesh (which has no apiVersion and kind) nor a policy of "
                "security.istio.io or security.signet.mesh");
        }
        TRY(yaml_node_check_keys(document, decode_mesh_keys, why));
        input->has_mesh = true;
        for (size_t i = 0; i < DECODE_SETTINGS; i++) {
            const struct yaml_node *given = yaml_node_get(document, decode_setting_names[i]);

            if (given != NULL && input->settings[i] != NULL) {
                return yaml_node_fail(
                    why, given, "mesh/duplicate", "given already in %s:%u; once is enough",
                    yaml_file_name(input->settings[i]->file), input->settings[i]->line);
            }
            input->settings[i] = given != NULL ? given : input->settings[i];
        }
    }
    return STATUS_OK;
}

static enum status decode_domain(struct decoding *decoding, const struct yaml_node *node,
                                 const char **out_domain, struct failure *why)
{
    struct bytes text;

    TRY(yaml_node_text(node, DECODE_DOMAIN_MAX, &text, why));
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
              c == '_')) {
            return yaml_node_fail(why, node, "mesh/trust-domain",
                                  "made of small letters, digits, \"-\", \".\" and \"_\"");
        }
    }
    *out_domain = arena_text(&decoding->snapshot->arena, text);
    return STATUS_OK;
}

static enum status decode_aliases(struct decoding *decoding, const struct yaml_node *list,
                                  const char **aliases, struct failure *why)
{
    size_t count = 0;

    if (list == NULL) {
        return STATUS_OK;
    }
    TRY(yaml_node_check_kind(list, YAML_SEQUENCE, why));
    if (list->count > DECODE_ALIASES_MAX) {
        return yaml_node_fail(why, list, "yaml/value", "at most %d aliases", DECODE_ALIASES_MAX);
    }
    YAML_EACH(list, node) {
        TRY(decode_domain(decoding, node, &aliases[count++], why));
    }
    return STATUS_OK;
}

/* What a port asks of TLS of which nobody else says it; `node` NULL: not even the mesh does. */
static enum status decode_default_mtls(const struct yaml_node *node,
                                       enum policy_default *out_default, struct failure *why)
{
    static const char *const words[] = {"strict", "permissive", NULL};
    unsigned choice;

    *out_default = POLICY_DEFAULT_UNSAID;
    if (node != NULL) {
        TRY(yaml_node_choice(node, words, &choice, why));
        *out_default = choice == 0 ? POLICY_DEFAULT_STRICT : POLICY_DEFAULT_PERMISSIVE;
    }
    return STATUS_OK;
}

static enum status decode_settings(struct decoding *decoding, const struct decode_input *input,
                                   struct failure *why)
{
    struct snapshot *snapshot = decoding->snapshot;
    const char *aliases[DECODE_ALIASES_MAX + 1] = {NULL};
    const struct yaml_node *const *given = input->settings;
    struct policy_mesh mesh = {.aliases = aliases};

    snapshot->trust_domain = "cluster.local";
    snapshot->root_namespace = "signet-system";
    if (given[DECODE_TRUST_DOMAIN] != NULL) {
        TRY(decode_domain(decoding, given[DECODE_TRUST_DOMAIN], &snapshot->trust_domain, why));
    }
    if (given[DECODE_ROOT_NAMESPACE] != NULL) {
        TRY(decode_name_text(decoding, given[DECODE_ROOT_NAMESPACE], DECODING_NAMESPACE_MAX,
                             &snapshot->root_namespace, why));
    }
    if (given[DECODE_UNKNOWN] != NULL) {
        TRY(decoding_unknown(given[DECODE_UNKNOWN], &snapshot->unknown_destinations, why));
    }
    TRY(decode_aliases(decoding, given[DECODE_ALIASES], aliases, why));
    TRY(decode_default_mtls(given[DECODE_DEFAULT_MTLS], &mesh.default_mtls, why));
    mesh.trust_domain = snapshot->trust_domain;
    mesh.root_namespace = snapshot->root_namespace;
    snapshot->policies = policy_set_make(&mesh);
    return STATUS_OK;
}

/* decode_make_room counts the workloads and services of all documents and allocates once. */
static enum status decode_make_room(struct decoding *decoding, const struct decode_input *input,
                                    struct failure *why)
{
    struct snapshot *snapshot = decoding->snapshot;

    DECODE_EACH(input, document) {
        const struct yaml_node *workloads = yaml_node_get(document, "workloads");
        const struct yaml_node *services = yaml_node_get(document, "services");

        if (policy_set_is_policy(document)) {
            continue;
        }
        if (workloads != NULL) {
            TRY(yaml_node_check_kind(workloads, YAML_SEQUENCE, why));
            decoding->room_workloads += workloads->count;
        }
        if (services != NULL) {
            TRY(yaml_node_check_kind(services, YAML_SEQUENCE, why));
            decoding->room_services += services->count;
        }
    }
    snapshot->workloads =
        arena_take(&snapshot->arena, decoding->room_workloads, sizeof snapshot->workloads[0]);
    snapshot->services =
        arena_take(&snapshot->arena, decoding->room_services, sizeof snapshot->services[0]);
    snapshot->service_ports =
        arena_take(&snapshot->arena, decoding->room_services, sizeof snapshot->service_ports[0]);
    decoding->services = memory_make((decoding->room_services + 1) * sizeof decoding->services[0]);
    return STATUS_OK;
}

static enum status decode_documents(struct decoding *decoding, const struct decode_input *input,
                                    struct failure *why)
{
    DECODE_EACH(input, document) {
        if (policy_set_is_policy(document)) {
            TRY(policy_set_add(decoding->snapshot->policies, document, decoding->warnings, why));
            continue;
        }
        YAML_EACH(yaml_node_get(document, "workloads"), workload) {
            TRY(workload_decode(decoding, workload, why));
        }
        YAML_EACH(yaml_node_get(document, "services"), service) {
            TRY(service_decode(decoding, service, why));
        }
    }
    return STATUS_OK;
}

static void decode_index(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->num_workloads; i++) {
        struct snapshot_workload *workload = &snapshot->workloads[i];
        struct snapshot_owner *owner = arena_take(&snapshot->arena, 1, sizeof *owner);

        owner->workload = workload;
        (void)map_put(&snapshot->workloads_by_id, bytes_of(workload->id), workload);
        for (size_t j = 0; j < workload->num_addresses; j++) {
            (void)map_put(&snapshot->owners, ip_bytes(&workload->addresses[j]), owner);
        }
    }
    for (size_t i = 0; i < snapshot->num_services; i++) {
        const struct snapshot_service *service = &snapshot->services[i];
        struct snapshot_owner *owner = arena_take(&snapshot->arena, 1, sizeof *owner);

        owner->service = i;
        for (size_t j = 0; j < service->num_addresses; j++) {
            (void)map_put(&snapshot->owners, ip_bytes(&service->addresses[j]), owner);
        }
    }
}

static enum status decode_fill(struct decoding *decoding, const struct decode_input *input,
                               struct failure *why)
{
    struct snapshot *snapshot = decoding->snapshot;

    TRY(decode_settings(decoding, input, why));
    TRY(decode_make_room(decoding, input, why));
    TRY(decode_documents(decoding, input, why));
    for (size_t i = 0; i < snapshot->num_workloads; i++) {
        struct snapshot_workload *workload = &snapshot->workloads[i];

        workload_choose_policy(decoding, workload,
                               map_get(&decoding->workloads, bytes_of(workload->id)));
    }
    decode_index(snapshot);
    for (size_t i = 0; i < snapshot->num_services; i++) {
        TRY(service_connect(decoding, i, why));
    }
    return STATUS_OK;
}

/* decode_parse is snapshot_parse; `need_mesh`: policies alone are not enough. */
static enum status decode_parse(const struct snapshot_file *files, size_t num_files, bool need_mesh,
                                struct warnings *warnings, struct snapshot **out_snapshot,
                                struct failure *why)
{
    __attribute__((cleanup(decode_input_clear))) struct decode_input input = {0};
    OWNED(snapshot) *snapshot = NULL;

    TRY(decode_read_files(files, num_files, &input, why));
    TRY(decode_sort_documents(&input, why));
    if (!input.has_document || (!input.has_mesh && need_mesh)) {
        return fail(why, STATUS_CONFIG, "mesh/none",
                    "%s: no document here describes a mesh (workloads, services)",
                    num_files > 0 ? yaml_file_name(input.files[0]) : "nothing was read");
    }
    snapshot = snapshot_make_empty();
    {
        CLEARED(decoding) decoding = {.snapshot = snapshot, .warnings = warnings};

        TRY(decode_fill(&decoding, &input, why));
    }
    *out_snapshot = TAKE(snapshot);
    return STATUS_OK;
}

enum status snapshot_parse(const struct snapshot_file *files, size_t num_files,
                           struct warnings *warnings, struct snapshot **out_snapshot,
                           struct failure *why)
{
    return decode_parse(files, num_files, true, warnings, out_snapshot, why);
}

enum status snapshot_load(const char *path, struct warnings *warnings,
                          struct snapshot **out_snapshot, struct failure *why)
{
    CLEARED(mesh_files) files = {0};

    TRY(mesh_files_read(path, &files, why));
    return decode_parse(files.at, files.count, true, warnings, out_snapshot, why);
}

enum status snapshot_check(const char *path, struct warnings *warnings, struct failure *why)
{
    CLEARED(mesh_files) files = {0};
    OWNED(snapshot) *snapshot = NULL;

    TRY(mesh_files_read(path, &files, why));
    return decode_parse(files.at, files.count, false, warnings, &snapshot, why);
}
