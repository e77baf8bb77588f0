/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy documents: which kind, whose, for whom; the rules themselves are read in rule_parse.c and
 * peer_parse.c. See policy_set.h.
 */
#include "core/trust/authz/policy_set.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/trust/authz/rule.h"

enum { POLICY_NAME_MAX = 253, POLICY_LABEL_MAX = 512, POLICY_TARGETS_MAX = 16 };

static const char *const policy_groups[] = {"security.istio.io/", "security.signet.mesh/", NULL};
static const char *const policy_versions[] = {"security.istio.io/v1", "security.istio.io/v1beta1",
                                              "security.signet.mesh/v1", NULL};

static const char *const policy_kinds[] = {"AuthorizationPolicy", "PeerAuthentication",
                                           "RequestAuthentication", NULL};
enum policy_kind { POLICY_AUTHORIZATION, POLICY_PEER, POLICY_REQUEST };

/* What Kubernetes may print in front of a spec; only the first five mean something here. */
static const char *const policy_metadata_keys[] = {"name",
                                                   "namespace",
                                                   "annotations",
                                                   "creationTimestamp",
                                                   "labels",
                                                   "uid",
                                                   "resourceVersion",
                                                   "generation",
                                                   "managedFields",
                                                   "finalizers",
                                                   "ownerReferences",
                                                   "generateName",
                                                   "selfLink",
                                                   "deletionTimestamp",
                                                   "deletionGracePeriodSeconds",
                                                   NULL};

struct policy_set *policy_set_make(const struct policy_mesh *mesh)
{
    struct policy_set *set = memory_make(sizeof *set);

    atomic_init(&set->refs, 1);
    set->trust_domain = arena_text(&set->arena, bytes_of(mesh->trust_domain));
    set->root_namespace = arena_text(&set->arena, bytes_of(mesh->root_namespace));
    while (mesh->aliases != NULL && mesh->aliases[set->num_aliases] != NULL) {
        set->num_aliases++;
    }
    set->aliases = arena_take(&set->arena, set->num_aliases + 1, sizeof set->aliases[0]);
    for (size_t i = 0; i < set->num_aliases; i++) {
        set->aliases[i] = arena_text(&set->arena, bytes_of(mesh->aliases[i]));
    }
    set->default_mtls = mesh->default_mtls;
    set->last = &set->first;
    set->last_peer = &set->first_peer;
    return set;
}

struct policy_set *policy_set_ref(struct policy_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void policy_set_drop(struct policy_set **set)
{
    struct policy_set *dropped = TAKE(*set);

    if (dropped != NULL &&
        atomic_fetch_sub_explicit(&dropped->refs, 1, memory_order_acq_rel) == 1) {
        map_clear(&dropped->names);
        arena_clear(&dropped->arena);
        free(dropped);
    }
}

size_t policy_set_count(const struct policy_set *set)
{
    return set->count;
}

bool policy_set_is_policy(const struct yaml_node *document)
{
    const struct yaml_node *version = yaml_node_get(document, "apiVersion");

    if (version == NULL || version->kind != YAML_SCALAR) {
        return false;
    }
    for (size_t i = 0; policy_groups[i] != NULL; i++) {
        if (bytes_starts(version->text, bytes_of(policy_groups[i]))) {
            return true;
        }
    }
    return false;
}

/* policy_name_parse reads a name as Kubernetes has them: it goes into logs as it is. */
static enum status policy_name_parse(struct rule_reading *reading, const struct yaml_node *metadata,
                                     const char *key, const char **out_name, struct failure *why)
{
    const struct yaml_node *node;
    struct bytes text;

    TRY(yaml_node_need(metadata, key, &node, why));
    TRY(yaml_node_text(node, POLICY_NAME_MAX, &text, why));
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.' || c == '_')) {
            return yaml_node_fail(why, node, "policy/name",
                                  "a name is made of letters, digits, \"-\", \".\" and \"_\"");
        }
    }
    *out_name = arena_text(&reading->set->arena, text);
    return STATUS_OK;
}

static enum status policy_dry_run_parse(struct rule_reading *reading,
                                        const struct yaml_node *annotations, struct failure *why)
{
    static const char *const names[] = {"istio.io/dry-run", "signet.mesh/dry-run", NULL};
    static const char *const words[] = {"false", "true", NULL};

    if (annotations == NULL || yaml_node_is_nothing(annotations)) {
        return STATUS_OK;
    }
    TRY(yaml_node_check_kind(annotations, YAML_MAPPING, why));
    for (size_t i = 0; names[i] != NULL; i++) {
        const struct yaml_node *node = yaml_node_get(annotations, names[i]);
        unsigned choice = 0;

        if (node != NULL) {
            TRY(yaml_node_choice(node, words, &choice, why));
            reading->dry_run = reading->dry_run || choice == 1;
        }
    }
    return STATUS_OK;
}

/* policy_created_parse reads "2024-05-06T07:08:09Z", the one form Kubernetes prints. */
static enum status policy_created_parse(struct rule_reading *reading, const struct yaml_node *node,
                                        struct failure *why)
{
    static const char form[] = "0000-00-00T00:00:00Z";

    reading->created = "";
    if (node == NULL || yaml_node_is_nothing(node)) {
        return STATUS_OK;
    }
    TRY(yaml_node_check_kind(node, YAML_SCALAR, why));
    for (size_t i = 0; i < sizeof form - 1; i++) {
        uint8_t c = node->text.len == sizeof form - 1 ? node->text.at[i] : 0;

        if (form[i] == '0' ? c < '0' || c > '9' : c != (uint8_t)form[i]) {
            return yaml_node_fail(why, node, "policy/value",
                                  "a moment such as 2024-05-06T07:08:09Z");
        }
    }
    reading->created = arena_text(&reading->set->arena, node->text);
    return STATUS_OK;
}

static enum status policy_metadata_parse(struct rule_reading *reading,
                                         const struct yaml_node *document, const char *kind,
                                         struct failure *why)
{
    struct policy_set *set = reading->set;
    const struct yaml_node *metadata;
    const char *name;
    const char *key;

    TRY(yaml_node_need(document, "metadata", &metadata, why));
    TRY(yaml_node_check_keys(metadata, policy_metadata_keys, why));
    TRY(policy_name_parse(reading, metadata, "name", &name, why));
    TRY(policy_name_parse(reading, metadata, "namespace", &reading->namespace, why));
    TRY(policy_dry_run_parse(reading, yaml_node_get(metadata, "annotations"), why));
    TRY(policy_created_parse(reading, yaml_node_get(metadata, "creationTimestamp"), why));
    reading->id = arena_format(&set->arena, "%s/%s", reading->namespace, name);
    key = arena_format(&set->arena, "%s/%s", kind, reading->id);
    if (map_put(&set->names, bytes_of(key), set) != NULL) {
        return yaml_node_fail(why, yaml_node_get(metadata, "name"), "policy/duplicate",
                              "%s %s is there already", kind, reading->id);
    }
    return STATUS_OK;
}

enum status rule_selector_parse(struct rule_reading *reading, const struct yaml_node *node,
                                struct rule_selector *out_selector, struct failure *why)
{
    static const char *const allowed[] = {"matchLabels", NULL};
    const struct yaml_node *wanted;
    struct policy_label *labels;
    size_t count = 0;

    *out_selector = (struct rule_selector){0};
    if (node == NULL) {
        return STATUS_OK;
    }
    TRY(yaml_node_check_keys(node, allowed, why));
    wanted = yaml_node_get(node, "matchLabels");
    if (wanted == NULL) {
        return STATUS_OK;
    }
    TRY(yaml_node_check_kind(wanted, YAML_MAPPING, why));
    labels = arena_take(&reading->set->arena, wanted->count, sizeof *labels);
    YAML_EACH(wanted, label) {
        TRY(yaml_node_check_kind(label, YAML_SCALAR, why));
        if (yaml_node_is_nothing(label) || label->text.len > POLICY_LABEL_MAX ||
            memchr(label->text.at, '*', label->text.len) != NULL) {
            return yaml_node_fail(why, label, "policy/selector",
                                  "a label's value, whole (no `*`), is expected");
        }
        labels[count++] = (struct policy_label){arena_text(&reading->set->arena, label->key),
                                                arena_text(&reading->set->arena, label->text)};
    }
    *out_selector = (struct rule_selector){labels, count};
    return STATUS_OK;
}

/* policy_targets_parse checks targetRefs: they bind a policy to a gateway, never to a sidecar. */
static enum status policy_targets_parse(struct rule_reading *reading, const struct yaml_node *spec,
                                        struct authorization *policy, struct failure *why)
{
    static const char *const allowed[] = {"group", "kind", "name", "namespace", NULL};
    const struct yaml_node *list = yaml_node_get(spec, "targetRefs");
    const struct yaml_node *one = yaml_node_get(spec, "targetRef");

    if (list == NULL && one == NULL) {
        return STATUS_OK;
    }
    if (yaml_node_get(spec, "selector") != NULL) {
        return yaml_node_fail(why, yaml_node_get(spec, "selector"), "policy/conflict",
                              "not together with targetRefs");
    }
    if (one != NULL) {
        TRY(yaml_node_check_keys(one, allowed, why));
    }
    if (list != NULL) {
        TRY(yaml_node_check_kind(list, YAML_SEQUENCE, why));
        if (list->count == 0 || list->count > POLICY_TARGETS_MAX) {
            return yaml_node_fail(why, list, "policy/value", "1 to %d targets", POLICY_TARGETS_MAX);
        }
        YAML_EACH(list, target) {
            TRY(yaml_node_check_keys(target, allowed, why));
        }
    }
    policy->elsewhere = true;
    warnings_add(reading->warnings, list != NULL ? list : one,
                 "%s: targetRefs bind a policy to a gateway or waypoint: no effect on a sidecar",
                 reading->id);
    return STATUS_OK;
}

static enum status policy_action_parse(struct rule_reading *reading, const struct yaml_node *spec,
                                       struct failure *why)
{
    static const char *const words[] = {"ALLOW", "DENY", "AUDIT", "CUSTOM", NULL};
    const struct yaml_node *action = yaml_node_get(spec, "action");
    const struct yaml_node *provider = yaml_node_get(spec, "provider");
    unsigned choice = 0;

    if (action != NULL) {
        TRY(yaml_node_choice(action, words, &choice, why));
    }
    if (choice == 3) {
        return yaml_node_fail(why, action, "policy/custom",
                              "CUSTOM asks an external authorizer, and there is none here: the "
                              "policy is refused, never skipped");
    }
    if (provider != NULL) {
        return yaml_node_fail(why, provider, "policy/conflict", "only with action CUSTOM");
    }
    reading->action = (enum rule_action)choice;
    return STATUS_OK;
}

static const char *policy_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static enum status authorization_parse(struct rule_reading *reading,
                                       const struct yaml_node *document,
                                       const struct yaml_node *spec, struct failure *why)
{
    static const char *const allowed[] = {"selector", "targetRefs", "targetRef", "rules",
                                          "action",   "provider",   NULL};
    struct policy_set *set = reading->set;
    struct authorization *policy = arena_take(&set->arena, 1, sizeof *policy);

    policy->id = reading->id;
    policy->namespace = reading->namespace;
    policy->file =
        arena_text(&set->arena, bytes_of(policy_base_name(yaml_file_name(document->file))));
    policy->line = document->line;
    policy->dry_run = reading->dry_run;
    if (spec != NULL) {
        TRY(yaml_node_check_keys(spec, allowed, why));
        TRY(policy_action_parse(reading, spec, why));
        TRY(policy_targets_parse(reading, spec, policy, why));
        TRY(rule_selector_parse(reading, yaml_node_get(spec, "selector"), &policy->selector, why));
        TRY(rule_parse_all(reading, yaml_node_get(spec, "rules"), policy, why));
    }
    policy->action = reading->action;
    if (policy->action == RULE_DENY && policy->num_rules == 0) {
        return yaml_node_fail(
            why, spec, "policy/no-rules",
            "a DENY without rules never matches; `rules: [{}]` denies everything");
    }
    *set->last = policy;
    set->last = &policy->next;
    set->count++;
    return STATUS_OK;
}

static enum status peer_authentication_add(struct rule_reading *reading,
                                           const struct yaml_node *document,
                                           const struct yaml_node *spec, struct failure *why)
{
    struct policy_set *set = reading->set;
    struct peer_authentication *peer = arena_take(&set->arena, 1, sizeof *peer);

    peer->id = reading->id;
    peer->namespace = reading->namespace;
    peer->created = reading->created;
    TRY(peer_parse(reading, spec, peer, why));
    if (peer->selector.num_labels == 0) {
        const char *key = arena_format(&set->arena, "whole namespace/%s", peer->namespace);
        const struct peer_authentication *other = map_put(&set->names, bytes_of(key), peer);

        if (other != NULL) {
            warnings_add(
                reading->warnings, document,
                "PeerAuthentication %s and %s are both for the whole namespace: the oldest "
                "creationTimestamp counts, else the one read first",
                other->id, peer->id);
        }
    }
    *set->last_peer = peer;
    set->last_peer = &peer->next;
    return STATUS_OK;
}

/* policy_kind_parse reads apiVersion and kind, in words that we know. */
static enum status policy_kind_parse(const struct yaml_node *document, struct rule_reading *reading,
                                     enum policy_kind *out_kind, struct failure *why)
{
    static const char *const allowed[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
    const struct yaml_node *version;
    const struct yaml_node *kind;
    unsigned which;
    unsigned choice;

    TRY(yaml_node_check_keys(document, allowed, why));
    TRY(yaml_node_need(document, "apiVersion", &version, why));
    TRY(yaml_node_choice(version, policy_versions, &which, why));
    TRY(yaml_node_need(document, "kind", &kind, why));
    TRY(yaml_node_choice(kind, policy_kinds, &choice, why));
    reading->is_ours = policy_versions[which + 1] == NULL;
    if (reading->is_ours && choice == POLICY_REQUEST) {
        return yaml_node_fail(why, kind, "policy/kind", "not of security.signet.mesh");
    }
    *out_kind = (enum policy_kind)choice;
    return STATUS_OK;
}

enum status policy_set_add(struct policy_set *set, const struct yaml_node *document,
                           struct warnings *warnings, struct failure *why)
{
    struct rule_reading reading = {.set = set, .warnings = warnings};
    const struct yaml_node *spec = yaml_node_get(document, "spec");
    enum policy_kind kind = POLICY_AUTHORIZATION;

    if (spec != NULL && yaml_node_is_nothing(spec)) {
        spec = NULL;
    }
    TRY(policy_kind_parse(document, &reading, &kind, why));
    TRY(policy_metadata_parse(&reading, document, policy_kinds[kind], why));
    switch (kind) {
    case POLICY_AUTHORIZATION:
        return authorization_parse(&reading, document, spec, why);
    case POLICY_PEER:
        return peer_authentication_add(&reading, document, spec, why);
    case POLICY_REQUEST:
        break;
    }
    warnings_add(warnings, document,
                 "RequestAuthentication %s: a connection shows no JWT: no effect here", reading.id);
    return STATUS_OK;
}
