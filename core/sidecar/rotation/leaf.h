/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate that the agent holds, and which of two is the better one now. Peers judge a certificate by
 * their clocks, so the control plane's word alone does not put one in force: the dates must hold by our own
 * clock as well, unless there is nothing better.
 *
 * Pure but for the references; keys are in memory only (I3).
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_LEAF_H
#define SIGNET_CORE_SIDECAR_ROTATION_LEAF_H

#include "core/sidecar/rotation/schedule.h"
#include "core/trust/identity/svid.h"

/* Zeroed: there is none. */
struct leaf {
    struct svid *svid; /* reference */
    struct schedule schedule;
    int64_t begins_at; /* greatest notBefore of the chain, Unix s */
    int64_t ends_at;   /* least notAfter of the chain, Unix s */
    uint64_t number;   /* grows with each that came */
};

/* What our clock says of it, from the worst to the best. */
enum leaf_state {
    LEAF_NONE,
    LEAF_ENDED,  /* by the wall clock, or by the time that has passed since it came */
    LEAF_FUTURE, /* not valid yet */
    LEAF_WORKS,
};

/* leaf_init takes a reference of `svid`; leaf_clear gives it back. */
void leaf_init(struct leaf *leaf, struct svid *svid, const struct schedule *schedule,
               uint64_t number);
void leaf_clear(struct leaf *leaf);

/* leaf_judge says where `leaf` stands by both of our clocks. */
enum leaf_state leaf_judge(const struct leaf *leaf, struct schedule_now now);

/*
 * leaf_better: `a` rather than `b` should be in force. One that works before one of the future before one that
 * has ended; of two that work the newer, of two of the future the one that begins first, of two that have
 * ended the one that ended last.
 */
bool leaf_better(const struct leaf *a, const struct leaf *b, struct schedule_now now);

/*
 * leaf_worth_keeping: `a` rather than `b` should be kept beside the one in force. One of the future has its time
 * to come; one that has ended by one clock only serves again when that clock is put right; one that works is no
 * more than a predecessor. Neither counts once it is over.
 */
bool leaf_worth_keeping(const struct leaf *a, const struct leaf *b, struct schedule_now now);

/* leaf_is_over: by the wall clock and by the time that has passed it has ended, or there is none. */
bool leaf_is_over(const struct leaf *leaf, struct schedule_now now);

#endif
