/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A captured inbound connection on a permissive port: who calls decides whether the application is
 * dialled before the client has spoken, who speaks first decides what is spoken, and nobody's silence
 * or end keeps the loop turning. The kernel's answer about the destination is the test's (linked with
 * --wrap=original_dst_inbound); all else is real, on one loop.
 */
#include "core/sidecar/proxy/inbound.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/discovery/decode.h"
#include "tests/support/suite.h"

SUITE(inbound, .timeout = 30);

enum { INBOUND_A_WHILE_MS = 300 }; /* limits are looked at each 100 ms */

static uint32_t inbound_rig_limit_ms = 1000; /* of every state; a test may change it */

/* The linker puts this in the place of original_dst_inbound(). */
enum status __wrap_original_dst_inbound(int fd, struct address *out_address, struct failure *why);

static struct address inbound_rig_destination;

enum status __wrap_original_dst_inbound(int fd, struct address *out_address, struct failure *why)
{
    (void)fd;
    (void)why;
    *out_address = inbound_rig_destination;
    return STATUS_OK;
}

struct inbound_rig {
    struct worker worker;
    struct lane lane;
    struct lane_options options;
    int listening; /* the application's */
    int client;    /* the test's end of the captured connection */
    int app;       /* the application's end, once it was dialled; else -1 */
    uint64_t turns;
    uv_check_t check; /* counts the turns of the loop */
};

static void inbound_rig_turned(uv_check_t *check)
{
    struct inbound_rig *rig = check->data;

    rig->turns++;
}

/* A turn of the loop that may sleep for a few ms. */
static void inbound_rig_run(struct inbound_rig *rig, int ms)
{
    uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

    while (uv_hrtime() < until) {
        (void)uv_run(&rig->worker.loop, UV_RUN_NOWAIT);
        (void)usleep(500);
        if (rig->app < 0) {
            rig->app = accept(rig->listening, NULL, NULL);
        }
    }
}

/* How often the loop wakes in `ms` when it may sleep: a wait that is none turns thousands of times. */
static void inbound_rig_stop_waiting(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static uint64_t inbound_rig_wakes(struct inbound_rig *rig, uint64_t ms)
{
    static uv_timer_t timer;
    uint64_t before = rig->turns;

    (void)uv_timer_init(&rig->worker.loop, &timer);
    (void)uv_timer_start(&timer, inbound_rig_stop_waiting, ms, 0);
    (void)uv_run(&rig->worker.loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&rig->worker.loop, UV_RUN_NOWAIT);
    return rig->turns - before;
}

static void inbound_rig_open_from(struct inbound_rig *rig, const char *policy, uint8_t caller)
{
    static const char head[] = "trustDomain: example.org\n"
                               "workloads:\n"
                               "- {name: pay, namespace: shop, serviceAccount: pay,\n"
                               "   addresses: [127.0.0.1], labels: {app: pay}}\n"
                               "- {name: web, namespace: shop, serviceAccount: web,\n"
                               "   addresses: [127.0.0.2]}\n"
                               "- {name: old, namespace: shop, serviceAccount: old,\n"
                               "   addresses: [127.0.0.3], transport: none}\n"
                               "---\n"
                               "apiVersion: security.istio.io/v1\n"
                               "kind: PeerAuthentication\n"
                               "metadata: {name: all, namespace: shop}\n"
                               "spec: {mtls: {mode: PERMISSIVE}}\n";
    CLEARED(buffer) text = {0};
    struct snapshot_file file = {.name = "mesh.yaml"};
    struct snapshot *mesh = NULL;
    struct failure why = {0};
    struct ip ip = ip_of_v4((const uint8_t[]){127, 0, 0, 1});
    struct address any = address_of_ip(&ip, 0);
    struct ip from = ip_of_v4((const uint8_t[]){127, 0, 0, caller});
    struct address peer = address_of_ip(&from, 40000);
    int pair[2];

    *rig = (struct inbound_rig){.app = -1};
    buffer_init(&text, 8192);
    cr_assert_eq(buffer_add_format(&text, "%s%s", head, policy), STATUS_OK);
    file.text = buffer_bytes(&text);
    cr_assert_eq(snapshot_parse(&file, 1, NULL, &mesh, &why), STATUS_OK, "%s", why.detail);
    rig->listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    cr_assert(bind(rig->listening, &any.at.any, any.len) == 0 && listen(rig->listening, 4) == 0);
    inbound_rig_destination = address_local(rig->listening);
    rig->options = (struct lane_options){.workload = "shop/pay", .has_mesh = true};
    for (int i = 0; i < LANE_LIMITS; i++) {
        rig->options.limit_ms[i] = inbound_rig_limit_ms;
    }
    worker_init_main(&rig->worker);
    (void)uv_check_init(&rig->worker.loop, &rig->check);
    rig->check.data = rig;
    (void)uv_check_start(&rig->check, inbound_rig_turned);
    uv_unref((uv_handle_t *)&rig->check);
    lane_init(&rig->lane, &rig->worker, &rig->options);
    lane_take_snapshot(&rig->lane, mesh);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    rig->client = pair[0];
    inbound_accepted(&rig->lane, pair[1], &peer);
}

/* Who calls: a workload with a sidecar, one without, or somebody whom the mesh does not know. */
enum { INBOUND_SIDECAR = 2, INBOUND_NO_SIDECAR = 3, INBOUND_STRANGER = 9 };

static void inbound_rig_open(struct inbound_rig *rig, const char *policy)
{
    inbound_rig_open_from(rig, policy, INBOUND_STRANGER);
}

static unsigned inbound_rig_live(struct inbound_rig *rig)
{
    return atomic_load(&rig->lane.table.num_live);
}

static void inbound_rig_close(struct inbound_rig *rig)
{
    if (rig->client >= 0) {
        (void)close(rig->client);
    }
    if (rig->app >= 0) {
        (void)close(rig->app);
    }
    (void)close(rig->listening);
    lane_close(&rig->lane);
    uv_close((uv_handle_t *)&rig->check, NULL);
    worker_stop(&rig->worker);
    worker_run_main(&rig->worker);
    worker_clear(&rig->worker);
}

static void inbound_rig_say(int fd, const char *text)
{
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void inbound_rig_hear(struct inbound_rig *rig, int fd, const char *text)
{
    char back[64] = "";

    inbound_rig_run(rig, 30);
    cr_assert_eq(read(fd, back, sizeof back - 1), (ssize_t)strlen(text), "%s", strerror(errno));
    cr_assert_str_eq(back, text);
}

static const char inbound_only_mesh[] =
    "---\n"
    "apiVersion: security.istio.io/v1\n"
    "kind: AuthorizationPolicy\n"
    "metadata: {name: only, namespace: shop}\n"
    "spec: {rules: [{from: [{source: {principals: [\"*\"]}}]}]}\n";

/* Dialled within the call that took the connection: no timer, no turn of the loop, no byte of the client. */
Test(inbound, who_has_no_sidecar_has_the_application_dialled_at_once)
{
    static const uint8_t callers[] = {INBOUND_STRANGER, INBOUND_NO_SIDECAR};

    for (size_t i = 0; i < sizeof callers; i++) {
        struct inbound_rig rig;

        inbound_rig_open_from(&rig, "", callers[i]);
        rig.app = accept(rig.listening, NULL, NULL);
        cr_assert_geq(rig.app, 0, "caller 127.0.0.%u", callers[i]);
        inbound_rig_say(rig.app, "220 ready\r\n");
        inbound_rig_hear(&rig, rig.client, "220 ready\r\n");
        inbound_rig_close(&rig);
    }
}

static bool inbound_rig_has(struct inbound_rig *rig, enum connection_state state)
{
    return !list_is_empty(&rig->lane.table.lists[CONNECTION_INBOUND][state]);
}

Test(inbound, I23_a_silent_caller_with_a_sidecar_is_no_plaintext_and_is_refused_at_the_limit)
{
    struct inbound_rig rig;
    char byte;

    inbound_rig_limit_ms = 5000;
    inbound_rig_open_from(&rig, "", INBOUND_SIDECAR);
    inbound_rig_run(&rig, 700);
    cr_assert_lt(rig.app, 0, "the application must not be dialled for a silent sidecar");
    cr_assert_eq(inbound_rig_live(&rig), 1);
    cr_assert_lt(inbound_rig_wakes(&rig, 100), 20);
    for (int i = 0; i < 400 && inbound_rig_live(&rig) > 0; i++) {
        inbound_rig_run(&rig, 50);
    }
    cr_assert_eq(inbound_rig_live(&rig), 0);
    cr_assert_eq(read(rig.client, &byte, 1), 0);
    cr_assert_lt(rig.app, 0);
    cr_assert_eq(accept(rig.listening, NULL, NULL), -1);
    inbound_rig_close(&rig);
}

Test(inbound, I23_a_callers_hello_that_comes_late_and_in_pieces_is_still_a_hello)
{
    /* The head of a ClientHello, whole but for its extensions; none is of ours without an ALPN. */
    static const char head[] = "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03";
    struct inbound_rig rig;

    inbound_rig_limit_ms = 20000;
    inbound_rig_open_from(&rig, "", INBOUND_SIDECAR);
    inbound_rig_run(&rig, 500);
    cr_assert_eq(write(rig.client, head, 3), 3);
    inbound_rig_run(&rig, 100);
    cr_assert_eq(write(rig.client, head + 3, sizeof head - 4), (ssize_t)sizeof head - 4);
    inbound_rig_run(&rig, 100);
    cr_assert(inbound_rig_has(&rig, CONNECTION_HEAR));
    cr_assert_lt(rig.app, 0);
    inbound_rig_close(&rig);
}

Test(inbound, I23_half_a_callers_hello_and_an_end_are_no_plaintext)
{
    static const char *const halves[] = {"\x16", "\x16\x03\x01", "\x16\x03\x01\x02\x05\x01"};

    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) {
        int64_t before = metrics_read(METRIC_CONNECTIONS_CLOSED, LABEL_INBOUND, LABEL_REFUSED);
        struct inbound_rig rig;

        inbound_rig_limit_ms = 20000;
        inbound_rig_open_from(&rig, "", INBOUND_SIDECAR);
        inbound_rig_say(rig.client, halves[i]);
        cr_assert_eq(shutdown(rig.client, SHUT_WR), 0);
        for (int j = 0; j < 100 && inbound_rig_live(&rig) > 0 && rig.app < 0; j++) {
            inbound_rig_run(&rig, 20);
        }
        cr_assert_lt(rig.app, 0, "half %zu: the application gets a piece of a handshake", i);
        cr_assert_eq(inbound_rig_live(&rig), 0, "half %zu: refused", i);
        cr_assert_eq(metrics_read(METRIC_CONNECTIONS_CLOSED, LABEL_INBOUND, LABEL_REFUSED),
                     before + 1, "half %zu: told as refused", i);
        inbound_rig_close(&rig);
    }
}

Test(inbound, a_caller_with_a_sidecar_that_speaks_plainly_is_judged_as_anybody)
{
    struct inbound_rig rig;

    inbound_rig_limit_ms = 20000;
    inbound_rig_open_from(&rig, "", INBOUND_SIDECAR);
    inbound_rig_run(&rig, 500);
    inbound_rig_say(rig.client, "GET / HTTP/1.0\r\n\r\n");
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_geq(rig.app, 0);
    inbound_rig_hear(&rig, rig.app, "GET / HTTP/1.0\r\n\r\n");
    inbound_rig_close(&rig);
}

Test(inbound, I23_a_caller_with_a_sidecar_that_leaves_silently_costs_the_application_nothing)
{
    struct inbound_rig rig;

    inbound_rig_open_from(&rig, "", INBOUND_SIDECAR);
    cr_assert_eq(shutdown(rig.client, SHUT_WR), 0);
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_eq(inbound_rig_live(&rig), 0);
    cr_assert_lt(rig.app, 0);
    inbound_rig_close(&rig);
}

Test(inbound, a_client_that_speaks_plainly_is_heard)
{
    struct inbound_rig rig;

    inbound_rig_open(&rig, "");
    inbound_rig_say(rig.client, "GET / HTTP/1.0\r\n\r\n");
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_geq(rig.app, 0);
    inbound_rig_hear(&rig, rig.app, "GET / HTTP/1.0\r\n\r\n");
    inbound_rig_close(&rig);
}

Test(inbound, an_application_that_speaks_first_is_heard)
{
    struct inbound_rig rig;

    inbound_rig_open(&rig, "");
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_geq(rig.app, 0, "a silent client's application is dialled where policy lets it");
    inbound_rig_say(rig.app, "220 ready\r\n");
    inbound_rig_hear(&rig, rig.client, "220 ready\r\n");
    inbound_rig_say(rig.client, "EHLO me\r\n");
    inbound_rig_hear(&rig, rig.app, "EHLO me\r\n");
    inbound_rig_close(&rig);
}

Test(inbound, I23_a_silent_client_costs_the_application_nothing_where_policy_wants_an_identity)
{
    struct inbound_rig rig;

    inbound_rig_open(&rig, inbound_only_mesh);
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_lt(rig.app, 0);
    inbound_rig_say(rig.client, "plain");
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_lt(rig.app, 0);
    cr_assert_eq(inbound_rig_live(&rig), 0, "denied");
    inbound_rig_close(&rig);
}

Test(inbound, I23_silence_ends_at_the_limit_where_policy_wants_an_identity)
{
    struct inbound_rig rig;
    char byte;

    inbound_rig_open(&rig, inbound_only_mesh);
    cr_assert_eq(inbound_rig_live(&rig), 1);
    inbound_rig_run(&rig, 1600);
    cr_assert_eq(inbound_rig_live(&rig), 0);
    cr_assert_eq(read(rig.client, &byte, 1), 0);
    cr_assert_lt(rig.app, 0);
    inbound_rig_close(&rig);
}

Test(inbound, two_silent_sides_wait_asleep_and_go_on_at_the_limit)
{
    struct inbound_rig rig;

    inbound_rig_open(&rig, "");
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_lt(inbound_rig_wakes(&rig, 300), 20);
    inbound_rig_run(&rig, 1200);
    cr_assert_eq(inbound_rig_live(&rig), 1);
    inbound_rig_say(rig.client, "late");
    inbound_rig_hear(&rig, rig.app, "late");
    inbound_rig_close(&rig);
}

Test(inbound, an_application_that_hangs_up_on_a_silent_client_does_not_keep_the_loop_turning)
{
    struct inbound_rig rig;
    char byte;

    inbound_rig_open(&rig, "");
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_geq(rig.app, 0);
    (void)close(rig.app);
    rig.app = -1;
    (void)close(rig.listening);
    cr_assert_lt(inbound_rig_wakes(&rig, 200), 20);
    cr_assert_eq(read(rig.client, &byte, 1), 0, "its end is passed on");
    inbound_rig_close(&rig);
}

Test(inbound, half_a_hello_and_an_end_do_not_keep_the_loop_turning)
{
    struct inbound_rig rig;

    inbound_rig_open(&rig, inbound_only_mesh);
    inbound_rig_say(rig.client, "\x16\x03\x01");
    cr_assert_eq(shutdown(rig.client, SHUT_WR), 0);
    cr_assert_lt(inbound_rig_wakes(&rig, 200), 20);
    cr_assert_eq(inbound_rig_live(&rig), 0, "no more will come: it is plaintext, and denied");
    inbound_rig_close(&rig);
}

Test(inbound, a_client_that_only_listens_gets_its_answer)
{
    struct inbound_rig rig;

    inbound_rig_open(&rig, "");
    cr_assert_eq(shutdown(rig.client, SHUT_WR), 0);
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_geq(rig.app, 0);
    inbound_rig_say(rig.app, "Sat Nov 21\n");
    inbound_rig_hear(&rig, rig.client, "Sat Nov 21\n");
    inbound_rig_close(&rig);
}

Test(inbound, a_client_that_looks_and_leaves_is_no_refusal_where_policy_wants_an_identity)
{
    struct inbound_rig rig;
    int64_t before = metrics_read(METRIC_DENIED_CONNECTIONS, LABEL_INBOUND, LABEL_NONE);

    inbound_rig_open(&rig, inbound_only_mesh);
    (void)close(rig.client);
    rig.client = -1;
    inbound_rig_run(&rig, INBOUND_A_WHILE_MS);
    cr_assert_eq(inbound_rig_live(&rig), 0);
    cr_assert_eq(metrics_read(METRIC_DENIED_CONNECTIONS, LABEL_INBOUND, LABEL_NONE), before);
    inbound_rig_close(&rig);
}

Test(inbound, much_that_comes_at_once_before_the_verdict_is_all_delivered)
{
    struct inbound_rig rig;
    static char block[150000];
    size_t seen = 0;
    ssize_t sent;

    inbound_rig_open(&rig, "");
    cr_assert_eq(setsockopt(rig.client, SOL_SOCKET, SO_SNDBUF, &(int){400000}, sizeof(int)), 0);
    sent = write(rig.client, block, sizeof block);
    cr_assert_gt(sent, 0);
    for (int i = 0; i < 50 && seen < (size_t)sent; i++) {
        ssize_t got;

        inbound_rig_run(&rig, 5);
        while (rig.app >= 0 && (got = recv(rig.app, block, sizeof block, MSG_DONTWAIT)) > 0) {
            seen += (size_t)got;
        }
    }
    cr_assert_eq(seen, (size_t)sent);
    inbound_rig_close(&rig);
}
