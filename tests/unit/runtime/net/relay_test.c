/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/relay.h"

#include "tests/support/memory_stream.h"
#include "tests/support/suite.h"
#include "tests/unit/runtime/net/relay_rules.h"

SUITE(relay, .timeout = 60);

/* Streams in memory, at their worst: any size, any piece of it, at times nothing. Seed 0: at their best. */
static void relay_memory_make(struct relay_rig *rig, unsigned side, uint32_t seed)
{
    struct memory_stream_plan plan = {.room = 5000, .chunk = 5000};
    struct stream *ends[2];

    if (seed > 0) {
        plan.room = 1000 + seed * 7919 % 200000;
        plan.chunk = 1 + seed * 104729 % 150000;
        plan.chunk = plan.chunk < 1000 ? 1000 : plan.chunk;
        plan.seed = seed + side * 1000003;
    }
    memory_stream_pair(&rig->worker, &plan, ends);
    rig->inner[side] = ends[0];
    rig->far[side].stream = ends[1];
}

static const struct relay_rig_kind relay_memory = {
    .name = "memory", .make = relay_memory_make, .seeds = 150};

static const struct relay_rig_kind *const relay_kinds[] = {&relay_memory, &relay_rig_tcp};

static void relay_of_each_kind(void (*rule)(const struct relay_rig_kind *kind))
{
    rule(relay_kinds[0]);
    rule(relay_kinds[1]);
}

Test(relay, every_byte_once_in_order_and_ends_are_passed_on)
{
    relay_of_each_kind(relay_rules_every_byte_once_in_order);
}

Test(relay, an_idle_one_holds_nothing_and_wakes_nobody)
{
    struct relay_rig rig;

    relay_rig_open(&rig, &relay_memory, 0);
    relay_start(&rig.relay, &rig.worker, rig.inner[0], rig.inner[1], NULL);
    relay_rig_turn(&rig);
    cr_assert(memory_stream_quiet(rig.inner[0]) && memory_stream_quiet(rig.inner[1]));
    cr_assert_eq(relay_held(&rig.relay), 0);
    relay_rig_end(&rig);
}

Test(relay, a_half_that_has_ended_stays_open_the_other_way)
{
    relay_of_each_kind(relay_rules_a_half_that_ended_stays_open);
}

Test(relay, a_reset_of_either_side_ends_it_whatever_is_on_its_way)
{
    relay_of_each_kind(relay_rules_a_reset_is_passed_on);
}

Test(relay, an_urgent_byte_hides_no_reset)
{
    relay_rules_an_urgent_byte_hides_no_reset(&relay_rig_tcp);
}

Test(relay, a_reader_who_stops_costs_64_KiB_at_most)
{
    relay_of_each_kind(relay_rules_a_stopped_reader_costs_64_KiB);
}

Test(relay, above_half_of_the_budget_a_stalled_direction_holds_one_record)
{
    relay_of_each_kind(relay_rules_above_half_of_the_budget_it_costs_one);
}

Test(relay, without_memory_it_waits_and_goes_on_when_there_is_some)
{
    relay_of_each_kind(relay_rules_without_memory_it_waits_and_goes_on);
}

Test(relay, a_reset_ends_one_that_waits_for_memory)
{
    relay_of_each_kind(relay_rules_a_reset_ends_who_waits_for_memory);
}

Test(relay, an_end_with_nothing_before_it_is_heard_without_memory)
{
    relay_of_each_kind(relay_rules_an_end_is_heard_without_memory);
}

Test(relay, over_the_budget_for_long_the_longest_stalled_one_ends)
{
    relay_of_each_kind(relay_rules_the_longest_stalled_ends);
}

Test(relay, what_a_stream_was_given_back_is_all_delivered_though_no_event_tells_of_it)
{
    static uint8_t given[RELAY_CHUNK + 5000];
    struct relay_rig rig;

    relay_rig_open(&rig, &relay_memory, 0);
    for (size_t i = 0; i < sizeof given; i++) {
        given[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16) + rig.far[0].salt);
    }
    stream_unread(rig.inner[0], bytes_make(given, sizeof given));
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    relay_rig_start(&rig);
    for (int i = 0; i < 3000 && rig.far[1].received < sizeof given; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.far[1].received, sizeof given);
    relay_rig_end(&rig);
}

/* ---- a peer that has vanished ---- */

/* As TCP_INFO says it after a long idle time: something is on its way, the last acknowledgement is old. */
static bool relay_test_silence(struct stream *stream, uint64_t *out_ms)
{
    (void)stream;
    *out_ms = (uint64_t)10 * RELAY_SILENCE_MS;
    return true;
}

static void relay_test_look(struct relay_rig *rig)
{
    rounds_leave(&rig->relay.round);
    rig->relay.round.look(&rig->relay.round);
}

Test(relay, a_peer_has_vanished_only_when_bytes_have_been_on_their_way_for_that_long)
{
    struct stream_ops silent;
    struct relay_rig rig;

    relay_rig_open(&rig, &relay_rig_tcp, 0);
    silent = *rig.inner[1]->ops;
    silent.silence = relay_test_silence;
    rig.inner[1]->ops = &silent;
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    rig.far[0].to_send = 100;
    relay_rig_start(&rig);
    for (int i = 0; i < 3000 && rig.far[1].received < 100; i++) {
        relay_rig_turn(&rig);
    }
    relay_test_look(&rig);
    cr_assert_eq(rig.done, 0, "bytes that have just gone are judged by an old acknowledgement");
    cr_assert(list_has(&rig.relay.round.link), "it is looked at again");
    rig.relay.way[0].unheard_ms -= RELAY_SILENCE_MS;
    relay_test_look(&rig);
    cr_assert_eq(rig.done, 1);
    cr_assert_eq(rig.status, STATUS_IO);
    cr_assert_str_eq(rig.reason, "tcp/vanished");
    cr_assert(rig.relay.broken_on_b);
    relay_rig_end(&rig);
}

Test(relay, acknowledged_bytes_are_forgotten)
{
    struct relay_rig rig;

    relay_rig_open(&rig, &relay_rig_tcp, 0);
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    rig.far[0].to_send = rig.far[1].to_send = 100;
    relay_rig_start(&rig);
    for (int i = 0; i < 3000 && rig.far[0].received + rig.far[1].received < 200; i++) {
        relay_rig_turn(&rig);
    }
    for (int i = 0; i < 3000 && rig.relay.way[0].unheard_ms + rig.relay.way[1].unheard_ms > 0;
         i++) {
        relay_test_look(&rig); /* the system may acknowledge a little later */
        relay_rig_turn(&rig);
    }
    cr_assert(rig.relay.way[0].unheard_ms == 0 && rig.relay.way[1].unheard_ms == 0);
    relay_test_look(&rig);
    cr_assert_not(list_has(&rig.relay.round.link), "nothing is on its way: nobody looks again");
    cr_assert_eq(rig.done, 0);
    relay_rig_end(&rig);
}
