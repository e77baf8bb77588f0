/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One service of mesh.yaml, and who is behind it. See decoding.h.
 */
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/sidecar/discovery/decoding.h"

static enum status service_port_decode(const struct yaml_node *node, struct service_port *port,
                                       struct failure *why)
{
    static const char *const allowed[] = {"port", "targetPort", NULL};
    const struct yaml_node *own;
    const struct yaml_node *target = yaml_node_get(node, "targetPort");
    uint64_t number;

    TRY(yaml_node_check_keys(node, allowed, why));
    TRY(yaml_node_need(node, "port", &own, why));
    TRY(yaml_node_number(own, 1, UINT16_MAX, &number, why));
    port->port = (uint16_t)number;
    if (target != NULL) {
        TRY(yaml_node_number(target, 1, UINT16_MAX, &number, why));
    }
    port->target = (uint16_t)number;
    return STATUS_OK;
}

static enum status service_ports_decode(struct decoding *decoding, const struct yaml_node *service,
                                        struct service_ports *of, struct failure *why)
{
    CLEARED(map) seen = {0};
    const struct yaml_node *list;

    TRY(yaml_node_need(service, "ports", &list, why));
    TRY(yaml_node_check_kind(list, YAML_SEQUENCE, why));
    of->ports = arena_take(&decoding->snapshot->arena, list->count, sizeof of->ports[0]);
    YAML_EACH(list, node) {
        struct service_port *port = &of->ports[of->num_ports];

        TRY(service_port_decode(node, port, why));
        TRY(decoding_once(&seen, bytes_make(&port->port, sizeof port->port), node, "a port", why));
        of->num_ports++;
    }
    return STATUS_OK;
}

enum status service_decode(struct decoding *decoding, const struct yaml_node *node,
                           struct failure *why)
{
    static const char *const allowed[] = {"name",     "namespace", "addresses", "ports",
                                          "selector", "workloads", NULL};
    struct snapshot *snapshot = decoding->snapshot;
    struct snapshot_service *service = &snapshot->services[snapshot->num_services];
    const struct yaml_node *addresses;

    TRY(yaml_node_check_keys(node, allowed, why));
    TRY(decoding_name(decoding, node, "name", DECODING_NAME_MAX, &service->name, why));
    TRY(decoding_name(decoding, node, "namespace", DECODING_NAMESPACE_MAX, &service->namespace,
                      why));
    service->id = arena_format(&snapshot->arena, "%s/%s", service->namespace, service->name);
    TRY(decoding_once(&decoding->service_ids, bytes_of(service->id), node, service->id, why));
    TRY(yaml_node_need(node, "addresses", &addresses, why));
    TRY(decoding_addresses(decoding, addresses, &service->addresses, &service->num_addresses, why));
    TRY(service_ports_decode(decoding, node, &snapshot->service_ports[snapshot->num_services],
                             why));
    if ((yaml_node_get(node, "selector") == NULL) == (yaml_node_get(node, "workloads") == NULL)) {
        return yaml_node_fail(why, node, "mesh/selector",
                              "a service has either a selector or a list of workloads");
    }
    decoding->services[snapshot->num_services].node = node;
    snapshot->num_services++;
    return STATUS_OK;
}

static bool service_is_selected(const struct snapshot_workload *workload,
                                const struct yaml_node *selector)
{
    YAML_EACH(selector, wanted) {
        bool has = false;

        for (size_t i = 0; i < workload->num_labels; i++) {
            has = has || (bytes_equal_text(wanted->key, workload->labels[i].name) &&
                          bytes_equal_text(wanted->text, workload->labels[i].value));
        }
        if (!has) {
            return false;
        }
    }
    return true;
}

static enum status service_select(struct decoding *decoding, struct snapshot_service *service,
                                  const struct yaml_node *selector,
                                  struct decoding_service *reading, struct failure *why)
{
    const struct snapshot *snapshot = decoding->snapshot;
    const struct policy_label *labels;
    size_t num_labels;

    TRY(decoding_labels(decoding, selector, &labels, &num_labels, why));
    if (num_labels == 0) {
        return yaml_node_fail(why, selector, "mesh/selector", "at least one label is needed");
    }
    for (size_t i = 0; i < snapshot->num_workloads; i++) {
        const struct snapshot_workload *workload = &snapshot->workloads[i];

        if (strcmp(workload->namespace, service->namespace) == 0 &&
            service_is_selected(workload, selector)) {
            reading->behind[reading->num_behind++] = workload;
        }
    }
    return STATUS_OK;
}

static enum status service_list(struct decoding *decoding, struct snapshot_service *service,
                                const struct yaml_node *list, struct decoding_service *reading,
                                struct failure *why)
{
    CLEARED(map) seen = {0};

    TRY(yaml_node_check_kind(list, YAML_SEQUENCE, why));
    YAML_EACH(list, node) {
        const struct snapshot_workload *workload;
        struct bytes name;
        char *id;

        TRY(yaml_node_text(node, DECODING_NAME_MAX, &name, why));
        TRY(decoding_once(&seen, name, node, "a workload", why));
        id = memory_format("%s/%s", service->namespace, (const char *)name.at);
        workload = snapshot_workload_find(decoding->snapshot, bytes_of(id));
        free(id);
        if (workload == NULL) {
            return yaml_node_fail(why, node, "mesh/no-workload",
                                  "there is no workload \"%s\" in namespace \"%s\"",
                                  (const char *)name.at, service->namespace);
        }
        reading->behind[reading->num_behind++] = workload;
    }
    return STATUS_OK;
}

/* service_address is where a client of one family reaches a workload: by that family if it can be. */
static const struct ip *service_address(const struct snapshot_workload *workload, bool v4)
{
    for (size_t i = 0; i < workload->num_addresses; i++) {
        if (ip_is_v4(&workload->addresses[i]) == v4) {
            return &workload->addresses[i];
        }
    }
    return &workload->addresses[0];
}

static const struct snapshot_endpoint *service_endpoints(struct decoding *decoding,
                                                         const struct decoding_service *reading,
                                                         uint16_t target, bool v4)
{
    struct snapshot_endpoint *endpoints =
        arena_take(&decoding->snapshot->arena, reading->num_behind, sizeof *endpoints);

    for (size_t i = 0; i < reading->num_behind; i++) {
        const struct snapshot_workload *workload = reading->behind[i];

        endpoints[i] = (struct snapshot_endpoint){
            .ip = *service_address(workload, v4),
            .port = target,
            .workload = workload,
            .mtls = snapshot_workload_mtls(workload, target),
            .protocol = snapshot_workload_protocol(workload, target),
        };
    }
    return endpoints;
}

/* service_drop_unreachable takes out workloads without an address: they only call. */
static void service_drop_unreachable(struct decoding_service *reading)
{
    size_t kept = 0;

    for (size_t i = 0; i < reading->num_behind; i++) {
        if (reading->behind[i]->num_addresses > 0) {
            reading->behind[kept++] = reading->behind[i];
        }
    }
    reading->num_behind = kept;
}

static void service_fill_ports(struct decoding *decoding, size_t index)
{
    const struct snapshot_service *service = &decoding->snapshot->services[index];
    struct service_ports *of = &decoding->snapshot->service_ports[index];
    const struct decoding_service *reading = &decoding->services[index];
    bool has[2] = {false, false}; /* IPv6, IPv4 */

    for (size_t i = 0; i < service->num_addresses; i++) {
        has[ip_is_v4(&service->addresses[i])] = true;
    }
    for (size_t i = 0; i < of->num_ports; i++) {
        struct service_port *port = &of->ports[i];

        port->num_endpoints = reading->num_behind;
        port->v4 = has[1] ? service_endpoints(decoding, reading, port->target, true) : NULL;
        port->v6 = has[0] ? service_endpoints(decoding, reading, port->target, false) : NULL;
    }
}

enum status service_connect(struct decoding *decoding, size_t index, struct failure *why)
{
    struct snapshot *snapshot = decoding->snapshot;
    struct snapshot_service *service = &snapshot->services[index];
    struct decoding_service *reading = &decoding->services[index];
    const struct yaml_node *selector = yaml_node_get(reading->node, "selector");
    const struct yaml_node *list = yaml_node_get(reading->node, "workloads");

    reading->behind = memory_make((snapshot->num_workloads + 1) * sizeof reading->behind[0]);
    TRY(selector != NULL ? service_select(decoding, service, selector, reading, why)
                         : service_list(decoding, service, list, reading, why));
    service_drop_unreachable(reading);
    decoding->num_endpoints += reading->num_behind * snapshot->service_ports[index].num_ports;
    if (decoding->num_endpoints > SNAPSHOT_MAX_ENDPOINTS) {
        (void)yaml_node_fail(why, reading->node, "mesh/too-many",
                             "more than %zu endpoints of services", SNAPSHOT_MAX_ENDPOINTS);
        return STATUS_LIMIT;
    }
    if (reading->num_behind == 0) {
        warnings_add(decoding->warnings, reading->node,
                     "service %s has nobody behind it: its callers are refused", service->id);
    }
    service_fill_ports(decoding, index);
    free(TAKE(reading->behind));
    return STATUS_OK;
}
