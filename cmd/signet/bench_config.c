/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_config.h"

#include "cmd/signet/bench_identity.h"
#include "core/runtime/json/writer.h"

#define BENCH_CONFIG_ENVOY "type.googleapis.com/envoy.extensions."

/* nginx: two server blocks' worth of difference between the sides
 * ---------------------------------- */

static const char bench_config_nginx_outbound[] =
    "    listen 127.0.0.1:%d reuseport backlog=4096;\n"
    "    proxy_pass 127.0.0.1:%d;\n"
    "    proxy_ssl on;\n"
    "    proxy_ssl_protocols TLSv1.3;\n"
    "    proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n"
    "    proxy_ssl_conf_command Groups X25519;\n"
    "    proxy_ssl_certificate client.pem;\n"
    "    proxy_ssl_certificate_key client.key;\n"
    "    proxy_ssl_trusted_certificate ca.pem;\n"
    "    proxy_ssl_verify on;\n"
    "    proxy_ssl_server_name on;\n"
    "    proxy_ssl_name " BENCH_SERVER_DNS ";\n"
    "    proxy_ssl_session_reuse off;\n";

static const char bench_config_nginx_inbound[] =
    "    listen 127.0.0.1:%d ssl reuseport backlog=4096;\n"
    "    proxy_pass 127.0.0.1:%d;\n"
    "    ssl_protocols TLSv1.3;\n"
    "    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n"
    "    ssl_ecdh_curve X25519;\n"
    "    ssl_certificate server.pem;\n"
    "    ssl_certificate_key server.key;\n"
    "    ssl_client_certificate ca.pem;\n"
    "    ssl_verify_client on;\n"
    "    ssl_session_cache off;\n"
    "    ssl_session_tickets off;\n";

enum status bench_config_nginx(const struct bench_config *config, struct buffer *out)
{
    bool outbound = config->side == BENCH_OUTBOUND;
    unsigned long long each_way = 2 * (unsigned long long)config->connections + 512;

    TRY(buffer_add_format(out,
                          "%s%sdaemon off;\nworker_processes %d;\nworker_rlimit_nofile %llu;\n"
                          "pid nginx-%s.pid;\nerror_log stderr crit;\n"
                          "events { worker_connections %llu; }\n"
                          "stream {\n  proxy_timeout 1h;\n  server {\n",
                          config->preamble, config->as_root ? "user root;\n" : "", BENCH_WORKERS,
                          each_way + 64, outbound ? "outbound" : "inbound", each_way));
    if (outbound) {
        TRY(buffer_add_format(out, bench_config_nginx_outbound, config->listen, config->forward));
    } else {
        TRY(buffer_add_format(out, bench_config_nginx_inbound, config->listen, config->forward));
    }
    return buffer_add_text(out, "  }\n}\n");
}

enum status bench_config_haproxy(const struct bench_config *config, struct buffer *out)
{
    TRY(buffer_add_format(out,
                          "global\n  nbthread %d\n  maxconn %llu\n  tune.ssl.cachesize 0\n"
                          "defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n"
                          "  timeout server 1h\nlisten l\n",
                          BENCH_WORKERS, (unsigned long long)config->connections + 256));
    if (config->side == BENCH_OUTBOUND) {
        return buffer_add_format(
            out,
            "  bind 127.0.0.1:%d backlog 4096\n"
            "  server s 127.0.0.1:%d ssl verify required ca-file ca.pem crt client-both.pem "
            "sni str(" BENCH_SERVER_DNS ") verifyhost " BENCH_SERVER_DNS
            " ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256 no-ssl-reuse\n",
            config->listen, config->forward);
    }
    return buffer_add_format(
        out,
        "  bind 127.0.0.1:%d backlog 4096 ssl crt server-both.pem ca-file ca.pem verify required "
        "ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256 curves X25519 no-tls-tickets\n"
        "  server s 127.0.0.1:%d\n",
        config->listen, config->forward);
}

/* Envoy ---------------------------------------- */

static void bench_config_put_address(struct json_writer *json, int port)
{
    json_open_object(json, "address");
    json_open_object(json, "socket_address");
    json_put_text(json, "address", "127.0.0.1");
    json_put_int(json, "port_value", port);
    json_close_object(json);
    json_close_object(json);
}

static void bench_config_put_file(struct json_writer *json, const char *name, const char *file)
{
    json_open_object(json, name);
    json_put_text(json, "filename", file);
    json_close_object(json);
}

/* The part of TLS that both sides have in common: who we are, whom we believe, whom we expect. */
static void bench_config_put_common_tls(struct json_writer *json, bool outbound)
{
    json_open_object(json, "common_tls_context");
    json_open_object(json, "tls_params");
    json_put_text(json, "tls_minimum_protocol_version", "TLSv1_3");
    json_put_text(json, "tls_maximum_protocol_version", "TLSv1_3");
    json_open_array(json, "ecdh_curves");
    json_put_text(json, NULL, "X25519");
    json_close_array(json);
    json_close_object(json);
    json_open_array(json, "tls_certificates");
    json_open_object(json, NULL);
    bench_config_put_file(json, "certificate_chain", outbound ? "client.pem" : "server.pem");
    bench_config_put_file(json, "private_key", outbound ? "client.key" : "server.key");
    json_close_object(json);
    json_close_array(json);
    json_open_object(json, "validation_context");
    bench_config_put_file(json, "trusted_ca", "ca.pem");
    json_open_array(json, "match_typed_subject_alt_names");
    json_open_object(json, NULL);
    json_put_text(json, "san_type", "URI");
    json_open_object(json, "matcher");
    json_put_text(json, "exact", outbound ? BENCH_SERVER_ID : BENCH_CLIENT_ID);
    json_close_object(json);
    json_close_object(json);
    json_close_array(json);
    json_close_object(json);
    json_close_object(json);
}

static void bench_config_put_tls(struct json_writer *json, bool outbound)
{
    json_open_object(json, "transport_socket");
    json_put_text(json, "name", "envoy.transport_sockets.tls");
    json_open_object(json, "typed_config");
    if (outbound) {
        json_put_text(json, "@type",
                      BENCH_CONFIG_ENVOY "transport_sockets.tls.v3.UpstreamTlsContext");
        json_put_text(json, "sni", BENCH_SERVER_DNS);
        json_put_int(json, "max_session_keys", 0);
    } else {
        json_put_text(json, "@type",
                      BENCH_CONFIG_ENVOY "transport_sockets.tls.v3.DownstreamTlsContext");
        json_put_bool(json, "require_client_certificate", true);
        json_put_bool(json, "disable_stateless_session_resumption", true);
        json_put_bool(json, "disable_stateful_session_resumption", true);
    }
    bench_config_put_common_tls(json, outbound);
    json_close_object(json);
    json_close_object(json);
}

static void bench_config_put_listener(struct json_writer *json, const struct bench_config *config)
{
    json_open_array(json, "listeners");
    json_open_object(json, NULL);
    json_put_text(json, "name", "l");
    bench_config_put_address(json, config->listen);
    json_put_int(json, "tcp_backlog_size", 4096);
    json_open_array(json, "filter_chains");
    json_open_object(json, NULL);
    json_open_array(json, "filters");
    json_open_object(json, NULL);
    json_put_text(json, "name", "envoy.filters.network.tcp_proxy");
    json_open_object(json, "typed_config");
    json_put_text(json, "@type", BENCH_CONFIG_ENVOY "filters.network.tcp_proxy.v3.TcpProxy");
    json_put_text(json, "stat_prefix", "t");
    json_put_text(json, "cluster", "c");
    json_put_text(json, "idle_timeout", "0s");
    json_close_object(json);
    json_close_object(json);
    json_close_array(json);
    if (config->side == BENCH_INBOUND) {
        bench_config_put_tls(json, false);
    }
    json_close_object(json);
    json_close_array(json);
    json_close_object(json);
    json_close_array(json);
}

static void bench_config_put_cluster(struct json_writer *json, const struct bench_config *config)
{
    static const char *const bounds[] = {"max_connections", "max_pending_requests", "max_requests"};

    json_open_array(json, "clusters");
    json_open_object(json, NULL);
    json_put_text(json, "name", "c");
    json_put_text(json, "type", "STATIC");
    json_put_text(json, "connect_timeout", "10s");
    json_open_object(json, "circuit_breakers"); /* 1,024 connections by default */
    json_open_array(json, "thresholds");
    json_open_object(json, NULL);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        json_put_int(json, bounds[i], 100000);
    }
    json_close_object(json);
    json_close_array(json);
    json_close_object(json);
    json_open_object(json, "load_assignment");
    json_put_text(json, "cluster_name", "c");
    json_open_array(json, "endpoints");
    json_open_object(json, NULL);
    json_open_array(json, "lb_endpoints");
    json_open_object(json, NULL);
    json_open_object(json, "endpoint");
    bench_config_put_address(json, config->forward);
    json_close_object(json);
    json_close_object(json);
    json_close_array(json);
    json_close_object(json);
    json_close_array(json);
    json_close_object(json);
    if (config->side == BENCH_OUTBOUND) {
        bench_config_put_tls(json, true);
    }
    json_close_object(json);
    json_close_array(json);
}

enum status bench_config_envoy(const struct bench_config *config, struct buffer *out)
{
    struct json_writer json = json_writer_to(out);

    json_open_object(&json, NULL);
    json_open_object(&json, "static_resources");
    bench_config_put_listener(&json, config);
    bench_config_put_cluster(&json, config);
    json_close_object(&json);
    json_close_object(&json);
    return json_writer_end(&json, NULL);
}
