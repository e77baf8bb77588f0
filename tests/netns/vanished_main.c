/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One relay between an application that sends without end (or a little at a time) and a peer in another
 * namespace, with a short limit of silence. Prints what became of it, a line each.
 *
 * usage: vanished ADDRESS:PORT SILENCE_MS flood|drip
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/net/address.h"
#include "core/runtime/net/relay.h"
#include "core/runtime/net/tcp.h"

static struct vanished {
    struct worker worker;
    struct relay relay;
    struct timer feed;
    int app; /* the application's end */
    bool drips;
} vanished;

static void vanished_feed(struct timer *timer, void *user)
{
    static char block[65536];
    size_t len = vanished.drips ? 10 : sizeof block;

    (void)timer;
    (void)user;
    while (send(vanished.app, block, len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0 && !vanished.drips) {
    }
}

static void vanished_done(struct relay *relay, enum status status, const struct failure *why)
{
    (void)printf("done %s %s\n", status_word(status), why->reason == NULL ? "-" : why->reason);
    relay_clear(relay);
    timer_close(&vanished.feed, NULL);
    uv_stop(&vanished.worker.loop);
}

static int vanished_connect(const char *text)
{
    struct address to;
    int fd;

    if (address_parse(bytes_of(text), &to, NULL) != STATUS_OK) {
        exit(2);
    }
    fd = socket(to.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, &to.at.any, to.len) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        perror(text);
        exit(2);
    }
    return fd;
}

int main(int argc, char **argv)
{
    int pair[2];
    int keepalive = 0;
    socklen_t len = sizeof keepalive;
    struct stream *app;
    struct stream *network;

    if (argc != 4 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) {
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    worker_init_main(&vanished.worker);
    vanished.worker.rounds.period_ms = 100;
    vanished.app = pair[0];
    vanished.drips = strcmp(argv[3], "drip") == 0;
    network = tcp_start(&vanished.worker, vanished_connect(argv[1]));
    app = tcp_start(&vanished.worker, pair[1]);
    (void)getsockopt(tcp_fd(network), SOL_SOCKET, SO_KEEPALIVE, &keepalive, &len);
    (void)printf("keepalive %d\n", keepalive);
    timer_init(&vanished.feed, &vanished.worker.loop, vanished_feed, NULL);
    timer_start(&vanished.feed, 10, 200);
    relay_start(&vanished.relay, &vanished.worker, network, app, vanished_done);
    vanished.relay.silence_ms = (uint32_t)strtoul(argv[2], NULL, 10);
    (void)printf("relays\n");
    (void)uv_run(&vanished.worker.loop, UV_RUN_DEFAULT);
    stream_close(&network, true);
    stream_close(&app, true);
    (void)close(vanished.app);
    worker_stop(&vanished.worker);
    worker_run_main(&vanished.worker);
    worker_clear(&vanished.worker);
    return 0;
}
