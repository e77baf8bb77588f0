/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/connection_slots.h"

#include <stdbool.h>

#include "tests/support/suite.h"

SUITE(connection_slots);

enum { SLOTS_MANY = 1000 };

static struct connection *slots_name(unsigned number)
{
    return (struct connection *)(uintptr_t)(number + 1); /* never followed */
}

Test(connection_slots, a_place_is_kept_for_life_and_then_used_again)
{
    struct connection_slots slots = {0};
    uint32_t places[SLOTS_MANY];

    for (unsigned i = 0; i < SLOTS_MANY; i++) {
        places[i] = connection_slots_add(&slots, slots_name(i));
    }
    cr_assert_eq(slots.count, SLOTS_MANY);
    for (unsigned i = 0; i < SLOTS_MANY; i += 2) {
        connection_slots_remove(&slots, places[i]);
    }
    for (unsigned i = 1; i < SLOTS_MANY; i += 2) {
        cr_assert_eq(slots.at[places[i]].connection, slots_name(i));
    }
    for (unsigned i = 0; i < SLOTS_MANY; i += 2) {
        places[i] = connection_slots_add(&slots, slots_name(i));
    }
    cr_assert_eq(slots.count, SLOTS_MANY, "no place beyond those that were free");
    for (unsigned i = 0; i < SLOTS_MANY; i++) {
        cr_assert_eq(slots.at[places[i]].connection, slots_name(i));
        connection_slots_remove(&slots, places[i]);
    }
    cr_assert_null(slots.at, "and nothing is kept of a crowd that has gone");
}
