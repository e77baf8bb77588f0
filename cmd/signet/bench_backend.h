/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark's backend: a plaintext HTTP/1.1 server as small as can be, in forked children.
 *
 *     GET /small    128 bytes; keeps the connection unless the request says "Connection: close"
 *     GET /stream   bytes without end, until the client leaves
 */
#ifndef SIGNET_CMD_SIGNET_BENCH_BACKEND_H
#define SIGNET_CMD_SIGNET_BENCH_BACKEND_H

#include <stddef.h>

#include "cmd/signet/bench.h"
#include "cmd/signet/bench_process.h"

struct bench_backend {
    struct bench_process processes[BENCH_CLIENTS];
    int port; /* on 127.0.0.1; below the range from which outgoing connections are numbered */
};

/*
 * bench_backend_start listens and forks. STATUS_IO "bench/backend", "bench/fork". Give it back with
 * bench_backend_stop() in any case.
 */
enum status bench_backend_start(struct bench_backend *backend, struct failure *why) MUST_USE;

/* bench_backend_stop ends it. A zeroed one is fine. */
void bench_backend_stop(struct bench_backend *backend);

/* bench_backend_reply_len is the length of the answer to GET /small in bytes, head included. */
size_t bench_backend_reply_len(bool closing);

/*
 * bench_backend_free_port gives a port of 127.0.0.1 that nobody listens on, below the ephemeral
 * ones. STATUS_IO "bench/port".
 */
enum status bench_backend_free_port(int *out_port, struct failure *why) MUST_USE;

#endif
