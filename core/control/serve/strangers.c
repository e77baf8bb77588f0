/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/strangers.h"

#include "core/control/serve/caller.h"

void strangers_init(struct strangers *strangers, const struct strangers_plan *plan, uint64_t now_ms)
{
    strangers->plan = *plan;
    limit_init(&strangers->sources, plan->per_second, plan->burst, now_ms);
    share_init(&strangers->everybody, plan->all_per_second, plan->all_burst, now_ms);
}

void strangers_clear(struct strangers *strangers)
{
    limit_clear(&strangers->sources);
    share_clear(&strangers->everybody);
}

static struct ip strangers_source(const char *address)
{
    struct ip ip = {0};

    (void)caller_ip(bytes_of(address), &ip);
    return ip_source(&ip);
}

enum status strangers_admit(struct strangers *strangers, const char *address, uint64_t now_ms,
                            struct failure *why)
{
    struct ip source = strangers_source(address);

    if (!limit_take(&strangers->sources, ip_bytes(&source), now_ms)) {
        return fail(why, STATUS_LIMIT, strangers->plan.reason,
                    "more than %u requests a second from %.80s; try again later",
                    strangers->plan.per_second, address);
    }
    if (!share_take(&strangers->everybody, ip_bytes(&source), now_ms)) {
        return fail(why, STATUS_LIMIT, strangers->plan.reason,
                    "many ask at once, and %.80s has had its part; try again later", address);
    }
    return STATUS_OK;
}

void strangers_forgive(struct strangers *strangers, const char *address, uint64_t now_ms)
{
    struct ip source = strangers_source(address);

    limit_give(&strangers->sources, ip_bytes(&source), now_ms);
    share_give(&strangers->everybody, ip_bytes(&source), now_ms);
}
