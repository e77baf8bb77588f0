/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many connections at once, and long-lived ones: who may begin a handshake, what a connection keeps
 * alive, how a list of them is read, how idle ones end.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/json/json.h"
#include "core/runtime/json/writer.h"
#include "core/runtime/telemetry/metrics.h"
#include "tests/flow/proxy_rig.h"
#include "tests/support/suite.h"

SUITE(crowd, .timeout = 100);

enum { CROWD_WORKLOADS = 300, CROWD_PUSHES = 1000, CROWD_PAGE_MAX = 1 << 20 };

static int64_t crowd_gauge(enum metric metric)
{
    return metrics_read(metric, LABEL_NONE, LABEL_NONE);
}

/* Turns until the gauge says so. */
static void crowd_await(struct proxy_rig *rig, enum metric metric, int64_t wanted)
{
    for (int i = 0; i < 5000 && crowd_gauge(metric) != wanted; i++) {
        proxy_rig_turns(rig, 1);
    }
    cr_assert_eq(crowd_gauge(metric), wanted);
}

/* ---- handshakes ---- */

Test(crowd, I17_a_source_that_opens_many_delays_itself_and_nobody_else)
{
    struct proxy_rig rig;
    struct proxy_rig_client client;
    struct test_ca *leaf;
    int silent[20];

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.admission = {.half_open = 100, .of_source = 4}});
    leaf = test_ca_leaf(rig.root, PROXY_RIG_ID);
    for (int i = 0; i < 20; i++) {
        silent[i] = proxy_rig_dial(&rig, 0);
    }
    crowd_await(&rig, METRIC_HANDSHAKES_HALF_OPEN, 4);
    crowd_await(&rig, METRIC_HANDSHAKES_WAITING, 16);
    cr_assert(proxy_rig_tls(&client, proxy_rig_dial_from(&rig, 0, "127.0.0.2"), leaf),
              "another source is served at once");
    for (int i = 0; i < 20; i++) {
        (void)close(silent[i]);
    }
    proxy_rig_tls_close(&client);
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(crowd_gauge(METRIC_HANDSHAKES_HALF_OPEN), 0);
    cr_assert_eq(crowd_gauge(METRIC_HANDSHAKES_WAITING), 0);
    cr_assert_eq(proxy_rig_reason("limit/handshakes"), 0);
    test_ca_drop(&leaf);
    proxy_rig_close(&rig);
}

Test(crowd, I17_who_waits_is_refused_only_at_the_handshakes_limit)
{
    struct proxy_rig rig;
    int silent[12];

    proxy_rig_open(&rig, &(struct proxy_rig_plan){
                             .admission = {.half_open = 4, .of_source = 4, .waiting = 6},
                             .limit_ms = 700});
    for (int i = 0; i < 12; i++) {
        silent[i] = proxy_rig_dial(&rig, 0);
    }
    for (int i = 0; i < 12; i++) {
        cr_assert(proxy_rig_ends(silent[i]));
        (void)close(silent[i]);
    }
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(proxy_rig_reason("limit/waiting"), 2, "beyond four places and six who wait");
    cr_assert_eq(proxy_rig_reason("inbound/handshake-late") + proxy_rig_reason("limit/handshakes"),
                 10);
    cr_assert_geq(proxy_rig_reason("inbound/handshake-late"), 4);
    cr_assert_eq(atomic_load(&rig.app.accepted), 0);
    proxy_rig_close(&rig);
}

/* One place only: each of a hundred callers gets it in its turn, and is served. */
Test(crowd, callers_that_wait_are_all_served)
{
    struct proxy_rig rig;
    int fds[60];

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.admission = {.half_open = 1, .of_source = 1}});
    for (int i = 0; i < 60; i++) {
        fds[i] = proxy_rig_dial(&rig, 1);
    }
    for (int i = 0; i < 60; i++) {
        cr_assert(proxy_rig_echo(fds[i], 2000), "caller %d", i);
        (void)close(fds[i]);
    }
    cr_assert(proxy_rig_idle(&rig));
    proxy_rig_close(&rig);
}

/* ---- descriptors ---- */

/* A process of its own, so that the descriptors of the callers are not ours. */
static pid_t crowd_callers(const struct address *to, int count, int tell[2])
{
    pid_t child = fork();

    if (child == 0) {
        char byte = 'y';

        (void)close(tell[0]);
        for (int i = 0; i < count; i++) {
            int fd = socket(AF_INET, SOCK_STREAM, 0);

            byte = fd >= 0 && connect(fd, &to->at.any, to->len) == 0 ? byte : 'n';
        }
        (void)!write(tell[1], &byte, 1);
        (void)!read(tell[1], &byte, 1); /* until we are told to go */
        _exit(0);
    }
    (void)close(tell[1]);
    return child;
}

Test(crowd, I17_connections_beyond_half_of_the_descriptors_wait_in_the_backlog_and_are_counted)
{
    struct rlimit files = {200, 200};
    struct proxy_rig rig;
    char byte = 'n';
    pid_t child;
    int tell[2];

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    proxy_rig_open(&rig, &(struct proxy_rig_plan){0});
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, tell), 0);
    child = crowd_callers(&rig.forwards[0].listen, 100, tell);
    cr_assert(read(tell[0], &byte, 1) == 1 && byte == 'y', "nobody was turned away");
    while (crowd_gauge(METRIC_ACCEPTS_HELD) < 2) {
        proxy_rig_turns(&rig, 1);
    }
    cr_assert_eq(proxy_num_live(rig.proxy), 68, "64 of 200 are spare, and each needs two");
    (void)close(tell[0]);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert(proxy_rig_idle(&rig));
    while (metrics_read(METRIC_CONNECTIONS_ACCEPTED, LABEL_INBOUND, LABEL_NONE) < 100) {
        proxy_rig_turns(&rig, 1);
    }
    cr_assert(proxy_rig_idle(&rig));
    proxy_rig_close(&rig);
}

/* ---- what a long-lived connection keeps alive ---- */

static char *crowd_mesh(void)
{
    CLEARED(buffer) text = {0};

    buffer_init(&text, (size_t)1 << 20);
    cr_assert_eq(buffer_add_text(&text, "trustDomain: example.org\nworkloads:\n"
                                        "- {name: pay, namespace: shop, serviceAccount: pay,\n"
                                        "   addresses: [10.9.9.9], labels: {app: pay}}\n"),
                 STATUS_OK);
    for (int i = 0; i < CROWD_WORKLOADS; i++) {
        cr_assert_eq(buffer_add_format(&text,
                                       "- {name: w%d, namespace: crowd, serviceAccount: w%d,\n"
                                       "   addresses: [10.8.%d.%d], labels: {app: w%d}}\n",
                                       i, i, i / 250, i % 250 + 1, i),
                     STATUS_OK);
    }
    cr_assert_eq(buffer_add_text(&text, "---\n"
                                        "apiVersion: security.istio.io/v1\n"
                                        "kind: AuthorizationPolicy\n"
                                        "metadata: {name: pay-allow, namespace: shop}\n"
                                        "spec:\n"
                                        "  selector: {matchLabels: {app: pay}}\n"
                                        "  rules: [{from: [{source: {namespaces: [shop]}}]}]\n"),
                 STATUS_OK);
    return bytes_text(buffer_bytes(&text));
}

static size_t crowd_heap(void)
{
    return mallinfo2().uordblks;
}

static int crowd_live(struct proxy_rig *rig)
{
    char back[6] = "";
    int fd = proxy_rig_dial(rig, 1);

    proxy_rig_send(fd, "hello", 5);
    cr_assert_eq(recv(fd, back, 5, MSG_WAITALL), 5);
    return fd;
}

Test(crowd, a_thousand_pushes_leave_nothing_behind_under_connections_that_live)
{
    char *mesh = crowd_mesh();
    struct proxy_rig rig;
    size_t early = 0;
    size_t with;
    size_t without;
    int fds[25];

    proxy_rig_open(&rig, &(struct proxy_rig_plan){.mesh = mesh});
    fds[0] = crowd_live(&rig);
    for (int i = 1; i <= CROWD_PUSHES; i++) {
        proxy_rig_mesh(&rig, mesh);
        early = i == 100 ? crowd_heap() : early;
        if (i == CROWD_PUSHES / 2) {
            cr_assert_leq(crowd_heap(), early + 128 * 1024, "one connection, and the heap grows");
        }
        if (i > CROWD_PUSHES / 2 && i % 20 == 0) {
            fds[(i - CROWD_PUSHES / 2) / 20 - 1 == 0 ? 0 : (i - CROWD_PUSHES / 2) / 20 - 1] =
                i == CROWD_PUSHES / 2 + 20 ? fds[0] : crowd_live(&rig);
        }
    }
    with = crowd_heap();
    for (int i = 0; i < 25; i++) {
        (void)close(fds[i]);
    }
    cr_assert(proxy_rig_idle(&rig));
    without = crowd_heap();
    /* A mesh of this size is some 200 KiB; 25 connections of both sidecars themselves stay below. */
    cr_assert_leq(with, without + 25 * 100 * 1024, "%zu bytes, without connections %zu", with,
                  without);
    free(mesh);
    proxy_rig_close(&rig);
}

static int64_t crowd_bytes(void)
{
    return metrics_read(METRIC_BYTES, LABEL_OUTBOUND, LABEL_SENT) +
           metrics_read(METRIC_BYTES, LABEL_OUTBOUND, LABEL_RECEIVED) +
           metrics_read(METRIC_BYTES, LABEL_INBOUND, LABEL_SENT) +
           metrics_read(METRIC_BYTES, LABEL_INBOUND, LABEL_RECEIVED);
}

Test(crowd, bytes_are_counted_while_a_connection_lives)
{
    struct proxy_rig rig;
    int fd;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){0});
    fd = crowd_live(&rig);
    /* A byte may be seen here before the worker that has just sent it counts it. */
    for (int i = 0; i < 5000 && crowd_bytes() < 20; i++) {
        proxy_rig_turns(&rig, 1);
    }
    cr_assert_eq(crowd_bytes(), 20, "both ways of both sidecars, while it lives");
    (void)close(fd);
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_eq(crowd_bytes(), 20, "and once only");
    proxy_rig_close(&rig);
}

/* ---- the list of them ---- */

/* Reads one page; adds how often each connection was in it to `seen` by its number. */
static bool crowd_read_page(struct proxy_rig *rig, uint64_t *from, unsigned seen[200])
{
    CLEARED(buffer) text = {0};
    struct json_writer json;
    OWNED(json_value) *top = NULL;
    const struct json_value *list;
    bool more;

    buffer_init(&text, CROWD_PAGE_MAX);
    json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_open_array(&json, "connections");
    more = proxy_describe(rig->proxy, *from, 7, &json, from);
    json_close_array(&json);
    json_close_object(&json);
    cr_assert_eq(json_writer_end(&json, NULL), STATUS_OK);
    cr_assert_eq(json_read(buffer_bytes(&text), CROWD_PAGE_MAX, &top, NULL), STATUS_OK);
    cr_assert_eq(json_get_array(top, "connections", &list, NULL), STATUS_OK);
    cr_assert_leq(json_count(list), 7);
    for (size_t i = 0; i < json_count(list); i++) {
        int64_t id = 0;

        cr_assert_eq(json_get_number(json_at(list, i), "id", 0, INT64_MAX, &id, NULL), STATUS_OK);
        seen[(id & 0xffff) % 200]++;
    }
    return more;
}

Test(crowd, a_list_in_pages_has_each_connection_that_lives_once_though_others_come_and_go)
{
    unsigned seen[200] = {0};
    struct proxy_rig rig;
    uint64_t from = 0;
    unsigned once = 0;
    int fds[30];
    int other = -1;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){0});
    for (int i = 0; i < 30; i++) {
        fds[i] = crowd_live(&rig);
    }
    cr_assert_eq(proxy_num_live(rig.proxy), 60, "both sides of each");
    for (bool more = true; more;) {
        more = crowd_read_page(&rig, &from, seen);
        (void)close(other);
        other = crowd_live(&rig);
    }
    for (int i = 1; i <= 60; i++) {
        once += seen[i] == 1 ? 1 : 0;
    }
    cr_assert_eq(once, 60);
    (void)close(other);
    for (int i = 0; i < 30; i++) {
        (void)close(fds[i]);
    }
    cr_assert(proxy_rig_idle(&rig));
    proxy_rig_close(&rig);
}

/* ---- ends ---- */

Test(crowd, idle_connections_end_in_order_and_busy_ones_stay)
{
    struct proxy_rig rig;
    char back[6] = "";
    int idle;
    int busy;

    proxy_rig_open(&rig, &(struct proxy_rig_plan){0});
    idle = crowd_live(&rig);
    busy = crowd_live(&rig);
    for (int i = 0; i < 10; i++) {
        proxy_end_idle(rig.proxy, 5000);
        proxy_rig_turns(&rig, 50);
        proxy_rig_send(busy, "hello", 5);
        cr_assert_eq(recv(busy, back, 5, MSG_WAITALL), 5);
    }
    cr_assert_eq(proxy_num_live(rig.proxy), 4);
    proxy_end_idle(rig.proxy, 300);
    cr_assert_eq(recv(idle, back, 1, 0), 0, "an end in order, no reset");
    proxy_rig_send(busy, "hello", 5);
    cr_assert_eq(recv(busy, back, 5, MSG_WAITALL), 5);
    (void)close(idle);
    (void)close(busy);
    cr_assert(proxy_rig_idle(&rig));
    cr_assert_geq(proxy_num_idle_ended(rig.proxy), 1);
    cr_assert_eq(proxy_rig_reason("tcp/reset"), 0);
    proxy_rig_close(&rig);
}
