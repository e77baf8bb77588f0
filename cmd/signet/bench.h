/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of `signet bench data` share: the wishes of the command line and the fixed facts
 * of the method. bench.c is the command; bench_run.c the rounds.
 *
 *     load clients → outbound proxy → TLS 1.3, both sides authenticated → inbound proxy → backend
 *
 * All on loopback. Load clients and backend are forked children of the tool, so that their CPU is
 * never counted to a proxy. Single-threaded.
 */
#ifndef SIGNET_CMD_SIGNET_BENCH_H
#define SIGNET_CMD_SIGNET_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_WORKERS 2      /* worker threads or processes of every proxy */
#define BENCH_CLIENTS 2      /* load client processes, and backend processes */
#define BENCH_CONCURRENCY 64 /* connections of the request tests, over all clients */
#define BENCH_ROUNDS_MAX 50
#define BENCH_CONNECTIONS_MAX 20000
#define BENCH_WARM_MS 700 /* load before the clocks are read */

/* Who stands in the chain. BENCH_NONE is the client straight on the backend. */
enum bench_kind {
    BENCH_SIGNET,
    BENCH_NGINX,
    BENCH_HAPROXY,
    BENCH_ENVOY,
    BENCH_NONE,
    BENCH_KINDS,
};

/* Which of the two proxies of a chain. */
enum bench_side { BENCH_OUTBOUND, BENCH_INBOUND, BENCH_SIDES };

/* What the command line wishes. */
struct bench_wishes {
    uint64_t seconds; /* measured in each test of each round */
    uint64_t rounds;
    uint64_t connections;           /* held idle in the memory test */
    bool wanted[BENCH_KINDS];       /* peers to look for */
    const char *given[BENCH_KINDS]; /* their programs, where the user says so; else NULL */
    const char *keep;               /* folder for configurations and logs; NULL: a temporary one */
};

/* What every chain of a run shares. */
struct bench_site {
    const char *folder; /* where all processes run: certificates, configurations, logs */
    int backend_port;
    uint64_t connections; /* the most that a proxy must hold */
};

#endif
