/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of the other proxies' configurations. Pure; for bench_peer.c and tests. */
#ifndef SIGNET_CMD_SIGNET_BENCH_CONFIG_H
#define SIGNET_CMD_SIGNET_BENCH_CONFIG_H

#include "cmd/signet/bench.h"
#include "core/runtime/base/buffer.h"

/* What differs between the configurations of one program. */
struct bench_config {
    enum bench_side side;
    int listen, forward;  /* ports of 127.0.0.1 */
    uint64_t connections; /* the most that it must hold */
    const char *preamble; /* of nginx: how its stream module is loaded; may be "" */
    bool as_root;         /* of nginx: its workers keep our user */
};

/*
 * Each appends a configuration. STATUS_LIMIT "buffer/full". Sources: nginx's ngx_stream_ssl_module
 * and ngx_stream_proxy_module, HAProxy's configuration manual, Envoy's v3 API.
 */
enum status bench_config_nginx(const struct bench_config *config, struct buffer *out) MUST_USE;
enum status bench_config_haproxy(const struct bench_config *config, struct buffer *out) MUST_USE;
enum status bench_config_envoy(const struct bench_config *config, struct buffer *out) MUST_USE;

#endif
