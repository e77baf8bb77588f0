/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a flood of handshakes does to established flows: 64 kept connections ask at a fixed rate, alone
 * and then with so many full handshakes a second beside them, through the chain of each peer:
 *
 *     load → outbound proxy → TLS 1.3, both sides authenticated → inbound proxy → backend
 *
 * Latencies count from the moment a request was intended for (open loop). `flood --help` has the flags.
 */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/signet/bench_backend.h"
#include "cmd/signet/bench_chain.h"
#include "cmd/signet/bench_identity.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/json/writer.h"
#include "tests/bench/flood_load.h"

enum { FLOOD_FLOWS_KEPT = 64, FLOOD_ROUNDS_MAX = 20, FLOOD_SETTLE_MS = 700 };

struct flood_wishes {
    unsigned rate, handshakes, seconds, rounds;
    bool wanted[BENCH_KINDS];
    const char *given[BENCH_KINDS];
    bool as_json;
};

/* One round of one peer. */
struct flood_round {
    struct flood_result quiet, flows, news;
};

struct flood_score {
    struct bench_peer peer;
    struct flood_round rounds[FLOOD_ROUNDS_MAX];
    unsigned num_rounds;
    struct failure trouble;
};

static const char flood_help[] =
    "usage: flood [--json] [--peers LIST] [--seconds N] [--rounds N] [--rate N]\n"
    "             [--handshakes N] [--signet-proxy PATH] [--nginx PATH] [--haproxy PATH]\n"
    "             [--envoy PATH]\n"
    "\n"
    "64 kept connections ask at --rate requests a second (10000), alone and then with\n"
    "--handshakes new connections a second (1000) beside them, each for --seconds (5), --rounds\n"
    "times (3; medians are shown). --peers: nginx,haproxy,envoy, all (default: those installed)\n"
    "or none. Leave the machine alone meanwhile.\n";

static enum status flood_wait(uint64_t ms, struct failure *why)
{
    return bench_process_sleep(bench_process_now_ns() + ms * 1000000, why);
}

/* Settles, then counts for the seconds that were wished. `news` may be NULL. */
static enum status flood_measure(const struct flood_wishes *wishes, struct flood_load *flows,
                                 struct flood_load *news, struct failure *why)
{
    uint64_t from_ns = bench_process_now_ns() + (uint64_t)FLOOD_SETTLE_MS * 1000000;
    uint64_t until_ns = from_ns + (uint64_t)wishes->seconds * 1000000000;

    flood_load_window(flows, from_ns, until_ns);
    if (news != NULL) {
        flood_load_window(news, from_ns, until_ns);
    }
    TRY(bench_process_sleep(until_ns, why));
    return flood_wait(FLOOD_SETTLE_MS, why); /* the last answers */
}

static enum status flood_both(const struct flood_wishes *wishes, int port,
                              struct flood_round *out_round, struct failure *why)
{
    const struct flood_order kept = {FLOOD_FLOWS, port, wishes->rate, FLOOD_FLOWS_KEPT};
    const struct flood_order fresh = {FLOOD_NEW, port, wishes->handshakes, FLOOD_CONNECTIONS_MAX};
    struct flood_load *flows = NULL;
    struct flood_load *news = NULL;
    enum status status;

    TRY(flood_load_start(&kept, &flows, why));
    status = flood_measure(wishes, flows, NULL, why);
    out_round->quiet = flood_load_result(flows);
    if (status == STATUS_OK) {
        status = flood_load_start(&fresh, &news, why);
    }
    if (status == STATUS_OK) {
        status = flood_measure(wishes, flows, news, why);
        out_round->flows = flood_load_result(flows);
        out_round->news = flood_load_result(news);
    }
    flood_load_drop(&news);
    flood_load_drop(&flows);
    return status;
}

static enum status flood_peer(const struct flood_wishes *wishes, const struct bench_site *site,
                              struct flood_score *score)
{
    struct bench_chain chain;
    enum status status = bench_chain_start(&score->peer, site, &chain, &score->trouble);

    if (status == STATUS_OK) {
        status = flood_both(wishes, chain.port, &score->rounds[score->num_rounds], &score->trouble);
    }
    if (status == STATUS_OK) {
        status = bench_chain_check(&chain, &score->trouble);
    }
    bench_chain_stop(&chain);
    score->num_rounds += status == STATUS_OK ? 1 : 0;
    return status;
}

static enum status flood_rounds(const struct flood_wishes *wishes, const struct bench_site *site,
                                struct flood_score scores[BENCH_KINDS], struct failure *why)
{
    for (unsigned round = 0; round < wishes->rounds; round++) {
        for (int kind = 0; kind < BENCH_KINDS; kind++) {
            struct flood_score *score = &scores[kind];

            if (!wishes->wanted[kind] || !score->peer.usable || score->trouble.reason != NULL) {
                continue;
            }
            (void)fprintf(stderr, "flood: round %u: %s\n", round + 1,
                          bench_peer_title((enum bench_kind)kind));
            if (flood_peer(wishes, site, score) == STATUS_CLOSED) {
                *why = score->trouble;
                return STATUS_CLOSED;
            }
            if (score->trouble.reason != NULL) {
                (void)fprintf(stderr, "flood: %s is left out from here on: %s\n",
                              bench_peer_title((enum bench_kind)kind), score->trouble.detail);
            }
        }
    }
    return STATUS_OK;
}

/* ---- what came of it ---- */

static int flood_compare(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;

    return *left < *right ? -1 : *left > *right;
}

/* The median over the rounds of the number that is `at` bytes into a round. */
static int64_t flood_median(const struct flood_score *score, size_t at)
{
    int64_t numbers[FLOOD_ROUNDS_MAX];

    if (score->num_rounds == 0) {
        return -1;
    }
    for (unsigned i = 0; i < score->num_rounds; i++) {
        memcpy(&numbers[i], (const char *)&score->rounds[i] + at, sizeof numbers[i]);
    }
    qsort(numbers, score->num_rounds, sizeof numbers[0], flood_compare);
    return numbers[score->num_rounds / 2];
}

#define FLOOD_MEDIAN(score, member) flood_median((score), offsetof(struct flood_round, member))

static int64_t flood_ratio_percent(const struct flood_score *score)
{
    int64_t quiet = FLOOD_MEDIAN(score, quiet.p99_ns);

    return quiet <= 0 ? -1 : FLOOD_MEDIAN(score, flows.p99_ns) * 100 / quiet;
}

static void flood_put(struct json_writer *json, const struct flood_wishes *wishes,
                      const struct flood_score *score)
{
    json_open_object(json, NULL);
    json_put_text(json, "name", bench_peer_name(score->peer.kind));
    json_put_text(json, "version", score->peer.version);
    json_put_uint(json, "rounds", score->num_rounds);
    json_put_int(json, "quiet_p50_us", FLOOD_MEDIAN(score, quiet.p50_ns) / 1000);
    json_put_int(json, "quiet_p99_us", FLOOD_MEDIAN(score, quiet.p99_ns) / 1000);
    json_put_int(json, "quiet_requests_per_s", FLOOD_MEDIAN(score, quiet.done) / wishes->seconds);
    json_put_int(json, "flood_p50_us", FLOOD_MEDIAN(score, flows.p50_ns) / 1000);
    json_put_int(json, "flood_p99_us", FLOOD_MEDIAN(score, flows.p99_ns) / 1000);
    json_put_int(json, "flood_requests_per_s", FLOOD_MEDIAN(score, flows.done) / wishes->seconds);
    json_put_int(json, "p99_percent_of_quiet", flood_ratio_percent(score));
    json_put_int(json, "handshakes_per_s", FLOOD_MEDIAN(score, news.done) / wishes->seconds);
    json_put_int(json, "handshakes_failed", FLOOD_MEDIAN(score, news.failed));
    json_put_int(json, "handshakes_missed", FLOOD_MEDIAN(score, news.missed));
    json_put_int(json, "handshake_p50_us", FLOOD_MEDIAN(score, news.p50_ns) / 1000);
    json_put_int(json, "handshake_p99_us", FLOOD_MEDIAN(score, news.p99_ns) / 1000);
    json_put_text(json, "trouble", score->trouble.reason == NULL ? NULL : score->trouble.detail);
    json_close_object(json);
}

static void flood_print_json(const struct flood_wishes *wishes,
                             const struct flood_score scores[BENCH_KINDS])
{
    CLEARED(buffer) text = {.max = 65536};
    struct json_writer json = json_writer_to(&text);

    json_open_object(&json, NULL);
    json_put_uint(&json, "flows", FLOOD_FLOWS_KEPT);
    json_put_uint(&json, "rate", wishes->rate);
    json_put_uint(&json, "handshakes", wishes->handshakes);
    json_put_uint(&json, "seconds", wishes->seconds);
    json_open_array(&json, "peers");
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        if (wishes->wanted[kind] && scores[kind].peer.usable) {
            flood_put(&json, wishes, &scores[kind]);
        }
    }
    json_close_array(&json);
    json_close_object(&json);
    if (json_writer_end(&json, NULL) == STATUS_OK) {
        (void)printf("%.*s\n", (int)text.len, (const char *)text.at);
    }
}

static void flood_print(const struct flood_wishes *wishes,
                        const struct flood_score scores[BENCH_KINDS])
{
    (void)printf("%-10s %12s %12s %8s %14s %12s %8s\n", "", "quiet p99 us", "flood p99 us", "ratio",
                 "handshakes/s", "their p99 us", "failed");
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        const struct flood_score *score = &scores[kind];

        if (!wishes->wanted[kind] || score->num_rounds == 0) {
            continue;
        }
        (void)printf("%-10s %12lld %12lld %8.2f %14lld %12lld %8lld\n",
                     bench_peer_title((enum bench_kind)kind),
                     (long long)FLOOD_MEDIAN(score, quiet.p99_ns) / 1000,
                     (long long)FLOOD_MEDIAN(score, flows.p99_ns) / 1000,
                     (double)flood_ratio_percent(score) / 100,
                     (long long)FLOOD_MEDIAN(score, news.done) / wishes->seconds,
                     (long long)FLOOD_MEDIAN(score, news.p99_ns) / 1000,
                     (long long)FLOOD_MEDIAN(score, news.failed));
    }
}

/* ---- the command ---- */

static bool flood_number(const char *text, unsigned max, unsigned *out_number)
{
    uint64_t number = 0;

    if (!bytes_to_number(bytes_of(text), max, &number) || number == 0) {
        (void)fprintf(stderr, "flood: \"%s\" is not a number from 1 to %u\n", text, max);
        return false;
    }
    *out_number = (unsigned)number;
    return true;
}

static bool flood_option(int letter, struct flood_wishes *wishes)
{
    struct failure why = {0};

    switch (letter) {
    case 'j':
        wishes->as_json = true;
        return true;
    case 's':
        return flood_number(optarg, 600, &wishes->seconds);
    case 'n':
        return flood_number(optarg, FLOOD_ROUNDS_MAX, &wishes->rounds);
    case 'r':
        return flood_number(optarg, 1000000, &wishes->rate);
    case 'k':
        return flood_number(optarg, 100000, &wishes->handshakes);
    case 'p':
        if (bench_peer_read_list(optarg, wishes->wanted, &why) != STATUS_OK) {
            (void)fprintf(stderr, "flood: %s\n", why.detail);
            return false;
        }
        return true;
    default:
        if (letter >= '0' && letter < '0' + BENCH_KINDS) {
            wishes->given[letter - '0'] = optarg;
            return true;
        }
        (void)fputs(flood_help, letter == 'h' ? stdout : stderr);
        exit(letter == 'h' ? 0 : 2);
    }
}

static bool flood_read_options(int count, char **arguments, struct flood_wishes *wishes)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"seconds", required_argument, NULL, 's'},
        {"rounds", required_argument, NULL, 'n'},
        {"rate", required_argument, NULL, 'r'},
        {"handshakes", required_argument, NULL, 'k'},
        {"peers", required_argument, NULL, 'p'},
        {"signet-proxy", required_argument, NULL, '0' + BENCH_SIGNET},
        {"nginx", required_argument, NULL, '0' + BENCH_NGINX},
        {"haproxy", required_argument, NULL, '0' + BENCH_HAPROXY},
        {"envoy", required_argument, NULL, '0' + BENCH_ENVOY},
        {0},
    };
    int letter;

    while ((letter = getopt_long(count, arguments, "", options, NULL)) >= 0) {
        if (!flood_option(letter, wishes)) {
            return false;
        }
    }
    return optind == count || (fputs(flood_help, stderr), false);
}

static enum status flood_run_in(const char *folder, const struct flood_wishes *wishes,
                                struct flood_score scores[BENCH_KINDS], struct failure *why)
{
    struct bench_site site = {.folder = folder, .connections = 2 * FLOOD_CONNECTIONS_MAX};
    struct bench_backend backend = {0};
    enum status status;

    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        struct bench_peer *peer = &scores[kind].peer;

        TRY(bench_peer_find((enum bench_kind)kind, wishes->given[kind], folder, peer, why));
        if (wishes->wanted[kind] && !peer->usable) {
            (void)fprintf(stderr, "flood: without %s: %s\n", bench_peer_title(peer->kind),
                          peer->why_not);
        }
    }
    if (!scores[BENCH_SIGNET].peer.usable) {
        return fail(why, STATUS_NOT_FOUND, "bench/no-signet", "%s; give --signet-proxy PATH",
                    scores[BENCH_SIGNET].peer.why_not);
    }
    TRY(bench_identity_write(folder, why));
    status = bench_backend_start(&backend, why);
    site.backend_port = backend.port;
    if (status == STATUS_OK) {
        status = flood_rounds(wishes, &site, scores, why);
    }
    bench_backend_stop(&backend);
    return status;
}

static void flood_remove(const char *folder)
{
    DIR *open_folder = opendir(folder);
    const struct dirent *entry;

    while (open_folder != NULL && (entry = readdir(open_folder)) != NULL) {
        (void)unlinkat(dirfd(open_folder), entry->d_name, 0);
    }
    if (open_folder != NULL) {
        (void)closedir(open_folder);
    }
    (void)rmdir(folder);
}

int main(int count, char **arguments)
{
    struct flood_wishes wishes = {.rate = 10000, .handshakes = 1000, .seconds = 5, .rounds = 3};
    static struct flood_score scores[BENCH_KINDS];
    char folder[] = "/tmp/signet-flood-XXXXXX";
    struct failure why = {0};
    struct rlimit files;
    enum status status;

    if (bench_peer_read_list("all", wishes.wanted, &why) != STATUS_OK ||
        !flood_read_options(count, arguments, &wishes)) {
        return 2;
    }
    wishes.wanted[BENCH_SIGNET] = wishes.wanted[BENCH_NONE] = true;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    bench_process_watch();
    if (mkdtemp(folder) == NULL) {
        perror("flood: /tmp");
        return 1;
    }
    status = flood_run_in(folder, &wishes, scores, &why);
    flood_remove(folder);
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "flood: %s\n", why.detail);
        return 1;
    }
    if (wishes.as_json) {
        flood_print_json(&wishes, scores);
    } else {
        flood_print(&wishes, scores);
    }
    return 0;
}
