/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/connection_table.h"

/* A limit is kept to within this, which is far below the shortest sensible one. */
enum { CONNECTION_TABLE_SWEEP_MS = 100 };

static void connection_table_swept(struct timer *timer, void *user)
{
    struct connection_table *table = user;

    (void)timer;
    table->swept(table->user);
}

void connection_table_init(struct connection_table *table, struct worker *worker,
                           void (*swept)(void *user), void *user)
{
    for (int i = 0; i < CONNECTION_DIRECTIONS; i++) {
        for (int k = 0; k < CONNECTION_STATES; k++) {
            list_init(&table->lists[i][k]);
        }
    }
    table->slots = (struct connection_slots){0};
    atomic_init(&table->num_live, 0);
    table->worker = worker;
    table->swept = swept;
    table->user = user;
    table->sweeping = false;
    timer_init(&table->sweep, &worker->loop, connection_table_swept, table);
}

void connection_table_close(struct connection_table *table)
{
    timer_close(&table->sweep, NULL);
}

void connection_table_add(struct connection_table *table, struct connection *connection,
                          uint32_t *out_slot)
{
    *out_slot = connection_slots_add(&table->slots, connection);
    atomic_store_explicit(&table->num_live, table->slots.live, memory_order_relaxed);
}

void connection_table_remove(struct connection_table *table, uint32_t slot)
{
    connection_slots_remove(&table->slots, slot);
    atomic_store_explicit(&table->num_live, table->slots.live, memory_order_relaxed);
}

void connection_table_watch(struct connection_table *table)
{
    if (!table->sweeping) {
        table->sweeping = true;
        timer_start(&table->sweep, CONNECTION_TABLE_SWEEP_MS, CONNECTION_TABLE_SWEEP_MS);
    }
}

void connection_table_rest(struct connection_table *table)
{
    table->sweeping = false;
    timer_stop(&table->sweep);
}

const char *connection_state_word(enum connection_state state)
{
    static const char *const words[CONNECTION_STATES] = {
        [CONNECTION_ROUTE] = "route",         [CONNECTION_IDENTITY] = "identity",
        [CONNECTION_HEAR] = "hear",           [CONNECTION_SNIFF] = "sniff",
        [CONNECTION_ADMIT] = "admit",         [CONNECTION_HANDSHAKE] = "handshake",
        [CONNECTION_AUTHORIZE] = "authorize", [CONNECTION_DIAL] = "dial",
        [CONNECTION_RELAY] = "relay",
    };

    return words[state];
}

const char *connection_direction_word(enum connection_direction direction)
{
    return direction == CONNECTION_INBOUND ? "inbound" : "outbound";
}
