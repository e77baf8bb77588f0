/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_score.h"

#include "cmd/signet/bench_report.h"
#include "tests/support/suite.h"

SUITE(bench_score);

/* A score whose rounds measured one metric. */
static void bench_fill(struct bench_score *score, enum bench_kind kind, enum bench_metric metric,
                       const int64_t *values, size_t count)
{
    *score = (struct bench_score){.kind = kind, .num_rounds = count};
    for (size_t i = 0; i < count; i++) {
        bench_round_reset(&score->rounds[i]);
        score->rounds[i].values[metric] = values[i];
    }
}

Test(bench_score, the_median_leaves_out_rounds_that_measured_nothing)
{
    static const int64_t values[] = {30, BENCH_SCORE_NONE, 10, 20};
    static struct bench_score score;

    bench_fill(&score, BENCH_SIGNET, BENCH_KEEP_CPU, values, 4);
    cr_assert_eq(bench_score_median(&score, BENCH_KEEP_CPU), 20);
    cr_assert_eq(bench_score_median(&score, BENCH_NEW_CPU), BENCH_SCORE_NONE);
}

Test(bench_score, the_median_of_an_even_number_lies_between_the_two_in_the_middle)
{
    static const int64_t values[] = {40, 10, 30, 20};
    static struct bench_score score;

    bench_fill(&score, BENCH_SIGNET, BENCH_KEEP_CPU, values, 4);
    cr_assert_eq(bench_score_median(&score, BENCH_KEEP_CPU), 25);
}

Test(bench_score, the_best_peer_has_least_of_a_cost_and_most_of_a_rate)
{
    static const int64_t own[] = {80}, first[] = {100}, second[] = {160}, straight[] = {1};
    static struct bench_score scores[4];
    static const enum bench_metric metrics[] = {BENCH_KEEP_CPU, BENCH_KEEP_RATE};
    static const enum bench_kind best[] = {BENCH_NGINX, BENCH_ENVOY};
    static const int64_t ratios[] = {800, 500};

    for (size_t i = 0; i < 2; i++) {
        enum bench_kind found = BENCH_NONE;

        bench_fill(&scores[0], BENCH_SIGNET, metrics[i], own, 1);
        bench_fill(&scores[1], BENCH_NGINX, metrics[i], first, 1);
        bench_fill(&scores[2], BENCH_ENVOY, metrics[i], second, 1);
        bench_fill(&scores[3], BENCH_NONE, metrics[i], straight, 1);
        cr_assert_eq(bench_score_ratio(scores, 4, metrics[i], &found), ratios[i]);
        cr_assert_eq(found, best[i]);
    }
}

Test(bench_score, without_a_peer_there_is_no_ratio)
{
    static const int64_t own[] = {80};
    static struct bench_score scores[2];
    enum bench_kind found = BENCH_KINDS;

    bench_fill(&scores[0], BENCH_SIGNET, BENCH_KEEP_CPU, own, 1);
    bench_fill(&scores[1], BENCH_NONE, BENCH_KEEP_CPU, own, 1);
    cr_assert_eq(bench_score_ratio(scores, 2, BENCH_KEEP_CPU, &found), BENCH_SCORE_NONE);
    cr_assert_eq(found, BENCH_KINDS, "untouched");
}

Test(bench_score, every_metric_has_a_name_of_its_own_and_a_scale)
{
    for (int i = 0; i < BENCH_METRICS; i++) {
        const struct bench_metric_form *form = bench_score_form((enum bench_metric)i);

        cr_assert(form->name != NULL && form->text != NULL && form->unit != NULL);
        cr_assert_gt(form->scale, 0);
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(form->name, bench_score_form((enum bench_metric)j)->name);
        }
    }
}

Test(bench_score, numbers_are_shown_in_the_units_of_their_column)
{
    char text[32];

    cr_assert_str_eq(bench_report_number(BENCH_KEEP_CPU, 29040, text, sizeof text), "29.0");
    cr_assert_str_eq(bench_report_number(BENCH_BULK_CPU, 1024000, text, sizeof text), "1.024");
    cr_assert_str_eq(bench_report_number(BENCH_BULK_RATE, 800000000, text, sizeof text), "0.80");
    cr_assert_str_eq(bench_report_number(BENCH_EACH_IN, 4710, text, sizeof text), "4.6");
    cr_assert_str_eq(bench_report_number(BENCH_EACH_IN, BENCH_SCORE_NONE, text, sizeof text), "-");
}
