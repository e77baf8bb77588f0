/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One workload of mesh.yaml. See decoding.h.
 */
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/sidecar/discovery/decoding.h"

static enum status workload_port_decode(const struct yaml_node *node, struct snapshot_port *port,
                                        struct failure *why)
{
    static const char *const allowed[] = {"port", "protocol", "mtls", NULL};
    static const char *const protocols[] = {"auto", "http", "http2", "grpc", "tcp", NULL};
    static const char *const modes[] = {"disable", "permissive", "strict", NULL};
    const struct yaml_node *number_node;
    const struct yaml_node *protocol = yaml_node_get(node, "protocol");
    const struct yaml_node *mtls = yaml_node_get(node, "mtls");
    uint64_t number;
    unsigned choice = SNAPSHOT_AUTO;
    unsigned mode;

    TRY(yaml_node_check_keys(node, allowed, why));
    TRY(yaml_node_need(node, "port", &number_node, why));
    TRY(yaml_node_number(number_node, 1, UINT16_MAX, &number, why));
    if (protocol != NULL) {
        TRY(yaml_node_choice(protocol, protocols, &choice, why));
    }
    if (mtls != NULL) {
        TRY(yaml_node_choice(mtls, modes, &mode, why)); /* kept by workload_choose_policy() */
    }
    port->port = (uint16_t)number;
    port->protocol = (enum snapshot_protocol)choice;
    return STATUS_OK;
}

static enum status workload_ports_decode(struct decoding *decoding, const struct yaml_node *list,
                                         struct snapshot_workload *workload, struct failure *why)
{
    CLEARED(map) seen = {0};
    struct snapshot_port *ports;
    size_t count = 0;

    if (list == NULL) {
        return STATUS_OK;
    }
    TRY(yaml_node_check_kind(list, YAML_SEQUENCE, why));
    ports = arena_take(&decoding->snapshot->arena, list->count, sizeof *ports);
    YAML_EACH(list, node) {
        TRY(workload_port_decode(node, &ports[count], why));
        TRY(decoding_once(&seen, bytes_make(&ports[count].port, sizeof ports[count].port), node,
                          "a port", why));
        count++;
    }
    workload->ports = ports;
    workload->num_ports = count;
    return STATUS_OK;
}

static enum status workload_identity_decode(struct decoding *decoding, const struct yaml_node *node,
                                            struct snapshot_workload *workload, struct failure *why)
{
    struct arena *arena = &decoding->snapshot->arena;

    TRY(decoding_name(decoding, node, "name", DECODING_NAME_MAX, &workload->name, why));
    TRY(decoding_name(decoding, node, "namespace", DECODING_NAMESPACE_MAX, &workload->namespace,
                      why));
    TRY(decoding_name(decoding, node, "serviceAccount", DECODING_NAME_MAX,
                      &workload->service_account, why));
    workload->id = arena_format(arena, "%s/%s", workload->namespace, workload->name);
    workload->spiffe_id =
        arena_format(arena, "spiffe://%s/ns/%s/sa/%s", decoding->snapshot->trust_domain,
                     workload->namespace, workload->service_account);
    return decoding_once(&decoding->workloads, bytes_of(workload->id), node, workload->id, why);
}

/* Who has no sidecar takes no mutual TLS: what says otherwise is a mistake, and would be of no effect. */
static enum status workload_check_plain(const struct yaml_node *node, struct failure *why)
{
    const struct yaml_node *tls = yaml_node_get(node, "tls");

    if (tls != NULL) {
        return yaml_node_fail(why, tls, "mesh/transport",
                              "transport: none means plaintext, so there is no tls to choose");
    }
    YAML_EACH(yaml_node_get(node, "ports"), port) {
        const struct yaml_node *mtls = yaml_node_get(port, "mtls");

        if (mtls != NULL && !bytes_equal_text(mtls->text, "disable")) {
            const struct yaml_node *number = yaml_node_get(port, "port");

            return yaml_node_fail(why, mtls, "mesh/transport",
                                  "transport: none means plaintext, so port %.*s takes no mTLS",
                                  (int)number->text.len, (const char *)number->text.at);
        }
    }
    return STATUS_OK;
}

/* How callers reach it: through its sidecar with mutual TLS, unless it says otherwise. */
static enum status workload_reach_decode(const struct yaml_node *node,
                                         struct snapshot_workload *workload, struct failure *why)
{
    static const char *const transports[] = {"direct", "none", NULL};
    static const char *const sorts[] = {"mutual", "one-way", NULL};
    const struct yaml_node *transport = yaml_node_get(node, "transport");
    const struct yaml_node *tls = yaml_node_get(node, "tls");
    unsigned choice = 0;

    if (transport != NULL) {
        TRY(yaml_node_choice(transport, transports, &choice, why));
    }
    workload->has_sidecar = choice == 0;
    choice = 0;
    if (tls != NULL) {
        TRY(yaml_node_choice(tls, sorts, &choice, why));
    }
    workload->one_way = choice == 1;
    return workload->has_sidecar ? STATUS_OK : workload_check_plain(node, why);
}

enum status workload_decode(struct decoding *decoding, const struct yaml_node *node,
                            struct failure *why)
{
    static const char *const allowed[] = {"name",      "namespace", "serviceAccount",
                                          "labels",    "ports",     "addresses",
                                          "transport", "tls",       "unknownDestinations",
                                          NULL};
    struct snapshot *snapshot = decoding->snapshot;
    struct snapshot_workload *workload = &snapshot->workloads[snapshot->num_workloads];
    const struct yaml_node *labels = yaml_node_get(node, "labels");
    const struct yaml_node *addresses = yaml_node_get(node, "addresses");
    const struct yaml_node *unknown = yaml_node_get(node, "unknownDestinations");

    TRY(yaml_node_check_keys(node, allowed, why));
    TRY(workload_identity_decode(decoding, node, workload, why));
    if (labels != NULL) {
        TRY(decoding_labels(decoding, labels, &workload->labels, &workload->num_labels, why));
    }
    if (addresses != NULL) {
        TRY(decoding_addresses(decoding, addresses, &workload->addresses, &workload->num_addresses,
                               why));
    }
    TRY(workload_ports_decode(decoding, yaml_node_get(node, "ports"), workload, why));
    TRY(workload_reach_decode(node, workload, why));
    workload->unknown_destinations = snapshot->unknown_destinations;
    if (unknown != NULL) {
        TRY(decoding_unknown(unknown, &workload->unknown_destinations, why));
    }
    snapshot->num_workloads++;
    return STATUS_OK;
}

/* workload_given_mode is the mode that the mesh itself gives a port, as workload_port_decode took it. */
static bool workload_given_mode(const struct yaml_node *port, enum mtls_mode *out_mode)
{
    const struct yaml_node *mtls = yaml_node_get(port, "mtls");

    if (mtls == NULL) {
        return false;
    }
    *out_mode = bytes_equal_text(mtls->text, "strict")    ? MTLS_STRICT
                : bytes_equal_text(mtls->text, "disable") ? MTLS_DISABLE
                                                          : MTLS_PERMISSIVE;
    return true;
}

void workload_choose_policy(struct decoding *decoding, struct snapshot_workload *workload,
                            const struct yaml_node *node)
{
    struct policy_port *given = memory_make((workload->num_ports + 1) * sizeof *given);
    struct policy_subject subject = {
        .namespace = workload->namespace,
        .labels = workload->labels,
        .num_labels = workload->num_labels,
        .ports = given,
    };
    size_t index = 0;

    YAML_EACH(yaml_node_get(node, "ports"), port) {
        if (workload_given_mode(port, &given[subject.num_ports].mode)) {
            given[subject.num_ports++].port = workload->ports[index].port;
        }
        index++;
    }
    workload->policy = policy_select(decoding->snapshot->policies, &subject);
    free(given);
}
