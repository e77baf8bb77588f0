/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/limit.h"

#include <stdlib.h>

#include "core/runtime/base/memory.h"

#define LIMIT_UNIT 1000u /* of one request */

void limit_init(struct limit *limit, uint32_t per_second, uint32_t burst, uint64_t now_ms)
{
    *limit = (struct limit){.per_second = per_second, .burst = burst};
    limit->overflow = (struct limit_bucket){(uint64_t)burst * LIMIT_UNIT, now_ms};
}

void limit_clear(struct limit *limit)
{
    size_t cursor = 0;
    void *bucket;

    while (map_next(&limit->buckets, &cursor, NULL, &bucket)) {
        free(bucket);
    }
    map_clear(&limit->buckets);
}

/* per_second per 1000 ms are per_second thousandths per ms. */
static void limit_refill(const struct limit *limit, struct limit_bucket *bucket, uint64_t now_ms)
{
    uint64_t full = (uint64_t)limit->burst * LIMIT_UNIT;
    uint64_t passed_ms = now_ms > bucket->filled_ms ? now_ms - bucket->filled_ms : 0;

    if (passed_ms >= full / limit->per_second + 1) {
        bucket->level = full;
    } else {
        bucket->level += passed_ms * limit->per_second;
        bucket->level = bucket->level > full ? full : bucket->level;
    }
    bucket->filled_ms = now_ms;
}

/* A full bucket says no more than a new one: it may go. */
static void limit_forget_full(struct limit *limit, uint64_t now_ms)
{
    struct map kept = {0};
    size_t cursor = 0;
    struct bytes name;
    void *value;

    while (map_next(&limit->buckets, &cursor, &name, &value)) {
        struct limit_bucket *bucket = value;

        limit_refill(limit, bucket, now_ms);
        if (bucket->level == (uint64_t)limit->burst * LIMIT_UNIT) {
            free(bucket);
        } else {
            (void)map_put(&kept, name, bucket);
        }
    }
    map_clear(&limit->buckets);
    limit->buckets = kept;
}

static struct limit_bucket *limit_bucket_of(struct limit *limit, struct bytes name, uint64_t now_ms)
{
    struct limit_bucket *bucket = map_get(&limit->buckets, name);

    if (bucket != NULL) {
        return bucket;
    }
    /* A look at all names at most once for each that comes in a second while the table is full. */
    if (limit->buckets.count >= LIMIT_NAMES_MAX && limit->overflow.filled_ms + 1000 <= now_ms) {
        limit_forget_full(limit, now_ms);
    }
    if (limit->buckets.count >= LIMIT_NAMES_MAX) {
        return &limit->overflow;
    }
    bucket = memory_make(sizeof *bucket);
    *bucket = (struct limit_bucket){(uint64_t)limit->burst * LIMIT_UNIT, now_ms};
    (void)map_put(&limit->buckets, name, bucket);
    return bucket;
}

bool limit_take(struct limit *limit, struct bytes name, uint64_t now_ms)
{
    struct limit_bucket *bucket = limit_bucket_of(limit, name, now_ms);

    limit_refill(limit, bucket, now_ms);
    if (bucket->level < LIMIT_UNIT) {
        return false;
    }
    bucket->level -= LIMIT_UNIT;
    return true;
}

void limit_give(struct limit *limit, struct bytes name, uint64_t now_ms)
{
    struct limit_bucket *bucket = limit_bucket_of(limit, name, now_ms);

    bucket->level += LIMIT_UNIT;
    limit_refill(limit, bucket, now_ms); /* never more than full */
}
