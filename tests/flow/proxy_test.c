/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane end to end on loopback: what gets through, what never reaches the application, what
 * every wait ends with, and what is written down of it.
 */
#include <jansson.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "tests/flow/proxy_rig.h"
#include "tests/support/suite.h"

SUITE(proxy, .timeout = 100);

enum { PROXY_MANY = 200 };

static const char proxy_mesh_head[] = "trustDomain: example.org\n"
                                      "workloads:\n"
                                      "- name: pay\n"
                                      "  namespace: shop\n"
                                      "  serviceAccount: pay\n"
                                      "  addresses: [10.9.9.9]\n"
                                      "  labels: {app: pay}\n"
                                      "  ports: [{port: 8080}]\n";

/* Only shop/web may call. */
static char *proxy_mesh_for(const char *principal)
{
    return memory_format("%s---\n"
                         "apiVersion: security.istio.io/v1\n"
                         "kind: AuthorizationPolicy\n"
                         "metadata: {name: pay-allow, namespace: shop}\n"
                         "spec:\n"
                         "  selector: {matchLabels: {app: pay}}\n"
                         "  action: ALLOW\n"
                         "  rules:\n"
                         "  - from:\n"
                         "    - source:\n"
                         "        principals: [\"%s\"]\n",
                         proxy_mesh_head, principal);
}

Test(proxy, bytes_go_through_both_sidecars_and_come_back)
{
    static const size_t lens[] = {1, 5, 16384, 16385, 1000000, 6000000};
    struct proxy_rig rig;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){0});
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        int fd = proxy_rig_dial(&rig, 1);

        cr_assert(proxy_rig_echo(fd, lens[i]), "%zu bytes", lens[i]);
        (void)close(fd);
    }
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(atomic_load(&rig.app.accepted), 6);
    proxy_rig_close(&rig);
}

Test(proxy, a_server_of_the_wrong_identity_gets_no_byte)
{
    struct proxy_rig rig;
    int fd;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){0});
    fd = proxy_rig_dial(&rig, 2);
    proxy_rig_send(fd, "secret", 6);
    cr_assert(proxy_rig_ends(fd));
    (void)close(fd);
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(proxy_rig_reason("tls/peer-identity"), 1);
    cr_assert_eq(atomic_load(&rig.app.accepted), 0);
    proxy_rig_close(&rig);
}

/* ---- I23: what never reaches the application ---- */

Test(proxy, I23_nobody_without_a_certificate_reaches_the_application)
{
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 half a ClientHello";
    struct proxy_rig rig;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.limit_ms = 700});
    for (int i = 0; i < PROXY_MANY; i++) {
        int plain = proxy_rig_dial(&rig, 0);
        int half = proxy_rig_dial(&rig, 0);
        int gone = proxy_rig_dial(&rig, 0);
        struct proxy_rig_client certless;
        char byte;

        proxy_rig_send(plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
        proxy_rig_send(half, hello, sizeof hello - 1);
        (void)close(half);
        (void)close(gone);
        /* In TLS 1.3 the client is through before the server has judged it. */
        if (proxy_rig_tls(&certless, proxy_rig_dial(&rig, 0), NULL)) {
            cr_assert_leq(SSL_read(certless.ssl, &byte, 1), 0);
        }
        proxy_rig_tls_close(&certless);
        cr_assert(proxy_rig_ends(plain));
        (void)close(plain);
    }
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(atomic_load(&rig.app.accepted), 0);
    cr_assert_eq(proxy_rig_reason("tls/not-tls"), PROXY_MANY);
    cr_assert_eq(proxy_rig_reason("tls/no-certificate"), PROXY_MANY);
    cr_assert_eq(proxy_rig_reason("tls/closed-early") + proxy_rig_reason("tcp/reset"),
                 2 * PROXY_MANY);
    proxy_rig_close(&rig);
}

Test(proxy, I23_whom_policy_denies_never_reaches_the_application_and_is_told_so)
{
    char *mesh = proxy_mesh_for("example.org/ns/shop/sa/web");
    struct proxy_rig rig;
    struct test_ca *allowed;
    struct test_ca *denied;
    struct proxy_rig_client client;
    char word[8] = "";

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.mesh = mesh});
    denied = test_ca_leaf(rig.root, "spiffe://example.org/ns/shop/sa/spy");
    allowed = test_ca_leaf(rig.root, "spiffe://example.org/ns/shop/sa/web");
    for (int i = 0; i < PROXY_MANY; i++) {
        ERR_clear_error();
        cr_assert(proxy_rig_tls(&client, proxy_rig_dial(&rig, 0), denied));
        (void)SSL_write(client.ssl, "steal", 5);
        cr_assert_leq(SSL_read(client.ssl, word, 1), 0);
        cr_assert_eq(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_ACCESS_DENIED);
        proxy_rig_tls_close(&client);
    }
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(atomic_load(&rig.app.accepted), 0);
    cr_assert_eq(proxy_rig_reason("deny/no-match"), PROXY_MANY);
    cr_assert(proxy_rig_tls(&client, proxy_rig_dial(&rig, 0), allowed));
    cr_assert_eq(SSL_write(client.ssl, "hello", 5), 5);
    cr_assert_eq(SSL_read(client.ssl, word, 5), 5);
    cr_assert_str_eq(word, "hello");
    cr_assert_eq(atomic_load(&rig.app.accepted), 1);
    proxy_rig_tls_close(&client);
    cr_assert(proxy_rig_idle(&rig));
    test_ca_drop(&allowed);
    test_ca_drop(&denied);
    free(mesh);
    proxy_rig_close(&rig);
}

Test(proxy, I23_a_listener_for_one_peer_takes_no_other)
{
    struct proxy_rig rig;
    int fd;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.only_peer =
                                                      "spiffe://example.org/ns/shop/sa/only"});
    fd = proxy_rig_dial(&rig, 1);
    proxy_rig_send(fd, "hello", 5);
    cr_assert(proxy_rig_ends(fd));
    (void)close(fd);
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(proxy_rig_reason("deny/peer"), 1);
    cr_assert_eq(proxy_rig_reason("peer/access-denied"), 1);
    cr_assert_eq(atomic_load(&rig.app.accepted), 0);
    proxy_rig_close(&rig);
}

/* ---- limits ---- */

Test(proxy, half_a_hello_and_silence_end_at_the_limit)
{
    struct proxy_rig rig;
    int fds[20];

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.limit_ms = 300});
    for (int i = 0; i < 20; i++) {
        fds[i] = proxy_rig_dial(&rig, 0);
        proxy_rig_send(fds[i], "\x16\x03\x01\x02\x00\x01", i % 2 == 0 ? 6 : 0);
    }
    for (int i = 0; i < 20; i++) {
        cr_assert(proxy_rig_ends(fds[i]));
        (void)close(fds[i]);
    }
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(proxy_rig_reason("inbound/handshake-late"), 20);
    proxy_rig_close(&rig);
}

Test(proxy, a_peer_that_never_answers_is_left_at_the_limit)
{
    struct proxy_rig rig;
    int64_t shaking;
    int64_t dialling;
    int fds[6];

    /* The first connections find room in the listener's backlog, the others not even that. */
    proxy_rig_open(&rig, &(struct proxy_rig_plan){.limit_ms = 300});
    for (int i = 0; i < 6; i++) {
        fds[i] = proxy_rig_dial(&rig, 3);
    }
    for (int i = 0; i < 6; i++) {
        cr_assert(proxy_rig_ends(fds[i]));
        (void)close(fds[i]);
    }
    cr_assert(proxy_rig_idle(&rig));
    shaking = proxy_rig_reason("outbound/handshake-late");
    dialling = proxy_rig_reason("dial/timeout") + proxy_rig_reason("outbound/peer-late");
    cr_assert_gt(shaking, 0);
    cr_assert_gt(dialling, 0);
    cr_assert_eq(shaking + dialling, 6);
    proxy_rig_close(&rig);
}

Test(proxy, I23_without_an_identity_nothing_passes_and_the_wait_is_bounded)
{
    struct proxy_rig rig;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.no_identity = true, .limit_ms = 300});
    for (unsigned which = 0; which < 2; which++) {
        int fd = proxy_rig_dial(&rig, which);

        proxy_rig_send(fd, "hello", 5);
        cr_assert(proxy_rig_ends(fd));
        (void)close(fd);
    }
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(proxy_rig_reason("inbound/no-identity"), 1);
    cr_assert_eq(proxy_rig_reason("outbound/no-identity"), 1);
    cr_assert_eq(atomic_load(&rig.app.accepted), 0);
    proxy_rig_close(&rig);
}

Test(proxy, connections_that_wait_for_the_first_identity_go_on_when_it_comes)
{
    struct proxy_rig rig;
    int fds[20];

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.no_identity = true});
    for (int i = 0; i < 20; i++) {
        fds[i] = proxy_rig_dial(&rig, 1);
    }
    while (proxy_num_live(rig.proxy) < 20) {
        (void)usleep(1000);
    }
    proxy_rig_rotate(&rig);
    for (int i = 0; i < 20; i++) {
        cr_assert(proxy_rig_echo(fds[i], 3000));
        (void)close(fds[i]);
    }
    cr_assert(proxy_rig_idle(&rig));
    proxy_rig_close(&rig);
}

Test(proxy, a_caller_that_comes_before_the_mesh_waits_for_it)
{
    char *mesh = proxy_mesh_for("example.org/ns/shop/sa/pay");
    struct proxy_rig rig;
    int fd;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.mesh = ""});
    fd = proxy_rig_dial(&rig, 1);
    while (proxy_num_live(rig.proxy) < 1) {
        (void)usleep(1000);
    }
    cr_assert_eq(atomic_load(&rig.app.accepted), 0);
    proxy_rig_mesh(&rig, mesh);
    cr_assert(proxy_rig_echo(fd, 3000));
    (void)close(fd);
    cr_assert(proxy_rig_idle(&rig));
    free(mesh);
    proxy_rig_close(&rig);
}

Test(proxy, an_application_that_is_not_there_is_a_refused_dial)
{
    struct proxy_rig rig;
    int fd;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.no_app = true});
    fd = proxy_rig_dial(&rig, 1);
    proxy_rig_send(fd, "hello", 5);
    cr_assert(proxy_rig_ends(fd));
    (void)close(fd);
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(proxy_rig_reason("dial/refused"), 1);
    proxy_rig_close(&rig);
}

/* ---- swaps ---- */

Test(proxy, I12_swaps_of_the_identity_disturb_no_live_connection)
{
    struct proxy_rig rig;
    int fds[30];
    char back[6] = "";

    proxy_rig_open(&rig, &(struct proxy_rig_plan){0});
    for (int i = 0; i < 30; i++) {
        fds[i] = proxy_rig_dial(&rig, 1);
        if (i % 5 == 0) {
            proxy_rig_rotate(&rig);
        }
    }
    for (int round = 0; round < 5; round++) {
        proxy_rig_rotate(&rig);
        for (int i = 0; i < 30; i++) {
            proxy_rig_send(fds[i], "hello", 5);
            cr_assert_eq(recv(fds[i], back, 5, MSG_WAITALL), 5);
            cr_assert_str_eq(back, "hello");
        }
    }
    for (int i = 0; i < 30; i++) {
        cr_assert(proxy_rig_echo(fds[i], 100000));
        (void)close(fds[i]);
    }
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(atomic_load(&rig.app.accepted), 30);
    proxy_rig_close(&rig);
}

/* ---- resets ---- */

Test(proxy, a_reset_of_the_client_reaches_the_application)
{
    struct linger at_once = {.l_onoff = 1};
    struct proxy_rig rig;
    char back[6] = "";
    int fd;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){0});
    fd = proxy_rig_dial(&rig, 1);
    proxy_rig_send(fd, "hello", 5);
    cr_assert_eq(recv(fd, back, 5, MSG_WAITALL), 5);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    (void)close(fd);
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(proxy_rig_reason("tcp/reset"), 2);
    proxy_rig_close(&rig);
}

Test(proxy, stopping_cuts_what_is_alive)
{
    struct proxy_rig rig;
    char back[6] = "";
    int live;
    int shaking;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){0});
    live = proxy_rig_dial(&rig, 1);
    shaking = proxy_rig_dial(&rig, 0);
    proxy_rig_send(live, "hello", 5);
    cr_assert_eq(recv(live, back, 5, MSG_WAITALL), 5);
    proxy_rig_close(&rig);
    cr_assert(proxy_rig_ends(live) && proxy_rig_ends(shaking));
    (void)close(live);
    (void)close(shaking);
}

/* ---- what is written down ---- */

static const char *proxy_log_text(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));

    return text == NULL ? "" : text;
}

/* Checks what every line has; gives what it counted of "open", "close", "refused". */
static void proxy_log_line(const json_t *line, int counts[3])
{
    static const char *const events[] = {"open", "close", "refused"};
    const char *event = proxy_log_text(line, "event");

    for (int i = 0; i < 3; i++) {
        counts[i] += strcmp(event, events[i]) == 0 ? 1 : 0;
    }
    cr_assert_neq(proxy_log_text(line, "ts")[0], '\0');
    cr_assert_neq(proxy_log_text(line, "reason")[0], '\0');
    cr_assert_neq(proxy_log_text(line, "source")[0], '\0');
    cr_assert_neq(proxy_log_text(line, "destination")[0], '\0');
    if (strcmp(event, "refused") == 0) {
        cr_assert_str_eq(proxy_log_text(line, "verdict"), "deny");
        return;
    }
    cr_assert_str_eq(proxy_log_text(line, "verdict"), "allow");
    cr_assert_str_eq(proxy_log_text(line, "transport"), "mtls");
    cr_assert_str_eq(proxy_log_text(line, "local_identity"), PROXY_RIG_ID);
    cr_assert_str_eq(proxy_log_text(line, "peer_identity"), PROXY_RIG_ID);
    if (strcmp(event, "close") == 0) {
        cr_assert_eq(json_integer_value(json_object_get(line, "bytes_sent")), 3000);
        cr_assert_eq(json_integer_value(json_object_get(line, "bytes_received")), 3000);
        cr_assert(json_is_integer(json_object_get(line, "duration_ms")));
    } else {
        cr_assert_gt(json_integer_value(json_object_get(line, "handshake_us")), 0);
        cr_assert(json_is_integer(json_object_get(line, "dial_us")));
    }
    if (strcmp(proxy_log_text(line, "direction"), "inbound") == 0) {
        cr_assert_not_null(strstr(proxy_log_text(line, "rule"), "shop/pay-allow rule 1"));
        cr_assert_str_eq(proxy_log_text(line, "reason"), "allow/rule");
    }
}

Test(proxy, the_access_log_says_who_called_whom_by_which_rule_and_how_it_ended)
{
    char *mesh = proxy_mesh_for("example.org/ns/shop/sa/pay");
    struct proxy_rig rig;
    int counts[3] = {0};
    char *text;
    int fd;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.mesh = mesh});
    for (int i = 0; i < 10; i++) {
        fd = proxy_rig_dial(&rig, 1);
        cr_assert(proxy_rig_echo(fd, 3000));
        (void)close(fd);
        fd = proxy_rig_dial(&rig, 0);
        proxy_rig_send(fd, "GET / HTTP/1.0\r\n\r\n", 18);
        cr_assert(proxy_rig_ends(fd));
        (void)close(fd);
    }
    cr_assert(proxy_rig_idle(&rig));
    text = proxy_rig_log(&rig);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        json_t *parsed = json_loads(line, 0, NULL);

        cr_assert_not_null(parsed, "not JSON: %s", line);
        proxy_log_line(parsed, counts);
        json_decref(parsed);
    }
    cr_assert(counts[0] == 20 && counts[1] == 20 && counts[2] == 10, "%d %d %d", counts[0],
              counts[1], counts[2]);
    free(text);
    free(mesh);
    proxy_rig_close(&rig);
}
