/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signet/bench_config.h"
#include "cmd/signet/bench_identity.h"
#include "core/trust/identity/bundle.h"
#include "core/trust/identity/svid.h"
#include "tests/support/suite.h"

SUITE(bench_peer);

Test(bench_peer, reads_a_list_of_peers)
{
    bool wanted[BENCH_KINDS] = {false};

    cr_assert_eq(bench_peer_read_list("nginx, envoy", wanted, NULL), STATUS_OK);
    cr_assert(wanted[BENCH_NGINX] && wanted[BENCH_ENVOY] && !wanted[BENCH_HAPROXY]);
    cr_assert_eq(bench_peer_read_list("all", wanted, NULL), STATUS_OK);
    cr_assert(wanted[BENCH_NGINX] && wanted[BENCH_ENVOY] && wanted[BENCH_HAPROXY]);
    cr_assert_eq(bench_peer_read_list("none", wanted, NULL), STATUS_OK);
    cr_assert(!wanted[BENCH_NGINX] && !wanted[BENCH_ENVOY] && !wanted[BENCH_HAPROXY]);
}

Test(bench_peer, refuses_what_is_no_peer)
{
    static const char *const wrong[] = {"", "nginx,", ",", "signet", "apache", "nginx;envoy"};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bool wanted[BENCH_KINDS] = {false};
        struct failure why = {0};

        cr_assert_eq(bench_peer_read_list(wrong[i], wanted, &why), STATUS_CONFIG, "\"%s\"",
                     wrong[i]);
        cr_assert_str_eq(why.reason, "bench/peer");
    }
}

/* A program of the test's own that says `words`, whatever it is asked. */
static void bench_write_program(const char *folder, const char *name, const char *words)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out);
    (void)fprintf(out, "#!/bin/sh\necho '%s' >&2\n", words);
    (void)fclose(out);
    cr_assert_eq(chmod(path, 0700), 0);
}

static char bench_folder[] = "/tmp/bench-peer-XXXXXX";

static void bench_judge(enum bench_kind kind, const char *words, struct bench_peer *out)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/program", bench_folder);
    bench_write_program(bench_folder, "program", words);
    cr_assert_eq(bench_peer_find(kind, path, bench_folder, out, NULL), STATUS_OK);
}

Test(bench_peer, judges_a_program_by_what_it_says_of_itself)
{
    static const struct {
        enum bench_kind kind;
        const char *words;
        bool usable;
        const char *version;
    } rows[] = {
        {BENCH_NGINX, "nginx version: nginx/1.27.1\nconfigure arguments: --with-stream --x", true,
         "1.27.1"},
        {BENCH_NGINX, "nginx version: nginx/1.27.1\nconfigure arguments: --with-http", false,
         "1.27.1"},
        {BENCH_NGINX,
         "nginx version: nginx/1.2\nargs: --modules-path=/nonexistent --with-stream=dynamic", false,
         "1.2"},
        {BENCH_HAPROXY, "HAProxy version 2.6.12-1 2026/10/17\nFeature list : +OPENSSL", true,
         "2.6.12-1"},
        {BENCH_HAPROXY, "HAProxy version 2.6.12-1 2026/10/17\nFeature list : -OPENSSL", false,
         "2.6.12-1"},
        {BENCH_ENVOY, "envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL", true, "1.40.0"},
        {BENCH_ENVOY, "what?", false, ""},
        {BENCH_SIGNET, "signet-proxy 0.1.0", true, "0.1.0"},
    };

    cr_assert_not_null(mkdtemp(bench_folder));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench_peer peer;

        bench_judge(rows[i].kind, rows[i].words, &peer);
        cr_assert_eq(peer.usable, rows[i].usable, "%s", rows[i].words);
        cr_assert_str_eq(peer.version, rows[i].version);
        cr_assert_eq(peer.usable, peer.why_not[0] == '\0');
    }
}

Test(bench_peer, says_what_is_not_there)
{
    struct bench_peer peer;

    cr_assert_eq(bench_peer_find(BENCH_ENVOY, "/nonexistent/envoy", "/tmp", &peer, NULL),
                 STATUS_OK);
    cr_assert_not(peer.usable);
    cr_assert_str_eq(peer.why_not, "/nonexistent/envoy is no program");
}

/* Each configuration must say all of these, or the comparison is unfair. */
Test(bench_peer, every_configuration_demands_the_same_of_both_sides)
{
    static const struct {
        enum status (*write)(const struct bench_config *config, struct buffer *out);
        enum bench_side side;
        const char *says[6];
    } rows[] = {
        {bench_config_nginx,
         BENCH_OUTBOUND,
         {"worker_processes 2;", "proxy_ssl_protocols TLSv1.3;", "Groups X25519;",
          "TLS_AES_128_GCM_SHA256", "proxy_ssl_verify on;", "proxy_ssl_session_reuse off;"}},
        {bench_config_nginx,
         BENCH_INBOUND,
         {"worker_processes 2;", "ssl_protocols TLSv1.3;", "ssl_ecdh_curve X25519;",
          "TLS_AES_128_GCM_SHA256", "ssl_verify_client on;", "ssl_session_tickets off;"}},
        {bench_config_haproxy,
         BENCH_OUTBOUND,
         {"nbthread 2", "ssl-min-ver TLSv1.3", "verifyhost server.bench.test",
          "TLS_AES_128_GCM_SHA256", "verify required", "no-ssl-reuse"}},
        {bench_config_haproxy,
         BENCH_INBOUND,
         {"nbthread 2", "ssl-min-ver TLSv1.3", "curves X25519", "TLS_AES_128_GCM_SHA256",
          "verify required", "no-tls-tickets"}},
        {bench_config_envoy,
         BENCH_OUTBOUND,
         {"\"tls_minimum_protocol_version\":\"TLSv1_3\"", "\"ecdh_curves\":[\"X25519\"]",
          "\"exact\":\"" BENCH_SERVER_ID "\"", "\"trusted_ca\"", "\"max_session_keys\":0", "c"}},
        {bench_config_envoy,
         BENCH_INBOUND,
         {"\"tls_minimum_protocol_version\":\"TLSv1_3\"", "\"ecdh_curves\":[\"X25519\"]",
          "\"exact\":\"" BENCH_CLIENT_ID "\"", "\"require_client_certificate\":true",
          "\"disable_stateless_session_resumption\":true",
          "\"disable_stateful_session_resumption\":true"}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct bench_config config = {rows[i].side, 20001, 20002, 1000, "", false};
        CLEARED(buffer) text = {.max = 65536};

        cr_assert_eq(rows[i].write(&config, &text), STATUS_OK);
        cr_assert_eq(buffer_add(&text, bytes_make("", 1)), STATUS_OK);
        for (size_t j = 0; j < 6; j++) {
            cr_assert_not_null(strstr((const char *)text.at, rows[i].says[j]), "%zu: %s", i,
                               rows[i].says[j]);
        }
    }
}

static void bench_read_file(const char *folder, const char *name, struct buffer *out)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(buffer_read_file(out, path, NULL), STATUS_OK);
}

Test(bench_peer, certificates_are_ones_that_signet_itself_takes)
{
    char folder[] = "/tmp/bench-identity-XXXXXX";
    CLEARED(buffer) chain = {.max = 65536};
    CLEARED(buffer) key_text = {.max = 65536};
    CLEARED(buffer) roots = {.max = 65536};
    OWNED(svid) *svid = NULL;
    OWNED(bundle) *bundle = NULL;
    struct failure why = {0};
    struct stat found;
    char path[256];

    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(bench_identity_write(folder, &why), STATUS_OK, "%s", why.detail);
    bench_read_file(folder, "client.pem", &chain);
    bench_read_file(folder, "client.key", &key_text);
    bench_read_file(folder, "ca.pem", &roots);
    cr_assert_eq(svid_parse_pem(buffer_bytes(&chain), buffer_bytes(&key_text), &svid, &why),
                 STATUS_OK, "%s", why.detail);
    cr_assert_eq(
        bundle_parse_pem(bytes_of(BENCH_TRUST_DOMAIN), buffer_bytes(&roots), 1, &bundle, &why),
        STATUS_OK, "%s", why.detail);
    (void)snprintf(path, sizeof path, "%s/client.key", folder);
    cr_assert_eq(stat(path, &found), 0);
    cr_assert_eq(found.st_mode & 0777, 0600);
}
