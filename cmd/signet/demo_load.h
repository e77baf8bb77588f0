/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two wrk in web's namespace: one that keeps its connections, one that opens a new one for each request.
 */
#ifndef SIGNET_CMD_SIGNET_DEMO_LOAD_H
#define SIGNET_CMD_SIGNET_DEMO_LOAD_H

#include <sys/types.h>

#include "cmd/signet/demo_mesh.h"

struct demo_load {
    pid_t kept;  /* connections kept alive */
    pid_t fresh; /* a new one each time */
};

/* What one wrk says at its end. */
struct demo_load_result {
    uint64_t requests; /* answered */
    uint64_t
        failed; /* errors of connecting, reading, writing and waiting, and statuses above 399 */
};

/* demo_load_start begins both for `seconds`; Errors: of demo_state_write and demo_process_start. */
enum status demo_load_start(const struct demo_mesh *mesh, unsigned seconds,
                            struct demo_load *out_load, struct failure *why) MUST_USE;

/* demo_load_lives tells whether either still runs. */
bool demo_load_lives(struct demo_load *load);

/* demo_load_stop ends both at once. */
void demo_load_stop(struct demo_load *load);

/*
 * demo_load_results reads what they said. STATUS_PROTOCOL "demo/wrk" when one said nothing: it did not
 * come to its end.
 */
enum status demo_load_results(struct demo_load_result *out_kept, struct demo_load_result *out_fresh,
                              struct failure *why) MUST_USE;

/* demo_load_read reads the last line of wrk's output, which our script wrote. Errors as above. Pure. */
enum status demo_load_read(struct bytes said, struct demo_load_result *out_result,
                           struct failure *why) MUST_USE;

#endif
