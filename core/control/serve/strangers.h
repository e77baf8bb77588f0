/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What those may cost us of whom nothing is proved yet (I17): so many a second from one source, and a
 * fair part of what is there for all. A source is an IPv4 address, or the /64 of an IPv6 address.
 *
 * Pure but for what it remembers: the time comes as a parameter. One thread at a time.
 */
#ifndef SIGNET_CORE_CONTROL_SERVE_STRANGERS_H
#define SIGNET_CORE_CONTROL_SERVE_STRANGERS_H

#include "core/control/serve/limit.h"
#include "core/control/serve/share.h"

struct strangers_plan {
    uint32_t per_second; /* from one source */
    uint32_t burst;
    uint32_t all_per_second; /* from everybody */
    uint32_t all_burst;
    const char *reason; /* literal: of a refusal */
};

struct strangers {
    struct strangers_plan plan;
    struct limit sources;
    struct share everybody;
};

/* strangers_init makes it; strangers_clear frees it. */
void strangers_init(struct strangers *strangers, const struct strangers_plan *plan,
                    uint64_t now_ms);
void strangers_clear(struct strangers *strangers);

/*
 * strangers_admit counts one more from `address` (gRPC's text of it, caller.h; whatever is no IP
 * address is one source). STATUS_LIMIT with the plan's reason: not now.
 */
enum status strangers_admit(struct strangers *strangers, const char *address, uint64_t now_ms,
                            struct failure *why) MUST_USE;

/* strangers_forgive takes an admission back: the caller has proved who he is. */
void strangers_forgive(struct strangers *strangers, const char *address, uint64_t now_ms);

#endif
