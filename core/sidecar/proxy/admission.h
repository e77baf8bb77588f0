/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may begin a handshake now. A stranger's handshake costs us signatures and memory before we know
 * who he is: so only so many are half-open at once, and of one source fewer. Who comes beyond that
 * waits, unread, and the sources get free places in turn: one that opens a thousand connections
 * delays itself, and many honest clients behind one address are delayed, not refused.
 *
 * A source is an IPv4 address, or the /64 of an IPv6 one, since a host has at least that many
 * addresses to choose from.
 *
 * Pure: no sockets, no clock. Elsewhere: what a place is spent on, and how long one may wait for it
 * (lane.h, connection.h).
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_ADMISSION_H
#define SIGNET_CORE_SIDECAR_PROXY_ADMISSION_H

#include "core/runtime/base/ip.h"
#include "core/runtime/base/list.h"
#include "core/runtime/base/map.h"

struct admission_source;

/* At most so many; 0: the default. */
#define ADMISSION_HALF_OPEN 1024u
#define ADMISSION_OF_SOURCE 64u
#define ADMISSION_WAITING 4096u

struct admission_limits {
    unsigned half_open; /* handshakes at once */
    unsigned of_source; /* of them from one source */
    unsigned waiting;   /* connections that wait for a place */
};

/*
 * admission_share is what one of `num_workers` workers gets of the process's limits; at least 1, for
 * every worker must be able to go on.
 */
struct admission_limits admission_share(const struct admission_limits *all, unsigned num_workers);

struct admission {
    struct admission_limits limits;
    unsigned half_open;  /* tickets that hold a place */
    unsigned waiting;    /* tickets that wait for one */
    struct list turns;   /* of sources that wait and may have a place: the next one first */
    struct map sources;  /* those that hold or wait; owned */
};

/* Embedded in what asks for a place. Zeroed: it holds none and waits for none. */
struct admission_ticket {
    struct list_link link;           /* in its source's queue, while it waits */
    struct admission_source *source; /* NULL: it holds none and waits for none */
    bool admitted;
};

enum admission_answer {
    ADMISSION_GRANTED, /* the ticket holds a place: give it back with admission_leave() */
    ADMISSION_WAITS,   /* admission_next() will name it; admission_leave() gives up waiting */
    ADMISSION_FULL,    /* as many wait as may */
};

/* admission_init makes an empty one; admission_clear frees it, when no ticket is in it. */
void admission_init(struct admission *admission, const struct admission_limits *limits);
void admission_clear(struct admission *admission);

/* admission_ask asks for a place for a connection from `from`. Others that wait come first. */
enum admission_answer admission_ask(struct admission *admission, struct admission_ticket *ticket,
                                    const struct ip *from);

/* admission_next gives a free place to the next that waits and names it; NULL: none, or none free. */
struct admission_ticket *admission_next(struct admission *admission);

/* admission_has_next tells whether admission_next() would name one. */
bool admission_has_next(const struct admission *admission);

/* admission_leave gives a place, or the wait for one, up. Nothing happens to a ticket without. */
void admission_leave(struct admission *admission, struct admission_ticket *ticket);

#endif
