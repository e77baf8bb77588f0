/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a mesh: what is accepted answers lookups, and each workload finds itself.
 */
#include <stdlib.h>

#include "core/sidecar/discovery/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void mesh_fuzz_look(const struct snapshot *snapshot, const struct ip *ip, uint16_t port)
{
    struct snapshot_target target;

    snapshot_endpoint_at(snapshot, ip, port, &target);
    if (!target.known) {
        abort();
    }
    for (size_t i = 0; i < target.num_endpoints; i++) {
        const struct snapshot_endpoint *endpoint = snapshot_target_endpoint(&target, i);

        if (endpoint->workload == NULL || endpoint->port == 0 ||
            endpoint->mtls != snapshot_workload_mtls(endpoint->workload, endpoint->port)) {
            abort();
        }
    }
}

static void mesh_fuzz_check(const struct snapshot *snapshot)
{
    size_t num_workloads;
    size_t num_services;
    const struct snapshot_workload *workloads = snapshot_workloads(snapshot, &num_workloads);
    const struct snapshot_service *services = snapshot_services(snapshot, &num_services);

    for (size_t i = 0; i < num_workloads; i++) {
        CLEARED(buffer) words;

        buffer_init(&words, 4096);
        (void)!snapshot_describe_access(&workloads[i], &words);
        if (snapshot_workload_find(snapshot, bytes_of(workloads[i].id)) != &workloads[i]) {
            abort();
        }
        for (size_t j = 0; j < workloads[i].num_addresses; j++) {
            mesh_fuzz_look(snapshot, &workloads[i].addresses[j], 8080);
        }
    }
    for (size_t i = 0; i < num_services; i++) {
        for (size_t j = 0; j < services[i].num_addresses; j++) {
            mesh_fuzz_look(snapshot, &services[i].addresses[j], 80);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    const struct snapshot_file file = {"fuzz.yaml", bytes_make(at, len)};
    OWNED(snapshot) *snapshot = NULL;
    CLEARED(warnings) warnings = {0};
    struct failure why = {0};

    if (snapshot_parse(&file, 1, &warnings, &snapshot, &why) != STATUS_OK) {
        if (snapshot != NULL || why.reason == NULL || why.detail[0] == '\0') {
            abort();
        }
        return 0;
    }
    mesh_fuzz_check(snapshot);
    return 0;
}
