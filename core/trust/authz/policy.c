/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a policy set holds for one workload. See policy.h.
 */
#include "core/trust/authz/policy.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/trust/authz/rule.h"

/* The PeerAuthentications that count for a workload, one for each level; NULL: none there. */
struct policy_levels {
    const struct peer_authentication *workload;
    const struct peer_authentication *namespace;
    const struct peer_authentication *mesh;
};

const char *mtls_mode_word(enum mtls_mode mode)
{
    static const char *const words[] = {"disable", "permissive", "strict"};

    return words[mode];
}

static bool policy_has_label(const struct policy_subject *subject, const struct policy_label *label)
{
    for (size_t i = 0; i < subject->num_labels; i++) {
        if (strcmp(subject->labels[i].name, label->name) == 0) {
            return strcmp(subject->labels[i].value, label->value) == 0;
        }
    }
    return false;
}

static bool policy_is_selected(const struct rule_selector *selector,
                               const struct policy_subject *subject)
{
    for (size_t i = 0; i < selector->num_labels; i++) {
        if (!policy_has_label(subject, &selector->labels[i])) {
            return false;
        }
    }
    return true;
}

static bool policy_holds(const struct policy_set *set, const struct authorization *candidate,
                         const struct policy_subject *subject)
{
    return !candidate->elsewhere &&
           (strcmp(candidate->namespace, subject->namespace) == 0 ||
            strcmp(candidate->namespace, set->root_namespace) == 0) &&
           policy_is_selected(&candidate->selector, subject);
}

/* policy_older: does `a` beat `b` (NULL: nobody yet), which was read before it? */
static bool policy_older(const struct peer_authentication *a, const struct peer_authentication *b)
{
    if (b == NULL) {
        return true;
    }
    if (a->created[0] == '\0' || b->created[0] == '\0') {
        return a->created[0] != '\0' && b->created[0] == '\0';
    }
    return strcmp(a->created, b->created) < 0;
}

static struct policy_levels policy_find_levels(const struct policy_set *set,
                                               const struct policy_subject *subject)
{
    struct policy_levels levels = {0};

    for (const struct peer_authentication *peer = set->first_peer; peer != NULL;
         peer = peer->next) {
        bool is_root = strcmp(peer->namespace, set->root_namespace) == 0;
        bool is_own = strcmp(peer->namespace, subject->namespace) == 0;
        const struct peer_authentication **level = NULL;

        if (peer->selector.num_labels > 0) {
            if (is_own && !is_root && policy_is_selected(&peer->selector, subject)) {
                level = &levels.workload;
            }
        } else if (is_root) {
            level = &levels.mesh;
        } else if (is_own) {
            level = &levels.namespace;
        }
        if (level != NULL && policy_older(peer, *level)) {
            *level = peer;
        }
    }
    return levels;
}

static enum mtls_mode policy_mode_of(enum peer_mode mode)
{
    return mode == PEER_STRICT    ? MTLS_STRICT
           : mode == PEER_DISABLE ? MTLS_DISABLE
                                  : MTLS_PERMISSIVE;
}

static void policy_choose_mode(struct policy *policy, const struct policy_set *set,
                               const struct policy_levels *levels)
{
    const struct peer_authentication *const order[] = {levels->workload, levels->namespace,
                                                       levels->mesh};

    policy->mode =
        set->default_mtls == POLICY_DEFAULT_PERMISSIVE ? MTLS_PERMISSIVE : MTLS_STRICT;
    policy->mode_source =
        set->default_mtls == POLICY_DEFAULT_UNSAID ? "default" : "defaultMtls";
    for (size_t i = 0; i < 3; i++) {
        if (order[i] != NULL && order[i]->mode != PEER_UNSET) {
            policy->mode = policy_mode_of(order[i]->mode);
            policy->mode_source = order[i]->id;
            return;
        }
    }
}

struct policy_port_choice {
    struct policy_port port;
    const char *source;
};

static int policy_compare_ports(const void *a, const void *b)
{
    const struct policy_port_choice *left = a;
    const struct policy_port_choice *right = b;

    return (int)left->port.port - (int)right->port.port;
}

static bool policy_port_is_given(const struct policy_subject *subject, uint16_t port)
{
    for (size_t i = 0; i < subject->num_ports; i++) {
        if (subject->ports[i].port == port) {
            return true;
        }
    }
    return false;
}

/* policy_choose_ports gathers the ports with a mode of their own: the mesh's word, then portLevelMtls. */
static void policy_choose_ports(struct policy *policy, const struct policy_subject *subject,
                                const struct peer_authentication *workload)
{
    size_t most = subject->num_ports + (workload != NULL ? workload->num_ports : 0);
    struct policy_port_choice *chosen = memory_make((most + 1) * sizeof *chosen);
    struct policy_port *ports;
    const char **sources;
    size_t count = 0;

    for (size_t i = 0; i < subject->num_ports; i++) {
        chosen[count++] = (struct policy_port_choice){subject->ports[i], "mesh"};
    }
    for (size_t i = 0; workload != NULL && i < workload->num_ports; i++) {
        const struct peer_port *port = &workload->ports[i];

        if (port->mode != PEER_UNSET && !policy_port_is_given(subject, port->port)) {
            chosen[count++] =
                (struct policy_port_choice){{port->port, policy_mode_of(port->mode)}, workload->id};
        }
    }
    qsort(chosen, count, sizeof *chosen, policy_compare_ports);
    ports = arena_take(&policy->arena, count, sizeof *ports);
    sources = arena_take(&policy->arena, count, sizeof *sources);
    for (size_t i = 0; i < count; i++) {
        ports[i] = chosen[i].port;
        sources[i] = chosen[i].source;
    }
    free(chosen);
    policy->ports = ports;
    policy->port_sources = sources;
    policy->num_ports = count;
}

static void policy_choose_rules(struct policy *policy, const struct policy_set *set,
                                const struct policy_subject *subject)
{
    size_t found[3] = {0};

    for (const struct authorization *one = set->first; one != NULL; one = one->next) {
        if (policy_holds(set, one, subject)) {
            found[one->action]++;
        }
    }
    for (size_t action = 0; action < 3; action++) {
        policy->by_action[action] =
            arena_take(&policy->arena, found[action], sizeof policy->by_action[action][0]);
    }
    for (const struct authorization *one = set->first; one != NULL; one = one->next) {
        if (policy_holds(set, one, subject)) {
            policy->by_action[one->action][policy->num_by_action[one->action]++] = one;
            policy->num_enforced[one->action] += one->dry_run ? 0 : 1;
            policy->has_dry_run = policy->has_dry_run || one->dry_run;
        }
    }
}

struct policy *policy_select(struct policy_set *set, const struct policy_subject *subject)
{
    struct policy *policy = memory_make(sizeof *policy);
    struct policy_levels levels = policy_find_levels(set, subject);

    atomic_init(&policy->refs, 1);
    policy->set = policy_set_ref(set);
    policy_choose_rules(policy, set, subject);
    policy_choose_mode(policy, set, &levels);
    policy_choose_ports(policy, subject, levels.workload);
    return policy;
}

/* policy_find_port is the index of a port with a mode of its own, or num_ports. */
static size_t policy_find_port(const struct policy *policy, uint16_t port)
{
    size_t low = 0;
    size_t high = policy->num_ports;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (policy->ports[middle].port < port) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < policy->num_ports && policy->ports[low].port == port ? low : policy->num_ports;
}

enum mtls_mode policy_mtls(const struct policy *policy, uint16_t port)
{
    size_t index = policy_find_port(policy, port);

    return index < policy->num_ports ? policy->ports[index].mode : policy->mode;
}

const char *policy_mtls_source(const struct policy *policy, uint16_t port)
{
    size_t index = policy_find_port(policy, port);

    return index < policy->num_ports ? policy->port_sources[index] : policy->mode_source;
}

enum mtls_mode policy_mtls_default(const struct policy *policy)
{
    return policy->mode;
}

const char *policy_mtls_default_source(const struct policy *policy)
{
    return policy->mode_source;
}

bool policy_mtls_port(const struct policy *policy, size_t index, struct policy_port *out_port)
{
    if (index >= policy->num_ports) {
        return false;
    }
    *out_port = policy->ports[index];
    return true;
}

bool policy_is_empty(const struct policy *policy)
{
    return policy->num_enforced[RULE_ALLOW] == 0 && policy->num_enforced[RULE_DENY] == 0;
}

size_t policy_num_allow(const struct policy *policy)
{
    return policy->num_enforced[RULE_ALLOW];
}

size_t policy_num_deny(const struct policy *policy)
{
    return policy->num_enforced[RULE_DENY];
}

static const struct authorization *policy_at(const struct policy *policy, size_t index)
{
    static const enum rule_action order[] = {RULE_DENY, RULE_ALLOW, RULE_AUDIT};

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (index < policy->num_by_action[order[i]]) {
            return policy->by_action[order[i]][index];
        }
        index -= policy->num_by_action[order[i]];
    }
    return NULL;
}

bool policy_describe(const struct policy *policy, size_t index,
                     struct policy_description *out_description)
{
    static const char *const actions[] = {
        [RULE_ALLOW] = "ALLOW",
        [RULE_DENY] = "DENY",
        [RULE_AUDIT] = "AUDIT",
    };
    const struct authorization *found = policy_at(policy, index);

    if (found == NULL) {
        return false;
    }
    *out_description = (struct policy_description){
        .id = found->id,
        .action = actions[found->action],
        .file = found->file,
        .line = found->line,
        .dry_run = found->dry_run,
        .num_rules = found->num_rules,
    };
    return true;
}

bool policy_describe_rule(const struct policy *policy, size_t index, size_t rule,
                          struct policy_rule_description *out_description)
{
    const struct authorization *found = policy_at(policy, index);

    if (found == NULL || rule >= found->num_rules) {
        return false;
    }
    *out_description = (struct policy_rule_description){
        .number = found->rules[rule].number,
        .line = found->rules[rule].line,
        .never = found->rules[rule].never,
    };
    return true;
}

struct policy *policy_ref(struct policy *policy)
{
    atomic_fetch_add_explicit(&policy->refs, 1, memory_order_relaxed);
    return policy;
}

void policy_drop(struct policy **policy)
{
    struct policy *dropped = TAKE(*policy);

    if (dropped != NULL &&
        atomic_fetch_sub_explicit(&dropped->refs, 1, memory_order_acq_rel) == 1) {
        policy_set_drop(&dropped->set);
        arena_clear(&dropped->arena);
        free(dropped);
    }
}
