/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms, declared in metrics.def and nowhere else. Each worker adds to a
 * shard of its own without a lock; reading sums the shards.
 *
 *     metrics_add(worker->index, METRIC_BYTES, LABEL_INBOUND, LABEL_RECEIVED, n);
 *     metrics_add_reason(0, METRIC_RENEWALS, LABEL_FAILED, LABEL_NONE, why.reason, 1);
 *     metrics_gauge_set(METRIC_SVID_EXPIRY, LABEL_NONE, LABEL_NONE, svid_expires_at(svid));
 *     metrics_observe(worker->index, METRIC_HANDSHAKE_DURATION, LABEL_INBOUND, LABEL_NONE, us);
 *
 * Labels have bounded values: the ones of metrics.def, and reasons, which are the literals of
 * failure.reason: METRICS_REASONS_MAX different ones per shard, then "other".
 *
 * Threads: shard 0 from any thread; shard n > 0 only from worker n's thread. Reading: any thread.
 * Source: Prometheus text exposition format 0.0.4.
 */
#ifndef SIGNET_CORE_RUNTIME_TELEMETRY_METRICS_H
#define SIGNET_CORE_RUNTIME_TELEMETRY_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/status.h"

#define METRICS_SHARDS_MAX 65  /* the main loop and 64 workers; a greater index shares shard 0 */
#define METRICS_REASONS_MAX 96 /* different reason words per shard; what comes later is "other" */

/* Whose page a metric stands on. */
enum metrics_program {
    METRICS_PROXY = 1,
    METRICS_CONTROL = 2,
    METRICS_BOTH = 3,
};

/* The label values: LABEL_INBOUND, LABEL_OK, ... LABEL_NONE where a metric has no such label. */
enum metrics_label {
    LABEL_NONE = 0,
#define VALUE(label, id, text) LABEL_##id,
#include "core/runtime/telemetry/metrics.def"
    LABEL_VALUES
};

/* The metrics: METRIC_BYTES, ... */
enum metric {
#define COUNTER(id, program, name, a, b, reasons, help) METRIC_##id,
#define GAUGE(id, program, name, a, b, help) METRIC_##id,
#define HISTOGRAM(id, program, name, buckets, a, b, help) METRIC_##id,
#include "core/runtime/telemetry/metrics.def"
    METRICS
};

/*
 * metrics_add adds to a counter without a reason label. `a` and `b` are values of the metric's
 * first and second label, LABEL_NONE where it has none; a value of another label is our own mistake
 * (assert).
 */
void metrics_add(unsigned shard, enum metric metric, enum metrics_label a, enum metrics_label b,
                 uint64_t amount);

/*
 * metrics_counter is one counter of a worker's shard (not shard 0), for what is counted very often:
 * metrics_count adds to it. Borrowed until metrics_clear(). That worker's thread.
 */
_Atomic int64_t *metrics_counter(unsigned shard, enum metric metric, enum metrics_label a,
                                 enum metrics_label b);
void metrics_count(_Atomic int64_t *counter, uint64_t amount);

/*
 * metrics_add_reason adds to a counter with a reason label. `reason` is a literal (failure.reason),
 * kept by pointer; NULL counts as "none".
 */
void metrics_add_reason(unsigned shard, enum metric metric, enum metrics_label a,
                        enum metrics_label b, const char *reason, uint64_t amount);

/*
 * metrics_gauge_set sets a gauge, from any thread; a gauge is left out of the page until its first
 * change. metrics_gauge_add moves one that is summed over shards, such as open connections. Do not
 * mix the two on one gauge.
 */
void metrics_gauge_set(enum metric metric, enum metrics_label a, enum metrics_label b,
                       int64_t value);
void metrics_gauge_add(unsigned shard, enum metric metric, enum metrics_label a,
                       enum metrics_label b, int64_t delta);

/* metrics_observe counts a duration in microseconds into a histogram; the page shows seconds. */
void metrics_observe(unsigned shard, enum metric metric, enum metrics_label a, enum metrics_label b,
                     uint64_t duration_us);

/*
 * metrics_read is the sum over all shards of a counter (over all reasons), a gauge, or the number
 * of a histogram's observations, with exactly these labels. Any thread; for admin pages and tests.
 */
int64_t metrics_read(enum metric metric, enum metrics_label a, enum metrics_label b);

/*
 * metrics_set_version is the version label of signet_build_info; a literal. Before threads start.
 */
void metrics_set_version(const char *version);

/*
 * metrics_render appends the page of `program` (METRICS_PROXY or METRICS_CONTROL) in Prometheus
 * text format 0.0.4. Any thread. STATUS_LIMIT "metrics/full" when the buffer's bound is too small.
 */
enum status metrics_render(enum metrics_program program, struct buffer *out,
                           struct failure *why) MUST_USE;

/*
 * metrics_clear forgets all values and frees the shards. When no other thread counts: at exit, in
 * tests.
 */
void metrics_clear(void);

#endif
