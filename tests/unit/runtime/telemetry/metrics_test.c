/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/runtime/telemetry/metrics.h"
#include "tests/support/suite.h"

SUITE(metrics, .init = metrics_clear);

/* The page as text; each call replaces the last. */
static const char *metrics_test_page(enum metrics_program program)
{
    static char text[128 * 1024];
    CLEARED(buffer) out = {.max = sizeof text - 1};

    cr_assert_eq(metrics_render(program, &out, NULL), STATUS_OK);
    memcpy(text, out.at, out.len);
    text[out.len] = '\0';
    return text;
}

static bool metrics_test_has_line(const char *page, const char *line)
{
    size_t len = strlen(line);

    for (const char *at = strstr(page, line); at != NULL; at = strstr(at + 1, line)) {
        if ((at == page || at[-1] == '\n') && at[len] == '\n') {
            return true;
        }
    }
    return false;
}

Test(metrics, shards_are_summed_when_read)
{
    const char *page;

    metrics_add(0, METRIC_BYTES, LABEL_INBOUND, LABEL_RECEIVED, 5);
    metrics_add(1, METRIC_BYTES, LABEL_INBOUND, LABEL_RECEIVED, 6);
    metrics_add(64, METRIC_BYTES, LABEL_INBOUND, LABEL_RECEIVED, 7);
    metrics_add(9999, METRIC_BYTES, LABEL_OUTBOUND, LABEL_SENT, 1);
    cr_assert_eq(metrics_read(METRIC_BYTES, LABEL_INBOUND, LABEL_RECEIVED), 18);
    page = metrics_test_page(METRICS_PROXY);
    cr_assert(metrics_test_has_line(page, "# TYPE signet_bytes_total counter"));
    cr_assert(metrics_test_has_line(
        page, "signet_bytes_total{direction=\"inbound\",way=\"received\"} 18"));
    cr_assert(
        metrics_test_has_line(page, "signet_bytes_total{direction=\"inbound\",way=\"sent\"} 0"));
    cr_assert(
        metrics_test_has_line(page, "signet_bytes_total{direction=\"outbound\",way=\"sent\"} 1"));
}

Test(metrics, a_program_shows_only_its_own)
{
    cr_assert_null(strstr(metrics_test_page(METRICS_PROXY), "signet_issued_total"));
    cr_assert_null(strstr(metrics_test_page(METRICS_CONTROL), "signet_bytes_total"));
    cr_assert_not_null(
        strstr(metrics_test_page(METRICS_CONTROL), "# TYPE signet_issued_total counter"));
}

Test(metrics, a_gauge_is_left_out_until_it_is_known)
{
    cr_assert_null(strstr(metrics_test_page(METRICS_PROXY), "\nsignet_outage_budget_seconds"));
    metrics_gauge_set(METRIC_OUTAGE_BUDGET, LABEL_NONE, LABEL_NONE, -3);
    cr_assert(
        metrics_test_has_line(metrics_test_page(METRICS_PROXY), "signet_outage_budget_seconds -3"));
    metrics_gauge_add(1, METRIC_CONNECTIONS_ACTIVE, LABEL_INBOUND, LABEL_MTLS, 2);
    metrics_gauge_add(2, METRIC_CONNECTIONS_ACTIVE, LABEL_INBOUND, LABEL_MTLS, -1);
    cr_assert(metrics_test_has_line(
        metrics_test_page(METRICS_PROXY),
        "signet_connections_active{direction=\"inbound\",transport=\"mtls\"} 1"));
    cr_assert_null(strstr(metrics_test_page(METRICS_PROXY), "transport=\"plaintext\"} 1"));
}

Test(metrics, a_histogram_is_cumulative_and_in_seconds)
{
    const char *page;

    metrics_observe(1, METRIC_HANDSHAKE_DURATION, LABEL_INBOUND, LABEL_NONE,
                    1000); /* le is inclusive */
    metrics_observe(2, METRIC_HANDSHAKE_DURATION, LABEL_INBOUND, LABEL_NONE, 1001);
    metrics_observe(0, METRIC_HANDSHAKE_DURATION, LABEL_INBOUND, LABEL_NONE, 99000000);
    page = metrics_test_page(METRICS_PROXY);
#define HANDSHAKE "signet_handshake_duration_seconds"
    cr_assert(
        metrics_test_has_line(page, HANDSHAKE "_bucket{direction=\"inbound\",le=\"0.0005\"} 0"));
    cr_assert(
        metrics_test_has_line(page, HANDSHAKE "_bucket{direction=\"inbound\",le=\"0.001\"} 1"));
    cr_assert(
        metrics_test_has_line(page, HANDSHAKE "_bucket{direction=\"inbound\",le=\"0.0025\"} 2"));
    cr_assert(metrics_test_has_line(page, HANDSHAKE "_bucket{direction=\"inbound\",le=\"10\"} 2"));
    cr_assert(
        metrics_test_has_line(page, HANDSHAKE "_bucket{direction=\"inbound\",le=\"+Inf\"} 3"));
    cr_assert(metrics_test_has_line(page, HANDSHAKE "_sum{direction=\"inbound\"} 99.002001"));
    cr_assert(metrics_test_has_line(page, HANDSHAKE "_count{direction=\"inbound\"} 3"));
#undef HANDSHAKE
    cr_assert_eq(metrics_read(METRIC_HANDSHAKE_DURATION, LABEL_INBOUND, LABEL_NONE), 3);
}

Test(metrics, reasons_of_all_shards_are_joined_by_word)
{
    static const char same_word[] = "verify/expired"; /* another pointer, the same word */
    const char *page;

    metrics_add_reason(1, METRIC_DENIED_CONNECTIONS, LABEL_INBOUND, LABEL_NONE, "verify/expired",
                       2);
    metrics_add_reason(2, METRIC_DENIED_CONNECTIONS, LABEL_INBOUND, LABEL_NONE, "authz/deny", 1);
    metrics_add_reason(2, METRIC_DENIED_CONNECTIONS, LABEL_INBOUND, LABEL_NONE, same_word, 3);
    metrics_add_reason(0, METRIC_DENIED_CONNECTIONS, LABEL_OUTBOUND, LABEL_NONE, NULL, 1);
    page = metrics_test_page(METRICS_PROXY);
    cr_assert(metrics_test_has_line(
        page,
        "signet_denied_connections_total{direction=\"inbound\",reason=\"verify/expired\"} 5"));
    cr_assert(metrics_test_has_line(
        page, "signet_denied_connections_total{direction=\"inbound\",reason=\"authz/deny\"} 1"));
    cr_assert(metrics_test_has_line(
        page, "signet_denied_connections_total{direction=\"outbound\",reason=\"none\"} 1"));
    cr_assert_null(strstr(page, "reason=\"other\""));
    cr_assert_eq(metrics_read(METRIC_DENIED_CONNECTIONS, LABEL_INBOUND, LABEL_NONE), 6);
}

Test(metrics, too_many_reasons_become_other)
{
    static char words[METRICS_REASONS_MAX + 10][16];
    const char *page;

    for (size_t i = 0; i < METRICS_REASONS_MAX + 10; i++) {
        (void)snprintf(words[i], sizeof words[i], "word/%zu", i);
        metrics_add_reason(1, METRIC_RENEWALS, LABEL_FAILED, LABEL_NONE, words[i], 1);
    }
    page = metrics_test_page(METRICS_PROXY);
    cr_assert(metrics_test_has_line(
        page, "signet_renewals_total{outcome=\"failed\",reason=\"word/95\"} 1"));
    cr_assert_null(strstr(page, "word/96"));
    cr_assert(metrics_test_has_line(
        page, "signet_renewals_total{outcome=\"failed\",reason=\"other\"} 10"));
}

static void *metrics_test_count(void *shard)
{
    for (int i = 0; i < 20000; i++) {
        metrics_add((unsigned)(uintptr_t)shard, METRIC_BYTES, LABEL_INBOUND, LABEL_SENT, 1);
        metrics_add_reason((unsigned)(uintptr_t)shard, METRIC_RENEWALS, LABEL_OK, LABEL_NONE, "a/b",
                           1);
    }
    return NULL;
}

/* Shard 0 is for anybody: two threads share it here, two have their own. */
Test(metrics, no_count_is_lost_between_threads)
{
    static const uintptr_t shards[] = {0, 0, 1, 2};
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, metrics_test_count, (void *)shards[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    cr_assert_eq(metrics_read(METRIC_BYTES, LABEL_INBOUND, LABEL_SENT), 80000);
    cr_assert_eq(metrics_read(METRIC_RENEWALS, LABEL_OK, LABEL_NONE), 80000);
}

/* Source: Prometheus naming; the page is read by strict parsers. */
Test(metrics, every_line_of_the_page_is_well_formed)
{
    char line[512];
    const char *page;

    metrics_set_version("1.2.3");
    metrics_observe(0, METRIC_ISSUE_DURATION, LABEL_RENEW, LABEL_NONE, 5);
    metrics_add_reason(0, METRIC_ISSUED, LABEL_RENEW, LABEL_OK, NULL, 1);
    page = metrics_test_page(METRICS_CONTROL);
    cr_assert(metrics_test_has_line(page, "signet_build_info{version=\"1.2.3\"} 1"));
    while (*page != '\0') {
        size_t len = strcspn(page, "\n");
        double number;
        char name[256];

        cr_assert_lt(len, sizeof line);
        memcpy(line, page, len);
        line[len] = '\0';
        if (line[0] != '#') {
            cr_assert_eq(strncmp(line, "signet_", 7), 0, "%s", line);
            cr_assert_eq(sscanf(strrchr(line, ' '), " %lf", &number), 1, "%s", line);
        } else {
            cr_assert_eq(sscanf(line, "# HELP %255s", name) + sscanf(line, "# TYPE %255s", name),
                         1);
        }
        page += len + 1;
    }
}

Test(metrics, a_page_that_does_not_fit_is_refused)
{
    CLEARED(buffer) out = {.max = 100};
    struct failure why = {0};

    cr_assert_eq(metrics_render(METRICS_PROXY, &out, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "metrics/full");
}
