/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark's certificates: one authority, and a leaf for each side. P-256, one URI SAN, and a
 * DNS SAN beside it, because nginx and HAProxy can check nothing else. They live for a day and are
 * used nowhere else.
 */
#ifndef SIGNET_CMD_SIGNET_BENCH_IDENTITY_H
#define SIGNET_CMD_SIGNET_BENCH_IDENTITY_H

#include "core/runtime/base/status.h"

#define BENCH_TRUST_DOMAIN "bench.test"
#define BENCH_CLIENT_ID "spiffe://" BENCH_TRUST_DOMAIN "/ns/bench/sa/client"
#define BENCH_SERVER_ID "spiffe://" BENCH_TRUST_DOMAIN "/ns/bench/sa/server"
#define BENCH_CLIENT_DNS "client." BENCH_TRUST_DOMAIN
#define BENCH_SERVER_DNS "server." BENCH_TRUST_DOMAIN

/*
 * bench_identity_write writes into `folder`, mode 0600: ca.pem, and of each of client and server
 * NAME.pem (certificate), NAME.key, NAME-both.pem (one after the other, for HAProxy).
 * STATUS_IO "bench/certificate" (the library refused), "bench/write", and of key_make.
 */
enum status bench_identity_write(const char *folder, struct failure *why) MUST_USE;

#endif
