/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/signet/bench_backend.h"
#include "cmd/signet/bench_chain.h"
#include "cmd/signet/bench_identity.h"
#include "cmd/signet/bench_load.h"

#define BENCH_RUN_MS ((uint64_t)1000000)
#define BENCH_RUN_S ((uint64_t)1000000000)

enum {
    BENCH_RUN_SETTLE_MS = 300,    /* before memory is read */
    BENCH_RUN_HOLD_MS = 60000,    /* to open the idle connections */
    BENCH_RUN_OVERHEAD_MS = 1500, /* of a test, beside its load: to start and to end a chain */
};

enum bench_test { BENCH_TEST_KEEP, BENCH_TEST_NEW, BENCH_TEST_BULK, BENCH_TEST_HOLD, BENCH_TESTS };

static const char *const bench_run_tests[BENCH_TESTS] = {"keep-alive", "new connections", "bulk",
                                                         "idle connections"};

/* What is under way. */
struct bench_stage {
    struct bench_run *run;
    const struct bench_backend *backend;
    struct bench_chain chain;
    struct bench_round *round;
    bool coarse_memory; /* of the test just done */
    uint64_t hz;        /* clock ticks a second */
    uint64_t cores;
};

/* The clocks of the machine, read at once. */
struct bench_reading {
    uint64_t at_ns;
    uint64_t chain_ticks;
    uint64_t known_ticks; /* of chain, load, backend and ourselves */
    uint64_t busy_ticks;  /* of the whole machine */
};

/* Clocks ---------------------------------------- */

/* What all cores did but idling, since the machine's start, in ticks. */
static uint64_t bench_run_busy_ticks(void)
{
    unsigned long long parts[8] = {0};
    uint64_t busy = 0;
    FILE *in = fopen("/proc/stat", "re");

    if (in == NULL) {
        return 0;
    }
    if (fscanf(in, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &parts[0], &parts[1], &parts[2],
               &parts[3], &parts[4], &parts[5], &parts[6], &parts[7]) == 8) {
        for (size_t i = 0; i < 8; i++) {
            busy += i == 3 || i == 4 ? 0 : parts[i]; /* idle, and waiting for a disk */
        }
    }
    (void)fclose(in);
    return busy;
}

static uint64_t bench_run_own_ticks(uint64_t hz)
{
    struct rusage own;

    (void)getrusage(RUSAGE_SELF, &own);
    return (uint64_t)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * hz +
           (uint64_t)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) * hz / 1000000;
}

static struct bench_reading bench_run_read_clocks(const struct bench_stage *stage,
                                                  const struct bench_load *load)
{
    struct bench_reading reading = {.at_ns = bench_process_now_ns()};

    reading.chain_ticks = bench_chain_cpu_ticks(&stage->chain);
    reading.busy_ticks = bench_run_busy_ticks();
    reading.known_ticks =
        reading.chain_ticks + bench_load_cpu_ticks(load) + bench_run_own_ticks(stage->hz);
    for (size_t i = 0; i < BENCH_CLIENTS; i++) {
        reading.known_ticks += bench_process_cpu_ticks(&stage->backend->processes[i]);
    }
    return reading;
}

/* Keeps the worst of what others took of the machine, in thousandths of it. */
static void bench_run_note_others(const struct bench_stage *stage, const struct bench_reading *from,
                                  const struct bench_reading *until)
{
    int64_t others = (int64_t)(until->busy_ticks - from->busy_ticks) -
                     (int64_t)(until->known_ticks - from->known_ticks);
    uint64_t all_ms = (until->at_ns - from->at_ns) / BENCH_RUN_MS * stage->cores;
    int64_t permille = others <= 0 || all_ms == 0
                           ? 0
                           : (int64_t)((uint64_t)others * 1000 * 1000 / stage->hz / all_ms);

    if (permille > stage->round->other_load_permille) {
        stage->round->other_load_permille = permille;
    }
}

/* Tests ---------------------------------------- */

/*
 * Lets the load run, and gives what it did within the window and the proxies' CPU meanwhile, in ns.
 * The load goes on until the second reading: a late reading sees the same chain at work.
 */
static enum status bench_run_measure(struct bench_stage *stage, struct bench_load *load,
                                     struct bench_load_result *out_result, int64_t *out_cpu_ns,
                                     struct failure *why)
{
    uint64_t from_ns = bench_process_now_ns() + BENCH_WARM_MS * BENCH_RUN_MS;
    uint64_t span_ns = stage->run->wishes->seconds * BENCH_RUN_S;
    struct bench_reading from, until;
    uint64_t cpu_ns;

    bench_load_window(load, from_ns, from_ns + span_ns);
    TRY(bench_process_sleep(from_ns, why));
    from = bench_run_read_clocks(stage, load);
    TRY(bench_process_sleep(from_ns + span_ns, why));
    until = bench_run_read_clocks(stage, load);
    *out_result = bench_load_sum(load);
    bench_run_note_others(stage, &from, &until);
    TRY(bench_chain_check(&stage->chain, why));
    cpu_ns = (until.chain_ticks - from.chain_ticks) * (BENCH_RUN_S / stage->hz);
    *out_cpu_ns = (int64_t)((double)cpu_ns * (double)span_ns / (double)(until.at_ns - from.at_ns));
    return STATUS_OK;
}

static enum status bench_run_requests(struct bench_stage *stage, bool new_connections,
                                      struct failure *why)
{
    const struct bench_load_order order = {
        .kind = new_connections ? BENCH_LOAD_NEW : BENCH_LOAD_KEEP,
        .port = stage->chain.port,
        .clients = BENCH_CLIENTS,
        .connections = BENCH_CONCURRENCY,
    };
    int64_t *values = &stage->round->values[new_connections ? BENCH_NEW_CPU : BENCH_KEEP_CPU];
    struct bench_load_result result;
    struct bench_load *load = NULL;
    int64_t cpu_ns = 0;
    enum status status;

    TRY(bench_load_start(&order, &load, why));
    status = bench_run_measure(stage, load, &result, &cpu_ns, why);
    bench_load_drop(&load);
    TRY(status);
    stage->round->failed += (int64_t)result.failed;
    if (result.done == 0) {
        return fail(why, STATUS_LIMIT, "bench/no-answer", "%s: no request came through",
                    bench_peer_title(stage->chain.kind));
    }
    if (stage->chain.kind != BENCH_NONE) {
        values[0] = cpu_ns / (int64_t)result.done;
    }
    values[1] = (int64_t)(result.done / stage->run->wishes->seconds);
    values[2] = result.p50_ns;
    values[3] = result.p99_ns;
    return STATUS_OK;
}

static enum status bench_run_bulk(struct bench_stage *stage, struct failure *why)
{
    const struct bench_load_order order = {
        .kind = BENCH_LOAD_BULK,
        .port = stage->chain.port,
        .clients = 1,
        .connections = 1,
    };
    struct bench_load_result result;
    struct bench_load *load = NULL;
    int64_t cpu_ns = 0;
    enum status status;

    TRY(bench_load_start(&order, &load, why));
    status = bench_run_measure(stage, load, &result, &cpu_ns, why);
    bench_load_drop(&load);
    TRY(status);
    stage->round->failed += (int64_t)result.failed;
    if (result.bytes == 0) {
        return fail(why, STATUS_LIMIT, "bench/no-answer", "%s: no byte came through",
                    bench_peer_title(stage->chain.kind));
    }
    if (stage->chain.kind != BENCH_NONE) {
        stage->round->values[BENCH_BULK_CPU] =
            (int64_t)((double)cpu_ns / 1000 / ((double)result.bytes / 1e9));
    }
    stage->round->values[BENCH_BULK_RATE] = (int64_t)(result.bytes / stage->run->wishes->seconds);
    return STATUS_OK;
}

/* Waits until all idle connections are held, or failed. */
static enum status bench_run_await_held(const struct bench_stage *stage,
                                        const struct bench_load *load, uint64_t wanted,
                                        struct bench_load_result *out_result, struct failure *why)
{
    uint64_t end = bench_process_now_ns() + BENCH_RUN_HOLD_MS * BENCH_RUN_MS;

    for (;;) {
        *out_result = bench_load_sum(load);
        if (out_result->held + out_result->failed >= wanted) {
            return STATUS_OK;
        }
        TRY(bench_chain_check(&stage->chain, why));
        if (bench_process_now_ns() > end) {
            return fail(why, STATUS_LIMIT, "bench/no-answer",
                        "%s: %llu of %llu connections in %d s", bench_peer_title(stage->chain.kind),
                        (unsigned long long)out_result->held, (unsigned long long)wanted,
                        BENCH_RUN_HOLD_MS / 1000);
        }
        TRY(bench_process_sleep(bench_process_now_ns() + 20 * BENCH_RUN_MS, why));
    }
}

static void bench_run_note_memory(struct bench_stage *stage, const struct bench_memory *empty,
                                  const struct bench_memory *full, uint64_t held)
{
    int64_t *values = stage->round->values;

    for (int side = 0; side < BENCH_SIDES; side++) {
        int64_t grown_kib = full[side].rss_kib - empty[side].rss_kib;

        if (empty[side].unread || full[side].unread || empty[side].rss_kib == 0) {
            continue; /* rather no figure than a wrong one */
        }
        stage->coarse_memory = stage->coarse_memory || full[side].coarse;
        values[BENCH_EMPTY_RSS_OUT + side] = empty[side].rss_kib;
        values[BENCH_EMPTY_ANON_OUT + side] = empty[side].anon_kib;
        values[BENCH_FULL_RSS_OUT + side] = full[side].rss_kib;
        values[BENCH_FULL_ANON_OUT + side] = full[side].anon_kib;
        if (held > 0 && grown_kib >= 0) {
            values[BENCH_EACH_OUT + side] = grown_kib * 1024 / (int64_t)held;
        }
    }
}

static enum status bench_run_hold(struct bench_stage *stage, struct failure *why)
{
    const struct bench_load_order order = {
        .kind = BENCH_LOAD_HOLD,
        .port = stage->chain.port,
        .clients = 1,
        .connections = (unsigned)stage->run->wishes->connections,
    };
    struct bench_memory empty[BENCH_SIDES], full[BENCH_SIDES];
    struct bench_load_result result = {0};
    struct bench_load *load = NULL;
    enum status status;

    TRY(bench_process_sleep(bench_process_now_ns() + BENCH_RUN_SETTLE_MS * BENCH_RUN_MS, why));
    for (int side = 0; side < BENCH_SIDES; side++) {
        empty[side] = bench_process_memory(&stage->chain.sides[side]);
    }
    TRY(bench_load_start(&order, &load, why));
    status = bench_run_await_held(stage, load, order.connections, &result, why);
    if (status == STATUS_OK) {
        status =
            bench_process_sleep(bench_process_now_ns() + BENCH_RUN_SETTLE_MS * BENCH_RUN_MS, why);
    }
    for (int side = 0; side < BENCH_SIDES; side++) {
        full[side] = bench_process_memory(&stage->chain.sides[side]);
    }
    bench_load_drop(&load);
    TRY(status);
    TRY(bench_chain_check(&stage->chain, why));
    stage->round->failed += (int64_t)result.failed;
    bench_run_note_memory(stage, empty, full, result.held);
    return STATUS_OK;
}

static enum status bench_run_test(struct bench_stage *stage, enum bench_test test,
                                  struct failure *why)
{
    switch (test) {
    case BENCH_TEST_KEEP:
    case BENCH_TEST_NEW:
        return bench_run_requests(stage, test == BENCH_TEST_NEW, why);
    case BENCH_TEST_BULK:
        return bench_run_bulk(stage, why);
    default:
        return bench_run_hold(stage, why);
    }
}

/* Rounds ---------------------------------------- */

/* One test of one chain: up, measured, down. */
static enum status bench_run_step(struct bench_stage *stage, struct bench_score *score,
                                  enum bench_test test, struct failure *why)
{
    const struct bench_peer *peer = &stage->run->peers[score->kind];
    enum status status = bench_chain_start(peer, &stage->run->site, &stage->chain, why);

    stage->coarse_memory = false;
    if (status == STATUS_OK) {
        status = bench_run_test(stage, test, why);
    }
    score->coarse_memory = score->coarse_memory || stage->coarse_memory;
    if (status != STATUS_OK && status != STATUS_CLOSED) {
        CLEARED(buffer) words = {.max = sizeof score->last_words - 1};

        bench_chain_last_words(&stage->chain, &stage->run->site, &words);
        (void)snprintf(score->last_words, sizeof score->last_words, "%.*s", (int)words.len,
                       words.at != NULL ? (const char *)words.at : "");
    }
    bench_chain_stop(&stage->chain);
    return status;
}

/* Says what comes next; on a terminal over the line before. */
static void bench_run_tell(const struct bench_score *score, enum bench_test test, size_t round,
                           size_t step, size_t steps)
{
    bool over = isatty(2) == 1;

    (void)fprintf(stderr, "%s[%zu/%zu] round %zu: %s: %s%s", over ? "\r\033[K" : "", step, steps,
                  round + 1, bench_run_tests[test], bench_peer_title(score->kind),
                  over ? "" : "\n");
}

static void bench_run_tell_trouble(const struct bench_score *score, enum bench_test test)
{
    (void)fprintf(stderr, "%ssignet: %s failed at \"%s\" and is left out from here on: %s\n%s",
                  isatty(2) == 1 ? "\r\033[K" : "", bench_peer_title(score->kind),
                  bench_run_tests[test], score->trouble.detail, score->last_words);
}

/* One test of one round: every peer's chain after the other. */
static enum status bench_run_row(struct bench_stage *stage, size_t round, enum bench_test test,
                                 struct failure *why)
{
    struct bench_run *run = stage->run;
    size_t steps = run->wishes->rounds * BENCH_TESTS * run->num_scores;

    for (size_t i = 0; i < run->num_scores; i++) {
        struct bench_score *score = &run->scores[i];
        size_t step = (round * BENCH_TESTS + test) * run->num_scores + i + 1;
        enum status status;

        if (score->troubled || (test == BENCH_TEST_HOLD && score->kind == BENCH_NONE)) {
            continue;
        }
        bench_run_tell(score, test, round, step, steps);
        stage->round = &score->rounds[round];
        status = bench_run_step(stage, score, test, &score->trouble);
        if (status == STATUS_CLOSED) {
            return fail(why, status, score->trouble.reason, "%s", score->trouble.detail);
        }
        if (status != STATUS_OK) {
            score->troubled = true;
            bench_run_tell_trouble(score, test);
        }
    }
    return STATUS_OK;
}

static enum status bench_run_rounds(struct bench_stage *stage, struct failure *why)
{
    struct bench_run *run = stage->run;

    for (size_t round = 0; round < run->wishes->rounds; round++) {
        for (size_t i = 0; i < run->num_scores; i++) {
            bench_round_reset(&run->scores[i].rounds[round]);
            run->scores[i].num_rounds = round + 1;
        }
        for (int test = 0; test < BENCH_TESTS; test++) {
            TRY(bench_run_row(stage, round, (enum bench_test)test, why));
        }
    }
    if (isatty(2) == 1) {
        (void)fprintf(stderr, "\r\033[K");
    }
    return STATUS_OK;
}

static enum status bench_run_find(struct bench_run *run, struct failure *why)
{
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        struct bench_peer *peer = &run->peers[kind];

        if (!run->wishes->wanted[kind]) {
            *peer = (struct bench_peer){.kind = (enum bench_kind)kind};
            continue;
        }
        TRY(bench_peer_find((enum bench_kind)kind, run->wishes->given[kind], run->site.folder, peer,
                            why));
        if (peer->usable) {
            run->scores[run->num_scores++].kind = peer->kind;
        } else if (kind == BENCH_SIGNET) {
            return fail(why, STATUS_NOT_FOUND, "bench/no-signet",
                        "%s; say where it is with --signet-proxy PATH", peer->why_not);
        } else {
            (void)fprintf(stderr, "signet: without %s: %s\n", bench_peer_title(peer->kind),
                          peer->why_not);
        }
    }
    return STATUS_OK;
}

static void bench_run_announce(const struct bench_run *run)
{
    uint64_t steps = run->wishes->rounds * BENCH_TESTS * run->num_scores;
    uint64_t each_ms = run->wishes->seconds * 1000 + BENCH_WARM_MS + BENCH_RUN_OVERHEAD_MS;

    (void)fprintf(stderr,
                  "signet: %llu tests of %zu chains, about %llu min; leave the machine alone"
                  " meanwhile (Ctrl-C ends it)\n",
                  (unsigned long long)steps, run->num_scores,
                  (unsigned long long)((steps * each_ms + 59999) / 60000));
}

enum status bench_run_all(struct bench_run *run, struct failure *why)
{
    struct bench_backend backend = {.port = 0};
    struct bench_stage stage = {
        .run = run,
        .backend = &backend,
        .hz = (uint64_t)sysconf(_SC_CLK_TCK),
        .cores = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN),
    };
    enum status status;

    TRY(bench_run_find(run, why));
    TRY(bench_identity_write(run->site.folder, why));
    bench_run_announce(run);
    status = bench_backend_start(&backend, why);
    run->site.backend_port = backend.port;
    if (status == STATUS_OK) {
        status = bench_run_rounds(&stage, why);
    }
    bench_backend_stop(&backend);
    return status;
}
