/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people see of the memory ledger (core/runtime/loop/memory_ledger.h): two gauges, a log line when
 * the process goes over its budget and one when it is within it again. And what a flood took is given
 * back to the system some seconds after it was freed: the C library would keep it. Main thread.
 */
#ifndef SIGNET_CMD_SIGNET_PROXY_MEMORY_WATCH_H
#define SIGNET_CMD_SIGNET_PROXY_MEMORY_WATCH_H

#include <stdbool.h>

#include "core/runtime/telemetry/log.h"

/* Zeroed, nothing has been seen. */
struct memory_watch {
    bool over;    /* and it was said */
    unsigned due; /* looks until freed memory is given back; 0: nothing to give */
};

/* memory_watch_look compares, says and gives back; call it about once a second. */
void memory_watch_look(struct memory_watch *watch, const struct log *log);

#endif
