/* SPDX-License-Identifier: Apache-2.0 */
/* A server whose addresses come and go. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/telemetry/metrics.h"
#include "core/runtime/web/server.h"
#include "tests/support/suite.h"

SUITE(listen, .timeout = 60);

struct listen_rig {
    struct worker worker;
    struct web_server *server;
    uint16_t port;
};

static struct address listen_at(const struct listen_rig *rig, uint8_t host)
{
    struct ip ip = ip_of_v4((const uint8_t[4]){127, 0, 0, host});

    return address_of_ip(&ip, rig->port);
}

static void listen_open(struct listen_rig *rig)
{
    struct web_server_options options = {0};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&any, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    close(fd);
    rig->port = ntohs(any.sin_port);
    worker_init_main(&rig->worker);
    cr_assert_eq(web_server_start(&rig->worker, &options, &rig->server, NULL), STATUS_OK);
}

static void listen_close(struct listen_rig *rig)
{
    web_server_close(rig->server);
    worker_stop(&rig->worker);
    worker_run_main(&rig->worker);
    worker_clear(&rig->worker);
    metrics_clear();
}

/* A connection to 127.0.0.`host`, or -1 when nobody listens there. */
static int listen_dial(const struct listen_rig *rig, uint8_t host)
{
    struct address to = listen_at(rig, host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, &to.at.any, to.len) == 0) {
        return fd;
    }
    cr_assert_eq(errno, ECONNREFUSED);
    close(fd);
    return -1;
}

static void listen_expect(struct listen_rig *rig, uint8_t host, bool there)
{
    int fd = listen_dial(rig, host);

    (void)uv_run(&rig->worker.loop, UV_RUN_NOWAIT);
    cr_assert_eq(fd >= 0, there, "127.0.0.%u", host);
    if (fd >= 0) {
        close(fd);
    }
}

Test(listen, addresses_come_and_go_and_connections_stay)
{
    struct listen_rig rig;
    struct address first[2];
    struct address then[2];
    char answer[256];
    int fd;

    listen_open(&rig);
    listen_expect(&rig, 2, false);
    first[0] = listen_at(&rig, 2);
    first[1] = then[0] = listen_at(&rig, 3);
    then[1] = listen_at(&rig, 4);
    cr_assert_eq(web_server_listen(rig.server, first, 2, NULL), STATUS_OK);
    listen_expect(&rig, 2, true);
    listen_expect(&rig, 3, true);
    listen_expect(&rig, 4, false);
    fd = listen_dial(&rig, 2);
    (void)uv_run(&rig.worker.loop, UV_RUN_NOWAIT);
    cr_assert_eq(web_server_listen(rig.server, then, 2, NULL), STATUS_OK);
    cr_assert_eq(web_server_listen(rig.server, then, 2, NULL), STATUS_OK, "again is no change");
    listen_expect(&rig, 2, false);
    listen_expect(&rig, 3, true);
    listen_expect(&rig, 4, true);
    cr_assert_eq(send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, MSG_NOSIGNAL), 27);
    for (ssize_t got = -1; got < 0;) {
        (void)uv_run(&rig.worker.loop, UV_RUN_ONCE);
        got = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
    }
    cr_assert_eq(strncmp(answer, "HTTP/1.1 404 ", 13), 0, "who came by the old door stays");
    close(fd);
    cr_assert_eq(web_server_listen(rig.server, NULL, 0, NULL), STATUS_OK);
    listen_expect(&rig, 3, false);
    listen_close(&rig);
}

Test(listen, an_address_that_is_not_here_is_left_out_and_one_that_is_taken_is_told)
{
    struct listen_rig rig;
    struct listen_rig other;
    struct address wanted[3];
    struct failure why = {0};
    CLEARED(buffer) text = {.max = 1000};
    struct ip foreign = ip_of_v4((const uint8_t[4]){192, 0, 2, 1});

    listen_open(&rig);
    listen_open(&other);
    wanted[0] = address_of_ip(&foreign, rig.port);
    wanted[1] = listen_at(&rig, 2);
    wanted[2] = listen_at(&rig, 3);
    cr_assert_eq(web_server_listen(rig.server, wanted, 2, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(web_server_listen(other.server, wanted, 3, &why), STATUS_IO);
    cr_assert_str_eq(why.reason, "web/in-use");
    cr_assert_not_null(strstr(why.detail, "127.0.0.2:"));
    cr_assert_eq(web_server_addresses(other.server, &text), STATUS_OK);
    cr_assert(bytes_starts(buffer_bytes(&text), bytes_of("127.0.0.3:")), "the others are served");
    listen_close(&other);
    listen_close(&rig);
}
