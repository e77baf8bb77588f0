/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which certificate is in force. The agent holds two at most, in memory only: the better one by our own clock is
 * in force, the other waits. So a certificate that works is not given up for one that peers refuse, because the
 * control plane's clock is ahead; one of the future takes over at its time, or when the old one has ended; and
 * when our own clock was ahead and is set back, the predecessor serves again.
 */
#include <stdlib.h>

#include "core/runtime/base/clock.h"
#include "core/sidecar/rotation/agent_parts.h"

/* What is in force is told to everybody; `bundle` and a svid with its key are what a set needs. */
static void agent_publish(struct agent *agent)
{
    OWNED(identity_set) *set = NULL;

    if (identity_set_make(agent->leaf.svid, agent->bundle, agent->generation + 1, &set, NULL) !=
        STATUS_OK) {
        abort(); /* both were judged when they came */
    }
    agent->generation++;
    agent->told = SCHEDULE_FRESH;
    current_publish(agent->current, set);
}

/* One of the future that came before the one in force: nobody waits for it any more. */
static bool agent_is_needless(const struct agent *agent, const struct leaf *leaf,
                              struct schedule_now now)
{
    return leaf_judge(leaf, now) == LEAF_FUTURE && leaf->number < agent->leaf.number;
}

/* Keeps `leaf` beside the one in force, if that is worth more than what is kept; takes it over or clears it. */
static void agent_keep(struct agent *agent, struct leaf *leaf, struct schedule_now now)
{
    if (agent_is_needless(agent, &agent->spare, now)) {
        leaf_clear(&agent->spare);
    }
    if (!agent_is_needless(agent, leaf, now) && leaf_worth_keeping(leaf, &agent->spare, now)) {
        leaf_clear(&agent->spare);
        agent->spare = *leaf;
        *leaf = (struct leaf){0};
    }
    leaf_clear(leaf);
}

static void agent_put_in_force(struct agent *agent, struct leaf *leaf, struct schedule_now now)
{
    struct leaf old = agent->leaf;

    agent->leaf = *leaf;
    *leaf = (struct leaf){0};
    agent_keep(agent, &old, now);
    agent_publish(agent);
}

/* The new one does not work by our clock: which side is wrong, and what happens meanwhile. */
static enum status agent_say_other_time(const struct agent *agent, const struct leaf *came,
                                        struct schedule_now now, struct failure *why)
{
    bool future = leaf_judge(came, now) == LEAF_FUTURE;
    int64_t edge = future ? came->begins_at : came->ends_at;
    int64_t away = edge - now.unix_ms / 1000;
    const char *meanwhile = agent->leaf.number == came->number
                                ? "it is in force, because there is none that is better"
                            : agent->spare.number == came->number && future
                                ? "it is kept until then, and the old one serves"
                            : future ? "the old one serves, and an earlier one is kept"
                                     : "the old one serves";

    return fail(why, STATUS_UNTRUSTED, future ? "agent/not-yet-valid" : "agent/expired",
                "by our clock the new certificate %s %s, %lld s %s: %s%s%s",
                future ? "begins only" : "ended", clock_utc(edge).text,
                (long long)(away < 0 ? -away : away), future ? "from now" : "ago", meanwhile,
                agent->clock_words[0] == '\0' ? "" : "; ", agent->clock_words);
}

enum status agent_take(struct agent *agent, struct svid *svid, struct bundle *bundle,
                       const struct schedule *schedule, struct failure *why)
{
    struct schedule_now now = agent_now();
    bool other_roots = bundle != agent->bundle;
    struct leaf came = {0};
    struct leaf told; /* for words only: borrows what `came` owns */

    leaf_init(&came, svid, schedule, ++agent->issued);
    told = came;
    if (other_roots) {
        bundle_drop(&agent->bundle);
        agent->bundle = bundle_ref(bundle);
    }
    if (leaf_judge(&came, now) == LEAF_WORKS) {
        backoff_reset(&agent->backoff);
    }
    if (leaf_better(&came, &agent->leaf, now)) {
        agent_put_in_force(agent, &came, now);
        agent_report(agent, AGENT_NEWS_ISSUED);
    } else {
        agent_keep(agent, &came, now);
        if (other_roots) {
            agent_publish(agent);
        }
    }
    return leaf_judge(&told, now) == LEAF_WORKS ? STATUS_OK
                                                : agent_say_other_time(agent, &told, now, why);
}

void agent_swap_leaves(struct agent *agent, struct schedule_now now)
{
    struct leaf next = agent->spare;

    if (agent->spare.svid == NULL) {
        return;
    }
    if (leaf_is_over(&agent->spare, now)) {
        leaf_clear(&agent->spare);
        return;
    }
    if (!leaf_better(&agent->spare, &agent->leaf, now)) {
        return;
    }
    agent->spare = (struct leaf){0};
    if (leaf_judge(&next, now) == LEAF_WORKS &&
        agent_vouched(next.svid, agent->bundle, now.unix_ms / 1000, NULL) != STATUS_OK) {
        leaf_clear(&next); /* the roots have changed since it came */
        return;
    }
    if (leaf_judge(&next, now) == LEAF_WORKS) {
        backoff_reset(&agent->backoff);
        key_drop(&agent->retry_key);
    }
    agent_put_in_force(agent, &next, now);
    agent_report(agent, AGENT_NEWS_SWAPPED);
}
