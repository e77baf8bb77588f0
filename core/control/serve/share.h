/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bucket for all who ask, of which nobody gets more than a fair part (I17). It gives `burst` at
 * once, then `per_second`. Whoever asks gets something as long as what he has taken, and the bucket
 * has not got back yet, is less than a SHARE_PART-th of what is left in it. So one alone may take a
 * fifth of it (SHARE_PART is 4); of ten who take all they can, each holds a fourteenth, and something
 * is left; and a newcomer finds his first one there until a thousand others empty it together.
 *
 * What was taken flows back from each in proportion to what he has taken. All of it is numbers per
 * name; memory is bounded by SHARE_NAMES_MAX names, beyond which newcomers count as one.
 *
 * Pure: the time comes as a parameter. One thread at a time.
 * Source: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
 * IEEE/ACM Transactions on Networking 6 (1998): the threshold.
 */
#ifndef SIGNET_CORE_CONTROL_SERVE_SHARE_H
#define SIGNET_CORE_CONTROL_SERVE_SHARE_H

#include "core/runtime/base/map.h"

#define SHARE_PART 4
#define SHARE_NAMES_MAX 4096

/* What one name has taken: `part`, as it was when all had shrunk by the factor exp(-faded). */
struct share_taker {
    double part;
    double faded;
    uint64_t epoch;
};

struct share {
    uint32_t per_second;
    uint32_t burst;
    double taken;         /* by all together, and not back yet */
    double faded;         /* ln of how much every part has shrunk in this epoch */
    uint64_t epoch;       /* a new one begins when all is back: older parts are 0 */
    uint64_t counted_ms;  /* monotonic: when `taken` was right */
    uint64_t swept_ms;    /* monotonic: when names without a part were last forgotten */
    struct map takers;    /* name → struct share_taker, owned */
    struct share_taker others; /* of all names beyond the bound */
};

/* share_init makes a full bucket; both numbers at least 1. share_clear frees it. */
void share_init(struct share *share, uint32_t per_second, uint32_t burst, uint64_t now_ms);
void share_clear(struct share *share);

/* share_take takes one for `name`; false when that would be more than its part. */
bool share_take(struct share *share, struct bytes name, uint64_t now_ms);

/* share_give puts back what share_take() took for `name`: it was no stranger after all. */
void share_give(struct share *share, struct bytes name, uint64_t now_ms);

#endif
