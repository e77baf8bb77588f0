/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out. From TERM on both directions go on taking connections in: endpoints are still being
 * taken off lists, the application still stops, and its pre-stop hook may want to call somebody. The
 * drain ends when nobody can want us any more, or with the grace:
 *
 *   sockets   for 3 s together nobody else has a TCP socket in this network namespace, and nothing moves
 *   idle      for 5 s no connection came, and none lives
 *
 * In the grace's last quarter idle connections are ended in order; the others at its end are cut.
 *
 * Main loop's thread only.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_DRAIN_H
#define SIGNET_CORE_SIDECAR_PROXY_DRAIN_H

#include "core/sidecar/proxy/proxy.h"

#define DRAIN_SOCKETS_MS 3000u
#define DRAIN_IDLE_MS 5000u

enum drain_until {
    DRAIN_UNTIL_SOCKETS,
    DRAIN_UNTIL_IDLE,
};

/* ---- when it is over; pure ---- */

struct drain_judge {
    enum drain_until until;
    uint64_t began_ms;
    uint64_t grace_ms;
    uint64_t quiet_since_ms; /* nobody has wanted anything since */
    uint64_t accepted;       /* as last seen */
    uint64_t bytes;
};

/* What is seen at one moment. */
struct drain_view {
    unsigned live;     /* connections */
    uint64_t accepted; /* ever */
    uint64_t bytes;    /* relayed, ever */
    bool others;       /* somebody else has a TCP socket here; only for DRAIN_UNTIL_SOCKETS */
};

enum drain_verdict {
    DRAIN_GOES_ON,
    DRAIN_LAST_QUARTER, /* goes on, and what is idle is to be ended in order */
    DRAIN_IS_QUIET,     /* over: nobody wants us */
    DRAIN_IS_LATE,      /* over: so is the grace */
};

/* drain_judge_begin begins at `now_ms`; drain_judge_look says what a look shows, in order of time. */
void drain_judge_begin(struct drain_judge *judge, enum drain_until until, uint64_t grace_ms,
                       uint64_t now_ms);
enum drain_verdict drain_judge_look(struct drain_judge *judge, const struct drain_view *view,
                                    uint64_t now_ms);

/* drain_idle_ms is for how long a connection must have been silent to be ended before the grace is over. */
uint64_t drain_idle_ms(uint64_t grace_ms);

/* ---- the drain itself ---- */

struct drain;

struct drain_options {
    enum drain_until until;
    uint64_t grace_ms;
    bool user_is_ours; /* who runs as our user is us: sockets.h */
};

/*
 * drain_start begins to look; done(user) comes once, from the loop, when the drain is over. It logs what
 * it waits for and how it ended. `proxy` outlives it.
 */
struct drain *drain_start(struct worker *home, struct proxy *proxy,
                          const struct drain_options *options, void (*done)(void *user),
                          void *user);

/* drain_close gives it up and sets *drain to NULL; done() does not come any more. NULL is fine. */
void drain_close(struct drain **drain);

#endif
