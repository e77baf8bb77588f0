/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token buckets by name: how often somebody may ask. A full bucket holds `burst` and refills at
 * `per_second`. Names are an address before we know who asks and an identity afterwards (I17).
 *
 * Memory is bounded: at most LIMIT_NAMES_MAX names are remembered. When there are more, buckets that
 * are full again are forgotten, which changes nothing for their owners; when none is, all further
 * names share one bucket. Pure: the time comes as a parameter. One thread at a time.
 */
#ifndef SIGNET_CORE_CONTROL_SERVE_LIMIT_H
#define SIGNET_CORE_CONTROL_SERVE_LIMIT_H

#include "core/runtime/base/map.h"

#define LIMIT_NAMES_MAX 4096

struct limit_bucket {
    uint64_t level;     /* thousandths of a request */
    uint64_t filled_ms; /* monotonic: when `level` was right */
};

struct limit {
    uint32_t per_second;
    uint32_t burst;
    struct map buckets;           /* name → struct limit_bucket, owned */
    struct limit_bucket overflow; /* of all names beyond the bound */
};

/* limit_init makes an empty limit: `burst` requests at once, then `per_second`. Both at least 1. */
void limit_init(struct limit *limit, uint32_t per_second, uint32_t burst, uint64_t now_ms);

/* limit_clear frees it. */
void limit_clear(struct limit *limit);

/* limit_take takes one request from the bucket of `name`; false when it is empty. */
bool limit_take(struct limit *limit, struct bytes name, uint64_t now_ms);

/* limit_give puts one back that limit_take() took. */
void limit_give(struct limit *limit, struct bytes name, uint64_t now_ms);

#endif
