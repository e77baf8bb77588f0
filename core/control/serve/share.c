/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/share.h"

#include <math.h>
#include <stdlib.h>

#include "core/runtime/base/memory.h"

#define SHARE_NOTHING 0.01      /* of one: whoever holds less is forgotten */
#define SHARE_SWEEP_MS 1000u    /* a look at all names at most so often */

void share_init(struct share *share, uint32_t per_second, uint32_t burst, uint64_t now_ms)
{
    *share = (struct share){.per_second = per_second,
                            .burst = burst,
                            .epoch = 1,
                            .counted_ms = now_ms,
                            .swept_ms = now_ms};
}

void share_clear(struct share *share)
{
    size_t cursor = 0;
    void *taker;

    while (map_next(&share->takers, &cursor, NULL, &taker)) {
        free(taker);
    }
    map_clear(&share->takers);
}

/* Lets flow back what has come back since the last look. */
static void share_count(struct share *share, uint64_t now_ms)
{
    double back = 0;

    if (now_ms > share->counted_ms) {
        back = (double)(now_ms - share->counted_ms) * share->per_second / 1000;
        share->counted_ms = now_ms;
    }
    if (share->taken - back < SHARE_NOTHING) {
        if (share->taken > 0) {
            share->epoch++;
        }
        share->taken = 0;
        share->faded = 0;
    } else if (back > 0) {
        share->faded += log(share->taken / (share->taken - back));
        share->taken -= back;
    }
}

static double share_part(const struct share *share, const struct share_taker *taker)
{
    return taker->epoch == share->epoch ? taker->part * exp(taker->faded - share->faded) : 0;
}

static void share_set(const struct share *share, struct share_taker *taker, double part)
{
    *taker = (struct share_taker){.part = part, .faded = share->faded, .epoch = share->epoch};
}

static void share_sweep(struct share *share, uint64_t now_ms)
{
    struct map kept = {0};
    size_t cursor = 0;
    struct bytes name;
    void *taker;

    share->swept_ms = now_ms;
    while (map_next(&share->takers, &cursor, &name, &taker)) {
        if (share_part(share, taker) < SHARE_NOTHING) {
            free(taker);
        } else {
            (void)map_put(&kept, name, taker);
        }
    }
    map_clear(&share->takers);
    share->takers = kept;
}

static struct share_taker *share_taker_of(struct share *share, struct bytes name, uint64_t now_ms)
{
    struct share_taker *taker = map_get(&share->takers, name);

    if (taker != NULL) {
        return taker;
    }
    if (share->takers.count >= SHARE_NAMES_MAX && share->swept_ms + SHARE_SWEEP_MS <= now_ms) {
        share_sweep(share, now_ms);
    }
    if (share->takers.count >= SHARE_NAMES_MAX) {
        return &share->others;
    }
    taker = memory_make(sizeof *taker);
    (void)map_put(&share->takers, name, taker);
    return taker;
}

bool share_take(struct share *share, struct bytes name, uint64_t now_ms)
{
    struct share_taker *taker;
    double part;

    share_count(share, now_ms);
    taker = share_taker_of(share, name, now_ms);
    part = share_part(share, taker);
    if ((part + 1) * SHARE_PART > share->burst - share->taken) {
        return false;
    }
    share_set(share, taker, part + 1);
    share->taken += 1;
    return true;
}

void share_give(struct share *share, struct bytes name, uint64_t now_ms)
{
    struct share_taker *taker;
    double part;
    double back;

    share_count(share, now_ms);
    taker = share_taker_of(share, name, now_ms);
    part = share_part(share, taker);
    back = part < 1 ? part : 1;
    share_set(share, taker, part - back);
    share->taken -= back < share->taken ? back : share->taken;
}
