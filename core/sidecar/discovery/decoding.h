/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reading of a mesh, for this package only: what decode.c, workloads.c and services.c share while
 * they fill a snapshot. Refusals are those of decode.h.
 */
#ifndef SIGNET_CORE_SIDECAR_DISCOVERY_DECODING_H
#define SIGNET_CORE_SIDECAR_DISCOVERY_DECODING_H

#include "core/sidecar/discovery/decode.h"
#include "core/sidecar/discovery/snapshot_shape.h"

#define DECODING_NAME_MAX 253
#define DECODING_NAMESPACE_MAX 63

/* A service as written, until all workloads are known. */
struct decoding_service {
    const struct yaml_node *node;
    const struct snapshot_workload **behind; /* owned */
    size_t num_behind;
};

struct decoding {
    struct snapshot *snapshot; /* being filled; borrowed */
    struct warnings *warnings;
    size_t room_workloads;
    size_t room_services;
    size_t num_endpoints;              /* of all services so far */
    struct decoding_service *services; /* owned; one for each of the snapshot's */
    struct map workloads;              /* "namespace/name" → yaml_node */
    struct map service_ids;            /* likewise */
    struct map addresses;              /* 16 bytes → yaml_node */
};

/* decoding_name reads the text of `key` in `node`, made of letters, digits, "-", "." and "_". */
enum status decoding_name(struct decoding *decoding, const struct yaml_node *node, const char *key,
                          size_t max, const char **out_name, struct failure *why) MUST_USE;

/* decoding_once notes that `node` stands for `key` in `seen`: "mesh/duplicate" with both lines. */
enum status decoding_once(struct map *seen, struct bytes key, const struct yaml_node *node,
                          const char *what, struct failure *why) MUST_USE;

/* decoding_addresses reads a list of unicast addresses, each of which nobody else has. */
enum status decoding_addresses(struct decoding *decoding, const struct yaml_node *list,
                               const struct ip **out_addresses, size_t *out_count,
                               struct failure *why) MUST_USE;

/* decoding_labels reads a mapping of labels. */
enum status decoding_labels(struct decoding *decoding, const struct yaml_node *node,
                            const struct policy_label **out_labels, size_t *out_count,
                            struct failure *why) MUST_USE;

/* decoding_unknown reads passthrough or refuse. */
enum status decoding_unknown(const struct yaml_node *node, enum snapshot_unknown *out_unknown,
                             struct failure *why) MUST_USE;

/* workload_decode reads one workload into the snapshot, but for its policy. */
enum status workload_decode(struct decoding *decoding, const struct yaml_node *node,
                            struct failure *why) MUST_USE;

/*
 * workload_choose_policy gives a workload its policy; `node` is what workload_decode read it from.
 * All policies must have been read.
 */
void workload_choose_policy(struct decoding *decoding, struct snapshot_workload *workload,
                            const struct yaml_node *node);

/* service_decode reads one service into the snapshot, but for who is behind it. */
enum status service_decode(struct decoding *decoding, const struct yaml_node *node,
                           struct failure *why) MUST_USE;

/* service_connect finds the endpoints of the index-th service. All workloads must have been read. */
enum status service_connect(struct decoding *decoding, size_t index, struct failure *why) MUST_USE;

#endif
