/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sidecar that is not there: sources for the admin pages, filled with what a test wants to see.
 */
#ifndef SIGNET_TESTS_UNIT_SIDECAR_ADMIN_FABRICATED_H
#define SIGNET_TESTS_UNIT_SIDECAR_ADMIN_FABRICATED_H

#include "core/sidecar/admin/pages.h"

/* What the callbacks of the sources hand out; a test changes it as it likes. */
struct fabricated {
    struct admin_sources sources;
    struct health health;
    struct current current;
    struct agent_view view;
    bool has_view;
    struct snapshot *snapshot; /* reference */
    struct failure mesh_failure;
    struct warnings warnings;
    char *warning_lines[1];
    unsigned num_connections; /* so many, all alike */
};

/*
 * fabricated_make gives a healthy sidecar "web" of workload shop/web-1: an identity under a root of
 * cluster.local, a mesh of two workloads with one policy, an agent that waits, two connections.
 */
struct fabricated *fabricated_make(void);

/* fabricated_free gives all of it back. */
void fabricated_free(struct fabricated *fabricated);

#endif
