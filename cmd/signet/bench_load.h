/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark's load clients: epoll loops in forked children, which count what ended within a
 * window of time that the tool sets, in memory that both see.
 */
#ifndef SIGNET_CMD_SIGNET_BENCH_LOAD_H
#define SIGNET_CMD_SIGNET_BENCH_LOAD_H

#include <stdint.h>

#include "core/runtime/base/status.h"

enum bench_load_kind {
    BENCH_LOAD_KEEP, /* request after request on kept connections */
    BENCH_LOAD_NEW,  /* a new connection for every request */
    BENCH_LOAD_BULK, /* downloads without end, thrown away in the kernel */
    BENCH_LOAD_HOLD, /* connections that do one request, then idle */
};

struct bench_load_order {
    enum bench_load_kind kind;
    int port;             /* of 127.0.0.1 */
    unsigned clients;     /* processes, at most BENCH_CLIENTS */
    unsigned connections; /* over all clients */
};

/* What all clients together saw. */
struct bench_load_result {
    uint64_t done;   /* requests that ended well within the window */
    uint64_t bytes;  /* of bulk, within the window */
    uint64_t failed; /* connections or requests that failed, ever */
    uint64_t held;   /* connections that did their request and idle */
    int64_t p50_ns;  /* of requests; -1: none was seen */
    int64_t p99_ns;
};

struct bench_load;

/*
 * bench_load_start forks the clients, who begin at once. Give it back with bench_load_drop().
 * STATUS_IO "bench/fork", "bench/memory".
 */
enum status bench_load_start(const struct bench_load_order *order, struct bench_load **out_load,
                             struct failure *why) MUST_USE;

/* bench_load_window sets what is counted: [from_ns, until_ns) of bench_process_now_ns(). */
void bench_load_window(struct bench_load *load, uint64_t from_ns, uint64_t until_ns);

/* bench_load_sum sums up; while clients run, of what was counted so far. */
struct bench_load_result bench_load_sum(const struct bench_load *load);

/* bench_load_cpu_ticks is the clients' own CPU. */
uint64_t bench_load_cpu_ticks(const struct bench_load *load);

/* bench_load_drop ends the clients, frees all and sets *load to NULL; NULL is fine. */
void bench_load_drop(struct bench_load **load);

/*
 * Latencies are counted in buckets of a thirty-second of an octave: bench_load_bucket is the one of
 * a time in ns, bench_load_bucket_ns the middle of a bucket, at most 1.6 % off. Pure.
 */
#define BENCH_LOAD_BUCKETS 1280
unsigned bench_load_bucket(uint64_t ns);
int64_t bench_load_bucket_ns(unsigned bucket);

/*
 * bench_load_percentile is the time under which `percent` of the counts lie, in ns; -1: no counts.
 * Pure.
 */
int64_t bench_load_percentile(const uint64_t counts[BENCH_LOAD_BUCKETS], unsigned percent);

#endif
