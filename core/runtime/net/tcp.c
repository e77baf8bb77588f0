/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/tcp.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/list.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/net/address.h"

/* An idle peer that vanished is noticed after two minutes: 60 s idle, then 6 probes 10 s apart. */
enum { TCP_KEEPALIVE_IDLE_S = 60, TCP_KEEPALIVE_STEP_S = 10, TCP_KEEPALIVE_PROBES = 6 };

/*
 * What the system holds for one socket (it doubles buffers for its own overhead). Unsent bytes are
 * bounded everywhere. What a process of this machine sent us is bounded, too: there is no path to fill.
 * From the network the buffer grows with the path as ever, until memory is scarce and the socket stalls.
 */
enum { TCP_UNSENT_MOST = 128 * 1024, TCP_LOCAL = 256 * 1024, TCP_PINCHED = 32 * 1024 };

/* Unanswered probes of a zero window before it counts as silence: one may just be on its way. */
enum { TCP_PROBES_UNANSWERED = 2 };

struct tcp {
    struct stream stream;
    uv_poll_t poll;
    int fd;
    unsigned events;          /* what the poll handle waits for now */
    int broken;               /* errno that polling reported, or 0 */
    struct slab_chain unread; /* empty nearly always */
};

static struct tcp *tcp_of(const struct stream *stream)
{
    return LIST_OF(stream, struct tcp, stream);
}

static struct slabs *tcp_slabs(const struct tcp *tcp)
{
    return &worker_of(tcp->poll.loop)->slabs;
}

static void tcp_read_unread(struct tcp *tcp, uint8_t *into, size_t room, size_t *out_len)
{
    size_t used = 0;

    while (tcp->unread.len > 0 && used < room) {
        struct bytes head = slab_chain_head(&tcp->unread);
        size_t part = head.len < room - used ? head.len : room - used;

        memcpy(into + used, head.at, part);
        slab_chain_use(&tcp->unread, tcp_slabs(tcp), part);
        used += part;
    }
    tcp->stream.holds = tcp->unread.len > 0;
    *out_len = used;
}

/* An error that polling told of; no memory is one of ours. */
static enum status tcp_broken(const struct tcp *tcp, struct failure *why)
{
    if (tcp->broken == ENOBUFS) {
        return fail(why, STATUS_LIMIT, "limit/memory", "no memory for the first bytes");
    }
    return fail_os(why, tcp->broken, "tcp/reset", "reading");
}

static enum status tcp_read(struct stream *stream, uint8_t *into, size_t room, size_t *out_len,
                            struct failure *why)
{
    struct tcp *tcp = tcp_of(stream);
    ssize_t got;

    if (tcp->unread.len > 0) {
        tcp_read_unread(tcp, into, room, out_len);
        return STATUS_OK;
    }
    if (tcp->broken != 0) {
        return tcp_broken(tcp, why);
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

/*
 * Only errors are awaited, and something else woke us. True: it was an urgent byte, which is thrown away
 * (nothing here speaks with them), or an error behind one; the watch goes on.
 */
static bool tcp_urgent(struct tcp *tcp, unsigned *out_seen)
{
    socklen_t len = sizeof tcp->broken;
    uint8_t urgent;

    if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &tcp->broken, &len) == 0 && tcp->broken != 0) {
        *out_seen = STREAM_READABLE | STREAM_WRITABLE;
        return true;
    }
    return recv(tcp->fd, &urgent, 1, MSG_OOB) == 1 || errno == EAGAIN;
}

static int tcp_wanted(unsigned events)
{
    int wanted = 0;

    wanted |= (events & STREAM_READABLE) != 0 ? UV_READABLE : 0;
    wanted |= (events & STREAM_WRITABLE) != 0 ? UV_WRITABLE : 0;
    wanted |= (events & STREAM_ENDS) != 0 ? UV_DISCONNECT : 0;
    if (wanted == 0 && events == STREAM_ERRORS) {
        wanted = UV_PRIORITIZED; /* urgent bytes are thrown away: leaves the errors */
    }
    return wanted;
}

static void tcp_polled(uv_poll_t *poll, int status, int events);

/* An end has come while nobody reads. True: little is unread before it. False: it is not told, nor again. */
static bool tcp_end_is_near(struct tcp *tcp)
{
    int unread = 0;

    if (ioctl(tcp->fd, FIONREAD, &unread) == 0 && unread <= STREAM_END_MOST) {
        return true;
    }
    (void)uv_poll_start(&tcp->poll, tcp_wanted(tcp->events & ~(unsigned)STREAM_ENDS), tcp_polled);
    return false;
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
        if ((events & UV_DISCONNECT) != 0) {
            if (tcp_end_is_near(tcp)) {
                seen |= STREAM_READABLE;
            } else if (seen == 0) {
                return;
            }
        }
        if (seen == 0 && !tcp_urgent(tcp, &seen)) {
            /*
             * Both directions have ended, without an error, while only errors are awaited. That state
             * lasts: watching it would come back here at once, for ever.
             */
            (void)uv_poll_stop(&tcp->poll);
            return;
        }
        if (seen == 0) {
            return;
        }
    }
    tcp->stream.ready(tcp->stream.user, seen);
}

static void tcp_interest(struct stream *stream, unsigned events)
{
    struct tcp *tcp = tcp_of(stream);
    int wanted;

    if (events == tcp->events) {
        return;
    }
    tcp->events = events;
    wanted = tcp_wanted(events);
    if (wanted == 0) {
        (void)uv_poll_stop(&tcp->poll);
    } else {
        (void)uv_poll_start(&tcp->poll, wanted, tcp_polled);
    }
}

static void tcp_unread(struct stream *stream, struct bytes bytes)
{
    struct tcp *tcp = tcp_of(stream);

    assert(tcp->unread.len == 0);
    if (bytes.len > 0 && !slab_chain_add(&tcp->unread, tcp_slabs(tcp), bytes)) {
        tcp->broken = ENOBUFS; /* what was read cannot be kept: the next read tells */
    }
    stream->holds = bytes.len > 0;
}

static void tcp_closed(uv_handle_t *handle)
{
    struct tcp *tcp = handle->data;

    free(tcp);
}

static void tcp_close(struct stream *stream, bool reset)
{
    struct tcp *tcp = tcp_of(stream);

    if (reset) {
        static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

        (void)setsockopt(tcp->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    slab_chain_clear(&tcp->unread, tcp_slabs(tcp));
    /* libuv wants its watch stopped before the descriptor is closed; the handle's memory stays on. */
    memory_account_add(&tcp_slabs(tcp)->account, -(long)sizeof *tcp);
    uv_close((uv_handle_t *)&tcp->poll, tcp_closed);
    (void)close(tcp->fd);
    tcp->fd = -1;
}

/*
 * Unacknowledged bytes, and no acknowledgement since. While a window stays zero nothing is outstanding but
 * probes, whose answers count as acknowledgements. Source: tcp(7), TCP_INFO.
 */
static bool tcp_silence(struct stream *stream, uint64_t *out_ms)
{
    struct tcp_info about = {0};
    socklen_t len = sizeof about;
    int fd = tcp_of(stream)->fd;
    int outstanding = 0;

    if (ioctl(fd, SIOCOUTQ, &outstanding) != 0 || outstanding == 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &about, &len) != 0) {
        return false;
    }
    *out_ms = about.tcpi_unacked > 0 || about.tcpi_probes >= TCP_PROBES_UNANSWERED
                  ? about.tcpi_last_ack_recv
                  : 0;
    return true;
}

static void tcp_pinch(struct stream *stream)
{
    int most = TCP_PINCHED;

    (void)setsockopt(tcp_of(stream)->fd, SOL_SOCKET, SO_RCVBUF, &most, sizeof most);
    (void)setsockopt(tcp_of(stream)->fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
}

static const struct stream_ops tcp_ops = {
    .read = tcp_read,
    .write = tcp_write,
    .shutdown = tcp_shutdown,
    .interest = tcp_interest,
    .unread = tcp_unread,
    .close = tcp_close,
    .silence = tcp_silence,
    .pinch = tcp_pinch,
};

/* Is the other end a process of this machine? Its end is always told: it needs no keepalive. */
static bool tcp_is_local(int fd)
{
    struct address own = address_local(fd);
    struct address peer = address_peer(fd); /* nothing while it connects: on this machine it has */
    struct ip own_ip = address_ip(&own);
    struct ip peer_ip = address_ip(&peer);

    return address_is_loopback(&own) || (peer.len > 0 && ip_equal(&own_ip, &peer_ip));
}

static void tcp_set_options(int fd)
{
    int on = 1;
    int idle = TCP_KEEPALIVE_IDLE_S;
    int step = TCP_KEEPALIVE_STEP_S;
    int probes = TCP_KEEPALIVE_PROBES;
    int unsent = TCP_UNSENT_MOST;
    int local = TCP_LOCAL;

    /* Each fails harmlessly on a unix socket. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    if (tcp_is_local(fd)) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &local, sizeof local);
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
    memory_account_add(&worker->slabs.account, (long)sizeof *tcp);
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
