/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_score.h"

#include <stdlib.h>

static const struct bench_metric_form bench_forms[BENCH_METRICS] = {
    [BENCH_KEEP_CPU] = {"keep_alive_cpu_ns_per_request", "keep-alive: proxy CPU", "µs/request",
                        1000, 1, false},
    [BENCH_KEEP_RATE] = {"keep_alive_requests_per_s", "keep-alive: requests", "1/s", 1, 0, true},
    [BENCH_KEEP_P50] = {"keep_alive_p50_ns", "keep-alive: p50", "µs", 1000, 0, false},
    [BENCH_KEEP_P99] = {"keep_alive_p99_ns", "keep-alive: p99", "µs", 1000, 0, false},
    [BENCH_NEW_CPU] = {"new_connection_cpu_ns", "new connections: proxy CPU", "µs/connection", 1000,
                       0, false},
    [BENCH_NEW_RATE] = {"new_connections_per_s", "new connections", "1/s", 1, 0, true},
    [BENCH_NEW_P50] = {"new_connection_p50_ns", "new connections: p50", "µs", 1000, 0, false},
    [BENCH_NEW_P99] = {"new_connection_p99_ns", "new connections: p99", "µs", 1000, 0, false},
    [BENCH_BULK_CPU] = {"bulk_cpu_us_per_gb", "bulk: proxy CPU", "s/GB", 1000000, 3, false},
    [BENCH_BULK_RATE] = {"bulk_bytes_per_s", "bulk", "GB/s", 1000000000, 2, true},
    [BENCH_EMPTY_RSS_OUT] = {"idle_rss_kib_outbound", "idle: RSS, outbound", "MiB", 1024, 1, false},
    [BENCH_EMPTY_RSS_IN] = {"idle_rss_kib_inbound", "idle: RSS, inbound", "MiB", 1024, 1, false},
    [BENCH_EMPTY_ANON_OUT] = {"idle_anon_kib_outbound", "idle: anonymous, outbound", "MiB", 1024, 1,
                              false},
    [BENCH_EMPTY_ANON_IN] = {"idle_anon_kib_inbound", "idle: anonymous, inbound", "MiB", 1024, 1,
                             false},
    [BENCH_FULL_RSS_OUT] = {"held_rss_kib_outbound", "held: RSS, outbound", "MiB", 1024, 1, false},
    [BENCH_FULL_RSS_IN] = {"held_rss_kib_inbound", "held: RSS, inbound", "MiB", 1024, 1, false},
    [BENCH_FULL_ANON_OUT] = {"held_anon_kib_outbound", "held: anonymous, outbound", "MiB", 1024, 1,
                             false},
    [BENCH_FULL_ANON_IN] = {"held_anon_kib_inbound", "held: anonymous, inbound", "MiB", 1024, 1,
                            false},
    [BENCH_EACH_OUT] = {"bytes_per_connection_outbound", "held: each connection, outbound", "KiB",
                        1024, 1, false},
    [BENCH_EACH_IN] = {"bytes_per_connection_inbound", "held: each connection, inbound", "KiB",
                       1024, 1, false},
};

const struct bench_metric_form *bench_score_form(enum bench_metric metric)
{
    return &bench_forms[metric];
}

void bench_round_reset(struct bench_round *round)
{
    for (int i = 0; i < BENCH_METRICS; i++) {
        round->values[i] = BENCH_SCORE_NONE;
    }
    round->failed = 0;
    round->other_load_permille = 0;
}

static int bench_score_compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

int64_t bench_score_median(const struct bench_score *score, enum bench_metric metric)
{
    int64_t values[BENCH_ROUNDS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < score->num_rounds; i++) {
        if (score->rounds[i].values[metric] != BENCH_SCORE_NONE) {
            values[count++] = score->rounds[i].values[metric];
        }
    }
    if (count == 0) {
        return BENCH_SCORE_NONE;
    }
    qsort(values, count, sizeof values[0], bench_score_compare);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

int64_t bench_score_ratio(const struct bench_score *scores, size_t count, enum bench_metric metric,
                          enum bench_kind *out_best)
{
    int64_t own = BENCH_SCORE_NONE;
    int64_t best = BENCH_SCORE_NONE;
    enum bench_kind best_kind = BENCH_NONE;

    for (size_t i = 0; i < count; i++) {
        int64_t value = bench_score_median(&scores[i], metric);

        if (scores[i].kind == BENCH_SIGNET) {
            own = value;
        } else if (scores[i].kind != BENCH_NONE && value != BENCH_SCORE_NONE &&
                   (best == BENCH_SCORE_NONE ||
                    (bench_forms[metric].more_is_better ? value > best : value < best))) {
            best = value;
            best_kind = scores[i].kind;
        }
    }
    if (own == BENCH_SCORE_NONE || best <= 0) {
        return BENCH_SCORE_NONE;
    }
    *out_best = best_kind;
    return (own * 1000 + best / 2) / best;
}
