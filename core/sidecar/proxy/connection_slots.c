/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/connection_slots.h"

#include <stdlib.h>

#include "core/runtime/base/memory.h"

enum { CONNECTION_SLOTS_FIRST = 64 };

uint32_t connection_slots_add(struct connection_slots *slots, struct connection *connection)
{
    uint32_t slot;

    if (slots->live == 0) {
        slots->first_free = CONNECTION_SLOTS_NONE;
        slots->count = 0;
    }
    slots->live++;
    if (slots->first_free != CONNECTION_SLOTS_NONE) {
        slot = slots->first_free;
        slots->first_free = slots->at[slot].next_free;
    } else {
        if (slots->count == slots->room) {
            slots->room = slots->room == 0 ? CONNECTION_SLOTS_FIRST : 2 * slots->room;
            slots->at = memory_grow(slots->at, slots->room * sizeof *slots->at);
        }
        slot = slots->count++;
    }
    slots->at[slot] = (struct connection_slot){.connection = connection};
    return slot;
}

void connection_slots_remove(struct connection_slots *slots, uint32_t slot)
{
    if (--slots->live == 0) {
        free(slots->at);
        *slots = (struct connection_slots){0};
        return;
    }
    slots->at[slot] = (struct connection_slot){.next_free = slots->first_free};
    slots->first_free = slot;
}
