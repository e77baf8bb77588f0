/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/keeper.h"

#include "core/runtime/base/clock.h"
#include "core/runtime/telemetry/metrics.h"

#define KEEPER_REPEAT_MS 60000 /* a failure that goes on is logged so often */

/* The shortest life for which the clocks must agree for STEADY_WAIT_MS. */
#define KEEPER_LONG_LIFE_S ((int64_t)STEADY_WAIT_MS / 1000 * STEADY_LIVES_PER_WAIT)

void keeper_init(struct keeper *keeper, struct authority *authority,
                 const struct own_identity *own, struct health *health)
{
    log_init(&keeper->log, "control");
    keeper->authority = authority;
    keeper->own = own;
    keeper->health = health;
    keeper->failed = NULL;
    keeper->failed_mono_ms = 0;
}

static void keeper_log_link(struct log *log, const char *event, const struct authority_note *note)
{
    log_event(log, LOG_INFO, event, LOG_TEXT("file", note->link.file),
              LOG_TEXT("cause", note->cause), LOG_TEXT("serial", note->link.serial_hex),
              LOG_DATE("not_before", note->link.not_before),
              LOG_DATE("not_after", note->link.not_after));
}

static void keeper_log_step(struct log *log, const struct authority_note *note)
{
    metrics_add(0, METRIC_CLOCK_STEPS, LABEL_NONE, LABEL_NONE, 1);
    log_event(log, LOG_WARN, "clock.stepped", LOG_INT("by_ms", note->stepped_ms),
              LOG_TEXT("detail",
                       "the wall clock jumped against the boot clock: certificates that are valid "
                       "are not replaced until both have agreed for a while"));
}

void keeper_log_notes(struct log *log, struct authority *authority)
{
    struct authority_note note;

    while (authority_next_note(authority, &note)) {
        switch (note.kind) {
        case AUTHORITY_LINK_MADE:
            keeper_log_link(log, "authority.renewed", &note);
            break;
        case AUTHORITY_LINK_REMOVED:
            keeper_log_link(log, "authority.removed", &note);
            break;
        case AUTHORITY_CLOCK_STEPPED:
            keeper_log_step(log, &note);
            break;
        }
    }
}

static const struct authority_view *keeper_signing(const struct authority_view *views,
                                                   size_t num_views)
{
    for (size_t i = 1; i < num_views; i++) {
        if (views[i].signs && views[i].state == AUTHORITY_LINK_VALID) {
            return &views[i];
        }
    }
    return NULL;
}

enum status keeper_judge_links(const struct authority *authority, int64_t now_s,
                               struct failure *why)
{
    struct authority_view views[1 + AUTHORITY_LINKS_MAX];
    size_t num_views = authority_views(authority, now_s, views);

    for (size_t i = 0; i < num_views; i++) {
        if (views[i].state == AUTHORITY_LINK_AHEAD) {
            return fail(why, STATUS_DENIED, "authority/link-ahead",
                        "%s begins at %s, our clock says %s: our clock is behind, or was ahead "
                        "when it was made",
                        views[i].file, clock_utc(views[i].not_before).text, clock_utc(now_s).text);
        }
    }
    if (keeper_signing(views, num_views) == NULL) {
        return fail(why, STATUS_DENIED, "authority/none-valid",
                    "no intermediate is valid at %s by our clock: one is made at the start",
                    clock_utc(now_s).text);
    }
    return STATUS_OK;
}

static void keeper_judge_authority(struct keeper *keeper, int64_t now_s,
                                   const struct failure *failed)
{
    struct authority_view views[1 + AUTHORITY_LINKS_MAX];
    size_t num_views = authority_views(keeper->authority, now_s, views);
    const struct authority_view *signing = keeper_signing(views, num_views);

    if (views[0].state == AUTHORITY_LINK_VALID && signing != NULL) {
        health_set(keeper->health, "authority", HEALTH_YES,
                   "the root is valid until %s, %s from %s until %s",
                   clock_utc(views[0].not_after).text, signing->file,
                   clock_utc(signing->not_before).text, clock_utc(signing->not_after).text);
    } else {
        health_set(keeper->health, "authority", HEALTH_NO, "%s: %s",
                   failed->reason == NULL ? "authority/none-valid" : failed->reason,
                   failed->detail);
    }
    metrics_gauge_set(METRIC_AUTHORITY_BEGIN, LABEL_ROOT, LABEL_NONE, views[0].not_before);
    metrics_gauge_set(METRIC_AUTHORITY_EXPIRY, LABEL_ROOT, LABEL_NONE, views[0].not_after);
    metrics_gauge_set(METRIC_AUTHORITY_BEGIN, LABEL_INTERMEDIATE, LABEL_NONE,
                      signing == NULL ? 0 : signing->not_before);
    metrics_gauge_set(METRIC_AUTHORITY_EXPIRY, LABEL_INTERMEDIATE, LABEL_NONE,
                      signing == NULL ? 0 : signing->not_after);
}

static void keeper_judge_own(struct keeper *keeper, int64_t now_s)
{
    const struct svid *own = identity_set_svid(own_identity_set(keeper->own));
    int64_t begins_at = svid_starts_at(own);
    int64_t ends_at = svid_expires_at(own);
    bool valid = now_s >= begins_at && now_s < ends_at;

    health_set(keeper->health, "own-identity", valid ? HEALTH_YES : HEALTH_NO,
               "our chain is valid from %s until %s%s%s", clock_utc(begins_at).text,
               clock_utc(ends_at).text, valid ? "" : ", our clock says ",
               valid ? "" : clock_utc(now_s).text);
    metrics_gauge_set(METRIC_AUTHORITY_BEGIN, LABEL_SERVER, LABEL_NONE, begins_at);
}

static void keeper_judge_clock(struct keeper *keeper, struct steady_now now)
{
    const struct steady *steady = authority_steady(keeper->authority);
    int64_t agreed_s = (int64_t)(steady_for_ms(steady, now) / 1000);
    bool agrees = steady_for_ms(steady, now) >= STEADY_WAIT_MS;

    if (steady->num_steps == 0) {
        health_set(keeper->health, "clock", HEALTH_YES,
                   "wall clock and boot clock have agreed for %lld s", (long long)agreed_s);
    } else {
        health_set(keeper->health, "clock", agrees ? HEALTH_YES : HEALTH_UNPROVED,
                   "the wall clock jumped by %+lld s to %s; both have agreed for %lld s since",
                   (long long)(steady->stepped_ms / 1000), clock_utc(steady->stepped_at).text,
                   (long long)agreed_s);
    }
    metrics_gauge_set(METRIC_CLOCK_STEADY, LABEL_NONE, LABEL_NONE, agreed_s);
}

/* A look comes each second: the same failure is worth a line a minute. */
static void keeper_log_failure(struct keeper *keeper, const struct failure *why)
{
    uint64_t now_ms = clock_mono_ms();

    if (why->reason != NULL && (why->reason != keeper->failed ||
                                now_ms - keeper->failed_mono_ms >= KEEPER_REPEAT_MS)) {
        keeper->failed_mono_ms = now_ms;
        log_event(&keeper->log, LOG_ERROR, "authority.failed", LOG_FAILURE(why));
    }
    keeper->failed = why->reason;
}

static struct steady_now keeper_now(void)
{
    return (struct steady_now){.unix_ms = clock_unix_ms(), .boot_ms = clock_boot_ms()};
}

bool keeper_believes_clock(const struct keeper *keeper)
{
    return authority_may_replace(keeper->authority, keeper_now(), KEEPER_LONG_LIFE_S);
}

void keeper_look(struct keeper *keeper)
{
    struct steady_now now = keeper_now();
    struct failure why = {0};

    (void)!authority_tick(keeper->authority, now, &why); /* `why` says whether it failed */
    keeper_log_notes(&keeper->log, keeper->authority);
    keeper_log_failure(keeper, &why);
    keeper_judge_authority(keeper, now.unix_ms / 1000, &why);
    keeper_judge_own(keeper, now.unix_ms / 1000);
    keeper_judge_clock(keeper, now);
}
