/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `signet bench data`: the data path measured on the user's own machine, beside whatever of nginx,
 * HAProxy and Envoy is installed. This file is the command line, the folder and the bounds; the
 * rounds are in bench_run.c.
 */
#include "cmd/signet/bench.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signet/bench_report.h"
#include "cmd/signet/commands.h"
#include "cmd/signet/manual.h"
#include "core/runtime/base/memory.h"

enum {
    BENCH_SECONDS_MAX = 600,
    BENCH_FILES_SPARE = 700, /* descriptors of a proxy beside two for each connection */
    BENCH_JSON_MAX = 4 << 20,
};

static const char bench_purpose[] =
    "Measures the data path on this machine: a pair of signet-proxy, and beside it, in turns,\n"
    "whatever of nginx, HAProxy and Envoy is installed.\n"
    "\n"
    "  load -> outbound proxy -> TLS 1.3, both sides authenticated -> inbound proxy -> backend\n"
    "\n"
    "All on loopback, with certificates made for this run, X25519, AES-128-GCM, no resumption and\n"
    "two workers for everybody. Load and backend are this program's own and are not counted.\n"
    "CPU is user and system time of both proxies; it carries over to other machines, requests a\n"
    "second do not. Four tests, each round and each proxy with a fresh pair:\n"
    "  keep-alive        64 connections, one request after the other, 128-byte answers\n"
    "  new connections   64 at a time, a TLS handshake for every request\n"
    "  bulk              one download without end\n"
    "  held              memory with no connections, and with N that idle\n"
    "No root is needed; only root can read signet-proxy's memory exactly. The last column is "
    "Signet's median over the best peer's.";

static const char bench_examples[] =
    "  signet bench data                                  about 6 minutes with three peers\n"
    "  signet bench data --seconds 1 --rounds 1           a quick look; numbers are rough\n"
    "  signet bench data --peers nginx --json > now.json\n"
    "  signet bench data --envoy ~/bin/envoy --keep logs  configurations and logs stay in logs/\n";

/* The command line's words, before they are judged. */
struct bench_words {
    const char *peers, *seconds, *rounds, *connections;
    bool json;
};

static enum status bench_read_number(const char *flag, const char *text, uint64_t max,
                                     uint64_t *out_number, struct failure *why)
{
    uint64_t number = 0;

    if (text == NULL) {
        return STATUS_OK;
    }
    if (!bytes_to_number(bytes_of(text), max, &number) || number == 0) {
        return fail(why, STATUS_CONFIG, "bench/number", "--%s must be 1 to %llu, not \"%s\"", flag,
                    (unsigned long long)max, text);
    }
    *out_number = number;
    return STATUS_OK;
}

static enum status bench_judge(const struct bench_words *words, struct bench_wishes *wishes,
                               struct failure *why)
{
    TRY(bench_read_number("seconds", words->seconds, BENCH_SECONDS_MAX, &wishes->seconds, why));
    TRY(bench_read_number("rounds", words->rounds, BENCH_ROUNDS_MAX, &wishes->rounds, why));
    TRY(bench_read_number("connections", words->connections, BENCH_CONNECTIONS_MAX,
                          &wishes->connections, why));
    TRY(bench_peer_read_list(words->peers != NULL ? words->peers : "all", wishes->wanted, why));
    for (int kind = BENCH_NGINX; kind <= BENCH_ENVOY; kind++) {
        if (wishes->given[kind] != NULL && access(wishes->given[kind], X_OK) != 0) {
            return fail_os(why, errno, "bench/program", "--%s %s",
                           bench_peer_name((enum bench_kind)kind), wishes->given[kind]);
        }
    }
    wishes->wanted[BENCH_SIGNET] = true;
    wishes->wanted[BENCH_NONE] = true;
    return STATUS_OK;
}

/* Room for two descriptors a connection, in us and in what we start. */
static enum status bench_raise_files(const struct bench_wishes *wishes, struct failure *why)
{
    rlim_t wanted = (rlim_t)wishes->connections * 2 + BENCH_FILES_SPARE;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
        if (limit.rlim_max < wanted) {
            return fail(
                why, STATUS_CONFIG, "bench/files",
                "--connections %llu needs %llu open files a process, ulimit -Hn allows %llu",
                (unsigned long long)wishes->connections, (unsigned long long)wanted,
                (unsigned long long)limit.rlim_max);
        }
        limit.rlim_cur = wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return STATUS_OK;
}

/* The folder ---------------------------------------- */

/* Makes the folder of the run. The caller frees the name. */
static enum status bench_make_folder(const struct bench_wishes *wishes, char **out_folder,
                                     struct failure *why)
{
    const char *top = getenv("TMPDIR");
    char *folder;

    if (wishes->keep != NULL) {
        if (mkdir(wishes->keep, 0700) != 0 && errno != EEXIST) {
            return fail_os(why, errno, "bench/folder", "--keep %s", wishes->keep);
        }
        *out_folder = memory_text(wishes->keep);
        return STATUS_OK;
    }
    folder = memory_format("%s/signet-bench-XXXXXX", top != NULL && top[0] != '\0' ? top : "/tmp");
    if (mkdtemp(folder) == NULL) {
        enum status status = fail_os(why, errno, "bench/folder", "%s", folder);

        free(folder);
        return status;
    }
    *out_folder = folder;
    return STATUS_OK;
}

/* Removes a folder that holds plain files alone: all of them are ours. */
static void bench_remove_folder(const char *folder)
{
    DIR *open_folder = opendir(folder);
    const struct dirent *entry;

    while (open_folder != NULL && (entry = readdir(open_folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlinkat(dirfd(open_folder), entry->d_name, 0);
        }
    }
    if (open_folder != NULL) {
        (void)closedir(open_folder);
    }
    (void)rmdir(folder);
}

/* The command ---------------------------------------- */

static int bench_report(const struct bench_run *run, bool as_json)
{
    CLEARED(buffer) text = {.max = BENCH_JSON_MAX};
    struct failure why = {0};
    bool troubled = false;

    if (!as_json) {
        bench_report_print(run, stdout);
    } else if (bench_report_json(run, &text, &why) == STATUS_OK) {
        (void)printf("%.*s\n", (int)text.len, (const char *)text.at);
    } else {
        (void)fprintf(stderr, "signet: %s\n", why.detail);
        return VERDICT_NO;
    }
    for (size_t i = 0; i < run->num_scores; i++) {
        troubled = troubled || run->scores[i].troubled;
    }
    return troubled ? VERDICT_NO : VERDICT_OK;
}

static int bench_run_wishes(const struct bench_wishes *wishes, bool as_json)
{
    struct bench_run *run = memory_make(sizeof *run);
    struct failure why = {0};
    char *folder = NULL;
    int verdict = VERDICT_NO;
    enum status status = bench_raise_files(wishes, &why);

    bench_process_watch();
    if (status == STATUS_OK) {
        status = bench_make_folder(wishes, &folder, &why);
    }
    if (status == STATUS_OK) {
        run->wishes = wishes;
        run->site = (struct bench_site){.folder = folder, .connections = wishes->connections};
        status = bench_run_all(run, &why);
    }
    if (status == STATUS_OK) {
        verdict = bench_report(run, as_json);
    } else {
        (void)fprintf(stderr, "%ssignet: %s\n", isatty(2) == 1 ? "\r\033[K" : "", why.detail);
    }
    if (folder != NULL && wishes->keep == NULL) {
        bench_remove_folder(folder);
    }
    free(folder);
    free(run);
    return verdict;
}

static int bench_measure_data(int count, char **arguments)
{
    struct bench_wishes wishes = {.seconds = 4, .rounds = 3, .connections = 1000};
    struct bench_words given = {.peers = NULL};
    const struct manual_flag flags[] = {
        {"json", NULL, "one JSON object instead of a table", NULL, &given.json},
        {"peers", "LIST",
         "whom to measure beside Signet: nginx,haproxy,envoy, all (default) or none", &given.peers,
         NULL},
        {"seconds", "N", "measured in each test of each round (4)", &given.seconds, NULL},
        {"rounds", "N", "how often everything is done; medians are shown (3)", &given.rounds, NULL},
        {"connections", "N", "held idle in the memory test (1000)", &given.connections, NULL},
        {"keep", "DIR", "keep certificates, configurations and logs there", &wishes.keep, NULL},
        {"signet-proxy", "PATH", "instead of the one beside this program",
         &wishes.given[BENCH_SIGNET], NULL},
        {"nginx", "PATH", "instead of the one in PATH or /usr/sbin", &wishes.given[BENCH_NGINX],
         NULL},
        {"haproxy", "PATH", "likewise", &wishes.given[BENCH_HAPROXY], NULL},
        {"envoy", "PATH", "likewise", &wishes.given[BENCH_ENVOY], NULL},
    };
    const struct manual manual = {
        .synopsis = "signet bench data [flags]",
        .purpose = bench_purpose,
        .flags = flags,
        .num_flags = sizeof flags / sizeof flags[0],
        .examples = bench_examples,
    };
    struct manual_words words;
    struct failure why = {0};
    int verdict;

    if (!manual_open(&manual, count, arguments, &words, &verdict)) {
        return verdict;
    }
    if (bench_judge(&given, &wishes, &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet: %s\n", why.detail);
        return VERDICT_USAGE;
    }
    return bench_run_wishes(&wishes, given.json);
}

static const struct manual_verb bench_verbs[] = {
    {"data", "the data path beside nginx, HAProxy and Envoy: CPU, rates, memory",
     bench_measure_data},
};

int bench_command(int count, char **arguments)
{
    return manual_run_verb("signet bench", bench_verbs, sizeof bench_verbs / sizeof bench_verbs[0],
                           count, arguments);
}
