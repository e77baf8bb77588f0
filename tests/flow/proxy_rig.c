/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/flow/proxy_rig.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/pool.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/discovery/decode.h"

enum { PROXY_RIG_LIMIT_MS = 5000, PROXY_RIG_CONNECTIONS = 64 };

/* ---- the application ---- */

/* Echoes what came on one connection. False when it is over. */
static bool proxy_rig_app_echo(int fd)
{
    static uint8_t block[65536];
    ssize_t got = recv(fd, block, sizeof block, 0);

    if (got <= 0) {
        return false;
    }
    for (ssize_t sent = 0; sent < got;) {
        ssize_t one = send(fd, block + sent, (size_t)(got - sent), MSG_NOSIGNAL);

        if (one <= 0) {
            return false;
        }
        sent += one;
    }
    return true;
}

static void *proxy_rig_app_run(void *argument)
{
    struct proxy_rig_app *app = argument;
    struct pollfd open[PROXY_RIG_CONNECTIONS] = {{.fd = app->listening, .events = POLLIN}};
    nfds_t count = 1;

    for (;;) {
        if (poll(open, count, -1) < 0 || (open[0].revents & (POLLERR | POLLHUP)) != 0) {
            break; /* the listener was shut down */
        }
        for (nfds_t i = count; i-- > 1;) {
            if (open[i].revents != 0 && !proxy_rig_app_echo(open[i].fd)) {
                (void)close(open[i].fd);
                open[i] = open[--count];
            }
        }
        if ((open[0].revents & POLLIN) != 0 && count < PROXY_RIG_CONNECTIONS) {
            int fd = accept(app->listening, NULL, NULL);

            if (fd < 0) {
                break;
            }
            atomic_fetch_add(&app->accepted, 1);
            open[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
    while (count > 1) {
        (void)close(open[--count].fd);
    }
    return NULL;
}

/* A socket bound to a free port of loopback. */
static int proxy_rig_port(struct address *out_at)
{
    struct ip ip = ip_of_v4((const uint8_t[]){127, 0, 0, 1});
    struct address any = address_of_ip(&ip, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    cr_assert(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    cr_assert(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    cr_assert(bind(fd, &any.at.any, any.len) == 0);
    *out_at = address_local(fd);
    return fd;
}

/* ---- the rig ---- */

void proxy_rig_turns(struct proxy_rig *rig, int count)
{
    for (int i = 0; i < count; i++) {
        (void)uv_run(&rig->home.loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
}

void proxy_rig_rotate(struct proxy_rig *rig)
{
    OWNED(identity_set) *set = test_ca_identity_set(rig->root, PROXY_RIG_ID, ++rig->generation);

    cr_assert_eq(proxy_take_identity(rig->proxy, set, NULL), STATUS_OK);
    proxy_rig_turns(rig, 5);
}

void proxy_rig_mesh(struct proxy_rig *rig, const char *yaml)
{
    struct snapshot_file file = {.name = "mesh.yaml", .text = bytes_of(yaml)};
    struct failure why = {0};
    OWNED(snapshot) *mesh = NULL;

    cr_assert_eq(snapshot_parse(&file, 1, NULL, &mesh, &why), STATUS_OK, "%s", why.detail);
    proxy_take_snapshot(rig->proxy, mesh);
    proxy_rig_turns(rig, 5);
}

static void proxy_rig_forwards(struct proxy_rig *rig, const struct proxy_rig_plan *plan)
{
    static const char other[] = "spiffe://example.org/ns/shop/sa/other";
    const char *const ids[] = {plan->only_peer, PROXY_RIG_ID, other, PROXY_RIG_ID};
    struct address silent;

    rig->silent = proxy_rig_port(&silent);
    cr_assert_eq(listen(rig->silent, 0), 0);
    for (unsigned i = 0; i < PROXY_RIG_FORWARDS; i++) {
        rig->held[i] = proxy_rig_port(&rig->forwards[i].listen);
        rig->forwards[i].inbound = i == 0;
        rig->forwards[i].to = i == 0 ? rig->app.at : i == 3 ? silent : rig->forwards[0].listen;
        rig->forwards[i].peer_id = ids[i] == NULL ? NULL : strdup(ids[i]);
    }
}

void proxy_rig_open(struct proxy_rig *rig, const struct proxy_rig_plan *plan)
{
    struct proxy_options options = {
        .num_workers = 1, .num_forwards = PROXY_RIG_FORWARDS, .posture = posture_default()};
    struct failure why = {0};
    int fd;

    *rig = (struct proxy_rig){0};
    worker_init_main(&rig->home);
    rig->root = test_ca_root("example.org");
    rig->app.listening = proxy_rig_port(&rig->app.at);
    if (!plan->no_app) {
        cr_assert_eq(listen(rig->app.listening, 512), 0);
        cr_assert_eq(pthread_create(&rig->app.thread, NULL, proxy_rig_app_run, &rig->app), 0);
    }
    proxy_rig_forwards(rig, plan);
    (void)snprintf(rig->log_path, sizeof rig->log_path, "/tmp/signet-flow-XXXXXX");
    fd = mkstemp(rig->log_path);
    cr_assert_geq(fd, 0);
    (void)close(fd);
    cr_assert_eq(access_sink_open(&rig->sink, rig->log_path, NULL), STATUS_OK);
    options.forwards = rig->forwards;
    options.lane.access = &rig->sink;
    options.lane.has_mesh = plan->mesh != NULL;
    options.lane.admission = plan->admission;
    options.lane.workload = plan->mesh == NULL ? NULL : "shop/pay";
    for (int i = 0; i < LANE_LIMITS; i++) {
        options.lane.limit_ms[i] = plan->limit_ms == 0 ? PROXY_RIG_LIMIT_MS : plan->limit_ms;
    }
    cr_assert_eq(proxy_start(&rig->home, &options, &rig->proxy, &why), STATUS_OK, "%s", why.detail);
    if (plan->mesh != NULL && plan->mesh[0] != '\0') {
        proxy_rig_mesh(rig, plan->mesh);
    }
    if (!plan->no_identity) {
        proxy_rig_rotate(rig);
    }
}

void proxy_rig_close(struct proxy_rig *rig)
{
    proxy_stop(&rig->proxy);
    if (rig->app.thread != 0) {
        (void)shutdown(rig->app.listening, SHUT_RDWR);
        (void)pthread_join(rig->app.thread, NULL);
    }
    (void)close(rig->app.listening);
    access_sink_close(&rig->sink);
    (void)unlink(rig->log_path);
    (void)close(rig->silent);
    for (unsigned i = 0; i < PROXY_RIG_FORWARDS; i++) {
        (void)close(rig->held[i]);
        free(rig->forwards[i].peer_id);
    }
    test_ca_drop(&rig->root);
    worker_stop(&rig->home);
    worker_run_main(&rig->home);
    worker_clear(&rig->home);
}

bool proxy_rig_idle(struct proxy_rig *rig)
{
    for (int i = 0; i < PROXY_RIG_LIMIT_MS; i++) {
        if (proxy_num_live(rig->proxy) == 0) {
            return true;
        }
        proxy_rig_turns(rig, 1);
    }
    return false;
}

/* ---- sockets ---- */

int proxy_rig_dial(struct proxy_rig *rig, unsigned which)
{
    return proxy_rig_dial_from(rig, which, "127.0.0.1");
}

int proxy_rig_dial_from(struct proxy_rig *rig, unsigned which, const char *source)
{
    const struct address *to = &rig->forwards[which].listen;
    struct timeval limit = {.tv_sec = PROXY_RIG_LIMIT_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct address from;
    struct ip ip;

    cr_assert(ip_parse(bytes_of(source), &ip));
    from = address_of_ip(&ip, 0);
    cr_assert_eq(bind(fd, &from.at.any, from.len), 0);
    cr_assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    cr_assert(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    cr_assert_eq(connect(fd, &to->at.any, to->len), 0, "%s", strerror(errno));
    return fd;
}

void proxy_rig_send(int fd, const void *at, size_t len)
{
    const uint8_t *from = at;

    while (len > 0) {
        ssize_t one = send(fd, from, len, MSG_NOSIGNAL);

        if (one <= 0) {
            return; /* refused already: the test looks at what came of it */
        }
        from += one;
        len -= (size_t)one;
    }
}

bool proxy_rig_ends(int fd)
{
    uint8_t block[4096];
    ssize_t got;

    do {
        got = recv(fd, block, sizeof block, 0);
    } while (got > 0);
    return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

bool proxy_rig_echo(int fd, size_t len)
{
    uint8_t out[16384];
    uint8_t in[16384];
    size_t sent = 0;
    size_t seen = 0;

    while (seen < len) {
        size_t most = len - sent < sizeof out ? len - sent : sizeof out;
        ssize_t got;

        for (size_t i = 0; i < most; i++) {
            out[i] = (uint8_t)((sent + i) * 131 >> 3);
        }
        if (most > 0) {
            proxy_rig_send(fd, out, most);
            sent += most;
            if (sent == len && shutdown(fd, SHUT_WR) != 0) {
                return false;
            }
        }
        got = recv(fd, in, sent - seen < sizeof in ? sent - seen : sizeof in, 0);
        if (got <= 0) {
            return false;
        }
        for (ssize_t i = 0; i < got; i++, seen++) {
            if (in[i] != (uint8_t)(seen * 131 >> 3)) {
                return false;
            }
        }
    }
    return recv(fd, in, 1, 0) == 0;
}

int64_t proxy_rig_reason(const char *reason)
{
    CLEARED(buffer) page = {0};
    char mark[96];
    int64_t count = 0;

    buffer_init(&page, (size_t)4 << 20);
    (void)snprintf(mark, sizeof mark, "reason=\"%s\"", reason);
    cr_assert_eq(metrics_render(METRICS_PROXY, &page, NULL), STATUS_OK);
    cr_assert_eq(buffer_add(&page, bytes_make("", 1)), STATUS_OK);
    for (char *line = strtok((char *)page.at, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "signet_connections_closed_total{", 32) == 0 &&
            strstr(line, mark) != NULL) {
            count += strtoll(strrchr(line, ' ') + 1, NULL, 10);
        }
    }
    return count;
}

char *proxy_rig_log(struct proxy_rig *rig)
{
    CLEARED(buffer) text = {0};

    buffer_init(&text, (size_t)8 << 20);
    proxy_rig_turns(rig, 20); /* the worker hands its lines over at the end of its turn */
    cr_assert(writer_flush(rig->sink.writer, 30000));
    cr_assert_eq(buffer_read_file(&text, rig->log_path, NULL), STATUS_OK);
    return bytes_text(buffer_bytes(&text));
}

/* ---- a client of the library alone ---- */

static enum ssl_verify_result_t proxy_rig_trust(SSL *ssl, uint8_t *out_alert)
{
    (void)ssl;
    (void)out_alert;
    return ssl_verify_ok;
}

bool proxy_rig_tls(struct proxy_rig_client *client, int fd, const struct test_ca *leaf)
{
    *client =
        (struct proxy_rig_client){.library = SSL_CTX_new(TLS_with_buffers_method()), .fd = fd};
    SSL_CTX_set_custom_verify(client->library, SSL_VERIFY_PEER, proxy_rig_trust);
    if (leaf != NULL) {
        struct bytes der = test_ca_der(leaf);
        CRYPTO_BUFFER *shown = CRYPTO_BUFFER_new(der.at, der.len, NULL);

        cr_assert_eq(
            SSL_CTX_set_chain_and_key(client->library, &shown, 1, key_evp(test_ca_key(leaf)), NULL),
            1);
        CRYPTO_BUFFER_free(shown);
    }
    client->ssl = SSL_new(client->library);
    (void)SSL_set_fd(client->ssl, fd);
    return SSL_connect(client->ssl) == 1;
}

void proxy_rig_tls_close(struct proxy_rig_client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->library);
    (void)close(client->fd);
}
