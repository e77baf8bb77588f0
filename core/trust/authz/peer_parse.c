/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spec of a PeerAuthentication from YAML. See policy_set.h; how the levels add up: policy.h.
 */
#include <string.h>

#include "core/trust/authz/rule.h"

static enum status peer_mode_parse(const struct yaml_node *mtls, enum peer_mode *out_mode,
                                   struct failure *why)
{
    static const char *const allowed[] = {"mode", NULL};
    static const char *const words[] = {"UNSET", "DISABLE", "PERMISSIVE", "STRICT", NULL};
    const struct yaml_node *mode;
    unsigned choice = PEER_UNSET;

    TRY(yaml_node_check_keys(mtls, allowed, why));
    mode = yaml_node_get(mtls, "mode");
    if (mode != NULL) {
        TRY(yaml_node_choice(mode, words, &choice, why));
    }
    *out_mode = (enum peer_mode)choice;
    return STATUS_OK;
}

static enum status peer_ports_parse(struct rule_reading *reading, const struct yaml_node *node,
                                    struct peer_authentication *peer, struct failure *why)
{
    struct peer_port *ports;
    size_t count = 0;

    TRY(yaml_node_check_kind(node, YAML_MAPPING, why));
    if (node->count > 0 && peer->selector.num_labels == 0) {
        return yaml_node_fail(why, node, "policy/selector",
                              "ports are of a workload: a selector with labels is needed");
    }
    if (node->count > POLICY_MAX_VALUES) {
        (void)yaml_node_fail(why, node, "policy/too-many", "more than %d ports", POLICY_MAX_VALUES);
        return STATUS_LIMIT;
    }
    ports = arena_take(&reading->set->arena, node->count, sizeof *ports);
    YAML_EACH(node, mtls) {
        uint64_t port;

        if (!bytes_to_number(mtls->key, UINT16_MAX, &port) || port == 0 || mtls->key.at[0] == '0') {
            return yaml_node_fail(why, mtls, "yaml/number", "the key is no port from 1 to 65535");
        }
        ports[count].port = (uint16_t)port;
        TRY(peer_mode_parse(mtls, &ports[count].mode, why));
        count++;
    }
    peer->ports = ports;
    peer->num_ports = count;
    return STATUS_OK;
}

enum status peer_parse(struct rule_reading *reading, const struct yaml_node *spec,
                       struct peer_authentication *peer, struct failure *why)
{
    static const char *const allowed[] = {"selector", "mtls", "portLevelMtls", NULL};
    const struct yaml_node *mtls = yaml_node_get(spec, "mtls");
    const struct yaml_node *ports = yaml_node_get(spec, "portLevelMtls");

    if (spec == NULL) {
        return STATUS_OK;
    }
    TRY(yaml_node_check_keys(spec, allowed, why));
    TRY(rule_selector_parse(reading, yaml_node_get(spec, "selector"), &peer->selector, why));
    if (mtls != NULL) {
        TRY(peer_mode_parse(mtls, &peer->mode, why));
    }
    if (ports != NULL) {
        TRY(peer_ports_parse(reading, ports, peer, why));
    }
    if (peer->selector.num_labels > 0 &&
        strcmp(peer->namespace, reading->set->root_namespace) == 0) {
        warnings_add(reading->warnings, spec,
                     "PeerAuthentication %s: with a selector in the root namespace it is ignored",
                     reading->id);
    }
    return STATUS_OK;
}
