/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/own_identity.h"

#include <stdlib.h>

#include "core/control/registry/digest.h"
#include "core/control/serve/issue.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/loop/backoff.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/telemetry/metrics.h"

/* The clock may be stepped, so the moment is looked at this often and not slept towards. */
#define OWN_IDENTITY_LOOK_MS 500

struct own_identity {
    struct log log;
    struct authority *authority; /* borrowed; outlives us */
    struct spiffe_id id;
    struct identity_set *set; /* owned reference: in force */
    uint64_t generation;
    int64_t life_s;          /* from its issue on, without the backdating */
    int64_t renews_at;       /* Unix s */
    uint64_t renews_boot_ms; /* the same on the boot clock: a wall clock set back delays nothing */
    uint64_t retry_mono_ms;  /* not before, after a failure; 0: none */
    struct backoff backoff;
    struct timer look;
    own_identity_fn changed;
    void *user;
};

/* A new set, and when it is due. */
struct own_identity_made {
    struct identity_set *set;
    int64_t life_s, renews_at;
};

static enum status own_identity_make(struct own_identity *own, int64_t now_s,
                                     struct own_identity_made *out_made, struct failure *why)
{
    OWNED(key) *key = NULL;
    OWNED(svid) *svid = NULL;
    CLEARED(authority_issued) issued = {0};
    struct authority_request order = {.id = &own->id};
    uint32_t drawn;

    TRY(key_make(&key, why));
    order.spki_der = key_public_spki(key);
    TRY(authority_issue(own->authority, &order, now_s, &issued, why));
    TRY(svid_parse(buffer_bytes(&issued.chain_der), key, &svid, why));
    TRY(identity_set_make(svid, authority_bundle(own->authority), own->generation + 1,
                          &out_made->set, why));
    digest_draw(&drawn, sizeof drawn);
    out_made->life_s = issued.not_after - issued.issued_at;
    out_made->renews_at = issue_renew_at(issued.issued_at, issued.not_after, drawn);
    return STATUS_OK;
}

static void own_identity_take(struct own_identity *own, const struct own_identity_made *made,
                              struct steady_now now)
{
    const struct svid *svid = identity_set_svid(made->set);

    identity_set_drop(&own->set);
    own->set = made->set;
    own->generation++;
    own->life_s = made->life_s;
    own->renews_at = made->renews_at;
    own->renews_boot_ms = now.boot_ms + (uint64_t)(made->renews_at * 1000 - now.unix_ms);
    own->retry_mono_ms = 0;
    backoff_reset(&own->backoff);
    metrics_add_reason(0, METRIC_RENEWALS, LABEL_OK, LABEL_NONE, NULL, 1);
    metrics_gauge_set(METRIC_SVID_EXPIRY, LABEL_NONE, LABEL_NONE, svid_expires_at(svid));
    metrics_gauge_set(METRIC_SVID_RENEWAL, LABEL_NONE, LABEL_NONE, made->renews_at);
    metrics_gauge_set(METRIC_SVID_GENERATION, LABEL_NONE, LABEL_NONE, (int64_t)own->generation);
    metrics_gauge_set(METRIC_AUTHORITY_EXPIRY, LABEL_SERVER, LABEL_NONE, svid_expires_at(svid));
    log_event(&own->log, LOG_INFO, "own-identity.renewed", LOG_TEXT("id", own->id.text),
              LOG_TEXT("serial", svid_serial_hex(svid)),
              LOG_DATE("not_before", svid_starts_at(svid)),
              LOG_DATE("not_after", svid_expires_at(svid)), LOG_DATE("renew_at", made->renews_at));
}

static enum status own_identity_renew(struct own_identity *own, struct steady_now now,
                                      struct failure *why)
{
    struct own_identity_made made = {.set = NULL};
    enum status status;

    TRY(own_identity_make(own, now.unix_ms / 1000, &made, why));
    status = own->changed(own->user, made.set, why);
    if (status != STATUS_OK) {
        identity_set_drop(&made.set);
        return status;
    }
    own_identity_take(own, &made, now);
    return STATUS_OK;
}

static struct steady_now own_identity_now(void)
{
    return (struct steady_now){.unix_ms = clock_unix_ms(), .boot_ms = clock_boot_ms()};
}

/* Both ends: after a jump ahead and back the leaf in force is one of the future. */
static bool own_identity_is_valid(const struct own_identity *own, struct steady_now now)
{
    const struct svid *svid = identity_set_svid(own->set);
    int64_t now_s = now.unix_ms / 1000;

    return now_s >= svid_starts_at(svid) && now_s < svid_expires_at(svid);
}

static bool own_identity_is_due(const struct own_identity *own, struct steady_now now)
{
    return now.unix_ms / 1000 >= own->renews_at || now.boot_ms >= own->renews_boot_ms;
}

enum status own_identity_judge(struct own_identity *own, struct failure *why)
{
    struct steady_now now = own_identity_now();

    return own_identity_is_valid(own, now) ? STATUS_OK : own_identity_renew(own, now, why);
}

/* A leaf that is valid is replaced only by a clock that may be believed; another one at once. */
static void own_identity_look(struct timer *timer, void *user)
{
    struct own_identity *own = user;
    struct steady_now now = own_identity_now();
    struct failure why = {0};
    uint32_t drawn;

    (void)timer;
    if (own_identity_is_valid(own, now) &&
        !(own_identity_is_due(own, now) &&
          authority_may_replace(own->authority, now, own->life_s))) {
        return;
    }
    if (clock_mono_ms() < own->retry_mono_ms || own_identity_renew(own, now, &why) == STATUS_OK) {
        return;
    }
    digest_draw(&drawn, sizeof drawn);
    own->retry_mono_ms = clock_mono_ms() + backoff_next_ms(&own->backoff, drawn);
    metrics_add_reason(0, METRIC_RENEWALS, LABEL_FAILED, LABEL_NONE, why.reason, 1);
    log_event(&own->log, LOG_WARN, "own-identity.failed", LOG_TEXT("id", own->id.text),
              LOG_FAILURE(&why));
}

enum status own_identity_start(uv_loop_t *loop, const struct own_identity_plan *plan,
                               struct own_identity **out_own, struct failure *why)
{
    struct own_identity *own = memory_make(sizeof *own);
    struct own_identity_made made = {.set = NULL};
    struct steady_now now = own_identity_now();
    enum status status;

    log_init(&own->log, "control");
    own->authority = plan->authority;
    spiffe_id_copy(&plan->registry->own, &own->id);
    own->changed = plan->changed;
    own->user = plan->user;
    own->backoff = (struct backoff){.first_ms = 500, .max_ms = 60000};
    status = own_identity_make(own, now.unix_ms / 1000, &made, why);
    if (status != STATUS_OK) {
        free(own);
        return status;
    }
    own_identity_take(own, &made, now);
    timer_init(&own->look, loop, own_identity_look, own);
    timer_start(&own->look, OWN_IDENTITY_LOOK_MS, OWN_IDENTITY_LOOK_MS);
    *out_own = own;
    return STATUS_OK;
}

struct identity_set *own_identity_set(const struct own_identity *own)
{
    return own->set;
}

int64_t own_identity_renews_at(const struct own_identity *own)
{
    return own->renews_at;
}

static void own_identity_closed(struct timer *timer, void *user)
{
    struct own_identity *own = user;

    (void)timer;
    identity_set_drop(&own->set);
    free(own);
}

void own_identity_close(struct own_identity *own)
{
    if (own != NULL) {
        timer_close(&own->look, own_identity_closed);
    }
}
