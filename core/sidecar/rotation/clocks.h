/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which clock is wrong: ours or the control plane's? Two clocks that differ do not say. What each of them
 * said when they were heard together before, and the boot clock, which nobody sets, tell which one was set
 * since. Pure.
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_CLOCKS_H
#define SIGNET_CORE_SIDECAR_ROTATION_CLOCKS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/sidecar/rotation/schedule.h"

#define CLOCKS_TEXT_MAX 224 /* bytes of a clause, its NUL included */

/* The moment to compare with: the last at which both clocks agreed, or the first of all. Zero: none yet. */
struct clocks {
    struct schedule_now ours;
    int64_t server_ms; /* 0: never heard */
    bool agreed;
};

/* clocks_differ: the two say more than 5 s apart, or a second time of the same moment does. */
bool clocks_differ(int64_t ours_ms, int64_t server_ms);

/*
 * clocks_hear notes what both clocks say now. While they differ, an earlier moment at which they agreed stays:
 * else a jump would be forgotten at the second look.
 */
void clocks_hear(struct clocks *clocks, struct schedule_now now, int64_t server_ms);

/*
 * clocks_say is one clause with both times and, where it can be known, whose clock was set since when:
 * "our clock says 2026-…Z, the control plane's 2026-…Z: the control plane's was set 2592000 s ahead since
 * 2026-…Z". With `server_ms` 0 (it did not say) it is about ours alone. "" when there is nothing to say: the
 * clocks agree, or nothing is known. Before clocks_hear() of the same moment.
 */
void clocks_say(const struct clocks *clocks, struct schedule_now now, int64_t server_ms,
                char out_text[CLOCKS_TEXT_MAX]);

#endif
