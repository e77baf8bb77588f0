/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-loop load for the flood benchmark: what is to be done when is fixed beforehand, and a latency
 * counts from that moment, however late the client came to it. A client process each, which counts in
 * memory that both see.
 */
#ifndef SIGNET_TESTS_BENCH_FLOOD_LOAD_H
#define SIGNET_TESTS_BENCH_FLOOD_LOAD_H

#include <stdint.h>

#include "core/runtime/base/status.h"

#define FLOOD_CONNECTIONS_MAX 4096u

enum flood_kind {
    FLOOD_FLOWS, /* requests on connections that are kept */
    FLOOD_NEW,   /* a connection for each request: a handshake in each proxy */
};

struct flood_order {
    enum flood_kind kind;
    int port;             /* of 127.0.0.1 */
    unsigned rate;        /* requests a second, over all connections */
    unsigned connections; /* kept ones; of FLOOD_NEW: the most at once */
};

/* What was seen within the window. */
struct flood_result {
    uint64_t done;
    uint64_t failed; /* connections that broke, ever */
    uint64_t missed; /* requests not begun, because too many were under way */
    int64_t p50_ns;  /* from the moment that was intended; -1: nothing was seen */
    int64_t p99_ns;
};

struct flood_load;

/* flood_load_start forks the client, which begins at once. STATUS_IO "bench/fork", "bench/memory". */
enum status flood_load_start(const struct flood_order *order, struct flood_load **out_load,
                             struct failure *why) MUST_USE;

/* flood_load_window counts anew: [from_ns, until_ns) of bench_process_now_ns(), by intended moment. */
void flood_load_window(struct flood_load *load, uint64_t from_ns, uint64_t until_ns);

struct flood_result flood_load_result(const struct flood_load *load);

/* flood_load_drop ends the client and frees all; sets *load to NULL. NULL is fine. */
void flood_load_drop(struct flood_load **load);

#endif
