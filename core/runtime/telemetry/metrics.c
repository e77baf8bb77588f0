/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/telemetry/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/telemetry/metrics_table.h"

/* The words of a shard, and one more place for all that came after them. */
enum { METRICS_REASON_PLACES = METRICS_REASONS_MAX + 1 };

static const uint64_t metrics_short_us[] = {250,    500,     1000,    2500,    5000,
                                            10000,  25000,   50000,   100000,  250000,
                                            500000, 1000000, 2500000, 10000000};
static const uint64_t metrics_long_us[] = {10000,    100000,    1000000,     10000000,
                                           60000000, 600000000, 3600000000u, 86400000000u};

static const struct metrics_buckets METRICS_SHORT = {
    metrics_short_us, sizeof metrics_short_us / sizeof metrics_short_us[0]};
static const struct metrics_buckets METRICS_LONG = {metrics_long_us, sizeof metrics_long_us /
                                                                         sizeof metrics_long_us[0]};

#define PLAIN false
#define REASON true
const struct metrics_row metrics_rows[METRICS] = {
#define COUNTER(id, program_, name_, a_, b_, reasons_, help_)                                      \
    [METRIC_##                                                                                     \
        id] = {name_,    help_, program_, METRICS_COUNTER, METRICS_LABEL_##a_, METRICS_LABEL_##b_, \
               reasons_, NULL},
#define GAUGE(id, program_, name_, a_, b_, help_)                                                  \
    [METRIC_##                                                                                     \
        id] = {name_, help_, program_, METRICS_GAUGE, METRICS_LABEL_##a_, METRICS_LABEL_##b_,      \
               false, NULL},
#define HISTOGRAM(id, program_, name_, buckets_, a_, b_, help_)                                    \
    [METRIC_##id] = {                                                                              \
        name_, help_,    program_, METRICS_HISTOGRAM, METRICS_LABEL_##a_, METRICS_LABEL_##b_,      \
        false, &buckets_},
#include "core/runtime/telemetry/metrics.def"
};
#undef PLAIN
#undef REASON

static const char *const metrics_label_names[METRICS_LABELS] = {
#define LABEL(id, name) [METRICS_LABEL_##id] = name,
#include "core/runtime/telemetry/metrics.def"
};

static const struct {
    enum metrics_label_kind kind;
    const char *text;
} metrics_values[LABEL_VALUES] = {
#define VALUE(label, id, text_) [LABEL_##id] = {METRICS_LABEL_##label, text_},
#include "core/runtime/telemetry/metrics.def"
};

/*
 * One thread's numbers. A cell is never moved: `cells` is as long as the table says, from the
 * start.
 */
struct metrics_shard {
    _Atomic(const char *) words[METRICS_REASONS_MAX]; /* literals, filled from the front */
    _Atomic int64_t cells[];
};

static _Atomic(struct metrics_shard *) metrics_shards[METRICS_SHARDS_MAX];
static const char *metrics_version_text;

/* Where a metric's cells lie in a shard: series (a, b) is `parts` cells in one piece. */
struct metrics_place {
    unsigned start;
    enum metrics_label a_first;
    enum metrics_label b_first;
    unsigned a_size;
    unsigned b_size;
    unsigned parts;
};

static struct metrics_place metrics_places[METRICS];
static unsigned metrics_num_cells;
static pthread_once_t metrics_laid_out = PTHREAD_ONCE_INIT;

/* Which series of a gauge were changed, a bit for each: no gauge has 64 of them. */
static _Atomic uint64_t metrics_touched[METRICS];

struct metrics_label_row metrics_label_row_of(enum metrics_label_kind kind)
{
    struct metrics_label_row row = {.name = metrics_label_names[kind], .count = 0};

    for (unsigned i = 1; i < LABEL_VALUES; i++) {
        if (metrics_values[i].kind == kind) {
            row.first = row.count == 0 ? (enum metrics_label)i : row.first;
            row.count++;
        }
    }
    return row;
}

const char *metrics_label_text(enum metrics_label value)
{
    return metrics_values[value].text;
}

/* How many values a label has; 1 for the label that a metric does not have. */
static unsigned metrics_label_size(enum metrics_label_kind kind)
{
    return kind == METRICS_LABEL_NONE ? 1 : metrics_label_row_of(kind).count;
}

static unsigned metrics_parts(const struct metrics_row *row)
{
    if (row->kind == METRICS_HISTOGRAM) {
        return row->buckets->count + 2; /* the bucket without a bound, and the sum */
    }
    return row->reasons ? METRICS_REASON_PLACES : 1;
}

/* Computed once from the table. */
static void metrics_lay_out(void)
{
    unsigned next = 0;

    for (unsigned i = 0; i < METRICS; i++) {
        const struct metrics_row *row = &metrics_rows[i];
        struct metrics_place *place = &metrics_places[i];

        place->start = next;
        place->a_first = metrics_label_row_of(row->a).first;
        place->a_size = metrics_label_size(row->a);
        place->b_first = metrics_label_row_of(row->b).first;
        place->b_size = metrics_label_size(row->b);
        place->parts = metrics_parts(row);
        next += place->a_size * place->b_size * place->parts;
    }
    metrics_num_cells = next;
}

static void metrics_prepare(void)
{
    (void)pthread_once(&metrics_laid_out, metrics_lay_out);
}

/* The first cell of a series. Labels that the metric does not have are our own mistake. */
static unsigned metrics_cell(enum metric metric, enum metrics_label a, enum metrics_label b)
{
    const struct metrics_place *place = &metrics_places[metric];
    unsigned a_index = (unsigned)a - (unsigned)place->a_first;
    unsigned b_index = (unsigned)b - (unsigned)place->b_first;

    assert(a_index < place->a_size && b_index < place->b_size);
    return place->start + (a_index * place->b_size + b_index) * place->parts;
}

static struct metrics_shard *metrics_shard_of(unsigned index)
{
    _Atomic(struct metrics_shard *) *slot;
    struct metrics_shard *shard;
    struct metrics_shard *made;

    metrics_prepare();
    slot = &metrics_shards[index < METRICS_SHARDS_MAX ? index : 0];
    shard = atomic_load_explicit(slot, memory_order_acquire);
    if (shard != NULL) {
        return shard;
    }
    made = memory_make(sizeof *made + metrics_num_cells * sizeof made->cells[0]);
    if (atomic_compare_exchange_strong_explicit(slot, &shard, made, memory_order_acq_rel,
                                                memory_order_acquire)) {
        return made;
    }
    free(made); /* another thread was faster */
    return shard;
}

static void metrics_add_cell(unsigned index, unsigned cell, int64_t amount)
{
    struct metrics_shard *shard = metrics_shard_of(index);

    if (index == 0 || index >= METRICS_SHARDS_MAX) {
        (void)atomic_fetch_add_explicit(&shard->cells[cell], amount, memory_order_relaxed);
        return;
    }
    /* A worker is the only writer of its shard: no locked instruction is needed. */
    atomic_store_explicit(&shard->cells[cell],
                          atomic_load_explicit(&shard->cells[cell], memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

/* The place of a word in a shard: its own, or the last one, which is "other". */
static unsigned metrics_reason_place(struct metrics_shard *shard, const char *word)
{
    for (unsigned i = 0; i < METRICS_REASONS_MAX; i++) {
        const char *there = atomic_load_explicit(&shard->words[i], memory_order_acquire);

        if (there == NULL &&
            atomic_compare_exchange_strong_explicit(&shard->words[i], &there, word,
                                                    memory_order_acq_rel, memory_order_acquire)) {
            return i;
        }
        if (there == word || strcmp(there, word) == 0) {
            return i;
        }
    }
    return METRICS_REASONS_MAX;
}

void metrics_add(unsigned shard, enum metric metric, enum metrics_label a, enum metrics_label b,
                 uint64_t amount)
{
    metrics_prepare();
    assert(metrics_rows[metric].kind == METRICS_COUNTER && !metrics_rows[metric].reasons);
    metrics_add_cell(shard, metrics_cell(metric, a, b), (int64_t)amount);
}

_Atomic int64_t *metrics_counter(unsigned shard, enum metric metric, enum metrics_label a,
                                 enum metrics_label b)
{
    metrics_prepare();
    assert(metrics_rows[metric].kind == METRICS_COUNTER && !metrics_rows[metric].reasons);
    return &metrics_shard_of(shard)->cells[metrics_cell(metric, a, b)];
}

void metrics_count(_Atomic int64_t *counter, uint64_t amount)
{
    /* The worker is the only writer of its shard: no locked instruction is needed. */
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + (int64_t)amount,
                          memory_order_relaxed);
}

void metrics_add_reason(unsigned shard, enum metric metric, enum metrics_label a,
                        enum metrics_label b, const char *reason, uint64_t amount)
{
    unsigned place =
        metrics_reason_place(metrics_shard_of(shard), reason == NULL ? "none" : reason);

    assert(metrics_rows[metric].reasons);
    metrics_add_cell(shard, metrics_cell(metric, a, b) + place, (int64_t)amount);
}

static void metrics_touch(enum metric metric, unsigned cell)
{
    assert(metrics_rows[metric].kind == METRICS_GAUGE);
    (void)atomic_fetch_or_explicit(&metrics_touched[metric],
                                   1ull << (cell - metrics_places[metric].start),
                                   memory_order_relaxed);
}

void metrics_gauge_set(enum metric metric, enum metrics_label a, enum metrics_label b,
                       int64_t value)
{
    struct metrics_shard *shard = metrics_shard_of(0);
    unsigned cell = metrics_cell(metric, a, b);

    atomic_store_explicit(&shard->cells[cell], value, memory_order_relaxed);
    metrics_touch(metric, cell);
}

void metrics_gauge_add(unsigned shard, enum metric metric, enum metrics_label a,
                       enum metrics_label b, int64_t delta)
{
    unsigned cell;

    metrics_prepare();
    cell = metrics_cell(metric, a, b);
    metrics_add_cell(shard, cell, delta);
    metrics_touch(metric, cell);
}

void metrics_observe(unsigned shard, enum metric metric, enum metrics_label a, enum metrics_label b,
                     uint64_t duration_us)
{
    const struct metrics_buckets *buckets = metrics_rows[metric].buckets;
    unsigned bucket = 0;
    unsigned cell;

    metrics_prepare();
    assert(buckets != NULL);
    while (bucket < buckets->count && duration_us > buckets->bounds_us[bucket]) {
        bucket++;
    }
    cell = metrics_cell(metric, a, b);
    metrics_add_cell(shard, cell + bucket, 1);
    metrics_add_cell(shard, cell + buckets->count + 1, (int64_t)duration_us);
}

static int64_t metrics_sum_cell(unsigned cell)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < METRICS_SHARDS_MAX; i++) {
        struct metrics_shard *shard =
            atomic_load_explicit(&metrics_shards[i], memory_order_acquire);

        if (shard != NULL) {
            sum += atomic_load_explicit(&shard->cells[cell], memory_order_relaxed);
        }
    }
    return sum;
}

int64_t metrics_sum(enum metric metric, enum metrics_label a, enum metrics_label b, unsigned part)
{
    metrics_prepare();
    assert(part < metrics_places[metric].parts);
    return metrics_sum_cell(metrics_cell(metric, a, b) + part);
}

int64_t metrics_read(enum metric metric, enum metrics_label a, enum metrics_label b)
{
    unsigned parts;
    int64_t sum = 0;

    metrics_prepare();
    parts = metrics_places[metric].parts;
    if (metrics_rows[metric].kind == METRICS_HISTOGRAM) {
        parts--; /* its last part is the sum of the durations */
    }
    for (unsigned part = 0; part < parts; part++) {
        sum += metrics_sum(metric, a, b, part);
    }
    return sum;
}

bool metrics_was_set(enum metric metric, enum metrics_label a, enum metrics_label b)
{
    metrics_prepare();
    return (atomic_load_explicit(&metrics_touched[metric], memory_order_relaxed) >>
                (metrics_cell(metric, a, b) - metrics_places[metric].start) &
            1) != 0;
}

static bool metrics_word_is_listed(const char *const *words, unsigned count, const char *word)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

unsigned metrics_reasons(const char **out_words, unsigned max)
{
    unsigned count = 0;

    for (unsigned i = 0; i < METRICS_SHARDS_MAX; i++) {
        struct metrics_shard *shard =
            atomic_load_explicit(&metrics_shards[i], memory_order_acquire);

        for (unsigned j = 0; shard != NULL && j < METRICS_REASONS_MAX && count < max; j++) {
            const char *word = atomic_load_explicit(&shard->words[j], memory_order_acquire);

            if (word != NULL && !metrics_word_is_listed(out_words, count, word)) {
                out_words[count++] = word;
            }
        }
    }
    return count;
}

int64_t metrics_sum_reason(enum metric metric, enum metrics_label a, enum metrics_label b,
                           const char *word)
{
    int64_t sum = 0;

    metrics_prepare();
    for (unsigned i = 0; i < METRICS_SHARDS_MAX; i++) {
        struct metrics_shard *shard =
            atomic_load_explicit(&metrics_shards[i], memory_order_acquire);

        for (unsigned j = 0; shard != NULL && j < METRICS_REASONS_MAX; j++) {
            const char *there = atomic_load_explicit(&shard->words[j], memory_order_acquire);

            if (there != NULL && strcmp(there, word) == 0) {
                sum += atomic_load_explicit(&shard->cells[metrics_cell(metric, a, b) + j],
                                            memory_order_relaxed);
                break;
            }
        }
    }
    return sum;
}

void metrics_set_version(const char *version)
{
    metrics_version_text = version;
}

const char *metrics_version(void)
{
    return metrics_version_text;
}

void metrics_clear(void)
{
    for (unsigned i = 0; i < METRICS_SHARDS_MAX; i++) {
        free(atomic_exchange(&metrics_shards[i], NULL));
    }
    for (unsigned i = 0; i < METRICS; i++) {
        atomic_store(&metrics_touched[i], 0);
    }
}
