/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered places of a worker's live connections, so that a list of them can be read in pages: a page
 * says from which place on to go on, and costs no more than its own length, however many connections
 * there are. A connection keeps its place for life; a place that it left is used again.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_CONNECTION_SLOTS_H
#define SIGNET_CORE_SIDECAR_PROXY_CONNECTION_SLOTS_H

#include <stdint.h>

struct connection;

struct connection_slot {
    struct connection *connection; /* borrowed; NULL: free */
    uint32_t next_free;            /* while free: the next one, or CONNECTION_SLOTS_NONE */
};

#define CONNECTION_SLOTS_NONE UINT32_MAX

struct connection_slots {
    struct connection_slot *at; /* owned; NULL while nobody lives */
    uint32_t count;             /* places ever used since then */
    uint32_t room;
    uint32_t first_free;
    uint32_t live;
};

/* connection_slots_add gives a place. connection_slots_remove frees it. A zeroed struct has none. */
uint32_t connection_slots_add(struct connection_slots *slots, struct connection *connection);
void connection_slots_remove(struct connection_slots *slots, uint32_t slot);

#endif
