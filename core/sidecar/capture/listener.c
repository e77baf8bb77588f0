/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/capture/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/telemetry/metrics.h"

enum {
    LISTENER_BACKLOG = 4096,
    LISTENER_SPARE_LEAST = 64,
    LISTENER_BATCH = 16,     /* accepted in one turn of the loop; then the others' events come first */
    LISTENER_PAUSE_MS = 100, /* while nobody may be accepted */
};

struct listener {
    struct worker *worker;
    int most_fd; /* descriptors from here on are kept for dialling, renewal and the admin page */
    uv_poll_t poll;
    struct timer pause;
    int fd;
    int open_handles;
    const struct listener_events *events;
    void *user;
};

static const char *listener_remedy(int os_error)
{
    switch (os_error) {
    case EADDRINUSE:
        return " (something listens there already: end it, or choose another port)";
    case EACCES:
        return " (a port below 1024 needs CAP_NET_BIND_SERVICE)";
    case EADDRNOTAVAIL:
        return " (this machine does not have that address)";
    default:
        return "";
    }
}

/*
 * The first worker's socket gets its SO_REUSEPORT when it is bound already: so it does not join the
 * port of another process of this user, which would then get half of our connections, silently.
 */
static enum status listener_bind_socket(int fd, const struct address *at, bool first,
                                        struct failure *why)
{
    char text[ADDRESS_TEXT_MAX];
    int on = 1;
    int off = 0;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!first) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    if (at->at.any.sa_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd, &at->at.any, at->len) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        listen(fd, LISTENER_BACKLOG) != 0) {
        int os_error = errno;

        return fail_os(why, os_error, "listener/bind", "listening on %s%s",
                       address_print(at, text), listener_remedy(os_error));
    }
    return STATUS_OK;
}

static enum status listener_open(const struct address *at, bool first, int *out_fd,
                                 struct failure *why)
{
    int fd = socket(at->at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum status status;

    if (fd < 0) {
        return fail_os(why, errno, "listener/bind", "making a socket");
    }
    status = listener_bind_socket(fd, at, first, why);
    if (status != STATUS_OK) {
        (void)close(fd);
        return status;
    }
    *out_fd = fd;
    return STATUS_OK;
}

enum status listener_bind(const struct address *at, bool first, int *out_fd, struct failure *why)
{
    struct failure refusal = {0};
    struct ip any = {0};
    struct ip given = address_ip(at);
    static const uint8_t any_v4[4] = {0};
    enum status status = listener_open(at, first, out_fd, &refusal);

    if (status != STATUS_OK && ip_equal(&any, &given) &&
        (refusal.os_error == EAFNOSUPPORT || refusal.os_error == EADDRNOTAVAIL)) {
        struct ip v4 = ip_of_v4(any_v4);
        struct address fallback = address_of_ip(&v4, address_port(at));

        return listener_open(&fallback, first, out_fd, why);
    }
    if (status != STATUS_OK && why != NULL) {
        *why = refusal;
    }
    return status;
}

static void listener_readable(uv_poll_t *poll, int status, int events);

static void listener_resume(struct timer *timer, void *user)
{
    struct listener *listener = user;

    (void)timer;
    (void)uv_poll_start(&listener->poll, UV_READABLE, listener_readable);
}

/* The backlog holds what comes; spinning on it would keep the others from ending. */
static void listener_rest(struct listener *listener, const char *reason)
{
    metrics_add_reason(listener->worker->index, METRIC_ACCEPTS_HELD, LABEL_NONE, LABEL_NONE, reason,
                       1);
    (void)uv_poll_stop(&listener->poll);
    timer_start(&listener->pause, LISTENER_PAUSE_MS, 0);
}

unsigned listener_spare_fds(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX ||
        files.rlim_cur / 8 < LISTENER_SPARE_LEAST) {
        return LISTENER_SPARE_LEAST;
    }
    return (unsigned)files.rlim_cur / 8;
}

static int listener_most_fd(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX) {
        return INT_MAX;
    }
    return (int)files.rlim_cur - (int)listener_spare_fds();
}

static const char *listener_held(const struct listener *listener)
{
    return listener->events->held == NULL ? NULL : listener->events->held(listener->user);
}

static void listener_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < LISTENER_BATCH && listener->fd >= 0; i++) {
        struct sockaddr_storage at;
        socklen_t len = sizeof at;
        const char *held = listener_held(listener);
        int fd;

        if (held != NULL) {
            listener_rest(listener, held);
            return;
        }
        fd = accept4(listener->fd, (struct sockaddr *)&at, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= listener->most_fd) {
            /* Strangers who hold connections open must not take the descriptors that we need ourselves. */
            (void)close(fd);
            listener_rest(listener, "limit/descriptors");
            return;
        }
        if (fd >= 0) {
            struct address peer = address_of_sockaddr((struct sockaddr *)&at, len);

            listener->events->accepted(listener->user, fd, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            listener_rest(listener, "limit/descriptors");
            return;
        }
        if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO) {
            return; /* EAGAIN: all taken */
        }
    }
}

struct listener *listener_start(struct worker *worker, int fd,
                                const struct listener_events *events, void *user)
{
    struct listener *listener = memory_make(sizeof *listener);

    listener->worker = worker;
    listener->fd = fd;
    listener->most_fd = listener_most_fd();
    listener->events = events;
    listener->user = user;
    listener->open_handles = 2;
    timer_init(&listener->pause, &worker->loop, listener_resume, listener);
    if (uv_poll_init(&worker->loop, &listener->poll, fd) != 0 ||
        uv_poll_start(&listener->poll, UV_READABLE, listener_readable) != 0) {
        abort();
    }
    listener->poll.data = listener;
    return listener;
}

static void listener_handle_closed(struct listener *listener)
{
    if (--listener->open_handles == 0) {
        free(listener);
    }
}

static void listener_poll_closed(uv_handle_t *handle)
{
    listener_handle_closed(handle->data);
}

static void listener_pause_closed(struct timer *timer, void *user)
{
    (void)timer;
    listener_handle_closed(user);
}

void listener_close(struct listener **listener)
{
    struct listener *gone = TAKE(*listener);

    if (gone != NULL) {
        uv_close((uv_handle_t *)&gone->poll, listener_poll_closed);
        timer_close(&gone->pause, listener_pause_closed);
        (void)close(gone->fd);
        gone->fd = -1;
    }
}
