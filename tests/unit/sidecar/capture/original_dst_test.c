/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/capture/original_dst.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/capture/listener.h"
#include "tests/support/suite.h"

SUITE(original_dst);
SUITE(listener, .timeout = 20);

static struct address original_dst_at(const char *text)
{
    struct address address = {0};

    if (text[0] != '\0') {
        cr_assert_eq(address_parse(bytes_of(text), &address, NULL), STATUS_OK);
    }
    return address;
}

Test(original_dst, judges)
{
    static const struct {
        const char *answer, *own;
        uint16_t port;
        enum status status;
        const char *reason;
    } rows[] = {
        {"10.0.0.1:80", "127.0.0.1:15006", 15006, STATUS_OK, NULL},
        {"[fd77::2]:80", "[::1]:15006", 15006, STATUS_OK, NULL},
        {"10.0.0.1:15006", "127.0.0.1:15006", 15006, STATUS_OK, NULL}, /* another machine's */
        {"127.0.0.1:15001", "127.0.0.1:15006", 15006, STATUS_OK, NULL},
        {"127.0.0.1:15006", "127.0.0.1:15006", 15006, STATUS_DENIED, "capture/loop"},
        {"[::1]:15006", "[::1]:15006", 15006, STATUS_DENIED, "capture/loop"},
        {"10.0.0.9:15006", "10.0.0.9:15006", 15006, STATUS_DENIED, "capture/loop"},
        {"", "127.0.0.1:15006", 15006, STATUS_IO, "capture/original-destination"},
        {"unix:/x", "127.0.0.1:15006", 15006, STATUS_IO, "capture/original-destination"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address answer = original_dst_at(rows[i].answer);
        struct address own = original_dst_at(rows[i].own);
        struct failure why = {0};

        cr_assert_eq(original_dst_judge(&answer, &own, rows[i].port, &why), rows[i].status,
                     "row %zu", i);
        if (rows[i].reason != NULL) {
            cr_assert_str_eq(why.reason, rows[i].reason);
        }
    }
}

/* A connected pair on loopback: the accepted end. */
static int original_dst_pair(int family, int *out_near)
{
    struct address at = original_dst_at(family == AF_INET ? "127.0.0.1:1" : "[::1]:1");
    int listening = socket(family, SOCK_STREAM, 0);
    int accepted;

    if (family == AF_INET) {
        at.at.v4.sin_port = 0;
    } else {
        at.at.v6.sin6_port = 0;
    }
    if (listening < 0 || bind(listening, &at.at.any, at.len) != 0) {
        (void)close(listening);
        return -1; /* no such family here */
    }
    cr_assert_eq(listen(listening, 1), 0);
    at = address_local(listening);
    *out_near = socket(family, SOCK_STREAM, 0);
    cr_assert_eq(connect(*out_near, &at.at.any, at.len), 0);
    accepted = accept(listening, NULL, NULL);
    (void)close(listening);
    return accepted;
}

Test(original_dst, a_connection_that_nobody_redirected_is_a_loop)
{
    static const int families[] = {AF_INET, AF_INET6};

    for (size_t i = 0; i < 2; i++) {
        struct address address = {0};
        struct failure why = {0};
        int near = -1;
        int fd = original_dst_pair(families[i], &near);

        if (fd < 0) {
            continue;
        }
        cr_assert_eq(original_dst(fd, &address, &why), STATUS_DENIED);
        cr_assert_str_eq(why.reason, "capture/loop");
        cr_assert_eq(address.len, 0);
        (void)close(fd);
        (void)close(near);
    }
}

Test(original_dst, what_is_no_socket_has_none)
{
    struct address address;
    struct failure why = {0};

    cr_assert_eq(original_dst(-1, &address, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "capture/original-destination");
}

/* ---- listener ---- */

struct listener_rig {
    struct worker worker;
    struct listener *listener;
    int accepted;
    int most; /* to be accepted; then "limit/test" */
    bool close_at_first;
};

static void listener_rig_accepted(void *user, int fd, const struct address *peer)
{
    struct listener_rig *rig = user;

    cr_assert(address_is_loopback(peer));
    rig->accepted++;
    (void)close(fd);
    if (rig->close_at_first) {
        listener_close(&rig->listener);
    }
}

static const char *listener_rig_held(void *user)
{
    const struct listener_rig *rig = user;

    return rig->accepted < rig->most ? NULL : "limit/test";
}

static const struct listener_events listener_rig_events = {.accepted = listener_rig_accepted,
                                                           .held = listener_rig_held};

static void listener_run(bool close_at_first, int *out_accepted)
{
    struct listener_rig rig = {.most = 100, .close_at_first = close_at_first};
    struct address at = original_dst_at("127.0.0.1:1");
    int fds[100];
    int fd = -1;

    worker_init_main(&rig.worker);
    at.at.v4.sin_port = 0;
    cr_assert_eq(listener_bind(&at, true, &fd, NULL), STATUS_OK);
    at = address_local(fd);
    rig.listener = listener_start(&rig.worker, fd, &listener_rig_events, &rig);
    for (int i = 0; i < 100; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert_eq(connect(fds[i], &at.at.any, at.len), 0);
    }
    for (int i = 0; i < 10; i++) {
        (void)uv_run(&rig.worker.loop, UV_RUN_NOWAIT);
    }
    listener_close(&rig.listener);
    listener_close(&rig.listener);
    for (int i = 0; i < 100; i++) {
        (void)close(fds[i]);
    }
    worker_stop(&rig.worker);
    worker_run_main(&rig.worker);
    worker_clear(&rig.worker);
    *out_accepted = rig.accepted;
}

Test(listener, takes_all_that_wait)
{
    int accepted = 0;

    listener_run(false, &accepted);
    cr_assert_eq(accepted, 100);
}

/* Nobody is turned away: who comes while it may not accept waits in the backlog, and is taken later. */
Test(listener, I17_puts_off_accepting_counts_it_and_goes_on)
{
    struct listener_rig rig = {.most = 3};
    struct address at = original_dst_at("127.0.0.1:1");
    int fds[8];
    int fd = -1;

    worker_init_main(&rig.worker);
    at.at.v4.sin_port = 0;
    cr_assert_eq(listener_bind(&at, true, &fd, NULL), STATUS_OK);
    at = address_local(fd);
    rig.listener = listener_start(&rig.worker, fd, &listener_rig_events, &rig);
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert_eq(connect(fds[i], &at.at.any, at.len), 0);
    }
    while (metrics_read(METRIC_ACCEPTS_HELD, LABEL_NONE, LABEL_NONE) < 2) {
        (void)uv_run(&rig.worker.loop, UV_RUN_ONCE); /* it sleeps between two looks */
    }
    cr_assert_eq(rig.accepted, 3);
    rig.most = 100;
    while (rig.accepted < 8) {
        (void)uv_run(&rig.worker.loop, UV_RUN_ONCE);
    }
    listener_close(&rig.listener);
    for (int i = 0; i < 8; i++) {
        (void)close(fds[i]);
    }
    worker_stop(&rig.worker);
    worker_run_main(&rig.worker);
    worker_clear(&rig.worker);
    metrics_clear();
}

Test(listener, may_be_closed_by_what_it_calls)
{
    int accepted = 0;

    listener_run(true, &accepted);
    cr_assert_eq(accepted, 1);
}

Test(listener, a_port_in_use_is_named_with_what_to_do)
{
    struct address at = original_dst_at("127.0.0.1:1");
    struct failure why = {0};
    int taken = socket(AF_INET, SOCK_STREAM, 0);
    int fd = -1;

    at.at.v4.sin_port = 0;
    cr_assert(bind(taken, &at.at.any, at.len) == 0 && listen(taken, 1) == 0);
    at = address_local(taken);
    cr_assert_eq(listener_bind(&at, true, &fd, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "listener/bind");
    cr_assert_not_null(strstr(why.detail, "choose another port"));
    (void)close(taken);
}

Test(listener, an_address_that_is_not_ours_is_refused)
{
    struct address at = original_dst_at("192.0.2.77:15006");
    struct failure why = {0};
    int fd = -1;

    cr_assert_eq(listener_bind(&at, true, &fd, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "listener/bind");
}

Test(listener, a_second_process_of_the_same_user_does_not_share_the_port_silently)
{
    struct address at = original_dst_at("127.0.0.1:1");
    struct failure why = {0};
    int fds[3] = {-1, -1, -1};

    at.at.v4.sin_port = 0;
    cr_assert_eq(listener_bind(&at, true, &fds[0], &why), STATUS_OK);
    at = address_local(fds[0]);
    cr_assert_eq(listener_bind(&at, false, &fds[1], &why), STATUS_OK, "our other workers do");
    cr_assert_eq(listener_bind(&at, true, &fds[2], &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "listener/bind");
    (void)close(fds[0]);
    (void)close(fds[1]);
}
