/* SPDX-License-Identifier: Apache-2.0 */
/* The printing half: metrics_render(). */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "core/runtime/telemetry/metrics.h"
#include "core/runtime/telemetry/metrics_table.h"

/* All the words that a page can show; the shards' words are mostly the same ones. */
enum { METRICS_PAGE_REASONS = 2 * METRICS_REASONS_MAX, METRICS_LABELS_TEXT_MAX = 192 };

/* One metric on its way to the page. */
struct metrics_page {
    struct buffer *out;
    enum metric metric;
    const struct metrics_row *row;
    const char **reasons;
    unsigned num_reasons;
};

/* The labels of a series: `direction="inbound",outcome="ok"`; returns the length. */
static size_t metrics_page_labels(const struct metrics_row *row, enum metrics_label a,
                                  enum metrics_label b, char out[METRICS_LABELS_TEXT_MAX])
{
    size_t len = 0;

    out[0] = '\0';
    if (row->a != METRICS_LABEL_NONE) {
        len += (size_t)snprintf(out, METRICS_LABELS_TEXT_MAX, "%s=\"%s\"",
                                metrics_label_row_of(row->a).name, metrics_label_text(a));
    }
    if (row->b != METRICS_LABEL_NONE) {
        len += (size_t)snprintf(out + len, METRICS_LABELS_TEXT_MAX - len, "%s%s=\"%s\"",
                                len > 0 ? "," : "", metrics_label_row_of(row->b).name,
                                metrics_label_text(b));
    }
    return len;
}

static enum status metrics_page_plain(const struct metrics_page *page, enum metrics_label a,
                                      enum metrics_label b, const char *labels)
{
    int64_t sum = metrics_sum(page->metric, a, b, 0);

    if (page->row->kind == METRICS_GAUGE && !metrics_was_set(page->metric, a, b)) {
        return STATUS_OK;
    }
    return buffer_add_format(page->out, "%s%s%s%s %" PRId64 "\n", page->row->name,
                             labels[0] == '\0' ? "" : "{", labels, labels[0] == '\0' ? "" : "}",
                             sum);
}

static enum status metrics_page_reason(const struct metrics_page *page, const char *labels,
                                       const char *word, int64_t sum)
{
    if (sum == 0) {
        return STATUS_OK; /* a word of another metric */
    }
    return buffer_add_format(page->out, "%s{%s%sreason=\"%s\"} %" PRId64 "\n", page->row->name,
                             labels, labels[0] == '\0' ? "" : ",", word, sum);
}

static enum status metrics_page_reasons(const struct metrics_page *page, enum metrics_label a,
                                        enum metrics_label b, const char *labels)
{
    int64_t rest = metrics_read(page->metric, a, b);

    for (unsigned i = 0; i < page->num_reasons; i++) {
        int64_t sum = metrics_sum_reason(page->metric, a, b, page->reasons[i]);

        rest -= sum;
        TRY(metrics_page_reason(page, labels, page->reasons[i], sum));
    }
    /* A worker may have counted between the two readings: that shows at the next one. */
    return metrics_page_reason(page, labels, "other", rest > 0 ? rest : 0);
}

static enum status metrics_page_histogram(const struct metrics_page *page, enum metrics_label a,
                                          enum metrics_label b, const char *labels)
{
    const struct metrics_buckets *buckets = page->row->buckets;
    const char *comma = labels[0] == '\0' ? "" : ",";
    const char *open = labels[0] == '\0' ? "" : "{";
    const char *close = labels[0] == '\0' ? "" : "}";
    int64_t sum_us = metrics_sum(page->metric, a, b, buckets->count + 1);
    int64_t count = 0;

    for (unsigned i = 0; i < buckets->count; i++) {
        count += metrics_sum(page->metric, a, b, i);
        TRY(buffer_add_format(page->out, "%s_bucket{%s%sle=\"%g\"} %" PRId64 "\n", page->row->name,
                              labels, comma, (double)buckets->bounds_us[i] / 1e6, count));
    }
    count += metrics_sum(page->metric, a, b, buckets->count);
    TRY(buffer_add_format(page->out, "%s_bucket{%s%sle=\"+Inf\"} %" PRId64 "\n", page->row->name,
                          labels, comma, count));
    TRY(buffer_add_format(page->out, "%s_sum%s%s%s %" PRId64 ".%06" PRId64 "\n", page->row->name,
                          open, labels, close, sum_us / 1000000, sum_us % 1000000));
    return buffer_add_format(page->out, "%s_count%s%s%s %" PRId64 "\n", page->row->name, open,
                             labels, close, count);
}

static enum status metrics_page_series(const struct metrics_page *page, enum metrics_label a,
                                       enum metrics_label b)
{
    char labels[METRICS_LABELS_TEXT_MAX];

    (void)metrics_page_labels(page->row, a, b, labels);
    if (page->row->kind == METRICS_HISTOGRAM) {
        return metrics_page_histogram(page, a, b, labels);
    }
    if (page->row->reasons) {
        return metrics_page_reasons(page, a, b, labels);
    }
    return metrics_page_plain(page, a, b, labels);
}

static enum status metrics_page_metric(const struct metrics_page *page)
{
    static const char *const kinds[] = {
        [METRICS_COUNTER] = "counter",
        [METRICS_GAUGE] = "gauge",
        [METRICS_HISTOGRAM] = "histogram",
    };
    struct metrics_label_row a = metrics_label_row_of(page->row->a);
    struct metrics_label_row b = metrics_label_row_of(page->row->b);
    unsigned a_size = page->row->a == METRICS_LABEL_NONE ? 1 : a.count;
    unsigned b_size = page->row->b == METRICS_LABEL_NONE ? 1 : b.count;

    TRY(buffer_add_format(page->out, "# HELP %s %s\n# TYPE %s %s\n", page->row->name,
                          page->row->help, page->row->name, kinds[page->row->kind]));
    for (unsigned i = 0; i < a_size; i++) {
        for (unsigned j = 0; j < b_size; j++) {
            TRY(metrics_page_series(page, (enum metrics_label)(a.first + i),
                                    (enum metrics_label)(b.first + j)));
        }
    }
    return STATUS_OK;
}

static enum status metrics_page_build(struct buffer *out)
{
    if (metrics_version() == NULL) {
        return STATUS_OK;
    }
    return buffer_add_format(out,
                             "# HELP signet_build_info The running program's version.\n"
                             "# TYPE signet_build_info gauge\n"
                             "signet_build_info{version=\"%s\"} 1\n",
                             metrics_version());
}

/* Resident memory now, in bytes; 0 where /proc does not say. */
static int64_t metrics_page_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;

    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*d %ld", &pages) != 1) {
        pages = 0;
    }
    (void)fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static enum status metrics_page_all(enum metrics_program program, struct buffer *out)
{
    const char *reasons[METRICS_PAGE_REASONS];
    struct metrics_page page = {.out = out, .reasons = reasons};

    page.num_reasons = metrics_reasons(reasons, METRICS_PAGE_REASONS);
    TRY(metrics_page_build(out));
    for (unsigned i = 0; i < METRICS; i++) {
        page.metric = (enum metric)i;
        page.row = &metrics_rows[i];
        if ((page.row->program & program) != 0) {
            TRY(metrics_page_metric(&page));
        }
    }
    return STATUS_OK;
}

enum status metrics_render(enum metrics_program program, struct buffer *out, struct failure *why)
{
    metrics_gauge_set(METRIC_RESIDENT_MEMORY, LABEL_NONE, LABEL_NONE, metrics_page_resident());
    if (metrics_page_all(program, out) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "metrics/full", "the page is longer than %zu bytes",
                    out->max);
    }
    return STATUS_OK;
}
