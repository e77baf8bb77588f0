/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the mesh looks like at one moment: workloads, services, the policy of each, and whose identity
 * is to be expected behind each address. Immutable, counted, indexed: workers share one by reference,
 * look things up in it without a lock and without allocating, and keep it as long as they use
 * anything that it lent them.
 *
 * Elsewhere: reading it from YAML (decode.h), following a file (file_source.h), the decision about a
 * caller (trust/authz).
 */
#ifndef SIGNET_CORE_SIDECAR_DISCOVERY_SNAPSHOT_H
#define SIGNET_CORE_SIDECAR_DISCOVERY_SNAPSHOT_H

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/ip.h"
#include "core/trust/authz/policy.h"

enum snapshot_protocol {
    SNAPSHOT_AUTO, /* to be told from the first bytes */
    SNAPSHOT_HTTP,
    SNAPSHOT_HTTP2,
    SNAPSHOT_GRPC,
    SNAPSHOT_TCP,
};

/* snapshot_protocol_word is "auto", "http", "http2", "grpc" or "tcp". */
const char *snapshot_protocol_word(enum snapshot_protocol protocol);

/* What to do with an outbound connection to an address that the mesh does not know. */
enum snapshot_unknown {
    SNAPSHOT_PASSTHROUGH,
    SNAPSHOT_REFUSE,
};

struct snapshot_port {
    uint16_t port;
    enum snapshot_protocol protocol;
};

/* Everything in it is owned by the snapshot. */
struct snapshot_workload {
    const char *id; /* "namespace/name" */
    const char *name;
    const char *namespace;
    const char *service_account;
    const char *spiffe_id; /* "spiffe://td/ns/NS/sa/SA": the identity its sidecar must present */
    const struct policy_label *labels;
    size_t num_labels;
    const struct ip *addresses;
    size_t num_addresses; /* may be 0: a workload that only calls */
    const struct snapshot_port *ports;
    size_t num_ports;
    enum snapshot_unknown unknown_destinations; /* of its outbound connections */
    bool has_sidecar; /* false: it is reached in plaintext, and its own plaintext is expected */
    bool one_way;     /* its TLS asks callers for no certificate, and that is known and meant */
    struct policy *policy;                      /* a reference of the snapshot's; never NULL */
};

struct snapshot_service {
    const char *id; /* "namespace/name" */
    const char *name;
    const char *namespace;
    const struct ip *addresses;
    size_t num_addresses;
};

/* Where a connection may go, and who must be there. */
struct snapshot_endpoint {
    struct ip ip;
    uint16_t port;                            /* the workload's port */
    const struct snapshot_workload *workload; /* whose spiffe_id the peer must present */
    enum mtls_mode mtls; /* snapshot_workload_mtls(): DISABLE means plaintext, else mTLS */
    enum snapshot_protocol protocol;
};

/* The answer to "what is behind this address?". Borrowed from the snapshot. */
struct snapshot_target {
    bool known;                             /* the address belongs to the mesh */
    const struct snapshot_service *service; /* NULL: a workload's own address, or unknown */
    size_t num_endpoints; /* 0 with known: a service (or its port) with nobody behind it */
    const struct snapshot_endpoint *endpoints; /* of a service; NULL: the one below */
    struct snapshot_endpoint own;              /* of a workload's own address */
};

struct snapshot;

/*
 * snapshot_endpoint_at says what is behind (ip, port). For a service all its endpoints, for a
 * workload's address that one, also for a port that it does not declare (then protocol AUTO and the
 * mode that policy gives). An address of a service with a port that it does not have is known, with
 * no endpoint: it is refused, never passed through. Allocates nothing. Any thread.
 */
void snapshot_endpoint_at(const struct snapshot *snapshot, const struct ip *ip, uint16_t port,
                          struct snapshot_target *out_target);

/* snapshot_target_endpoint is the index-th endpoint of a target, index < num_endpoints. */
const struct snapshot_endpoint *snapshot_target_endpoint(const struct snapshot_target *target,
                                                         size_t index);

/* snapshot_workload_find is the workload "namespace/name", or NULL. Any thread. */
const struct snapshot_workload *snapshot_workload_find(const struct snapshot *snapshot,
                                                       struct bytes id);

/* snapshot_workload_at is the workload that owns an address, or NULL. Any thread. */
const struct snapshot_workload *snapshot_workload_at(const struct snapshot *snapshot,
                                                     const struct ip *ip);

/*
 * snapshot_workload_mtls is how a caller speaks to a workload's port: as the port's policy says, in
 * plaintext to a workload without a sidecar. Any thread.
 */
enum mtls_mode snapshot_workload_mtls(const struct snapshot_workload *workload, uint16_t port);

/*
 * snapshot_workload_protocol is what a workload's port speaks; AUTO when it is not declared. What it
 * asks of TLS: policy_mtls(workload->policy, port).
 */
enum snapshot_protocol snapshot_workload_protocol(const struct snapshot_workload *workload,
                                                  uint16_t port);

/* snapshot_workloads and snapshot_services lend all of them, in the order of the files. Any thread. */
const struct snapshot_workload *snapshot_workloads(const struct snapshot *snapshot,
                                                   size_t *out_count);
const struct snapshot_service *snapshot_services(const struct snapshot *snapshot,
                                                 size_t *out_count);

/* snapshot_generation is a number that is greater for each snapshot made in this process; from 1. */
uint64_t snapshot_generation(const struct snapshot *snapshot);

/* snapshot_trust_domain is the mesh's own. snapshot_unknown_destinations is the mesh's default. */
const char *snapshot_trust_domain(const struct snapshot *snapshot);
const char *snapshot_root_namespace(const struct snapshot *snapshot);
enum snapshot_unknown snapshot_unknown_destinations(const struct snapshot *snapshot);

/* snapshot_num_policies counts the AuthorizationPolicies of the mesh. */
size_t snapshot_num_policies(const struct snapshot *snapshot);

/*
 * snapshot_describe_access appends one sentence on who may call `workload`, with a newline, such as
 *   "shop/api-1: no AuthorizationPolicy: every mesh identity may call, and anyone in plaintext by
 *    defaultMtls but on ports 5432 by mesh"
 *   "shop/api-1: 2 ALLOW and 1 DENY policies: who no ALLOW rule names is refused; plaintext is refused
 *    by default"
 * What stands behind "by" is what policy_mtls_source() gives: by whose word plaintext is taken or not.
 * STATUS_LIMIT "buffer/full". For start-up, status and the admin page.
 */
enum status snapshot_describe_access(const struct snapshot_workload *workload,
                                     struct buffer *out) MUST_USE;

/* snapshot_ref adds a reference; snapshot_drop gives one back and sets *snapshot to NULL. Any thread. */
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_drop(struct snapshot **snapshot);

#endif
