/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_report.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd/signet/table.h"
#include "cmd/version.h"
#include "core/runtime/json/writer.h"

enum { BENCH_REPORT_CELL = 48 };

const char *bench_report_number(enum bench_metric metric, int64_t value, char *out, size_t room)
{
    const struct bench_metric_form *form = bench_score_form(metric);

    if (value == BENCH_SCORE_NONE) {
        (void)snprintf(out, room, "-");
    } else {
        (void)snprintf(out, room, "%.*f", form->decimals, (double)value / (double)form->scale);
    }
    return out;
}

/* The name of the processor, as the kernel says it; "" when it does not. */
static void bench_report_processor(char *out, size_t room)
{
    FILE *in = fopen("/proc/cpuinfo", "re");
    char line[256];

    out[0] = '\0';
    while (in != NULL && out[0] == '\0' && fgets(line, sizeof line, in) != NULL) {
        const char *colon = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;

        if (colon != NULL) {
            const char *at = colon + 1 + strspn(colon + 1, " \t");

            (void)snprintf(out, room, "%.*s", (int)strcspn(at, "\r\n"), at);
        }
    }
    if (in != NULL) {
        (void)fclose(in);
    }
}

/* The worst of what others took of the machine in any test, in thousandths. */
static int64_t bench_report_other_load(const struct bench_run *run)
{
    int64_t worst = 0;

    for (size_t i = 0; i < run->num_scores; i++) {
        for (size_t j = 0; j < run->scores[i].num_rounds; j++) {
            int64_t here = run->scores[i].rounds[j].other_load_permille;

            worst = here > worst ? here : worst;
        }
    }
    return worst;
}

static int64_t bench_report_failed(const struct bench_score *score)
{
    int64_t sum = 0;

    for (size_t i = 0; i < score->num_rounds; i++) {
        sum += score->rounds[i].failed;
    }
    return sum;
}

/* The table ---------------------------------------- */

static void bench_report_add_row(const struct bench_run *run, enum bench_metric metric,
                                 struct table *table)
{
    const struct bench_metric_form *form = bench_score_form(metric);
    char texts[BENCH_KINDS + 1][BENCH_REPORT_CELL];
    struct bytes cells[BENCH_KINDS + 3] = {bytes_of(form->text), bytes_of(form->unit)};
    enum bench_kind best = BENCH_NONE;
    int64_t ratio = bench_score_ratio(run->scores, run->num_scores, metric, &best);
    size_t count = 2;

    for (size_t i = 0; i < run->num_scores; i++) {
        int64_t value = bench_score_median(&run->scores[i], metric);

        cells[count++] = bytes_of(bench_report_number(metric, value, texts[i], sizeof texts[i]));
    }
    if (ratio == BENCH_SCORE_NONE) {
        (void)snprintf(texts[BENCH_KINDS], sizeof texts[0], "-");
    } else {
        (void)snprintf(texts[BENCH_KINDS], sizeof texts[0], "%.2f (%s)", (double)ratio / 1000,
                       bench_peer_title(best));
    }
    cells[count] = bytes_of(texts[BENCH_KINDS]);
    table_add(table, TABLE_PLAIN, cells);
}

static void bench_report_add_failed(const struct bench_run *run, struct table *table)
{
    char texts[BENCH_KINDS][BENCH_REPORT_CELL];
    struct bytes cells[BENCH_KINDS + 3] = {bytes_of("failed requests, all rounds"), bytes_of("")};
    bool any = false;

    for (size_t i = 0; i < run->num_scores; i++) {
        int64_t failed = bench_report_failed(&run->scores[i]);

        any = any || failed > 0;
        (void)snprintf(texts[i], sizeof texts[i], "%lld", (long long)failed);
        cells[i + 2] = bytes_of(texts[i]);
    }
    cells[run->num_scores + 2] = bytes_of("");
    table_add(table, any ? TABLE_BAD : TABLE_PLAIN, cells);
}

static void bench_report_remarks(const struct bench_run *run, FILE *out)
{
    int64_t others = bench_report_other_load(run);
    char processor[128];
    struct utsname system;

    bench_report_processor(processor, sizeof processor);
    (void)uname(&system);
    (void)fprintf(out,
                  "\nMedians of %llu round%s of %llu s; %d workers a proxy, %d connections of"
                  " load, %llu held idle;\nTLS 1.3 on both sides authenticated, X25519,"
                  " AES-128-GCM, P-256, no resumption; 128-byte answers; one download.\n"
                  "CPU is that of both proxies together. RSS leaves out the kernel's sockets.\n",
                  (unsigned long long)run->wishes->rounds, run->wishes->rounds == 1 ? "" : "s",
                  (unsigned long long)run->wishes->seconds, BENCH_WORKERS, BENCH_CONCURRENCY,
                  (unsigned long long)run->wishes->connections);
    (void)fprintf(out, "Machine: %ld cores%s%s, %s %s.\n", sysconf(_SC_NPROCESSORS_ONLN),
                  processor[0] != '\0' ? " of " : "", processor, system.sysname, system.release);
    for (size_t i = 0; i < run->num_scores; i++) {
        const struct bench_peer *peer = &run->peers[run->scores[i].kind];

        if (peer->kind != BENCH_NONE) {
            (void)fprintf(out, "%s %s checks: %s.\n", bench_peer_title(peer->kind), peer->version,
                          bench_peer_identity(peer->kind));
        }
        if (run->scores[i].coarse_memory) {
            (void)fprintf(out,
                          "The memory of %s was read coarsely: it shows its maps to root alone.\n",
                          bench_peer_title(peer->kind));
        }
        if (run->scores[i].troubled) {
            (void)fprintf(out, "%s failed on the way: %s\n", bench_peer_title(peer->kind),
                          run->scores[i].trouble.detail);
        }
    }
    if (others > BENCH_REPORT_QUIET_PERMILLE) {
        (void)fprintf(out,
                      "Other load on the machine took up to %.0f %% of it: believe only the"
                      " ratios, and no p99.\n",
                      (double)others / 10);
    }
}

void bench_report_print(const struct bench_run *run, FILE *out)
{
    static const char *const titles_of[BENCH_KINDS] = {">SIGNET", ">NGINX", ">HAPROXY", ">ENVOY",
                                                       ">NO PROXY"};
    const char *titles[BENCH_KINDS + 3] = {"WHAT", ""};
    struct table table;
    size_t count = 2;

    for (size_t i = 0; i < run->num_scores; i++) {
        titles[count++] = titles_of[run->scores[i].kind];
    }
    titles[count++] = ">SIGNET / BEST PEER";
    table_init(&table, titles, count);
    for (int metric = 0; metric < BENCH_METRICS; metric++) {
        bench_report_add_row(run, (enum bench_metric)metric, &table);
    }
    bench_report_add_failed(run, &table);
    table_print(&table, out, table_colour_wanted(out));
    table_clear(&table);
    bench_report_remarks(run, out);
}

/* JSON ---------------------------------------- */

static void bench_report_put(struct json_writer *json, enum bench_metric metric, int64_t value)
{
    if (value != BENCH_SCORE_NONE) {
        json_put_int(json, bench_score_form(metric)->name, value);
    }
}

static void bench_report_put_score(struct json_writer *json, const struct bench_run *run,
                                   const struct bench_score *score)
{
    const struct bench_peer *peer = &run->peers[score->kind];

    json_open_object(json, NULL);
    json_put_text(json, "name", bench_peer_name(score->kind));
    if (score->kind != BENCH_NONE) {
        json_put_text(json, "version", peer->version);
        json_put_text(json, "program", peer->program);
        json_put_text(json, "identity_checked", bench_peer_identity(score->kind));
    }
    json_put_text(json, "failure", score->troubled ? score->trouble.detail : NULL);
    json_put_int(json, "failed_requests", bench_report_failed(score));
    json_put_bool(json, "memory_read_coarsely", score->coarse_memory);
    json_open_object(json, "medians");
    for (int metric = 0; metric < BENCH_METRICS; metric++) {
        bench_report_put(json, (enum bench_metric)metric,
                         bench_score_median(score, (enum bench_metric)metric));
    }
    json_close_object(json);
    json_open_array(json, "rounds");
    for (size_t i = 0; i < score->num_rounds; i++) {
        json_open_object(json, NULL);
        for (int metric = 0; metric < BENCH_METRICS; metric++) {
            bench_report_put(json, (enum bench_metric)metric, score->rounds[i].values[metric]);
        }
        json_put_int(json, "failed_requests", score->rounds[i].failed);
        json_put_int(json, "other_load_permille", score->rounds[i].other_load_permille);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}

static void bench_report_put_settings(struct json_writer *json, const struct bench_run *run)
{
    char processor[128];
    struct utsname system;

    bench_report_processor(processor, sizeof processor);
    (void)uname(&system);
    json_open_object(json, "settings");
    json_put_uint(json, "rounds", run->wishes->rounds);
    json_put_uint(json, "seconds", run->wishes->seconds);
    json_put_int(json, "workers", BENCH_WORKERS);
    json_put_int(json, "load_connections", BENCH_CONCURRENCY);
    json_put_uint(json, "held_connections", run->wishes->connections);
    json_close_object(json);
    json_open_object(json, "machine");
    json_put_int(json, "cores", sysconf(_SC_NPROCESSORS_ONLN));
    json_put_text(json, "processor", processor);
    json_put_text(json, "kernel", system.release);
    json_put_int(json, "other_load_permille", bench_report_other_load(run));
    json_close_object(json);
}

static void bench_report_put_left_out(struct json_writer *json, const struct bench_run *run)
{
    json_open_array(json, "left_out");
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        if (run->wishes->wanted[kind] && !run->peers[kind].usable) {
            json_open_object(json, NULL);
            json_put_text(json, "name", bench_peer_name((enum bench_kind)kind));
            json_put_text(json, "why", run->peers[kind].why_not);
            json_close_object(json);
        }
    }
    json_close_array(json);
}

enum status bench_report_json(const struct bench_run *run, struct buffer *out, struct failure *why)
{
    struct json_writer json = json_writer_to(out);

    json_open_object(&json, NULL);
    json_put_text(&json, "version", SIGNET_VERSION);
    bench_report_put_settings(&json, run);
    bench_report_put_left_out(&json, run);
    json_open_array(&json, "chains");
    for (size_t i = 0; i < run->num_scores; i++) {
        bench_report_put_score(&json, run, &run->scores[i]);
    }
    json_close_array(&json);
    json_open_array(&json, "ratios");
    for (int metric = 0; metric < BENCH_METRICS; metric++) {
        enum bench_kind best = BENCH_NONE;
        int64_t ratio =
            bench_score_ratio(run->scores, run->num_scores, (enum bench_metric)metric, &best);

        if (ratio != BENCH_SCORE_NONE) {
            json_open_object(&json, NULL);
            json_put_text(&json, "of", bench_score_form((enum bench_metric)metric)->name);
            json_put_text(&json, "best_peer", bench_peer_name(best));
            json_put_int(&json, "signet_to_best_permille", ratio);
            json_close_object(&json);
        }
    }
    json_close_array(&json);
    json_close_object(&json);
    return json_writer_end(&json, why);
}
