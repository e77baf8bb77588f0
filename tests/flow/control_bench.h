/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A control plane's bench: a folder with a passphrase, an entries file and good settings, which a test
 * then spoils, and whole starts on it, in this process or in one of its own.
 */
#ifndef SIGNET_TESTS_FLOW_CONTROL_BENCH_H
#define SIGNET_TESTS_FLOW_CONTROL_BENCH_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/signet-control/assemble.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/telemetry/metrics.h"

/* The settings hold texts that they may change. */
static char bench_domain[] = "cluster.local";
static char bench_any_port[] = "127.0.0.1:0";
static char bench_log_level[] = "error";

struct bench {
    char folder[64];
    char data_dir[96];
    char passphrase[96];
    char entries[96];
    char admin[128];
    char bundle[96];
    char metrics[128];
    struct control_settings settings;
};

static inline void bench_write(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    cr_assert_eq(close(fd), 0);
}

static inline void bench_make(struct bench *bench)
{
    *bench = (struct bench){0};
    (void)snprintf(bench->folder, sizeof bench->folder, "/tmp/signet-check-XXXXXX");
    cr_assert_not_null(mkdtemp(bench->folder));
    (void)snprintf(bench->data_dir, sizeof bench->data_dir, "%s/data", bench->folder);
    (void)snprintf(bench->passphrase, sizeof bench->passphrase, "%s/passphrase", bench->folder);
    (void)snprintf(bench->entries, sizeof bench->entries, "%s/entries.yaml", bench->folder);
    (void)snprintf(bench->admin, sizeof bench->admin, "unix:%s/admin.sock", bench->folder);
    (void)snprintf(bench->bundle, sizeof bench->bundle, "%s/bundle.pem", bench->folder);
    (void)snprintf(bench->metrics, sizeof bench->metrics, "unix:%s/metrics.sock", bench->folder);
    bench_write(bench->passphrase, "correct horse\n", 0600);
    bench_write(bench->entries, "entries:\n  - {name: web, namespace: shop, serviceAccount: web}\n",
                0644);
    bench->settings.data_dir = bench->data_dir;
    bench->settings.ca_passphrase_file = bench->passphrase;
    bench->settings.entries = bench->entries;
    bench->settings.bundle_out = bench->bundle;
    bench->settings.admin_address = bench->admin;
    bench->settings.metrics_address = bench->metrics;
    bench->settings.listen_address = bench_any_port;
    bench->settings.log_level = bench_log_level;
    bench->settings.trust_domain = bench_domain;
    bench->settings.leaf_life_s = 3600;
}

static inline int bench_remove_one(const char *path, const struct stat *about, int kind,
                                   struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return remove(path);
}

/* Removes a file, or a folder with all that is in it. */
static inline void bench_remove(const char *path)
{
    (void)nftw(path, bench_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void bench_clear(struct bench *bench)
{
    bench_remove(bench->folder);
}

/* The path of something in the data folder, until the next call but three. */
static inline const char *bench_in_data(const struct bench *bench, const char *name)
{
    static char paths[4][160];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", bench->data_dir, name);
    return path;
}

static inline void bench_survey_into(const char *path, struct buffer *out_all)
{
    struct dirent **names = NULL;
    struct stat about;
    int count;

    cr_assert_eq(lstat(path, &about), 0);
    cr_assert_eq(buffer_add_format(out_all, "%s %o %u %ld.%09ld\n", path, (unsigned)about.st_mode,
                                   (unsigned)about.st_uid, (long)about.st_mtim.tv_sec,
                                   (long)about.st_mtim.tv_nsec),
                 STATUS_OK);
    if (S_ISREG(about.st_mode)) {
        cr_assert_eq(buffer_read_file(out_all, path, NULL), STATUS_OK);
    }
    if (!S_ISDIR(about.st_mode)) {
        return;
    }
    count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.') {
            char *within = memory_format("%s/%s", path, names[i]->d_name);

            bench_survey_into(within, out_all);
            free(within);
        }
        free(names[i]);
    }
    free(names);
}

/* Names, modes, times and contents of all that is in the data folder. */
static inline void bench_survey(const struct bench *bench, struct buffer *out_all)
{
    buffer_init(out_all, (size_t)16 * 1024 * 1024);
    bench_survey_into(bench->data_dir, out_all);
}

/* A whole start in this process, and an end. */
static inline void bench_run_once(struct bench *bench, struct buffer *out_bundle)
{
    struct control *control = NULL;
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;

    cr_assert_eq(control_start(&bench->settings, bytes_of(""), &control, &code, &why), STATUS_OK,
                 "%s: %s", why.reason, why.detail);
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
    control_run(control);
    cr_assert_eq(buffer_read_file(out_bundle, bench->bundle, &why), STATUS_OK);
    metrics_clear();
}

/* A start that must be refused; the same reason is then wanted of --check. */
static inline void bench_expect_refused(struct bench *bench, const char *reason, const char *part)
{
    struct control *control = NULL;
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;

    cr_assert_neq(control_check(&bench->settings, &code, &why), STATUS_OK, "--check finds no %s",
                  reason);
    cr_assert_eq(code, CONTROL_EXIT_DATA, "%d", code);
    cr_assert_str_eq(why.reason, reason, "--check says %s: %s", why.reason, why.detail);
    cr_assert_not_null(strstr(why.detail, part), "--check says %s", why.detail);
    why = (struct failure){0};
    cr_assert_neq(control_start(&bench->settings, bytes_of(""), &control, &code, &why), STATUS_OK,
                  "it starts, with %s", reason);
    cr_assert_eq(code, CONTROL_EXIT_DATA, "%d", code);
    cr_assert_str_eq(why.reason, reason, "%s: %s", why.reason, why.detail);
    cr_assert_not_null(strstr(why.detail, part), "%s", why.detail);
    metrics_clear();
}

#endif
