/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A permissive port of the whole proxy, on loopback: callers with a sidecar whose ClientHello comes when
 * it comes, and callers without one, of servers that greet and of one that does not. The kernel's answer
 * about a captured connection's destination is the test's (linked with --wrap=original_dst_inbound).
 *
 *   SIGNET_PERMISSIVE_CLIENTS=100000   how many mesh clients (else 1500); some minutes for so many
 */
#include <errno.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/discovery/decode.h"
#include "core/sidecar/proxy/proxy.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(permissive, .timeout = 3000);

enum {
    PERMISSIVE_CLIENTS = 1500,
    PERMISSIVE_AT_ONCE = 64,
    PERMISSIVE_WORKERS = 2,
    PERMISSIVE_ROUNDS = 25,
    PERMISSIVE_LIMIT_MS = 60000, /* nothing here takes so long: a bound, not an expectation */
    PERMISSIVE_APP_MAX = 512,
};

/* ---- the application: it greets, or answers; and it counts ClientHellos that it was handed ---- */

struct permissive_app {
    pthread_t thread;
    int listening;
    struct address at;
    struct bytes greeting; /* empty: the client speaks first and gets `answer` */
    struct bytes answer;
    atomic_int accepted;
    atomic_int hellos;
};

/* False when the connection is over. */
static bool permissive_app_read(struct permissive_app *app, int fd)
{
    uint8_t block[4096];
    ssize_t got = recv(fd, block, sizeof block, 0);

    if (got <= 0) {
        return false;
    }
    if (block[0] == 0x16) {
        atomic_fetch_add(&app->hellos, 1);
    }
    return app->answer.len == 0 ||
           send(fd, app->answer.at, app->answer.len, MSG_NOSIGNAL) == (ssize_t)app->answer.len;
}

static void *permissive_app_run(void *argument)
{
    struct permissive_app *app = argument;
    struct pollfd open[PERMISSIVE_APP_MAX] = {{.fd = app->listening, .events = POLLIN}};
    nfds_t count = 1;

    while (poll(open, count, -1) >= 0 && (open[0].revents & (POLLERR | POLLHUP)) == 0) {
        for (nfds_t i = count; i-- > 1;) {
            if (open[i].revents != 0 && !permissive_app_read(app, open[i].fd)) {
                (void)close(open[i].fd);
                open[i] = open[--count];
            }
        }
        if ((open[0].revents & POLLIN) != 0 && count < PERMISSIVE_APP_MAX) {
            int fd = accept(app->listening, NULL, NULL);

            if (fd >= 0) {
                atomic_fetch_add(&app->accepted, 1);
                (void)send(fd, app->greeting.at, app->greeting.len, MSG_NOSIGNAL);
                open[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
            }
        }
    }
    while (count > 1) {
        (void)close(open[--count].fd);
    }
    return NULL;
}

/* ---- the proxy ---- */

static struct address permissive_destination;

/* The linker puts this in the place of original_dst_inbound(). */
enum status __wrap_original_dst_inbound(int fd, struct address *out_address, struct failure *why);

enum status __wrap_original_dst_inbound(int fd, struct address *out_address, struct failure *why)
{
    (void)fd;
    (void)why;
    *out_address = permissive_destination;
    return STATUS_OK;
}

struct permissive_rig {
    struct worker home;
    struct proxy *proxy;
    struct test_ca *root;
    struct permissive_app app;
    int held[2]; /* sockets that keep the captured ports ours */
    struct address inbound;
};

static int permissive_port(uint8_t last, struct address *out_at)
{
    struct ip ip = ip_of_v4((const uint8_t[]){127, 0, 0, last});
    struct address any = address_of_ip(&ip, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    cr_assert(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    cr_assert(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    cr_assert(bind(fd, &any.at.any, any.len) == 0);
    *out_at = address_local(fd);
    return fd;
}

/* Whose address a caller has: that of a workload with a sidecar, or nobody's. */
enum { PERMISSIVE_SIDECAR = 1, PERMISSIVE_STRANGER = 9 };

static const char permissive_mesh[] =
    "trustDomain: example.org\n"
    "defaultMtls: permissive\n"
    "workloads:\n"
    "- {name: pay, namespace: shop, serviceAccount: pay, addresses: [127.0.0.20]}\n"
    "- {name: web, namespace: shop, serviceAccount: web, addresses: [127.0.0.1]}\n";

static void permissive_publish(struct permissive_rig *rig)
{
    struct snapshot_file file = {.name = "mesh.yaml", .text = bytes_of(permissive_mesh)};
    struct failure why = {0};
    OWNED(snapshot) *mesh = NULL;
    OWNED(identity_set) *set =
        test_ca_identity_set(rig->root, "spiffe://example.org/ns/shop/sa/pay", 1);

    cr_assert_eq(snapshot_parse(&file, 1, NULL, &mesh, &why), STATUS_OK, "%s", why.detail);
    proxy_take_snapshot(rig->proxy, mesh);
    cr_assert_eq(proxy_take_identity(rig->proxy, set, NULL), STATUS_OK);
    for (int i = 0; i < 20; i++) {
        (void)uv_run(&rig->home.loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
}

static void permissive_open(struct permissive_rig *rig, struct bytes greeting, struct bytes answer)
{
    struct proxy_options options = {.num_workers = PERMISSIVE_WORKERS,
                                    .transparent = true,
                                    .posture = posture_default(),
                                    .lane = {.workload = "shop/pay", .has_mesh = true}};
    struct failure why = {0};

    *rig = (struct permissive_rig){.app = {.greeting = greeting, .answer = answer}};
    worker_init_main(&rig->home);
    rig->root = test_ca_root("example.org");
    rig->app.listening = permissive_port(20, &rig->app.at);
    cr_assert_eq(listen(rig->app.listening, 512), 0);
    cr_assert_eq(pthread_create(&rig->app.thread, NULL, permissive_app_run, &rig->app), 0);
    permissive_destination = rig->app.at;
    rig->held[0] = permissive_port(20, &options.inbound);
    rig->held[1] = permissive_port(20, &options.outbound);
    rig->inbound = options.inbound;
    for (int i = 0; i < LANE_LIMITS; i++) {
        options.lane.limit_ms[i] = PERMISSIVE_LIMIT_MS;
    }
    cr_assert_eq(proxy_start(&rig->home, &options, &rig->proxy, &why), STATUS_OK, "%s", why.detail);
    permissive_publish(rig);
}

static void permissive_close(struct permissive_rig *rig)
{
    proxy_stop(&rig->proxy);
    (void)shutdown(rig->app.listening, SHUT_RDWR);
    (void)pthread_join(rig->app.thread, NULL);
    (void)close(rig->app.listening);
    (void)close(rig->held[0]);
    (void)close(rig->held[1]);
    test_ca_drop(&rig->root);
    worker_stop(&rig->home);
    worker_run_main(&rig->home);
    worker_clear(&rig->home);
}

static int64_t permissive_opened(enum metrics_label transport)
{
    return metrics_read(METRIC_CONNECTIONS_OPENED, LABEL_INBOUND, transport);
}

/* A connection from 127.0.0.`caller`; it leaves no TIME_WAIT behind, so that ports do not run out. */
static int permissive_dial(const struct address *to, uint8_t caller, int flags)
{
    struct ip ip = ip_of_v4((const uint8_t[]){127, 0, 0, caller});
    struct address from = address_of_ip(&ip, 0);
    struct linger at_once = {.l_onoff = 1};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    cr_assert_eq(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on), 0);
    cr_assert_eq(bind(fd, &from.at.any, from.len), 0, "%s", strerror(errno));
    cr_assert(connect(fd, &to->at.any, to->len) == 0 || errno == EINPROGRESS, "%s",
              strerror(errno));
    return fd;
}

/* ---- mesh clients ---- */

static const char permissive_greeting[] = "220 mail.example ESMTP\r\n";

struct permissive_client {
    int fd; /* -1: free */
    SSL *ssl;
    uint64_t speaks_ms; /* when its ClientHello leaves, by the monotonic clock */
    size_t heard;
    char text[64];
};

struct permissive_crowd {
    SSL_CTX *library;
    struct permissive_client clients[PERMISSIVE_AT_ONCE];
    const struct address *to;
    int left;    /* to be started */
    int greeted; /* that got the whole greeting, in TLS */
    int failed;
    uint32_t drawn;
};

static enum ssl_verify_result_t permissive_trust(SSL *ssl, uint8_t *out_alert)
{
    (void)ssl;
    (void)out_alert;
    return ssl_verify_ok;
}

static SSL_CTX *permissive_library(const struct test_ca *leaf)
{
    static const uint8_t protocols[] = "\x06signet";
    struct bytes der = test_ca_der(leaf);
    CRYPTO_BUFFER *shown = CRYPTO_BUFFER_new(der.at, der.len, NULL);
    SSL_CTX *library = SSL_CTX_new(TLS_with_buffers_method());

    SSL_CTX_set_custom_verify(library, SSL_VERIFY_PEER, permissive_trust);
    cr_assert_eq(SSL_CTX_set_chain_and_key(library, &shown, 1, key_evp(test_ca_key(leaf)), NULL),
                 1);
    cr_assert_eq(SSL_CTX_set_alpn_protos(library, protocols, sizeof protocols - 1), 0);
    CRYPTO_BUFFER_free(shown);
    return library;
}

static uint64_t permissive_now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* Three of four speak at once; the others as late as a ClientHello that was lost once or twice. */
static uint64_t permissive_delay_ms(struct permissive_crowd *crowd)
{
    crowd->drawn ^= crowd->drawn << 13;
    crowd->drawn ^= crowd->drawn >> 17;
    crowd->drawn ^= crowd->drawn << 5;
    return crowd->drawn % 4 != 0 ? 0 : crowd->drawn / 4 % 900;
}

static void permissive_begin(struct permissive_crowd *crowd, struct permissive_client *client)
{
    *client = (struct permissive_client){.fd = permissive_dial(crowd->to, PERMISSIVE_SIDECAR,
                                                               SOCK_NONBLOCK)};
    client->speaks_ms = permissive_now_ms() + permissive_delay_ms(crowd);
    client->ssl = SSL_new(crowd->library);
    (void)SSL_set_fd(client->ssl, client->fd);
    SSL_set_connect_state(client->ssl);
    crowd->left--;
}

static void permissive_end(struct permissive_client *client)
{
    SSL_free(client->ssl);
    (void)close(client->fd);
    client->fd = -1;
}

/* Goes as far as it can: the handshake, then the greeting. */
static void permissive_go(struct permissive_crowd *crowd, struct permissive_client *client)
{
    int got = SSL_read(client->ssl, client->text + client->heard,
                       (int)(sizeof client->text - 1 - client->heard));
    int error = got > 0 ? SSL_ERROR_NONE : SSL_get_error(client->ssl, got);

    if (got > 0) {
        client->heard += (size_t)got;
    } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        crowd->failed++;
        permissive_end(client);
        return;
    }
    if (client->heard == sizeof permissive_greeting - 1) {
        crowd->greeted += strcmp(client->text, permissive_greeting) == 0;
        permissive_end(client);
    }
}

static bool permissive_turn(struct permissive_crowd *crowd)
{
    struct pollfd wanted[PERMISSIVE_AT_ONCE];
    struct permissive_client *whose[PERMISSIVE_AT_ONCE];
    uint64_t now_ms = permissive_now_ms();
    nfds_t count = 0;
    bool busy = false;

    for (size_t i = 0; i < PERMISSIVE_AT_ONCE; i++) {
        struct permissive_client *client = &crowd->clients[i];

        if (client->fd < 0 && crowd->left > 0) {
            permissive_begin(crowd, client);
        }
        busy = busy || client->fd >= 0;
        if (client->fd >= 0 && now_ms >= client->speaks_ms) {
            if (SSL_in_init(client->ssl) && SSL_get_error(client->ssl, 0) != SSL_ERROR_WANT_READ) {
                permissive_go(crowd, client);
            }
            if (client->fd >= 0) {
                whose[count] = client;
                wanted[count++] = (struct pollfd){.fd = client->fd, .events = POLLIN};
            }
        }
    }
    (void)poll(wanted, count, 2);
    for (nfds_t i = 0; i < count; i++) {
        if (wanted[i].revents != 0 || SSL_in_init(whose[i]->ssl)) {
            permissive_go(crowd, whose[i]);
        }
    }
    return busy || crowd->left > 0;
}

static int permissive_wanted(void)
{
    const char *given = getenv("SIGNET_PERMISSIVE_CLIENTS");
    uint64_t count = PERMISSIVE_CLIENTS;

    cr_assert(given == NULL || bytes_to_number(bytes_of(given), 1000000, &count),
              "SIGNET_PERMISSIVE_CLIENTS is \"%s\"", given);
    return (int)count;
}

Test(permissive, I23_no_mesh_client_is_served_in_clear_however_late_its_hello)
{
    static struct permissive_crowd crowd = {.drawn = 88172645};
    struct permissive_rig rig;
    struct test_ca *leaf;
    int count = permissive_wanted();

    permissive_open(&rig, bytes_of(permissive_greeting), bytes_of(""));
    leaf = test_ca_leaf(rig.root, "spiffe://example.org/ns/shop/sa/web");
    crowd.library = permissive_library(leaf);
    crowd.to = &rig.inbound;
    crowd.left = count;
    for (size_t i = 0; i < PERMISSIVE_AT_ONCE; i++) {
        crowd.clients[i].fd = -1;
    }
    while (permissive_turn(&crowd)) {
    }
    (void)printf("%d mesh clients: %d greeted in TLS, %d failed, %lld in clear\n", count,
                 crowd.greeted, crowd.failed, (long long)permissive_opened(LABEL_PLAINTEXT));
    cr_assert_eq(atomic_load(&rig.app.hellos), 0, "the application was handed a ClientHello");
    cr_assert_eq(permissive_opened(LABEL_PLAINTEXT), 0);
    cr_assert_eq(crowd.failed, 0);
    cr_assert_eq(crowd.greeted, count);
    cr_assert_eq(permissive_opened(LABEL_MTLS), count);
    SSL_CTX_free(crowd.library);
    test_ca_drop(&leaf);
    permissive_close(&rig);
}

/* ---- outside clients ---- */

/* A MySQL server's first packet: protocol 10, and as much as a client looks at. */
static const uint8_t permissive_mysql[] =
    "\x4a\x00\x00\x00\x0a"
    "8.0.36\0\x08\x00\x00\x00"
    "12345678\0\xff\xf7\x08\x02\x00\xff\xcf\x15\0\0\0\0\0\0\0\0\0\0"
    "123456789012\0"
    "mysql_native_password";

/* Microseconds from connect() to the first answer; `says` is empty where the server speaks first. */
static uint64_t permissive_first_byte_us(const struct address *to, struct bytes says,
                                         struct bytes expected)
{
    struct timeval limit = {.tv_sec = PERMISSIVE_LIMIT_MS / 1000};
    uint64_t began = uv_hrtime();
    uint64_t took;
    uint8_t back[256];
    int fd = permissive_dial(to, PERMISSIVE_STRANGER, 0);

    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    if (says.len > 0) {
        cr_assert_eq(send(fd, says.at, says.len, MSG_NOSIGNAL), (ssize_t)says.len);
    }
    cr_assert_eq(recv(fd, back, expected.len, MSG_WAITALL), (ssize_t)expected.len);
    took = (uv_hrtime() - began) / 1000;
    cr_assert(bytes_equal(bytes_make(back, expected.len), expected));
    (void)close(fd);
    return took;
}

static int permissive_compare(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return *left < *right ? -1 : *left > *right;
}

static double permissive_median_ms(const struct address *to, struct bytes says,
                                   struct bytes expected)
{
    uint64_t took_us[PERMISSIVE_ROUNDS];

    for (size_t i = 0; i < PERMISSIVE_ROUNDS; i++) {
        took_us[i] = permissive_first_byte_us(to, says, expected);
    }
    qsort(took_us, PERMISSIVE_ROUNDS, sizeof took_us[0], permissive_compare);
    return (double)took_us[PERMISSIVE_ROUNDS / 2] / 1000;
}

/* The greeting comes though the client says nothing, and no limit but a minute's could bring it. */
static void permissive_outside(const char *name, struct bytes greeting, struct bytes says,
                               struct bytes answer)
{
    struct bytes expected = greeting.len > 0 ? greeting : answer;
    struct permissive_rig rig;
    double direct;
    double through;

    permissive_open(&rig, greeting, answer);
    direct = permissive_median_ms(&rig.app.at, says, expected);
    through = permissive_median_ms(&rig.inbound, says, expected);
    (void)printf("%s: first bytes after %.2f ms directly, %.2f ms through the sidecar\n", name,
                 direct, through);
    cr_assert_eq(permissive_opened(LABEL_MTLS), 0);
    permissive_close(&rig);
}

Test(permissive, outside_clients_of_smtp_are_greeted_without_a_wait)
{
    permissive_outside("SMTP", bytes_of(permissive_greeting), bytes_of(""), bytes_of(""));
}

Test(permissive, outside_clients_of_mysql_are_greeted_without_a_wait)
{
    permissive_outside("MySQL", bytes_make(permissive_mysql, sizeof permissive_mysql),
                       bytes_of(""), bytes_of(""));
}

Test(permissive, outside_clients_of_redis_who_speak_first_are_answered_without_a_wait)
{
    permissive_outside("Redis", bytes_of(""), bytes_of("PING\r\n"), bytes_of("+PONG\r\n"));
}
