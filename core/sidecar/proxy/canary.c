/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/canary.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/net/dial.h"

enum {
    CANARY_PORT = 15099,
    CANARY_LIMIT_MS = 800,
    CANARY_SOON_MS = 1000,
    CANARY_LATER_MS = 1500,
    CANARY_AGAIN_MS = 500,
};

/* Right after a look that went well the capture may be lost: the next look misses, and one more. */
_Static_assert(CANARY_LATER_MS + CANARY_LIMIT_MS + CANARY_AGAIN_MS + CANARY_LIMIT_MS <
                   CANARY_LOST_MS,
               "a lost capture is told in time");

static const char canary_word[] = "signet\n";

/* RFC 5737 and RFC 3849 keep these for documentation: nobody answers there. */
static const uint8_t canary_v4[4] = {192, 0, 2, 1};
static const struct ip canary_v6 = {
    .at = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

struct canary {
    struct worker *home;
    struct dial *dial;     /* owned; while one is running */
    struct stream *stream; /* owned; waiting for the word */
    struct timer next;
    bool there;    /* it was answered when it was told last */
    bool missed;   /* and then it was not, once: by itself that may be a moment's load */
    bool no_route; /* nothing leads to the canary's address: dial it over loopback */
    void (*proved)(void *user, bool yes);
    void *user;
};

bool canary_is(const struct address *destination)
{
    struct ip ip = address_ip(destination);
    struct ip v4 = ip_of_v4(canary_v4);

    return address_port(destination) == CANARY_PORT &&
           (ip_equal(&ip, &v4) || ip_equal(&ip, &canary_v6));
}

void canary_answer(int fd)
{
    (void)send(fd, canary_word, sizeof canary_word - 1, MSG_NOSIGNAL);
    (void)close(fd);
}

static void canary_verdict(struct canary *canary, bool yes)
{
    stream_close(&canary->stream, false);
    if (!yes && canary->there && !canary->missed) {
        canary->missed = true;
        timer_start(&canary->next, CANARY_AGAIN_MS, 0);
        return;
    }
    canary->there = yes;
    canary->missed = false;
    timer_start(&canary->next, yes ? CANARY_LATER_MS : CANARY_SOON_MS, 0);
    canary->proved(canary->user, yes);
}

static void canary_ready(void *user, unsigned events)
{
    struct canary *canary = user;
    uint8_t *scratch = worker_scratch(canary->home, 0);
    size_t got = 0;
    enum status status = stream_read(canary->stream, scratch, WORKER_SCRATCH_SIZE, &got, NULL);

    (void)events;
    if (status != STATUS_WAIT) {
        canary_verdict(canary, status == STATUS_OK && got >= sizeof canary_word - 1 &&
                                   memcmp(scratch, canary_word, sizeof canary_word - 1) == 0);
    }
}

static void canary_dialled(void *user, enum status status, struct stream *stream,
                           const struct failure *why)
{
    struct canary *canary = user;

    canary->dial = NULL;
    if (status != STATUS_OK) {
        canary->no_route = why->os_error == ENETUNREACH || why->os_error == EHOSTUNREACH;
        canary_verdict(canary, false);
        return;
    }
    canary->stream = stream;
    stream_own(stream, canary_ready, canary);
    stream_interest(stream, STREAM_READABLE);
    timer_start(&canary->next, CANARY_LIMIT_MS, 0);
}

/*
 * Without a route connect() refuses before the redirection is asked. From 127.0.0.1 over the loopback
 * interface there is always a way, and the redirection takes it just as well.
 */
static int canary_loopback_socket(void)
{
    static const char interface[] = "lo";
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, sizeof interface);
        (void)bind(fd, (struct sockaddr *)&from, sizeof from);
    }
    return fd;
}

static void canary_try(struct timer *timer, void *user)
{
    struct canary *canary = user;
    struct ip v4 = ip_of_v4(canary_v4);
    struct address to = address_of_ip(&v4, CANARY_PORT);

    (void)timer;
    if (canary->stream != NULL) { /* connected, to somebody who does not know the word */
        canary_verdict(canary, false);
        return;
    }
    canary->dial = canary->no_route
                       ? dial_start_on(canary->home, canary_loopback_socket(), &to, CANARY_LIMIT_MS,
                                       canary_dialled, canary)
                       : dial_start(canary->home, &to, CANARY_LIMIT_MS, canary_dialled, canary);
}

struct canary *canary_start(struct worker *home, void (*proved)(void *user, bool yes), void *user)
{
    struct canary *canary = memory_make(sizeof *canary);

    canary->home = home;
    canary->proved = proved;
    canary->user = user;
    timer_init(&canary->next, &home->loop, canary_try, canary);
    timer_start(&canary->next, 0, 0);
    return canary;
}

static void canary_freed(struct timer *timer, void *user)
{
    (void)timer;
    free(user);
}

void canary_close(struct canary *canary)
{
    if (canary != NULL) {
        dial_cancel(&canary->dial);
        stream_close(&canary->stream, false);
        timer_close(&canary->next, canary_freed);
    }
}
