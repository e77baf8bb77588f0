/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"

#define BENCH_BACKEND_BODY                                                                         \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                             \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

enum {
    BENCH_BACKEND_REQUEST_MAX = 1024,
    BENCH_BACKEND_CHUNK = 256 * 1024,
    BENCH_BACKEND_EVENTS = 256,
    BENCH_BACKEND_BACKLOG = 4096,
    BENCH_BACKEND_PORT_FROM = 12000,
    BENCH_BACKEND_PORTS = 18000,
    BENCH_BACKEND_TRIES = 200,
};

static const char bench_backend_keeps[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n" BENCH_BACKEND_BODY;
static const char bench_backend_closes[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 128\r\nConnection: close\r\n\r\n" BENCH_BACKEND_BODY;
static const char bench_backend_streams[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n";

struct bench_visitor {
    int fd;
    bool streaming;
    size_t have; /* bytes of an unfinished request */
    char request[BENCH_BACKEND_REQUEST_MAX];
};

size_t bench_backend_reply_len(bool closing)
{
    return (closing ? sizeof bench_backend_closes : sizeof bench_backend_keeps) - 1;
}

/* Listening ---------------------------------------- */

/* A listening socket of 127.0.0.1, or -1. Several may share a port. */
static int bench_backend_listen(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 ||
                    bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
                    listen(fd, BENCH_BACKEND_BACKLOG) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Whether a socket without SO_REUSEPORT may have the port: then nobody else has it. */
static bool bench_backend_port_is_free(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool taken;

    if (fd < 0) {
        return false;
    }
    taken = bind(fd, (const struct sockaddr *)&address, sizeof address) != 0;
    (void)close(fd);
    return !taken;
}

enum status bench_backend_free_port(int *out_port, struct failure *why)
{
    for (unsigned i = 0; i < BENCH_BACKEND_TRIES; i++) {
        uint32_t drawn = 0;

        if (getrandom(&drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn) {
            break;
        }
        int port = BENCH_BACKEND_PORT_FROM + (int)(drawn % BENCH_BACKEND_PORTS);
        if (bench_backend_port_is_free(port)) {
            *out_port = port;
            return STATUS_OK;
        }
    }
    return fail(why, STATUS_IO, "bench/port", "no free port on 127.0.0.1 from %d to %d",
                BENCH_BACKEND_PORT_FROM, BENCH_BACKEND_PORT_FROM + BENCH_BACKEND_PORTS - 1);
}

/* Serving ---------------------------------------- */

static void bench_visitor_drop(struct bench_visitor *visitor)
{
    (void)close(visitor->fd);
    free(visitor);
}

/* Fills the socket; the visitor may be gone then. */
static void bench_visitor_pump(struct bench_visitor *visitor)
{
    static const char chunk[BENCH_BACKEND_CHUNK];

    while (send(visitor->fd, chunk, sizeof chunk, MSG_NOSIGNAL) >= 0) {
    }
    if (errno != EAGAIN) {
        bench_visitor_drop(visitor);
    }
}

static void bench_visitor_stream(int poller, struct bench_visitor *visitor)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = visitor};

    visitor->streaming = true;
    (void)send(visitor->fd, bench_backend_streams, sizeof bench_backend_streams - 1, MSG_NOSIGNAL);
    (void)epoll_ctl(poller, EPOLL_CTL_MOD, visitor->fd, &event);
    bench_visitor_pump(visitor);
}

/* Answers the requests that are complete; false when the visitor is gone or streams. */
static bool bench_visitor_answer(int poller, struct bench_visitor *visitor)
{
    char *end;

    while ((end = strstr(visitor->request, "\r\n\r\n")) != NULL) {
        size_t used = (size_t)(end - visitor->request) + 4;

        *end = '\0';
        if (strncmp(visitor->request, "GET /stream", 11) == 0) {
            bench_visitor_stream(poller, visitor);
            return false;
        }
        if (strstr(visitor->request, "\r\nConnection: close") != NULL) {
            (void)send(visitor->fd, bench_backend_closes, sizeof bench_backend_closes - 1,
                       MSG_NOSIGNAL);
            bench_visitor_drop(visitor);
            return false;
        }
        (void)send(visitor->fd, bench_backend_keeps, sizeof bench_backend_keeps - 1, MSG_NOSIGNAL);
        memmove(visitor->request, visitor->request + used, visitor->have - used + 1);
        visitor->have -= used;
    }
    return true;
}

static void bench_visitor_read(int poller, struct bench_visitor *visitor)
{
    size_t room = sizeof visitor->request - 1 - visitor->have;
    ssize_t len = recv(visitor->fd, visitor->request + visitor->have, room, 0);

    if (len < 0 && errno == EAGAIN) {
        return;
    }
    if (len <= 0) {
        bench_visitor_drop(visitor);
        return;
    }
    visitor->have += (size_t)len;
    visitor->request[visitor->have] = '\0';
    if (bench_visitor_answer(poller, visitor) && visitor->have == sizeof visitor->request - 1) {
        bench_visitor_drop(visitor); /* no request of our clients is that long */
    }
}

static void bench_backend_accept(int poller, int listener)
{
    const int one = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct bench_visitor *visitor = memory_make(sizeof *visitor);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = visitor};

        visitor->fd = fd;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

/* A backend process; it ends when the tool ends it. */
static _Noreturn void bench_backend_serve(int listener)
{
    struct epoll_event events[BENCH_BACKEND_EVENTS];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    int poller = epoll_create1(EPOLL_CLOEXEC);

    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0) {
        _exit(1);
    }
    for (;;) {
        int count = epoll_wait(poller, events, BENCH_BACKEND_EVENTS, -1);

        for (int i = 0; i < count; i++) {
            struct bench_visitor *visitor = events[i].data.ptr;

            if (visitor == NULL) {
                bench_backend_accept(poller, listener);
            } else if (visitor->streaming) {
                bench_visitor_pump(visitor);
            } else {
                bench_visitor_read(poller, visitor);
            }
        }
    }
}

enum status bench_backend_start(struct bench_backend *backend, struct failure *why)
{
    int listeners[BENCH_CLIENTS];
    enum status status = STATUS_OK;
    bool in_child = false;

    TRY(bench_backend_free_port(&backend->port, why));
    for (size_t i = 0; i < BENCH_CLIENTS; i++) {
        listeners[i] = bench_backend_listen(backend->port);
        if (listeners[i] < 0) {
            status =
                fail_os(why, errno, "bench/backend", "no listener on 127.0.0.1:%d", backend->port);
        }
    }
    for (size_t i = 0; i < BENCH_CLIENTS && status == STATUS_OK; i++) {
        status = bench_process_fork(&backend->processes[i], &in_child, why);
        if (in_child) {
            for (size_t j = 0; j < BENCH_CLIENTS; j++) {
                if (j != i) {
                    (void)close(listeners[j]); /* or half of the visitors wait for nobody */
                }
            }
            bench_backend_serve(listeners[i]);
        }
    }
    for (size_t i = 0; i < BENCH_CLIENTS; i++) {
        if (listeners[i] >= 0) {
            (void)close(listeners[i]);
        }
    }
    return status;
}

void bench_backend_stop(struct bench_backend *backend)
{
    for (size_t i = 0; i < BENCH_CLIENTS; i++) {
        bench_process_stop(&backend->processes[i]);
    }
}
