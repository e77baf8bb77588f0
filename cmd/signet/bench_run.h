/* SPDX-License-Identifier: Apache-2.0 */
/* The rounds: test after test, peer after peer, so that a passing disturbance hits all of them. */
#ifndef SIGNET_CMD_SIGNET_BENCH_RUN_H
#define SIGNET_CMD_SIGNET_BENCH_RUN_H

#include "cmd/signet/bench_peer.h"
#include "cmd/signet/bench_score.h"

/* A run, before it the peers that take part and after it what was measured. */
struct bench_run {
    const struct bench_wishes *wishes;
    struct bench_site site;
    struct bench_peer peers[BENCH_KINDS];   /* by kind; the unusable say why */
    struct bench_score scores[BENCH_KINDS]; /* the first num_scores; one for each that takes part */
    size_t num_scores;
};

/*
 * bench_run_all finds the peers, then does all rounds, telling its progress on the standard error.
 * A chain that fails is left out from then on, with its reason in its score.
 *
 * STATUS_NOT_FOUND "bench/no-signet" (signet-proxy is not there), STATUS_CLOSED
 * "bench/interrupted", and of bench_identity_write and bench_backend_start. All processes are ended
 * in any case.
 */
enum status bench_run_all(struct bench_run *run, struct failure *why) MUST_USE;

#endif
