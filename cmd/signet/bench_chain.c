/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_chain.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cmd/signet/bench_backend.h"

enum { BENCH_CHAIN_PATIENCE_MS = 15000, BENCH_CHAIN_STEP_MS = 10, BENCH_CHAIN_READ_MS = 1000 };

static const char *const bench_chain_sides[BENCH_SIDES] = {"outbound", "inbound"};

/* A connection to a port of loopback whose calls give up after a while, or -1. */
static int bench_chain_connect(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {.tv_sec = BENCH_CHAIN_READ_MS / 1000,
                                  .tv_usec = BENCH_CHAIN_READ_MS % 1000 * 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
                    connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static bool bench_chain_listens(int port)
{
    int fd = bench_chain_connect(port);

    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0;
}

static bool bench_chain_answers(int port)
{
    static const char request[] = "GET /small HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
    char reply[512] = "";
    int fd = bench_chain_connect(port);
    bool good = fd >= 0 && send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0 &&
                recv(fd, reply, sizeof reply - 1, 0) > 0 && strstr(reply, " 200 ") != NULL;

    if (fd >= 0) {
        (void)close(fd);
    }
    return good;
}

enum status bench_chain_check(const struct bench_chain *chain, struct failure *why)
{
    for (int side = 0; side < BENCH_SIDES; side++) {
        if (chain->sides[side].pid > 0 && !bench_process_lives(&chain->sides[side])) {
            return fail(why, STATUS_IO, "bench/ended", "%s: its %s proxy ended by itself",
                        bench_peer_title(chain->kind), bench_chain_sides[side]);
        }
    }
    return STATUS_OK;
}

/* Waits until `ready` says yes of a port, the proxies being alive. */
static enum status bench_chain_await(const struct bench_chain *chain, bool (*ready)(int port),
                                     int port, const char *what, struct failure *why)
{
    uint64_t end = bench_process_now_ns() + BENCH_CHAIN_PATIENCE_MS * (uint64_t)1000000;

    while (!ready(port)) {
        TRY(bench_chain_check(chain, why));
        if (bench_process_now_ns() > end) {
            return fail(why, STATUS_LIMIT, "bench/no-answer", "%s: %s within %d s",
                        bench_peer_title(chain->kind), what, BENCH_CHAIN_PATIENCE_MS / 1000);
        }
        TRY(bench_process_sleep(bench_process_now_ns() + BENCH_CHAIN_STEP_MS * (uint64_t)1000000,
                                why));
    }
    return bench_chain_check(chain, why);
}

static enum status bench_chain_start_side(const struct bench_peer *peer,
                                          const struct bench_site *site, enum bench_side side,
                                          const int ports[2], struct bench_chain *chain,
                                          struct failure *why)
{
    CLEARED(bench_command) command = {.num_words = 0};
    char log[48];

    (void)snprintf(log, sizeof log, "%s-%s.log", bench_peer_name(peer->kind),
                   bench_chain_sides[side]);
    TRY(bench_peer_command(peer, site, side, ports, &command, why));
    TRY(bench_process_start(&command, site->folder, log, &chain->sides[side], why));
    return bench_chain_await(chain, bench_chain_listens, ports[0],
                             side == BENCH_OUTBOUND ? "its outbound proxy did not listen"
                                                    : "its inbound proxy did not listen",
                             why);
}

enum status bench_chain_start(const struct bench_peer *peer, const struct bench_site *site,
                              struct bench_chain *out_chain, struct failure *why)
{
    int inbound[2] = {0, site->backend_port};
    int outbound[2] = {0, 0};

    *out_chain = (struct bench_chain){.kind = peer->kind, .port = site->backend_port};
    if (peer->kind != BENCH_NONE) {
        TRY(bench_backend_free_port(&inbound[0], why));
        TRY(bench_chain_start_side(peer, site, BENCH_INBOUND, inbound, out_chain, why));
        TRY(bench_backend_free_port(&outbound[0], why));
        outbound[1] = inbound[0];
        TRY(bench_chain_start_side(peer, site, BENCH_OUTBOUND, outbound, out_chain, why));
        out_chain->port = outbound[0];
    }
    return bench_chain_await(out_chain, bench_chain_answers, out_chain->port,
                             "no answer came through the chain", why);
}

uint64_t bench_chain_cpu_ticks(const struct bench_chain *chain)
{
    return bench_process_cpu_ticks(&chain->sides[BENCH_OUTBOUND]) +
           bench_process_cpu_ticks(&chain->sides[BENCH_INBOUND]);
}

void bench_chain_last_words(const struct bench_chain *chain, const struct bench_site *site,
                            struct buffer *out)
{
    for (int side = 0; side < BENCH_SIDES; side++) {
        bench_process_last_words(&chain->sides[side], site->folder, out);
    }
}

void bench_chain_stop(struct bench_chain *chain)
{
    for (int side = 0; side < BENCH_SIDES; side++) {
        bench_process_stop(&chain->sides[side]);
    }
}
