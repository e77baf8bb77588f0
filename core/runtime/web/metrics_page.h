/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics, in Prometheus text format 0.0.4.
 */
#ifndef SIGNET_CORE_RUNTIME_WEB_METRICS_PAGE_H
#define SIGNET_CORE_RUNTIME_WEB_METRICS_PAGE_H

#include "core/runtime/telemetry/metrics.h"
#include "core/runtime/web/server.h"

/* metrics_page_route is the route GET /metrics of METRICS_PROXY or METRICS_CONTROL. */
struct web_route metrics_page_route(enum metrics_program program);

#endif
