/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-proxy/memory_watch.h"

#include <malloc.h>

#include "core/runtime/loop/memory_ledger.h"
#include "core/runtime/telemetry/metrics.h"

/* Less than this is not worth a walk through the heaps; a flood that goes on is waited for. */
#define MEMORY_WATCH_FREED ((size_t)2 * 1024 * 1024)
enum { MEMORY_WATCH_DELAY = 3 };

static void memory_watch_give_back(struct memory_watch *watch)
{
    if (memory_ledger_freed(MEMORY_WATCH_FREED) > 0 && watch->due == 0) {
        watch->due = MEMORY_WATCH_DELAY;
        return;
    }
    if (watch->due > 0 && --watch->due == 0) {
        (void)malloc_trim(0);
    }
}

void memory_watch_look(struct memory_watch *watch, const struct log *log)
{
    size_t held = memory_ledger_held();
    bool over = memory_ledger_over();

    metrics_gauge_set(METRIC_MEMORY_HELD, LABEL_NONE, LABEL_NONE, (int64_t)held);
    metrics_gauge_set(METRIC_MEMORY_BUDGET, LABEL_NONE, LABEL_NONE,
                      (int64_t)memory_ledger_budget());
    if (over != watch->over) {
        watch->over = over;
        log_event(log, over ? LOG_WARN : LOG_INFO,
                  over ? "memory.over-budget" : "memory.within-budget",
                  LOG_INT("held_bytes", (int64_t)held),
                  LOG_INT("budget_bytes", (int64_t)memory_ledger_budget()),
                  LOG_TEXT("detail",
                           over ? "new connections wait in the accept queue; raise memory_budget, "
                                  "or look with `signet conn` who does not read"
                                : "connections are accepted again"));
    }
    memory_watch_give_back(watch);
}
