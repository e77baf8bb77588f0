/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/leaf.h"

void leaf_init(struct leaf *leaf, struct svid *svid, const struct schedule *schedule,
               uint64_t number)
{
    leaf->svid = svid_ref(svid);
    leaf->schedule = *schedule;
    leaf->number = number;
    leaf->ends_at = svid_expires_at(svid);
    leaf->begins_at = svid_starts_at(svid);
    for (size_t i = 1; i < svid_num_certs(svid); i++) {
        int64_t not_before = svid_certificate(svid, i)->not_before;

        leaf->begins_at = not_before > leaf->begins_at ? not_before : leaf->begins_at;
    }
}

void leaf_clear(struct leaf *leaf)
{
    svid_drop(&leaf->svid);
    *leaf = (struct leaf){0};
}

enum leaf_state leaf_judge(const struct leaf *leaf, struct schedule_now now)
{
    int64_t wall_s = now.unix_ms / 1000;

    if (leaf->svid == NULL) {
        return LEAF_NONE;
    }
    if (wall_s >= leaf->ends_at || schedule_judge(&leaf->schedule, now) == SCHEDULE_EXPIRED) {
        return LEAF_ENDED;
    }
    return wall_s < leaf->begins_at ? LEAF_FUTURE : LEAF_WORKS;
}

/* Of two in the same state: is `a` the better? */
static bool leaf_before(const struct leaf *a, const struct leaf *b, enum leaf_state state)
{
    switch (state) {
    case LEAF_NONE:
        return false;
    case LEAF_ENDED:
        return a->ends_at > b->ends_at;
    case LEAF_FUTURE:
        return a->begins_at < b->begins_at;
    case LEAF_WORKS:
        break;
    }
    return a->number > b->number;
}

bool leaf_better(const struct leaf *a, const struct leaf *b, struct schedule_now now)
{
    enum leaf_state state_a = leaf_judge(a, now);
    enum leaf_state state_b = leaf_judge(b, now);

    return state_a == state_b ? leaf_before(a, b, state_a) : state_a > state_b;
}

bool leaf_is_over(const struct leaf *leaf, struct schedule_now now)
{
    return leaf->svid == NULL ||
           (now.unix_ms / 1000 >= leaf->ends_at &&
            schedule_judge(&leaf->schedule, now) == SCHEDULE_EXPIRED &&
            !schedule_disputed(&leaf->schedule, now));
}

bool leaf_worth_keeping(const struct leaf *a, const struct leaf *b, struct schedule_now now)
{
    static const int worth[] = {
        [LEAF_NONE] = 0, [LEAF_WORKS] = 1, [LEAF_ENDED] = 2, [LEAF_FUTURE] = 3};
    enum leaf_state state_a = leaf_judge(a, now);
    enum leaf_state state_b = leaf_judge(b, now);

    if (leaf_is_over(a, now) || leaf_is_over(b, now)) {
        return !leaf_is_over(a, now);
    }
    return state_a == state_b ? leaf_before(a, b, state_a) : worth[state_a] > worth[state_b];
}
