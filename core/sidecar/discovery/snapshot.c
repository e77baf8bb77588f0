/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking things up in a snapshot. See snapshot.h.
 */
#include "core/sidecar/discovery/snapshot.h"

#include <assert.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"
#include "core/sidecar/discovery/snapshot_shape.h"

static atomic_uint_least64_t snapshot_last_generation;

struct snapshot *snapshot_make_empty(void)
{
    struct snapshot *snapshot = memory_make(sizeof *snapshot);

    atomic_init(&snapshot->refs, 1);
    snapshot->generation = atomic_fetch_add(&snapshot_last_generation, 1) + 1;
    return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_drop(struct snapshot **snapshot)
{
    struct snapshot *dropped = TAKE(*snapshot);

    if (dropped == NULL ||
        atomic_fetch_sub_explicit(&dropped->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < dropped->num_workloads; i++) {
        policy_drop(&dropped->workloads[i].policy);
    }
    policy_set_drop(&dropped->policies);
    map_clear(&dropped->workloads_by_id);
    map_clear(&dropped->owners);
    arena_clear(&dropped->arena);
    free(dropped);
}

const char *snapshot_protocol_word(enum snapshot_protocol protocol)
{
    static const char *const words[] = {"auto", "http", "http2", "grpc", "tcp"};

    return words[protocol];
}

enum mtls_mode snapshot_workload_mtls(const struct snapshot_workload *workload, uint16_t port)
{
    return workload->has_sidecar ? policy_mtls(workload->policy, port) : MTLS_DISABLE;
}

enum snapshot_protocol snapshot_workload_protocol(const struct snapshot_workload *workload,
                                                  uint16_t port)
{
    for (size_t i = 0; i < workload->num_ports; i++) {
        if (workload->ports[i].port == port) {
            return workload->ports[i].protocol;
        }
    }
    return SNAPSHOT_AUTO;
}

static void snapshot_service_at(const struct snapshot *snapshot, size_t index, bool is_v4,
                                uint16_t port, struct snapshot_target *target)
{
    const struct service_ports *of = &snapshot->service_ports[index];

    target->service = &snapshot->services[index];
    for (size_t i = 0; i < of->num_ports; i++) {
        if (of->ports[i].port == port) {
            target->endpoints = is_v4 ? of->ports[i].v4 : of->ports[i].v6;
            target->num_endpoints = of->ports[i].num_endpoints;
            return;
        }
    }
}

void snapshot_endpoint_at(const struct snapshot *snapshot, const struct ip *ip, uint16_t port,
                          struct snapshot_target *out_target)
{
    const struct snapshot_owner *owner = map_get(&snapshot->owners, ip_bytes(ip));

    *out_target = (struct snapshot_target){0};
    if (owner == NULL) {
        return;
    }
    out_target->known = true;
    if (owner->workload == NULL) {
        snapshot_service_at(snapshot, owner->service, ip_is_v4(ip), port, out_target);
        return;
    }
    out_target->num_endpoints = 1;
    out_target->own = (struct snapshot_endpoint){
        .ip = *ip,
        .port = port,
        .workload = owner->workload,
        .mtls = snapshot_workload_mtls(owner->workload, port),
        .protocol = snapshot_workload_protocol(owner->workload, port),
    };
}

const struct snapshot_endpoint *snapshot_target_endpoint(const struct snapshot_target *target,
                                                         size_t index)
{
    assert(index < target->num_endpoints);
    return target->endpoints != NULL ? &target->endpoints[index] : &target->own;
}

const struct snapshot_workload *snapshot_workload_find(const struct snapshot *snapshot,
                                                       struct bytes id)
{
    return map_get(&snapshot->workloads_by_id, id);
}

const struct snapshot_workload *snapshot_workload_at(const struct snapshot *snapshot,
                                                     const struct ip *ip)
{
    const struct snapshot_owner *owner = map_get(&snapshot->owners, ip_bytes(ip));

    return owner != NULL ? owner->workload : NULL;
}

const struct snapshot_workload *snapshot_workloads(const struct snapshot *snapshot,
                                                   size_t *out_count)
{
    *out_count = snapshot->num_workloads;
    return snapshot->workloads;
}

const struct snapshot_service *snapshot_services(const struct snapshot *snapshot, size_t *out_count)
{
    *out_count = snapshot->num_services;
    return snapshot->services;
}

uint64_t snapshot_generation(const struct snapshot *snapshot)
{
    return snapshot->generation;
}

const char *snapshot_trust_domain(const struct snapshot *snapshot)
{
    return snapshot->trust_domain;
}

const char *snapshot_root_namespace(const struct snapshot *snapshot)
{
    return snapshot->root_namespace;
}

enum snapshot_unknown snapshot_unknown_destinations(const struct snapshot *snapshot)
{
    return snapshot->unknown_destinations;
}

size_t snapshot_num_policies(const struct snapshot *snapshot)
{
    return policy_set_count(snapshot->policies);
}

/* snapshot_describe_ports lists the ports whose mode is (or is not) STRICT: "80 by mesh, 81 by a/b". */
static enum status snapshot_describe_ports(const struct policy *policy, bool strict,
                                           const char *before, size_t *out_count,
                                           struct buffer *out)
{
    struct policy_port port;

    *out_count = 0;
    for (size_t i = 0; policy_mtls_port(policy, i, &port); i++) {
        if ((port.mode == MTLS_STRICT) == strict) {
            TRY(buffer_add_format(out, "%s%u by %s", *out_count == 0 ? before : ", ", port.port,
                                  policy_mtls_source(policy, port.port)));
            (*out_count)++;
        }
    }
    return STATUS_OK;
}

static enum status snapshot_describe_callers(const struct policy *policy, struct buffer *out)
{
    size_t num_allow = policy_num_allow(policy);
    size_t num_deny = policy_num_deny(policy);

    if (policy_is_empty(policy)) {
        return buffer_add_text(out, "no AuthorizationPolicy: every mesh identity may call");
    }
    TRY(buffer_add_format(out, "%zu ALLOW and %zu DENY policies: ", num_allow, num_deny));
    return buffer_add_text(out, num_allow > 0 ? "who no ALLOW rule names is refused"
                                              : "who no DENY rule names may call");
}

enum status snapshot_describe_access(const struct snapshot_workload *workload, struct buffer *out)
{
    const struct policy *policy = workload->policy;
    bool is_strict = policy_mtls_default(policy) == MTLS_STRICT;
    const char *source = policy_mtls_default_source(policy);
    const char *asked = policy_num_allow(policy) + policy_num_deny(policy) > 0
                            ? " (judged by the same policies)"
                            : "";
    size_t count;

    TRY(buffer_add_format(out, "%s: ", workload->id));
    TRY(snapshot_describe_callers(policy, out));
    if (is_strict) {
        TRY(snapshot_describe_ports(policy, false, "; plaintext is taken on ports ", &count, out));
        TRY(buffer_add_text(out, count == 0 ? "" : asked));
        TRY(buffer_add_format(out, "; %splaintext is refused by %s", count == 0 ? "" : "other ",
                              source));
    } else {
        TRY(buffer_add_format(out, "%s by %s",
                              policy_is_empty(policy) ? ", and anyone in plaintext"
                                                      : "; plaintext is taken",
                              source));
        TRY(snapshot_describe_ports(policy, true, " but on ports ", &count, out));
        TRY(buffer_add_text(out, asked));
    }
    return buffer_add_text(out, "\n");
}
