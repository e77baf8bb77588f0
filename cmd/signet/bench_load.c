/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/signet/bench.h"
#include "cmd/signet/bench_backend.h"
#include "cmd/signet/bench_process.h"
#include "core/runtime/base/memory.h"

enum {
    BENCH_LOAD_EVENTS = 128,
    BENCH_LOAD_OPENING_MAX = 32, /* connections of a holder that are being opened at once */
    BENCH_LOAD_STEP_MS = 20,     /* how often an idle client looks around */
    BENCH_LOAD_BULK_READ = 4 << 20,
    BENCH_LOAD_SUB = 32, /* buckets an octave */
};

static const char bench_load_keeps[] = "GET /small HTTP/1.1\r\nHost: bench\r\n\r\n";
static const char bench_load_closes[] =
    "GET /small HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
static const char bench_load_streams[] = "GET /stream HTTP/1.1\r\nHost: bench\r\n\r\n";

/* What one client counts: written by it, read by the tool. */
struct bench_tally {
    _Atomic uint64_t done, bytes, failed, held;
    uint64_t counts[BENCH_LOAD_BUCKETS];
};

/* Memory that the tool and its clients share. */
struct bench_board {
    _Atomic uint64_t from_ns, until_ns;
    struct bench_tally tallies[BENCH_CLIENTS];
};

struct bench_load {
    struct bench_load_order order;
    struct bench_board *board; /* mapped */
    struct bench_process processes[BENCH_CLIENTS];
};

/* One connection of a client. */
struct bench_wire {
    int fd; /* -1: closed, to be opened again */
    bool sent;
    size_t have; /* bytes of the answer so far */
    uint64_t began_ns;
};

struct bench_client {
    const struct bench_load_order *order;
    struct bench_board *board;
    struct bench_tally *tally;
    struct bench_wire *wires;
    unsigned num_wires;
    unsigned next;    /* of a holder: the wire to open next */
    unsigned opening; /* of a holder */
    unsigned closed;  /* wires that wait to be opened again */
    int poller;
    const char *request;
    size_t request_len, reply_len;
};

/* Latencies ---------------------------------------- */

unsigned bench_load_bucket(uint64_t ns)
{
    unsigned octave, bucket;

    if (ns < BENCH_LOAD_SUB) {
        return (unsigned)ns;
    }
    octave = 63u - (unsigned)__builtin_clzll(ns) - 5u; /* 0 for 32 to 63 */
    bucket = (octave + 1) * BENCH_LOAD_SUB + (unsigned)((ns >> octave) - BENCH_LOAD_SUB);
    return bucket < BENCH_LOAD_BUCKETS ? bucket : BENCH_LOAD_BUCKETS - 1;
}

int64_t bench_load_bucket_ns(unsigned bucket)
{
    unsigned octave;

    if (bucket < BENCH_LOAD_SUB) {
        return (int64_t)bucket;
    }
    octave = bucket / BENCH_LOAD_SUB - 1;
    return ((int64_t)(bucket % BENCH_LOAD_SUB + BENCH_LOAD_SUB) << octave) +
           (((int64_t)1 << octave) >> 1);
}

int64_t bench_load_percentile(const uint64_t counts[BENCH_LOAD_BUCKETS], unsigned percent)
{
    uint64_t all = 0, below = 0;

    for (unsigned i = 0; i < BENCH_LOAD_BUCKETS; i++) {
        all += counts[i];
    }
    for (unsigned i = 0; i < BENCH_LOAD_BUCKETS; i++) {
        below += counts[i];
        if (below > 0 && below * 100 >= all * percent) {
            return bench_load_bucket_ns(i);
        }
    }
    return -1;
}

/* A client's connections ---------------------------------------- */

static bool bench_client_counts(const struct bench_client *client, uint64_t now_ns)
{
    return now_ns >= atomic_load_explicit(&client->board->from_ns, memory_order_relaxed) &&
           now_ns < atomic_load_explicit(&client->board->until_ns, memory_order_relaxed);
}

static void bench_client_add(_Atomic uint64_t *sum, uint64_t more)
{
    /* One writer: no need of an atomic addition. */
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

/* Closes a wire, which the loop then opens again (a holder's stays closed). */
static void bench_wire_close(struct bench_client *client, struct bench_wire *wire)
{
    (void)close(wire->fd);
    wire->fd = -1;
    client->closed++;
}

static void bench_wire_fail(struct bench_client *client, struct bench_wire *wire)
{
    bench_client_add(&client->tally->failed, 1);
    if (client->order->kind == BENCH_LOAD_HOLD && wire->have < client->reply_len) {
        client->opening--;
    }
    bench_wire_close(client, wire);
}

static void bench_wire_open(struct bench_client *client, struct bench_wire *wire)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)client->order->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = wire};
    const int one = 1;

    client->closed--;
    *wire = (struct bench_wire){.began_ns = bench_process_now_ns()};
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->fd < 0 || setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        epoll_ctl(client->poller, EPOLL_CTL_ADD, wire->fd, &event) != 0 ||
        (connect(wire->fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
         errno != EINPROGRESS)) {
        bench_wire_fail(client, wire);
    }
}

/* Sends a request; they are far shorter than any socket's buffer. */
static void bench_wire_ask(struct bench_client *client, struct bench_wire *wire)
{
    wire->sent = true;
    wire->have = 0;
    if (send(wire->fd, client->request, client->request_len, MSG_NOSIGNAL) !=
        (ssize_t)client->request_len) {
        bench_wire_fail(client, wire);
    }
}

/* The answer is complete. */
static void bench_wire_done(struct bench_client *client, struct bench_wire *wire)
{
    uint64_t now_ns = bench_process_now_ns();

    if (bench_client_counts(client, now_ns)) {
        bench_client_add(&client->tally->done, 1);
        client->tally->counts[bench_load_bucket(now_ns - wire->began_ns)]++;
    }
    if (client->order->kind == BENCH_LOAD_HOLD) {
        client->opening--;
        bench_client_add(&client->tally->held, 1);
    } else if (client->order->kind == BENCH_LOAD_NEW) {
        bench_wire_close(client, wire);
    } else {
        wire->began_ns = now_ns;
        bench_wire_ask(client, wire);
    }
}

static void bench_wire_read_answer(struct bench_client *client, struct bench_wire *wire)
{
    char text[1024];
    ssize_t len = recv(wire->fd, text, sizeof text, 0);

    if (len < 0 && errno == EAGAIN) {
        return;
    }
    if (len <= 0 || wire->have + (size_t)len > client->reply_len ||
        (wire->have == 0 && len >= 12 && memcmp(text, "HTTP/1.1 200", 12) != 0)) {
        bench_wire_fail(client, wire);
        return;
    }
    wire->have += (size_t)len;
    if (wire->have == client->reply_len) {
        bench_wire_done(client, wire);
    }
}

/* Reads until nothing is there: events are told by edges. */
static void bench_wire_read_bulk(struct bench_client *client, struct bench_wire *wire)
{
    for (;;) {
        ssize_t len = recv(wire->fd, NULL, BENCH_LOAD_BULK_READ, MSG_TRUNC);

        if (len < 0 && errno == EAGAIN) {
            return;
        }
        if (len <= 0) {
            bench_wire_fail(client, wire);
            return;
        }
        if (bench_client_counts(client, bench_process_now_ns())) {
            bench_client_add(&client->tally->bytes, (uint64_t)len);
        }
    }
}

static void bench_client_take(struct bench_client *client, const struct epoll_event *event)
{
    struct bench_wire *wire = event->data.ptr;

    if (wire->fd >= 0 && !wire->sent && (event->events & EPOLLOUT) != 0) {
        bench_wire_ask(client, wire);
    }
    if (wire->fd < 0 || (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) {
        return;
    }
    if (client->order->kind == BENCH_LOAD_BULK) {
        bench_wire_read_bulk(client, wire);
    } else {
        bench_wire_read_answer(client, wire);
    }
}

/* Opens what is to be open. What failed is tried again, but not in a hot loop. */
static void bench_client_open(struct bench_client *client)
{
    if (client->order->kind == BENCH_LOAD_HOLD) {
        while (client->next < client->num_wires && client->opening < BENCH_LOAD_OPENING_MAX) {
            client->opening++;
            bench_wire_open(client, &client->wires[client->next++]);
        }
        return;
    }
    for (unsigned i = 0; i < client->num_wires && client->closed > 0; i++) {
        if (client->wires[i].fd < 0) {
            bench_wire_open(client, &client->wires[i]);
        }
    }
}

/* A client process; it ends when the tool ends it. */
static _Noreturn void bench_client_run(struct bench_client *client)
{
    struct epoll_event events[BENCH_LOAD_EVENTS];
    bool closing = client->order->kind == BENCH_LOAD_NEW;

    client->request = closing                                  ? bench_load_closes
                      : client->order->kind == BENCH_LOAD_BULK ? bench_load_streams
                                                               : bench_load_keeps;
    client->request_len = strlen(client->request);
    client->reply_len = bench_backend_reply_len(closing);
    client->wires = memory_make(client->num_wires * sizeof *client->wires);
    client->closed = client->num_wires;
    client->poller = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < client->num_wires; i++) {
        client->wires[i].fd = -1;
    }
    for (;;) {
        int count;

        bench_client_open(client);
        count = epoll_wait(client->poller, events, BENCH_LOAD_EVENTS, BENCH_LOAD_STEP_MS);
        for (int i = 0; i < count; i++) {
            bench_client_take(client, &events[i]);
        }
    }
}

/* The tool's side ---------------------------------------- */

static enum status bench_load_fork(struct bench_load *load, unsigned index, struct failure *why)
{
    unsigned all = load->order.connections;
    unsigned clients = load->order.clients;
    struct bench_client client = {
        .order = &load->order,
        .board = load->board,
        .tally = &load->board->tallies[index],
        .num_wires = all / clients + (index < all % clients ? 1 : 0),
    };
    bool in_child = false;

    TRY(bench_process_fork(&load->processes[index], &in_child, why));
    if (in_child) {
        bench_client_run(&client);
    }
    return STATUS_OK;
}

enum status bench_load_start(const struct bench_load_order *order, struct bench_load **out_load,
                             struct failure *why)
{
    struct bench_load *load = memory_make(sizeof *load);
    enum status status = STATUS_OK;

    load->order = *order;
    load->board =
        mmap(NULL, sizeof *load->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (load->board == MAP_FAILED) {
        load->board = NULL;
        status = fail_os(why, errno, "bench/memory", "no memory to share with the load clients");
    }
    for (unsigned i = 0; i < order->clients && status == STATUS_OK; i++) {
        status = bench_load_fork(load, i, why);
    }
    if (status != STATUS_OK) {
        bench_load_drop(&load);
        return status;
    }
    *out_load = load;
    return STATUS_OK;
}

void bench_load_window(struct bench_load *load, uint64_t from_ns, uint64_t until_ns)
{
    atomic_store(&load->board->until_ns, until_ns);
    atomic_store(&load->board->from_ns, from_ns);
}

struct bench_load_result bench_load_sum(const struct bench_load *load)
{
    uint64_t counts[BENCH_LOAD_BUCKETS] = {0};
    struct bench_load_result sum = {0};

    for (unsigned i = 0; i < load->order.clients; i++) {
        const struct bench_tally *tally = &load->board->tallies[i];

        sum.done += atomic_load(&tally->done);
        sum.bytes += atomic_load(&tally->bytes);
        sum.failed += atomic_load(&tally->failed);
        sum.held += atomic_load(&tally->held);
        for (unsigned j = 0; j < BENCH_LOAD_BUCKETS; j++) {
            counts[j] += tally->counts[j];
        }
    }
    sum.p50_ns = bench_load_percentile(counts, 50);
    sum.p99_ns = bench_load_percentile(counts, 99);
    return sum;
}

uint64_t bench_load_cpu_ticks(const struct bench_load *load)
{
    uint64_t ticks = 0;

    for (unsigned i = 0; i < load->order.clients; i++) {
        ticks += bench_process_cpu_ticks(&load->processes[i]);
    }
    return ticks;
}

void bench_load_drop(struct bench_load **load)
{
    struct bench_load *gone = *load;

    if (gone == NULL) {
        return;
    }
    for (unsigned i = 0; i < BENCH_CLIENTS; i++) {
        bench_process_stop(&gone->processes[i]);
    }
    if (gone->board != NULL) {
        (void)munmap(gone->board, sizeof *gone->board);
    }
    free(gone);
    *load = NULL;
}
