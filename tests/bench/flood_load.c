/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/flood_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cmd/signet/bench_backend.h"
#include "cmd/signet/bench_load.h"
#include "cmd/signet/bench_process.h"
#include "core/runtime/base/memory.h"

enum { FLOOD_EVENTS = 128, FLOOD_S = 1000000000 };

static const char flood_keeps[] = "GET /small HTTP/1.1\r\nHost: bench\r\n\r\n";
static const char flood_closes[] =
    "GET /small HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";

/* Written by the client, but the window; read by the tool. */
struct flood_board {
    _Atomic uint64_t from_ns, until_ns;
    _Atomic uint64_t done, failed, missed;
    _Atomic uint64_t counts[BENCH_LOAD_BUCKETS];
};

struct flood_load {
    struct flood_board *board; /* mapped */
    struct bench_process process;
};

struct flood_wire {
    int fd;               /* -1: closed */
    bool connected;
    size_t have;          /* bytes of the answer so far */
    uint64_t intended_ns; /* of the request under way; 0: none */
    uint64_t next_ns;     /* flows: when the next one is intended */
};

struct flood_client {
    const struct flood_order *order;
    struct flood_board *board;
    struct flood_wire *wires;
    unsigned *free_wires; /* FLOOD_NEW: a stack of closed ones */
    unsigned num_free;
    uint64_t interval_ns; /* between two requests of a wire, or two connections */
    uint64_t next_ns;     /* FLOOD_NEW: when the next connection is intended */
    int poller;
    size_t reply_len;
};

static void flood_add(_Atomic uint64_t *sum)
{
    atomic_fetch_add_explicit(sum, 1, memory_order_relaxed);
}

static void flood_close(struct flood_client *client, struct flood_wire *wire)
{
    (void)close(wire->fd);
    wire->fd = -1;
    wire->connected = false;
    wire->intended_ns = 0;
    if (client->order->kind == FLOOD_NEW) {
        client->free_wires[client->num_free++] = (unsigned)(wire - client->wires);
    }
}

static void flood_fail(struct flood_client *client, struct flood_wire *wire)
{
    flood_add(&client->board->failed);
    flood_close(client, wire);
}

static void flood_open(struct flood_client *client, struct flood_wire *wire)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)client->order->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = wire};
    const int one = 1;

    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->fd < 0 || setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        epoll_ctl(client->poller, EPOLL_CTL_ADD, wire->fd, &event) != 0 ||
        (connect(wire->fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
         errno != EINPROGRESS)) {
        flood_fail(client, wire);
    }
}

static void flood_ask(struct flood_client *client, struct flood_wire *wire)
{
    const char *request = client->order->kind == FLOOD_NEW ? flood_closes : flood_keeps;

    wire->have = 0;
    if (send(wire->fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request)) {
        flood_fail(client, wire);
    }
}

/* A flow that is free asks what it was to have asked by now: one request at a time. */
static void flood_catch_up(struct flood_client *client, struct flood_wire *wire, uint64_t now_ns)
{
    if (wire->connected && wire->intended_ns == 0 && wire->next_ns <= now_ns) {
        wire->intended_ns = wire->next_ns;
        wire->next_ns += client->interval_ns;
        flood_ask(client, wire);
    }
}

static void flood_done(struct flood_client *client, struct flood_wire *wire)
{
    struct flood_board *board = client->board;
    uint64_t now_ns = bench_process_now_ns();

    if (wire->intended_ns >= atomic_load_explicit(&board->from_ns, memory_order_relaxed) &&
        wire->intended_ns < atomic_load_explicit(&board->until_ns, memory_order_relaxed)) {
        flood_add(&board->done);
        flood_add(&board->counts[bench_load_bucket(now_ns - wire->intended_ns)]);
    }
    if (client->order->kind == FLOOD_NEW) {
        flood_close(client, wire);
        return;
    }
    wire->intended_ns = 0;
    flood_catch_up(client, wire, now_ns);
}

static void flood_read(struct flood_client *client, struct flood_wire *wire)
{
    char text[1024];
    ssize_t len = recv(wire->fd, text, sizeof text, 0);

    if (len < 0 && errno == EAGAIN) {
        return;
    }
    if (len <= 0 || wire->have + (size_t)len > client->reply_len) {
        flood_fail(client, wire);
        return;
    }
    wire->have += (size_t)len;
    if (wire->have == client->reply_len) {
        flood_done(client, wire);
    }
}

static void flood_take(struct flood_client *client, const struct epoll_event *event)
{
    struct flood_wire *wire = event->data.ptr;

    if (wire->fd < 0) {
        return;
    }
    if (!wire->connected && (event->events & EPOLLOUT) != 0) {
        wire->connected = true;
        if (client->order->kind == FLOOD_NEW) {
            flood_ask(client, wire);
        }
    }
    if (wire->fd >= 0 && (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        flood_read(client, wire);
    }
}

/* Does what is due. Gives when the next thing is. */
static uint64_t flood_act_flows(struct flood_client *client, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (unsigned i = 0; i < client->order->connections; i++) {
        struct flood_wire *wire = &client->wires[i];

        if (wire->fd < 0) {
            flood_open(client, wire);
        }
        flood_catch_up(client, wire, now_ns);
        if (wire->intended_ns == 0 && wire->next_ns < next_ns) {
            next_ns = wire->next_ns;
        }
    }
    return next_ns;
}

static uint64_t flood_act_new(struct flood_client *client, uint64_t now_ns)
{
    for (; client->next_ns <= now_ns; client->next_ns += client->interval_ns) {
        struct flood_wire *wire;

        if (client->num_free == 0) {
            flood_add(&client->board->missed);
            continue;
        }
        wire = &client->wires[client->free_wires[--client->num_free]];
        *wire = (struct flood_wire){.fd = -1, .intended_ns = client->next_ns};
        flood_open(client, wire);
    }
    return client->next_ns;
}

static void flood_prepare(struct flood_client *client)
{
    const struct flood_order *order = client->order;
    uint64_t now_ns = bench_process_now_ns();

    client->reply_len = bench_backend_reply_len(order->kind == FLOOD_NEW);
    client->wires = memory_make(order->connections * sizeof *client->wires);
    client->free_wires = memory_make(order->connections * sizeof *client->free_wires);
    client->poller = epoll_create1(EPOLL_CLOEXEC);
    client->interval_ns = (uint64_t)FLOOD_S / order->rate;
    client->next_ns = now_ns;
    if (order->kind == FLOOD_FLOWS) {
        client->interval_ns = (uint64_t)FLOOD_S * order->connections / order->rate;
    }
    for (unsigned i = 0; i < order->connections; i++) {
        client->wires[i].fd = -1;
        client->wires[i].next_ns = now_ns + client->interval_ns * i / order->connections;
        client->free_wires[client->num_free++] = i;
    }
}

/* The client's process; it ends when the tool ends it. */
static _Noreturn void flood_run(struct flood_client *client)
{
    struct epoll_event events[FLOOD_EVENTS];

    flood_prepare(client);
    for (;;) {
        uint64_t now_ns = bench_process_now_ns();
        uint64_t next_ns = client->order->kind == FLOOD_NEW ? flood_act_new(client, now_ns)
                                                            : flood_act_flows(client, now_ns);
        uint64_t wait_ns = next_ns <= now_ns ? 0 : next_ns - now_ns;
        struct timespec wait = {.tv_nsec = (long)(wait_ns < 10000000 ? wait_ns : 10000000)};
        int count = epoll_pwait2(client->poller, events, FLOOD_EVENTS, &wait, NULL);

        for (int i = 0; i < count; i++) {
            flood_take(client, &events[i]);
        }
    }
}

/* ---- the tool's side ---- */

enum status flood_load_start(const struct flood_order *order, struct flood_load **out_load,
                             struct failure *why)
{
    struct flood_load *load = memory_make(sizeof *load);
    bool in_child = false;
    enum status status = STATUS_OK;

    load->board =
        mmap(NULL, sizeof *load->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (load->board == MAP_FAILED) {
        load->board = NULL;
        status = fail_os(why, errno, "bench/memory", "no memory to share with the load client");
    }
    if (status == STATUS_OK) {
        status = bench_process_fork(&load->process, &in_child, why);
    }
    if (in_child) {
        struct flood_client client = {.order = order, .board = load->board};

        flood_run(&client);
    }
    if (status != STATUS_OK) {
        flood_load_drop(&load);
        return status;
    }
    *out_load = load;
    return STATUS_OK;
}

void flood_load_window(struct flood_load *load, uint64_t from_ns, uint64_t until_ns)
{
    struct flood_board *board = load->board;

    atomic_store(&board->until_ns, 0);
    atomic_store(&board->done, 0);
    atomic_store(&board->missed, 0);
    atomic_store(&board->failed, 0);
    for (unsigned i = 0; i < BENCH_LOAD_BUCKETS; i++) {
        atomic_store(&board->counts[i], 0);
    }
    atomic_store(&board->from_ns, from_ns);
    atomic_store(&board->until_ns, until_ns);
}

struct flood_result flood_load_result(const struct flood_load *load)
{
    uint64_t counts[BENCH_LOAD_BUCKETS];

    for (unsigned i = 0; i < BENCH_LOAD_BUCKETS; i++) {
        counts[i] = atomic_load(&load->board->counts[i]);
    }
    return (struct flood_result){
        .done = atomic_load(&load->board->done),
        .failed = atomic_load(&load->board->failed),
        .missed = atomic_load(&load->board->missed),
        .p50_ns = bench_load_percentile(counts, 50),
        .p99_ns = bench_load_percentile(counts, 99),
    };
}

void flood_load_drop(struct flood_load **load)
{
    struct flood_load *gone = TAKE(*load);

    if (gone == NULL) {
        return;
    }
    bench_process_stop(&gone->process);
    if (gone->board != NULL) {
        (void)munmap(gone->board, sizeof *gone->board);
    }
    free(gone);
}
