/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a relay that hold whatever streams it runs over: its own test gives it streams in memory
 * and TCP, the one of trust/tls TLS over TCP. Each function is one rule, as a test's body.
 */
#ifndef SIGNET_TESTS_UNIT_RUNTIME_NET_RELAY_RULES_H
#define SIGNET_TESTS_UNIT_RUNTIME_NET_RELAY_RULES_H

#include "tests/unit/runtime/net/relay_rig.h"

void relay_rules_every_byte_once_in_order(const struct relay_rig_kind *kind);
void relay_rules_a_half_that_ended_stays_open(const struct relay_rig_kind *kind);

/* Whatever is on its way: nothing, bytes that are kept, or an end that the same side said before. */
void relay_rules_a_reset_is_passed_on(const struct relay_rig_kind *kind);

/* For kinds with sockets. */
void relay_rules_an_urgent_byte_hides_no_reset(const struct relay_rig_kind *kind);

void relay_rules_a_stopped_reader_costs_64_KiB(const struct relay_rig_kind *kind);
void relay_rules_above_half_of_the_budget_it_costs_one(const struct relay_rig_kind *kind);
void relay_rules_without_memory_it_waits_and_goes_on(const struct relay_rig_kind *kind);
void relay_rules_a_reset_ends_who_waits_for_memory(const struct relay_rig_kind *kind);

/* An end with nothing behind which it must stand; bytes that nobody has read still go first. */
void relay_rules_an_end_is_heard_without_memory(const struct relay_rig_kind *kind);
void relay_rules_the_longest_stalled_ends(const struct relay_rig_kind *kind);

#endif
