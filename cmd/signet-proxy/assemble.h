/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sidecar put together: the only file that knows all of its modules. It makes them in order,
 * wires their events, and takes them apart again.
 */
#ifndef SIGNET_CMD_SIGNET_PROXY_ASSEMBLE_H
#define SIGNET_CMD_SIGNET_PROXY_ASSEMBLE_H

#include "cmd/signet-proxy/plan.h"

/* Exit codes of the program (cmd/README.md). */
enum sidecar_exit {
    SIDECAR_EXIT_OK = 0,
    SIDECAR_EXIT_SETTINGS = 2, /* command line, settings, mesh file at --check */
    SIDECAR_EXIT_IDENTITY = 3, /* identity files that cannot be used at the start */
    SIDECAR_EXIT_LISTEN = 4,   /* an address cannot be listened on */
};

struct sidecar;

/*
 * sidecar_start makes everything and listens. `plan` and what `config` points to outlive it. On a
 * failure nothing is left, and *out_exit says how to leave.
 */
enum status sidecar_start(const struct sidecar_config *config, struct sidecar_plan *plan,
                          struct sidecar **out_sidecar, enum sidecar_exit *out_exit,
                          struct failure *why) MUST_USE;

/* sidecar_run serves until it is drained after TERM or INT (a second one ends it at once). */
void sidecar_run(struct sidecar *sidecar);

#endif
