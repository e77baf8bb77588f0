/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the authority's links young, and says how every link of the control plane stands: root,
 * intermediate, its own chain. Both ends are judged: a certificate of the future serves no more than
 * one of the past. What the authority did is logged here, because it does not log itself.
 *
 * The loop's thread only. Elsewhere: what is done when (ca/authority.h), our own leaf (own_identity.h).
 */
#ifndef SIGNET_CORE_CONTROL_SERVE_KEEPER_H
#define SIGNET_CORE_CONTROL_SERVE_KEEPER_H

#include "core/control/ca/authority.h"
#include "core/control/serve/own_identity.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/web/health.h"

/* A value; all but the log is borrowed and outlives it. There is nothing to clear. */
struct keeper {
    struct log log;
    struct authority *authority;
    const struct own_identity *own;
    struct health *health; /* gets "authority", "own-identity" and "clock" */
    const char *failed;    /* the reason that was logged last; NULL: the last look was well */
    uint64_t failed_mono_ms;
};

/* keeper_init makes one. */
void keeper_init(struct keeper *keeper, struct authority *authority,
                 const struct own_identity *own, struct health *health);

/*
 * keeper_look renews what is due, logs what happened, and judges every link; call it each second. A
 * failure is logged, and the health says no when it stops issuing.
 */
void keeper_look(struct keeper *keeper);

/*
 * keeper_log_notes logs what the authority has done since the last look; a start that fails after it
 * calls this alone.
 */
void keeper_log_notes(struct log *log, struct authority *authority);

/*
 * keeper_believes_clock: may something be forgotten for good because it ended long ago? Only while wall
 * and boot clock have agreed for as long as the longest-lived link waits for it: a clock that is ahead
 * for a moment calls everything ended.
 */
bool keeper_believes_clock(const struct keeper *keeper);

/*
 * keeper_judge_links finds the first thing that is wrong with the dates of an authority's links at a
 * moment, for people: all works, but somebody's clock was wrong. STATUS_DENIED "authority/link-ahead",
 * "authority/none-valid" (the next use makes one).
 */
enum status keeper_judge_links(const struct authority *authority, int64_t now_s,
                               struct failure *why) MUST_USE;

#endif
