/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of metrics.def as a table, and what the counting half (metrics.c) shows to the printing
 * half (metrics_page.c). Within this package only.
 */
#ifndef SIGNET_CORE_RUNTIME_TELEMETRY_METRICS_TABLE_H
#define SIGNET_CORE_RUNTIME_TELEMETRY_METRICS_TABLE_H

#include <stdbool.h>

#include "core/runtime/telemetry/metrics.h"

enum metrics_kind {
    METRICS_COUNTER,
    METRICS_GAUGE,
    METRICS_HISTOGRAM,
};

/* The labels: METRICS_LABEL_NONE, METRICS_LABEL_DIRECTION, ... */
enum metrics_label_kind {
    METRICS_LABEL_NONE,
#define LABEL(id, name) METRICS_LABEL_##id,
#include "core/runtime/telemetry/metrics.def"
    METRICS_LABELS
};

struct metrics_label_row {
    const char *name;         /* "direction" */
    enum metrics_label first; /* its values are `count` in one piece */
    unsigned count;
};

/*
 * Upper bounds of a histogram's buckets in microseconds, ascending; one more bucket has no bound.
 */
struct metrics_buckets {
    const uint64_t *bounds_us;
    unsigned count;
};

struct metrics_row {
    const char *name;
    const char *help;
    enum metrics_program program;
    enum metrics_kind kind;
    enum metrics_label_kind a;
    enum metrics_label_kind b;
    bool reasons;
    const struct metrics_buckets *buckets; /* of a histogram */
};

extern const struct metrics_row metrics_rows[METRICS];

/* metrics_label_row_of gives a label's name and values; metrics_label_text the text of a value. */
struct metrics_label_row metrics_label_row_of(enum metrics_label_kind kind);
const char *metrics_label_text(enum metrics_label value);

/*
 * metrics_sum is cell `part` of a metric's series (a, b), summed over the shards: part 0 of a
 * counter or gauge, bucket i of a histogram, and its sum in microseconds as part buckets.count + 1.
 * Without reasons.
 */
int64_t metrics_sum(enum metric metric, enum metrics_label a, enum metrics_label b, unsigned part);

/* metrics_was_set tells whether a gauge's series was ever changed. */
bool metrics_was_set(enum metric metric, enum metrics_label a, enum metrics_label b);

/*
 * metrics_reasons lists the different reason words of all shards, at most `max`; returns how many.
 * metrics_sum_reason is the sum of a series for one of these words.
 */
unsigned metrics_reasons(const char **out_words, unsigned max);
int64_t metrics_sum_reason(enum metric metric, enum metrics_label a, enum metrics_label b,
                           const char *word);

/* metrics_version is what metrics_set_version set, or NULL. */
const char *metrics_version(void);

#endif
