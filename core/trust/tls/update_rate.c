/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tls/update_rate.h"

enum { UPDATE_RATE_STEP_MS = 1000 };

bool update_rate_allows(struct update_rate *rate, uint64_t now_ms)
{
    uint64_t steps = now_ms > rate->since_ms ? (now_ms - rate->since_ms) / UPDATE_RATE_STEP_MS : 0;

    if (steps >= rate->counted) {
        rate->counted = 0;
        rate->since_ms = now_ms;
    } else {
        rate->counted -= (unsigned)steps;
        rate->since_ms += steps * UPDATE_RATE_STEP_MS;
    }
    if (rate->counted >= UPDATE_RATE_BURST) {
        return false;
    }
    rate->counted++;
    return true;
}
