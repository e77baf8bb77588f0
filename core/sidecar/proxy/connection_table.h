/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every live connection of one worker, in one list per direction and state. A connection changes its
 * list only by connection_enter(), so the lists, the gauges and the states cannot drift apart.
 *
 * Within a list the oldest comes first, and a state has one limit: the check of limits looks at the
 * heads alone, and no connection needs a timer of its own.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_CONNECTION_TABLE_H
#define SIGNET_CORE_SIDECAR_PROXY_CONNECTION_TABLE_H

#include <stdatomic.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/list.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/loop/worker.h"
#include "core/sidecar/proxy/connection_slots.h"

enum connection_direction {
    CONNECTION_INBOUND,  /* network to application */
    CONNECTION_OUTBOUND, /* application to network */
    CONNECTION_DIRECTIONS,
};

enum connection_state {
    CONNECTION_ROUTE,     /* outbound: where to? */
    CONNECTION_IDENTITY,  /* waiting for the first certificate or the first mesh */
    CONNECTION_HEAR,      /* inbound, permissive: a caller with a sidecar has yet to speak */
    CONNECTION_SNIFF,     /* inbound, permissive: any other caller: mesh TLS, or something else? */
    CONNECTION_ADMIT,     /* inbound: waits, unread, for a place among the handshakes */
    CONNECTION_HANDSHAKE, /* TLS */
    CONNECTION_AUTHORIZE, /* inbound: may this caller? */
    CONNECTION_DIAL,      /* the application, or the peer's host */
    CONNECTION_RELAY,     /* bytes go both ways */
    CONNECTION_STATES,
};

struct connection_table {
    struct list lists[CONNECTION_DIRECTIONS][CONNECTION_STATES];
    struct timer sweep;      /* runs only while a connection is in a state with a limit */
    bool sweeping;
    struct connection_slots slots;
    atomic_uint num_live;    /* written by this worker, read by any thread */
    struct worker *worker;   /* borrowed */
    void (*swept)(void *user); /* the lane checks its limits */
    void *user;
};

/* connection_table_init makes an empty table; swept(user) then runs while limits are to be checked. */
void connection_table_init(struct connection_table *table, struct worker *worker,
                           void (*swept)(void *user), void *user);

/* connection_table_close ends its timer; the table must be empty. */
void connection_table_close(struct connection_table *table);

/* connection_table_add and connection_table_remove: it lives, in place *out_slot; it does not any more. */
void connection_table_add(struct connection_table *table, struct connection *connection,
                          uint32_t *out_slot);
void connection_table_remove(struct connection_table *table, uint32_t slot);

/* connection_table_watch makes swept() run until connection_table_rest(). */
void connection_table_watch(struct connection_table *table);
void connection_table_rest(struct connection_table *table);

/*
 * connection_state_word is "route", "identity", "hear", "sniff", "admit", "handshake", "authorize", "dial"
 * or "relay".
 */
const char *connection_state_word(enum connection_state state);

/* connection_direction_word is "inbound" or "outbound". */
const char *connection_direction_word(enum connection_direction direction);

#endif
