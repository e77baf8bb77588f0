/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of one peer: its outbound and its inbound proxy, up and proved by a request through both.
 */
#ifndef SIGNET_CMD_SIGNET_BENCH_CHAIN_H
#define SIGNET_CMD_SIGNET_BENCH_CHAIN_H

#include "cmd/signet/bench_peer.h"

struct bench_chain {
    enum bench_kind kind;
    struct bench_process sides[BENCH_SIDES];
    int port; /* where the load goes */
};

/*
 * bench_chain_start starts both proxies and waits for an answer through them, at most 15 s. Give it
 * back with bench_chain_stop() in any case.
 *
 * STATUS_IO "bench/ended" (a proxy ended), "bench/fork", "bench/write", "bench/port"; STATUS_LIMIT
 * "bench/no-answer"; STATUS_CLOSED "bench/interrupted".
 */
enum status bench_chain_start(const struct bench_peer *peer, const struct bench_site *site,
                              struct bench_chain *out_chain, struct failure *why) MUST_USE;

/* bench_chain_check tells whether both proxies still run. STATUS_IO "bench/ended". */
enum status bench_chain_check(const struct bench_chain *chain, struct failure *why) MUST_USE;

/* bench_chain_cpu_ticks is the CPU of both proxies. */
uint64_t bench_chain_cpu_ticks(const struct bench_chain *chain);

/* bench_chain_last_words appends the last lines of both logs. */
void bench_chain_last_words(const struct bench_chain *chain, const struct bench_site *site,
                            struct buffer *out);

/* bench_chain_stop ends both. A zeroed one is fine. */
void bench_chain_stop(struct bench_chain *chain);

#endif
