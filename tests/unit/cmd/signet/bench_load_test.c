/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_load.h"

#include "cmd/signet/bench_backend.h"
#include "tests/support/suite.h"

SUITE(bench_load);

Test(bench_load, a_bucket_is_at_most_a_sixtieth_off)
{
    for (uint64_t ns = 1; ns < UINT64_C(60000000000); ns += ns / 7 + 1) {
        int64_t shown = bench_load_bucket_ns(bench_load_bucket(ns));
        int64_t off = shown > (int64_t)ns ? shown - (int64_t)ns : (int64_t)ns - shown;

        cr_assert_leq(off * 60, (int64_t)ns, "%llu is shown as %lld", (unsigned long long)ns,
                      (long long)shown);
    }
}

Test(bench_load, buckets_rise_with_time_and_the_last_takes_all_that_is_longer)
{
    unsigned before = 0;

    for (uint64_t ns = 0; ns < UINT64_C(1) << 50; ns += ns / 3 + 1) {
        unsigned bucket = bench_load_bucket(ns);

        cr_assert_geq(bucket, before);
        cr_assert_lt(bucket, BENCH_LOAD_BUCKETS);
        before = bucket;
    }
    cr_assert_eq(bench_load_bucket(UINT64_MAX), BENCH_LOAD_BUCKETS - 1);
}

Test(bench_load, a_percentile_is_the_bucket_that_so_many_lie_below)
{
    static uint64_t counts[BENCH_LOAD_BUCKETS];

    cr_assert_eq(bench_load_percentile(counts, 50), -1, "nothing was counted");
    counts[5] = 98;
    counts[31] = 2;
    cr_assert_eq(bench_load_percentile(counts, 50), 5);
    cr_assert_eq(bench_load_percentile(counts, 98), 5);
    cr_assert_eq(bench_load_percentile(counts, 99), 31);
}

/* Runs a load straight on a backend until it has done enough. */
static struct bench_load_result bench_try(enum bench_load_kind kind, unsigned connections)
{
    struct bench_backend backend = {.port = 0};
    struct bench_load *load = NULL;
    struct bench_load_result result = {0};
    uint64_t now_ns = bench_process_now_ns();

    cr_assert_eq(bench_backend_start(&backend, NULL), STATUS_OK);
    struct bench_load_order order = {kind, backend.port, BENCH_CLIENTS, connections};
    cr_assert_eq(bench_load_start(&order, &load, NULL), STATUS_OK);
    bench_load_window(load, now_ns, now_ns + UINT64_C(60000000000));
    for (unsigned i = 0; i < 500; i++) {
        cr_assert_eq(bench_process_sleep(bench_process_now_ns() + 20000000, NULL), STATUS_OK);
        result = bench_load_sum(load);
        if (result.bytes > 0 || result.held == connections || result.done > 1000) {
            break;
        }
    }
    bench_load_drop(&load);
    cr_assert_null(load);
    bench_backend_stop(&backend);
    cr_assert_eq(backend.processes[0].pid, 0);
    return result;
}

Test(bench_load, kept_connections_ask_again_and_again)
{
    struct bench_load_result result = bench_try(BENCH_LOAD_KEEP, 8);

    cr_assert_gt(result.done, 1000);
    cr_assert_eq(result.failed, 0);
    cr_assert_gt(result.p50_ns, 0);
    cr_assert_geq(result.p99_ns, result.p50_ns);
}

Test(bench_load, new_connections_ask_once_each)
{
    struct bench_load_result result = bench_try(BENCH_LOAD_NEW, 8);

    cr_assert_gt(result.done, 1000);
    cr_assert_eq(result.failed, 0);
}

Test(bench_load, bulk_counts_bytes)
{
    struct bench_load_result result = bench_try(BENCH_LOAD_BULK, 2);

    cr_assert_gt(result.bytes, 0);
    cr_assert_eq(result.failed, 0);
}

Test(bench_load, held_connections_stay)
{
    struct bench_load_result result = bench_try(BENCH_LOAD_HOLD, 100);

    cr_assert_eq(result.held, 100);
    cr_assert_eq(result.failed, 0);
}
