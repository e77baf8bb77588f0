/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people see of the agent: the view, one log line for each piece of news, metrics. No secret comes here.
 */
#include <stdio.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/rotation/agent_parts.h"

/* Different words of a server that are kept, for the life of the process: metrics hold reasons by pointer. */
enum { AGENT_REASONS_MAX = 64 };

const char *agent_reason(const char *word)
{
    static char *known[AGENT_REASONS_MAX]; /* main loop only */

    for (size_t i = 0; i < AGENT_REASONS_MAX; i++) {
        if (known[i] == NULL) {
            known[i] = memory_text(word);
        }
        if (strcmp(known[i], word) == 0) {
            return known[i];
        }
    }
    return "agent/refused";
}

void agent_look(const struct agent *agent, struct agent_view *out_view)
{
    struct schedule_now now = agent_now();
    const struct leaf *leaf = &agent->leaf;
    uint64_t next = agent->next_attempt_boot_ms;
    struct agent_view view = {
        .state = agent_state_word(agent->state),
        .method = !agent->tried                          ? ""
                  : agent->attempt.method == AGENT_RENEW ? "renew"
                                                         : "bootstrap",
        .next_attempt_ms = agent->state != AGENT_WAITING ? -1
                           : next > now.boot_ms          ? (int64_t)(next - now.boot_ms)
                                                         : 0,
        .attempts = agent->attempts,
        .issued = agent->issued,
        .failures = agent->backoff.failures,
        .last_error_reason = agent->last_error.reason == NULL ? "" : agent->last_error.reason,
        .last_error_at = agent->last_error_at,
        .skew_known = agent->skew_known,
        .skew_ms = agent->skew_ms,
    };

    memcpy(view.last_error_detail, agent->last_error.detail, sizeof view.last_error_detail);
    if (leaf->svid != NULL) {
        (void)snprintf(view.serial, sizeof view.serial, "%s", svid_serial_hex(leaf->svid));
        view.issued_at = leaf->schedule.issued_at;
        view.next_renewal = schedule_on_our_clock(&leaf->schedule, leaf->schedule.renew_at);
        view.not_after = leaf->schedule.not_after;
        view.outage_budget_s = schedule_budget_s(&leaf->schedule, now);
    }
    if (agent->spare.svid != NULL && agent->spare.number > leaf->number) {
        (void)snprintf(view.kept_serial, sizeof view.kept_serial, "%s",
                       svid_serial_hex(agent->spare.svid));
        view.kept_begins_at = agent->spare.begins_at;
    }
    if (agent->bundle != NULL) {
        view.bundle_sequence = bundle_sequence(agent->bundle);
    }
    *out_view = view;
}

void agent_gauge(const struct agent *agent, struct schedule_now now)
{
    metrics_gauge_set(METRIC_OUTAGE_BUDGET, LABEL_NONE, LABEL_NONE,
                      agent->leaf.svid == NULL ? 0 : schedule_budget_s(&agent->leaf.schedule, now));
}

static void agent_count(const struct agent *agent, const struct agent_view *view)
{
    agent_gauge(agent, agent_now());
    if (agent->leaf.svid != NULL) {
        metrics_gauge_set(METRIC_SVID_EXPIRY, LABEL_NONE, LABEL_NONE, view->not_after);
        metrics_gauge_set(METRIC_SVID_RENEWAL, LABEL_NONE, LABEL_NONE, view->next_renewal);
        metrics_gauge_set(METRIC_SVID_GENERATION, LABEL_NONE, LABEL_NONE,
                          (int64_t)agent->generation);
    }
    if (agent->skew_known) {
        metrics_gauge_set(METRIC_CLOCK_SKEW, LABEL_NONE, LABEL_NONE, -agent->skew_ms / 1000);
    }
}

/* A wrong clock is the operator's business before it hurts: said at each certificate. */
static void agent_report_skew(const struct agent *agent)
{
    if (agent->clock_words[0] != '\0') {
        log_event(&agent->log, LOG_WARN, "clock.skewed", LOG_TEXT("message", agent->clock_words),
                  LOG_INT("seconds", agent->skew_ms / 1000));
    }
}

/* A certificate is in force: a new one, or the other one that we hold. */
static void agent_report_in_force(struct agent *agent, const char *event,
                                  const struct agent_view *view)
{
    log_event(&agent->log, LOG_INFO, event, LOG_TEXT("id", svid_id(agent->leaf.svid)->text),
              LOG_TEXT("method", view->method), LOG_TEXT("serial", view->serial),
              LOG_INT("generation", agent->generation),
              LOG_TEXT("not_before", clock_utc(agent->leaf.begins_at).text),
              LOG_TEXT("not_after", clock_utc(view->not_after).text),
              LOG_TEXT("next_renewal", clock_utc(view->next_renewal).text),
              LOG_INT("bundle_sequence", view->bundle_sequence));
}

static void agent_report_issued(struct agent *agent, const struct agent_view *view)
{
    /* One that is in force only for want of a better one is told as a failure, once. */
    if (leaf_judge(&agent->leaf, agent_now()) == LEAF_WORKS) {
        metrics_add_reason(0, METRIC_RENEWALS, LABEL_OK, LABEL_NONE, NULL, 1);
    }
    agent_report_in_force(agent, "identity.issued", view);
    agent_report_skew(agent);
}

static void agent_report_failed(struct agent *agent, const struct agent_view *view)
{
    metrics_add_reason(0, METRIC_RENEWALS, LABEL_FAILED, LABEL_NONE, agent->last_error.reason, 1);
    log_event(&agent->log, LOG_WARN, "identity.refused", LOG_FAILURE(&agent->last_error),
              LOG_TEXT("method", view->method), LOG_INT("failures", view->failures),
              LOG_INT("next_attempt_ms", view->next_attempt_ms),
              LOG_INT("outage_budget_s", view->outage_budget_s));
}

void agent_report(struct agent *agent, enum agent_news news)
{
    struct agent_view view;

    if (news == AGENT_NEWS_FAILED) {
        agent->last_error = agent->why;
        agent->last_error_at = clock_unix_s();
    }
    agent_look(agent, &view);
    agent_count(agent, &view);
    switch (news) {
    case AGENT_NEWS_ISSUED:
        agent_report_issued(agent, &view);
        break;
    case AGENT_NEWS_SWAPPED:
        agent_report_in_force(agent, "identity.swapped", &view);
        break;
    case AGENT_NEWS_FAILED:
        agent_report_failed(agent, &view);
        break;
    case AGENT_NEWS_WORRY:
        log_event(
            &agent->log, LOG_WARN, "identity.old", LOG_INT("outage_budget_s", view.outage_budget_s),
            LOG_TEXT("last_error", view.last_error_reason), LOG_INT("failures", view.failures));
        break;
    case AGENT_NEWS_EXPIRED:
        log_event(&agent->log, LOG_ERROR, "identity.expired",
                  LOG_TEXT("not_after", clock_utc(view.not_after).text),
                  LOG_TEXT("last_error", view.last_error_reason),
                  LOG_INT("failures", view.failures));
        break;
    case AGENT_NEWS_CLOCK:
        log_event(&agent->log, LOG_WARN, "clock.stepped",
                  LOG_INT("outage_budget_s", view.outage_budget_s));
        break;
    }
    if (agent->news != NULL) {
        agent->news(agent->user, news, &view);
    }
}
