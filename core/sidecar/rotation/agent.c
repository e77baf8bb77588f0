/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's states, as a table, and the clocks that move them. One driver changes the state; a step does
 * what it can and returns. What happens in a step is in agent_ask.c and agent_judge.c.
 *
 *   waiting ──due──▶ asking ──call ended──▶ judging ──▶ leaving ──gRPC gone──▶ waiting
 *                       └──────── failed ───────┴────────▶ ┘
 */
#include "core/sidecar/rotation/agent.h"

#include <stdlib.h>
#include <sys/random.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/sidecar/rotation/agent_parts.h"

enum {
    AGENT_TICK_MS = 1000,        /* how late we may notice a resume, a clock step or a file */
    AGENT_CALL_LIMIT_MS = 15000, /* longest attempt, connection included */
    AGENT_PAUSE_MS = 500,        /* from a success to the next attempt, whatever the reply says */
    AGENT_BACKOFF_FIRST_MS = 500,
    AGENT_BACKOFF_MAX_MS = 60000,
    AGENT_STEP_LIMIT_MS =
        500, /* wall and boot clock further apart than this between two ticks: a step */
};

enum agent_step {
    AGENT_STEP_WAIT, /* an event will go on */
    AGENT_STEP_NEXT, /* to the next state of the table */
    AGENT_STEP_FAIL, /* agent->why says it: to LEAVING */
};

static enum agent_step agent_step_waiting(struct agent *agent);
static enum agent_step agent_step_asking(struct agent *agent);
static enum agent_step agent_step_judging(struct agent *agent);
static enum agent_step agent_step_leaving(struct agent *agent);
static enum agent_step agent_step_closed(struct agent *agent);
static void agent_advance(struct agent *agent);

static const struct {
    const char *name;
    enum agent_step (*enter)(struct agent *agent); /* runs once, when the state begins */
    enum agent_state next;
} agent_states[AGENT_STATES] = {
    [AGENT_WAITING] = {"waiting", agent_step_waiting, AGENT_ASKING},
    [AGENT_ASKING] = {"asking", agent_step_asking, AGENT_JUDGING},
    [AGENT_JUDGING] = {"judging", agent_step_judging, AGENT_LEAVING},
    [AGENT_LEAVING] = {"leaving", agent_step_leaving, AGENT_WAITING},
    [AGENT_CLOSED] = {"closed", agent_step_closed, AGENT_CLOSED},
};

const char *agent_state_word(enum agent_state state)
{
    return agent_states[state].name;
}

struct schedule_now agent_now(void)
{
    return (struct schedule_now){.boot_ms = clock_boot_ms(), .unix_ms = clock_unix_ms()};
}

uint32_t agent_draw(void)
{
    uint32_t drawn;

    if (getrandom(&drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn) {
        abort(); /* not for so few bytes, not on a system that has booted */
    }
    return drawn;
}

/* The one place that changes the state; enter() of the new state says how it goes on. */
static void agent_enter(struct agent *agent, enum agent_state state)
{
    for (;;) {
        agent->state = state;
        switch (agent_states[state].enter(agent)) {
        case AGENT_STEP_WAIT:
            return;
        case AGENT_STEP_NEXT:
            state = agent_states[state].next;
            break;
        case AGENT_STEP_FAIL:
            state = AGENT_LEAVING;
            break;
        }
    }
}

/* Leaves the state that an event has ended. */
static void agent_advance(struct agent *agent)
{
    agent_enter(agent, agent->why.reason != NULL ? AGENT_LEAVING : agent_states[agent->state].next);
}

/* When to look again: at the next deadline, but no later than the tick, which also catches a suspend. */
static void agent_arm(struct agent *agent)
{
    uint64_t now = clock_boot_ms();
    uint64_t wait = AGENT_TICK_MS;

    if (agent->state == AGENT_WAITING) {
        uint64_t left = agent->next_attempt_boot_ms > now ? agent->next_attempt_boot_ms - now : 0;

        wait = agent->token_settling ? TOKEN_WATCH_SETTLE_MS : wait;
        wait = left < wait ? left : wait;
    }
    timer_start(&agent->tick, wait, 0);
}

/* Tells people once about each stage of the certificate's decline. */
static void agent_tell_decline(struct agent *agent, enum schedule_verdict verdict)
{
    if (agent->leaf.svid == NULL || verdict <= agent->told || verdict < SCHEDULE_WORRY) {
        return;
    }
    agent->told = verdict;
    if (verdict == SCHEDULE_EXPIRED) {
        /* From here on it is the token that proves us: how often a renewal failed says nothing of it. */
        backoff_reset(&agent->backoff);
    }
    agent_report(agent, verdict == SCHEDULE_EXPIRED ? AGENT_NEWS_EXPIRED : AGENT_NEWS_WORRY);
}

/* The next attempt, when nothing has failed: at the moment of renewal, and never in a tight loop. */
static void agent_plan_renewal(struct agent *agent, struct schedule_now now)
{
    uint64_t at = now.boot_ms;

    if (schedule_judge(&agent->leaf.schedule, now) == SCHEDULE_FRESH) {
        at += schedule_wait_ms(&agent->leaf.schedule, now);
    }
    agent->next_attempt_boot_ms = at > agent->earliest_boot_ms ? at : agent->earliest_boot_ms;
}

/*
 * Would another token help? Only then is its file looked at. To a leaf that is shown in vain it is the cure also
 * where it works still: its entry may be gone, and a token is made for the one that came after it.
 */
static bool agent_wants_token(const struct agent *agent, struct schedule_now now)
{
    return agent->backoff.failures > 0 &&
           (agent->refused || agent->attempt.code == RPC_PERMISSION_DENIED ||
            leaf_judge(&agent->leaf, now) != LEAF_WORKS);
}

static void agent_look_at_token(struct agent *agent, struct schedule_now now)
{
    enum token_watch_verdict verdict;

    if (!agent_wants_token(agent, now)) {
        agent->token_settling = false;
        return;
    }
    if (now.boot_ms < agent->token_look_boot_ms) {
        return;
    }
    verdict = token_watch_look(&agent->token_watch, &agent->bootstrap, now.boot_ms);
    agent->token_settling = verdict == TOKEN_WATCH_SETTLING;
    agent->token_look_boot_ms =
        now.boot_ms + (agent->token_settling ? TOKEN_WATCH_SETTLE_MS : AGENT_TICK_MS);
    if (verdict == TOKEN_WATCH_CHANGED) {
        log_event(&agent->log, LOG_INFO, "token.changed",
                  LOG_TEXT("file", agent->bootstrap.token_file),
                  LOG_TEXT("message", "the token file has another token: it is tried now"));
        agent->token_changed = true;
        agent->next_attempt_boot_ms = now.boot_ms;
    }
}

/*
 * Judges both clocks. A healthy certificate waits for its moment, by whichever clock says so first; a failed
 * attempt waits for its back-off.
 */
static void agent_consider(struct agent *agent)
{
    struct schedule_now now = agent_now();
    bool stepped = schedule_clock_stepped(agent->last_seen, now, AGENT_STEP_LIMIT_MS);

    agent->last_seen = now;
    if (stepped) {
        agent_report(agent, AGENT_NEWS_CLOCK);
    }
    agent_swap_leaves(agent, now);
    agent_gauge(agent, now);
    if (agent->leaf.svid != NULL) {
        agent_tell_decline(agent, schedule_judge(&agent->leaf.schedule, now));
    }
    if (agent->closing || agent->state != AGENT_WAITING) {
        return;
    }
    agent_look_at_token(agent, now);
    if (!agent->hurried && agent->backoff.failures == 0 && agent->leaf.svid != NULL) {
        agent_plan_renewal(agent, now);
    }
    if (now.boot_ms >= agent->next_attempt_boot_ms) {
        agent_advance(agent);
    }
}

static void agent_ticked(struct timer *timer, void *user)
{
    struct agent *agent = user;

    (void)timer;
    agent_consider(agent);
    if (!agent->closing) {
        agent_arm(agent);
    }
}

static void agent_clock_stepped(void *user)
{
    struct agent *agent = user;

    agent_consider(agent);
    if (!agent->closing) {
        agent_arm(agent);
    }
}

static enum agent_step agent_step_waiting(struct agent *agent)
{
    struct schedule_now now = agent_now();

    if (agent->why.reason != NULL) {
        uint64_t pause = backoff_next_ms(&agent->backoff, agent_draw());
        uint64_t most = schedule_retry_most_ms(&agent->leaf.schedule, now);

        if (agent->key_is_spent) {
            agent->key_is_spent = false;
            most = AGENT_PAUSE_MS;
        }
        agent->next_attempt_boot_ms = now.boot_ms + (pause < most ? pause : most);
        agent_report(agent, AGENT_NEWS_FAILED);
        agent->why = (struct failure){0};
    } else {
        agent->earliest_boot_ms = now.boot_ms + AGENT_PAUSE_MS;
        agent_plan_renewal(agent, now);
    }
    if (!agent->closing) { /* the news may have closed us */
        agent_arm(agent);
    }
    return AGENT_STEP_WAIT;
}

/*
 * With what do we prove ourselves? A leaf that both clocks call ended is no proof. A bootstrap that brought nothing
 * that works is repeated with its key, free of charge, rather than renewed: a renewal would end that right.
 */
static enum agent_method agent_choose(struct agent *agent)
{
    struct schedule_now now = agent_now();
    bool refused = agent->refused;
    bool token_changed = agent->token_changed;

    agent->refused = false;
    agent->token_changed = false;
    if (agent->leaf.svid == NULL || token_changed) {
        return AGENT_BOOTSTRAP;
    }
    if (schedule_judge(&agent->leaf.schedule, now) == SCHEDULE_EXPIRED &&
        !schedule_disputed(&agent->leaf.schedule, now)) {
        return AGENT_BOOTSTRAP;
    }
    if (agent->bootstrap.token_file == NULL) {
        return AGENT_RENEW;
    }
    if (refused) {
        return agent->attempt.method == AGENT_RENEW ? AGENT_BOOTSTRAP : AGENT_RENEW;
    }
    return agent->retry_key != NULL && leaf_judge(&agent->leaf, now) != LEAF_WORKS
               ? AGENT_BOOTSTRAP
               : AGENT_RENEW;
}

static enum agent_step agent_step_asking(struct agent *agent)
{
    agent->attempt = (struct agent_attempt){.method = agent_choose(agent)};
    agent->why = (struct failure){0};
    agent->clock_words[0] = '\0';
    agent->token_settling = false;
    agent->tried = true;
    agent->hurried = false;
    agent->attempts++;
    return agent_ask(agent, &agent->why) == STATUS_OK ? AGENT_STEP_WAIT : AGENT_STEP_FAIL;
}

void agent_asked(struct agent *agent)
{
    agent->refused = agent->attempt.code == RPC_UNAUTHENTICATED;
    agent_advance(agent);
}

static enum agent_step agent_step_judging(struct agent *agent)
{
    return agent_judge(agent, &agent->why) == STATUS_OK ? AGENT_STEP_NEXT : AGENT_STEP_FAIL;
}

static enum agent_step agent_step_leaving(struct agent *agent)
{
    return agent_leave(agent) ? AGENT_STEP_WAIT : AGENT_STEP_NEXT;
}

void agent_left(struct agent *agent)
{
    agent_enter(agent, agent->closing ? AGENT_CLOSED : AGENT_WAITING);
}

static void agent_free(struct agent *agent)
{
    void (*closed)(void *user) = agent->closed;
    void *user = agent->closed_user;

    key_drop(&agent->retry_key);
    leaf_clear(&agent->leaf);
    leaf_clear(&agent->spare);
    bundle_drop(&agent->bundle);
    bootstrap_clear(&agent->bootstrap);
    free(agent->control_address);
    free(agent->trust_domain);
    free(agent);
    if (closed != NULL) {
        closed(user);
    }
}

static void agent_handle_closed(void *user)
{
    struct agent *agent = user;

    if (--agent->open_handles == 0) {
        agent_free(agent);
    }
}

static void agent_tick_closed(struct timer *timer, void *user)
{
    (void)timer;
    agent_handle_closed(user);
}

static enum agent_step agent_step_closed(struct agent *agent)
{
    if (agent->watching_clock) {
        clock_watch_close(&agent->clock_watch, agent_handle_closed);
    }
    timer_close(&agent->tick, agent_tick_closed);
    return AGENT_STEP_WAIT;
}

static enum status agent_take_options(struct agent *agent, const struct agent_options *options,
                                      struct failure *why)
{
    struct bytes domain = bytes_of(options->trust_domain == NULL ? "" : options->trust_domain);

    if (options->control_address == NULL || options->control_address[0] == '\0') {
        return fail(why, STATUS_CONFIG, "agent/control-address",
                    "the control plane's address is not set");
    }
    if (spiffe_id_of(domain, bytes_of("signet-system"), bytes_of("signet-control"),
                     &agent->control_id, NULL) != STATUS_OK) {
        return fail(why, STATUS_CONFIG, "agent/trust-domain", "\"%.80s\" is no trust domain",
                    options->trust_domain == NULL ? "" : options->trust_domain);
    }
    TRY(bootstrap_init(&agent->bootstrap, options->bundle_file, options->bundle_sha256,
                       options->token_file, why));
    agent->control_address = memory_text(options->control_address);
    agent->trust_domain = memory_text(options->trust_domain);
    agent->call_limit_ms =
        options->call_limit_ms == 0 ? AGENT_CALL_LIMIT_MS : options->call_limit_ms;
    agent->news = options->news;
    agent->user = options->user;
    return STATUS_OK;
}

enum status agent_start(struct worker *home, struct current *current,
                        const struct agent_options *options, struct agent **out_agent,
                        struct failure *why)
{
    struct agent *agent = memory_make(sizeof *agent);
    enum status status = agent_take_options(agent, options, why);
    uint32_t drawn[4];

    if (status != STATUS_OK) {
        free(agent);
        return status;
    }
    for (size_t i = 0; i < sizeof drawn / sizeof drawn[0]; i++) {
        drawn[i] = agent_draw();
    }
    bytes_to_hex(bytes_make(drawn, sizeof drawn), agent->instance_id);
    agent->home = home;
    agent->current = current;
    agent->backoff.first_ms = AGENT_BACKOFF_FIRST_MS;
    agent->backoff.max_ms = AGENT_BACKOFF_MAX_MS;
    agent->last_seen = agent_now();
    agent->next_attempt_boot_ms = agent->last_seen.boot_ms;
    log_init(&agent->log, "rotation");
    timer_init(&agent->tick, &home->loop, agent_ticked, agent);
    agent->watching_clock =
        clock_watch_start(&agent->clock_watch, &home->loop, agent_clock_stepped, agent);
    agent->open_handles = agent->watching_clock ? 2 : 1;
    agent->state = AGENT_WAITING;
    agent_arm(agent); /* the first attempt begins on the loop, not in here */
    *out_agent = agent;
    return STATUS_OK;
}

void agent_close(struct agent *agent, void (*closed)(void *user), void *user)
{
    agent->closing = true;
    agent->closed = closed;
    agent->closed_user = user;
    agent->news = NULL;
    timer_stop(&agent->tick);
    switch (agent->state) {
    case AGENT_WAITING:
        agent_enter(agent, AGENT_CLOSED);
        break;
    case AGENT_ASKING:
        (void)fail(&agent->why, STATUS_CLOSED, "agent/closing", "the agent is closing");
        agent_advance(agent);
        break;
    default: /* already leaving: agent_left() closes */
        break;
    }
}

void agent_hurry(struct agent *agent)
{
    if (!agent->closing && agent->state == AGENT_WAITING) {
        agent->hurried = true;
        agent->next_attempt_boot_ms = clock_boot_ms();
        agent_arm(agent);
    }
}

void agent_reconsider(struct agent *agent)
{
    if (!agent->closing) {
        agent_consider(agent);
        agent_arm(agent);
    }
}
