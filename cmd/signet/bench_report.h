/* SPDX-License-Identifier: Apache-2.0 */
/* What a run has shown: a table for people, one JSON object for programs. */
#ifndef SIGNET_CMD_SIGNET_BENCH_REPORT_H
#define SIGNET_CMD_SIGNET_BENCH_REPORT_H

#include <stdio.h>

#include "cmd/signet/bench_run.h"
#include "core/runtime/base/buffer.h"

#define BENCH_REPORT_QUIET_PERMILLE 50 /* other load above this: believe only ratios */

/* bench_report_print writes the table of medians, ratios and remarks. */
void bench_report_print(const struct bench_run *run, FILE *out);

/*
 * bench_report_json appends one JSON object: settings, machine, and for each chain its medians and
 * every round; ratios in thousandths. STATUS_LIMIT "json/full".
 */
enum status bench_report_json(const struct bench_run *run, struct buffer *out,
                              struct failure *why) MUST_USE;

/*
 * bench_report_number writes `value`, in a metric's small units, as the table shows it into `out`:
 * "36.1",
 * "-" when it was not measured. Returns `out`.
 */
const char *bench_report_number(enum bench_metric metric, int64_t value, char *out, size_t room);

#endif
