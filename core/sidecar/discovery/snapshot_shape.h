/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a snapshot is made of, for this package only: decode.c and services.c fill it, snapshot.c
 * answers from it. Never changed once snapshot_parse() has given it away.
 */
#ifndef SIGNET_CORE_SIDECAR_DISCOVERY_SNAPSHOT_SHAPE_H
#define SIGNET_CORE_SIDECAR_DISCOVERY_SNAPSHOT_SHAPE_H

#include <stdatomic.h>

#include "core/runtime/base/arena.h"
#include "core/runtime/base/map.h"
#include "core/sidecar/discovery/snapshot.h"

/* A port of a service and who is behind it, once for each family of the service's addresses. */
struct service_port {
    uint16_t port;
    uint16_t target;
    const struct snapshot_endpoint *v4; /* for clients that came by IPv4 */
    const struct snapshot_endpoint *v6;
    size_t num_endpoints; /* the same in both */
};

struct service_ports {
    struct service_port *ports;
    size_t num_ports;
};

/* Whose address it is: one of the two. */
struct snapshot_owner {
    const struct snapshot_workload *workload;
    size_t service; /* index in services, when workload is NULL */
};

struct snapshot {
    atomic_uint refs;
    uint64_t generation;
    struct arena arena;
    const char *trust_domain;
    const char *root_namespace;
    enum snapshot_unknown unknown_destinations;
    struct policy_set *policies;
    struct snapshot_workload *workloads;
    size_t num_workloads;
    struct snapshot_service *services;
    struct service_ports *service_ports; /* one for each service */
    size_t num_services;
    struct map workloads_by_id; /* "namespace/name" → struct snapshot_workload */
    struct map owners;          /* 16 bytes of an address → struct snapshot_owner */
};

/* snapshot_make_empty makes one to fill: all zero, one reference, the next generation. */
struct snapshot *snapshot_make_empty(void);

#endif
