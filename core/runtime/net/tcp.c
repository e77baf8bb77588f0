/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/tcp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/list.h"
#include "core/runtime/base/memory.h"

/* A peer that vanished is noticed after about two minutes: 60 s idle, then 6 probes 10 s apart. */
enum { TCP_KEEPALIVE_IDLE_S = 60, TCP_KEEPALIVE_STEP_S = 10, TCP_KEEPALIVE_PROBES = 6 };

struct tcp_unread_bytes {
    size_t len;
    size_t used;
    uint8_t at[];
};

struct tcp {
    struct stream stream;
    uv_poll_t poll;
    int fd;
    unsigned events;                 /* what the poll handle waits for now */
    int broken;                      /* errno that polling reported, or 0 */
    struct tcp_unread_bytes *unread; /* owned; NULL nearly always */
};

static struct tcp *tcp_of(const struct stream *stream)
{
    return LIST_OF(stream, struct tcp, stream);
}

static enum status tcp_read(struct stream *stream, uint8_t *into, size_t room, size_t *out_len,
                            struct failure *why)
{
    struct tcp *tcp = tcp_of(stream);
    ssize_t got;

    if (tcp->unread != NULL) {
        size_t left = tcp->unread->len - tcp->unread->used;
        size_t len = left < room ? left : room;

        memcpy(into, tcp->unread->at + tcp->unread->used, len);
        tcp->unread->used += len;
        if (tcp->unread->used == tcp->unread->len) {
            free(tcp->unread);
            tcp->unread = NULL;
            stream->holds = false;
        }
        *out_len = len;
        return STATUS_OK;
    }
    if (tcp->broken != 0) {
        return fail_os(why, tcp->broken, "tcp/reset", "reading");
    }
    do {
        got = recv(tcp->fd, into, room, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        *out_len = (size_t)got;
        return STATUS_OK;
    }
    if (got == 0) {
        return STATUS_CLOSED;
    }
    if (errno == EAGAIN) {
        return STATUS_WAIT;
    }
    return fail_os(why, errno, errno == ECONNRESET ? "tcp/reset" : "tcp/read", "reading");
}

static enum status tcp_write(struct stream *stream, struct bytes from, size_t *out_len,
                             struct failure *why)
{
    struct tcp *tcp = tcp_of(stream);
    ssize_t sent;

    do {
        sent = send(tcp->fd, from.at, from.len, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        *out_len = (size_t)sent;
        return STATUS_OK;
    }
    if (errno == EAGAIN) {
        return STATUS_WAIT;
    }
    return fail_os(why, errno, errno == ECONNRESET || errno == EPIPE ? "tcp/reset" : "tcp/write",
                   "writing");
}

static enum status tcp_shutdown(struct stream *stream, struct failure *why)
{
    if (shutdown(tcp_of(stream)->fd, SHUT_WR) != 0 && errno != ENOTCONN) {
        return fail_os(why, errno, "tcp/write", "ending our direction");
    }
    return STATUS_OK;
}

static void tcp_polled(uv_poll_t *poll, int status, int events)
{
    struct tcp *tcp = poll->data;
    unsigned seen = 0;

    if (status < 0) {
        socklen_t len = sizeof tcp->broken;

        /* libuv has stopped watching; after an end, recv() would hide the reset behind its 0. */
        tcp->events = 0;
        (void)getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &tcp->broken, &len);
        seen = STREAM_READABLE | STREAM_WRITABLE;
    } else {
        seen |= (events & UV_READABLE) != 0 ? STREAM_READABLE : 0u;
        seen |= (events & UV_WRITABLE) != 0 ? STREAM_WRITABLE : 0u;
        if (seen == 0) {
            /*
             * Both directions have ended, without an error, while only errors are awaited. That state
             * lasts: watching it would come back here at once, for ever.
             */
            (void)uv_poll_stop(&tcp->poll);
            return;
        }
    }
    tcp->stream.ready(tcp->stream.user, seen);
}

static void tcp_interest(struct stream *stream, unsigned events)
{
    struct tcp *tcp = tcp_of(stream);
    int wanted = 0;

    if (events == tcp->events) {
        return;
    }
    tcp->events = events;
    wanted |= (events & STREAM_READABLE) != 0 ? UV_READABLE : 0;
    wanted |= (events & STREAM_WRITABLE) != 0 ? UV_WRITABLE : 0;
    if (events == STREAM_ERRORS) {
        wanted = UV_PRIORITIZED; /* no urgent data is ever sent here: leaves the errors */
    }
    if (wanted == 0) {
        (void)uv_poll_stop(&tcp->poll);
    } else {
        (void)uv_poll_start(&tcp->poll, wanted, tcp_polled);
    }
}

static void tcp_unread(struct stream *stream, struct bytes bytes)
{
    struct tcp *tcp = tcp_of(stream);

    assert(tcp->unread == NULL);
    if (bytes.len > 0) {
        tcp->unread = memory_make(sizeof *tcp->unread + bytes.len);
        tcp->unread->len = bytes.len;
        memcpy(tcp->unread->at, bytes.at, bytes.len);
        stream->holds = true;
    }
}

static void tcp_closed(uv_handle_t *handle)
{
    struct tcp *tcp = handle->data;

    free(tcp->unread);
    free(tcp);
}

static void tcp_close(struct stream *stream, bool reset)
{
    struct tcp *tcp = tcp_of(stream);

    if (reset) {
        static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

        (void)setsockopt(tcp->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    /* libuv wants its watch stopped before the descriptor is closed; the handle's memory stays on. */
    uv_close((uv_handle_t *)&tcp->poll, tcp_closed);
    (void)close(tcp->fd);
    tcp->fd = -1;
}

static const struct stream_ops tcp_ops = {
    .read = tcp_read,
    .write = tcp_write,
    .shutdown = tcp_shutdown,
    .interest = tcp_interest,
    .unread = tcp_unread,
    .close = tcp_close,
};

static void tcp_set_options(int fd)
{
    int on = 1;
    int idle = TCP_KEEPALIVE_IDLE_S;
    int step = TCP_KEEPALIVE_STEP_S;
    int probes = TCP_KEEPALIVE_PROBES;

    /* Each fails harmlessly on a unix socket. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, sizeof step);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

struct stream *tcp_start(struct worker *worker, int fd)
{
    struct tcp *tcp = memory_make(sizeof *tcp);

    tcp->stream.ops = &tcp_ops;
    tcp->fd = fd;
    tcp_set_options(fd);
    if (uv_poll_init(&worker->loop, &tcp->poll, fd) != 0) {
        abort(); /* only for a descriptor that cannot be polled: a mistake of ours */
    }
    tcp->poll.data = tcp;
    return &tcp->stream;
}

int tcp_error(struct stream *stream)
{
    struct tcp *tcp = tcp_of(stream);
    socklen_t len = sizeof tcp->broken;

    if (tcp->broken == 0 && getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &tcp->broken, &len) != 0) {
        tcp->broken = errno;
    }
    return tcp->broken;
}

int tcp_fd(const struct stream *stream)
{
    return tcp_of(stream)->fd;
}

void tcp_acknowledge(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on); /* fails on a unix socket */
}
