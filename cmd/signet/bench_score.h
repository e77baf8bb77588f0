/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was measured: whole numbers in small units, a set for each round and chain; medians of them,
 * and the ratio to the best peer. Pure.
 */
#ifndef SIGNET_CMD_SIGNET_BENCH_SCORE_H
#define SIGNET_CMD_SIGNET_BENCH_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/signet/bench.h"
#include "core/runtime/base/status.h"

#define BENCH_SCORE_NONE INT64_C(-1) /* not measured */

enum bench_metric {
    BENCH_KEEP_CPU,  /* ns of the two proxies' CPU a request */
    BENCH_KEEP_RATE, /* requests a second */
    BENCH_KEEP_P50,  /* ns */
    BENCH_KEEP_P99,
    BENCH_NEW_CPU, /* the same, with a connection a request */
    BENCH_NEW_RATE,
    BENCH_NEW_P50,
    BENCH_NEW_P99,
    BENCH_BULK_CPU,      /* us of CPU a GB (10^9 bytes) */
    BENCH_BULK_RATE,     /* bytes a second */
    BENCH_EMPTY_RSS_OUT, /* KiB before there are connections */
    BENCH_EMPTY_RSS_IN,
    BENCH_EMPTY_ANON_OUT,
    BENCH_EMPTY_ANON_IN,
    BENCH_FULL_RSS_OUT, /* KiB with the idle connections */
    BENCH_FULL_RSS_IN,
    BENCH_FULL_ANON_OUT,
    BENCH_FULL_ANON_IN,
    BENCH_EACH_OUT, /* bytes an idle connection, of RSS */
    BENCH_EACH_IN,
    BENCH_METRICS,
};

/* How a metric is shown. */
struct bench_metric_form {
    const char *name; /* of a JSON member, with its unit */
    const char *text; /* in a table; of the first of a group its group: "keep-alive requests" */
    const char *unit; /* in a table */
    int64_t scale;    /* of the unit in the small units */
    int decimals;
    bool more_is_better;
};

/* bench_score_form is how `metric` is shown. */
const struct bench_metric_form *bench_score_form(enum bench_metric metric);

/* One round of one chain. */
struct bench_round {
    int64_t values[BENCH_METRICS];
    int64_t failed; /* requests and connections */
    int64_t
        other_load_permille; /* of the machine, by neither chain nor load: the worst of the tests */
};

/* bench_round_reset makes a round in which nothing is measured. */
void bench_round_reset(struct bench_round *round);

struct bench_score {
    enum bench_kind kind;
    size_t num_rounds;
    struct bench_round rounds[BENCH_ROUNDS_MAX];
    bool coarse_memory; /* read from /proc/PID/status: see bench_process.h */
    bool troubled;      /* it failed, and was left out from then on */
    struct failure trouble;
    char last_words[1600]; /* lines of the logs of what failed */
};

/*
 * bench_score_median is the median over the rounds, of those that measured it; else
 * BENCH_SCORE_NONE.
 */
int64_t bench_score_median(const struct bench_score *score, enum bench_metric metric);

/*
 * bench_score_ratio compares Signet's median with the best peer's: thousandths of Signet / best
 * peer, in *out_best that peer. Signet and "no proxy" are no peers. BENCH_SCORE_NONE when there is
 * nothing to compare.
 */
int64_t bench_score_ratio(const struct bench_score *scores, size_t count, enum bench_metric metric,
                          enum bench_kind *out_best);

#endif
