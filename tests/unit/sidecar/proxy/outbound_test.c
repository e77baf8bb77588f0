/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A captured outbound connection that leads to plaintext: to our own application behind a service, and
 * to a workload that has no sidecar. The kernel's answer about the destination is the test's (linked
 * with --wrap=original_dst); all else is real, on one loop. There is no identity, so nothing of it can
 * be TLS.
 */
#include "core/sidecar/proxy/outbound.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/sidecar/discovery/decode.h"
#include "core/sidecar/proxy/connection.h"
#include "tests/support/suite.h"

SUITE(outbound, .timeout = 30);

/* The linker puts this in the place of original_dst(). */
enum status __wrap_original_dst(int fd, struct address *out_address, struct failure *why);

static struct address outbound_rig_destination;

enum status __wrap_original_dst(int fd, struct address *out_address, struct failure *why)
{
    (void)fd;
    (void)why;
    *out_address = outbound_rig_destination;
    return STATUS_OK;
}

struct outbound_rig {
    struct worker worker;
    struct lane lane;
    struct lane_options options;
    int listening; /* where the mesh leads to */
    int client;    /* the application's end of the captured connection */
    int server;    /* what was accepted; -1 */
};

/* A mesh whose "%u" is the port that listens on 127.0.0.1. */
static void outbound_rig_open(struct outbound_rig *rig, const char *mesh_text, const char *to,
                              uint16_t to_port)
{
    CLEARED(buffer) text = {0};
    struct snapshot_file file = {.name = "mesh.yaml"};
    struct snapshot *mesh = NULL;
    struct failure why = {0};
    struct ip ip = ip_of_v4((const uint8_t[]){127, 0, 0, 1});
    struct address any = address_of_ip(&ip, 0);
    struct address at;
    int pair[2];

    *rig = (struct outbound_rig){.server = -1};
    rig->listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    cr_assert(bind(rig->listening, &any.at.any, any.len) == 0 && listen(rig->listening, 4) == 0);
    at = address_local(rig->listening);
    buffer_init(&text, 8192);
    cr_assert_eq(buffer_add_format(&text, mesh_text, address_port(&at)), STATUS_OK);
    file.text = buffer_bytes(&text);
    cr_assert_eq(snapshot_parse(&file, 1, NULL, &mesh, &why), STATUS_OK, "%s", why.detail);
    cr_assert(ip_parse(bytes_of(to), &ip));
    outbound_rig_destination = address_of_ip(&ip, to_port == 0 ? address_port(&at) : to_port);
    rig->options = (struct lane_options){.workload = "shop/pay", .has_mesh = true};
    for (int i = 0; i < LANE_LIMITS; i++) {
        rig->options.limit_ms[i] = 20000;
    }
    worker_init_main(&rig->worker);
    lane_init(&rig->lane, &rig->worker, &rig->options);
    lane_take_snapshot(&rig->lane, mesh);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    rig->client = pair[0];
    outbound_accepted(&rig->lane, pair[1], &any);
}

/* Turns the loop until somebody was dialled, a few seconds at most. */
static void outbound_rig_wait(struct outbound_rig *rig)
{
    for (int i = 0; i < 4000 && rig->server < 0; i++) {
        (void)uv_run(&rig->worker.loop, UV_RUN_NOWAIT);
        rig->server = accept(rig->listening, NULL, NULL);
        (void)usleep(500);
    }
}

static void outbound_rig_says(struct outbound_rig *rig, int from, int to, const char *text)
{
    char back[64] = "";
    ssize_t got = -1;

    cr_assert_eq(write(from, text, strlen(text)), (ssize_t)strlen(text));
    for (int i = 0; i < 4000 && got < 0; i++) {
        (void)uv_run(&rig->worker.loop, UV_RUN_NOWAIT);
        got = recv(to, back, sizeof back - 1, MSG_DONTWAIT);
        (void)usleep(500);
    }
    cr_assert_str_eq(back, text);
}

static const char *outbound_rig_reason(struct outbound_rig *rig)
{
    LIST_EACH(&rig->lane.table.lists[CONNECTION_OUTBOUND][CONNECTION_RELAY], link) {
        return LIST_OF(link, struct connection, link)->reason;
    }
    return "no connection is open";
}

static void outbound_rig_close(struct outbound_rig *rig)
{
    (void)close(rig->client);
    if (rig->server >= 0) {
        (void)close(rig->server);
    }
    (void)close(rig->listening);
    lane_close(&rig->lane);
    worker_stop(&rig->worker);
    worker_run_main(&rig->worker);
    worker_clear(&rig->worker);
}

/* Both directions in the clear, for the given reason. */
static void outbound_rig_plain(struct outbound_rig *rig, const char *reason)
{
    outbound_rig_wait(rig);
    cr_assert_geq(rig->server, 0, "nobody was dialled");
    outbound_rig_says(rig, rig->client, rig->server, "hello myself");
    outbound_rig_says(rig, rig->server, rig->client, "hello");
    cr_assert_str_eq(outbound_rig_reason(rig), reason);
}

#define OUTBOUND_PAY                                                                               \
    "workloads:\n"                                                                                 \
    "- {name: pay, namespace: shop, serviceAccount: pay, addresses: [127.0.0.1], labels: {a: b}}\n"

Test(outbound, a_service_that_contains_the_caller_leads_to_its_own_application)
{
    struct outbound_rig rig;

    outbound_rig_open(&rig,
                      OUTBOUND_PAY "services:\n"
                                   "- {name: all, namespace: shop, addresses: [10.96.0.1],\n"
                                   "   ports: [{port: 80, targetPort: %u}], selector: {a: b}}\n",
                      "10.96.0.1", 80);
    outbound_rig_plain(&rig, "outbound/own-application");
    outbound_rig_close(&rig);
}

Test(outbound, our_own_address_leads_to_our_own_application)
{
    struct outbound_rig rig;

    outbound_rig_open(&rig, OUTBOUND_PAY "# %u\n", "127.0.0.1", 0);
    outbound_rig_plain(&rig, "outbound/own-application");
    outbound_rig_close(&rig);
}

Test(outbound, a_workload_without_a_sidecar_is_reached_in_plaintext)
{
    struct outbound_rig rig;

    outbound_rig_open(&rig,
                      "workloads:\n"
                      "- {name: pay, namespace: shop, serviceAccount: pay, addresses: [10.0.0.1]}\n"
                      "- {name: old, namespace: shop, serviceAccount: old, transport: none,\n"
                      "   addresses: [127.0.0.1]} # %u\n",
                      "127.0.0.1", 0);
    outbound_rig_plain(&rig, "outbound/no-sidecar");
    outbound_rig_close(&rig);
}

/* The same address with a sidecar: nothing goes out before there is an identity. */
Test(outbound, I23_a_workload_with_a_sidecar_never_is)
{
    struct outbound_rig rig;

    outbound_rig_open(&rig,
                      "workloads:\n"
                      "- {name: pay, namespace: shop, serviceAccount: pay, addresses: [10.0.0.1]}\n"
                      "- {name: api, namespace: shop, serviceAccount: api,\n"
                      "   addresses: [127.0.0.1]} # %u\n",
                      "127.0.0.1", 0);
    cr_assert_eq(write(rig.client, "hello", 5), 5);
    for (int i = 0; i < 200; i++) {
        (void)uv_run(&rig.worker.loop, UV_RUN_NOWAIT);
        (void)usleep(500);
    }
    cr_assert_lt(accept(rig.listening, NULL, NULL), 0);
    cr_assert(!list_is_empty(
        &rig.lane.table.lists[CONNECTION_OUTBOUND][CONNECTION_IDENTITY]));
    outbound_rig_close(&rig);
}
