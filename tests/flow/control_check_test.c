/* SPDX-License-Identifier: Apache-2.0 */
/* What `signet-control --check` and its start say of settings, files and folders, and the exit code. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signet-control/assemble.h"
#include "core/control/registry/entry.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/telemetry/metrics.h"
#include "tests/support/suite.h"

SUITE(control_check, .timeout = 60);

/* The settings hold texts that they may change. */
static char text_domain[] = "cluster.local";
static char text_bad_domain[] = "Cluster.Local";
static char text_tcp[] = "127.0.0.1:15000";
static char text_any_port[] = "127.0.0.1:0";
static char text_foreign_address[] = "192.0.2.1:1"; /* TEST-NET-1 */

/* A folder with a passphrase, an entries file and good settings, which a test then spoils. */
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

static void bench_write(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    cr_assert_eq(close(fd), 0);
}

static void bench_make(struct bench *bench)
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
    bench->settings.trust_domain = text_domain;
    bench->settings.leaf_life_s = 3600;
}

static void bench_clear(struct bench *bench)
{
    static const char *const names[] = {"data/signet.db",
                                        "data/signet.db-wal",
                                        "data/signet.db-shm",
                                        "data/lock",
                                        "data/ca/root.pem",
                                        "data/ca/intermediate.pem",
                                        "data/ca",
                                        "data",
                                        "passphrase",
                                        "entries.yaml",
                                        "bundle.pem",
                                        "admin.sock"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];

        (void)snprintf(path, sizeof path, "%s/%s", bench->folder, names[i]);
        (void)remove(path);
    }
    (void)rmdir(bench->folder);
}

struct check_case {
    char what[24]; /* is wrong */
    int code;
    char reason[32];
};

ParameterizedTestParameters(control_check, says_what_is_wrong)
{
    static struct check_case cases[] = {
        {"nothing", CONTROL_EXIT_OK, ""},
        {"demo", CONTROL_EXIT_OK, ""},
        {"leaf below floor", CONTROL_EXIT_SETTINGS, "settings/leaf-life"},
        {"demo below floor", CONTROL_EXIT_SETTINGS, "settings/leaf-life"},
        {"leaf too long", CONTROL_EXIT_SETTINGS, "settings/leaf-life"},
        {"trust domain", CONTROL_EXIT_SETTINGS, "spiffe-id/trust-domain"},
        {"no passphrase file", CONTROL_EXIT_SETTINGS, "settings/passphrase"},
        {"passphrase missing", CONTROL_EXIT_SETTINGS, "secret/no-file"},
        {"passphrase mode", CONTROL_EXIT_SETTINGS, "secret/mode"},
        {"passphrase group", CONTROL_EXIT_SETTINGS, "secret/mode"},
        {"passphrase empty", CONTROL_EXIT_SETTINGS, "secret/empty"},
        {"admin over tcp", CONTROL_EXIT_SETTINGS, "settings/admin-address"},
        {"entries missing", CONTROL_EXIT_SETTINGS, "file/missing"},
        {"entries wrong", CONTROL_EXIT_SETTINGS, "yaml/unknown-key"},
        {"entries foreign", CONTROL_EXIT_SETTINGS, "entry/trust-domain"},
        {"entries short life", CONTROL_EXIT_SETTINGS, "entry/life"},
        {"data is a file", CONTROL_EXIT_DATA, "data-dir/kind"},
        {"data is open", CONTROL_EXIT_DATA, "data-dir/mode"},
        {"store is noise", CONTROL_EXIT_DATA, "store/damaged"},
    };
    return cr_make_param_array(struct check_case, cases, sizeof cases / sizeof cases[0]);
}

static void check_spoil_settings(struct bench *bench, const char *what)
{
    struct control_settings *settings = &bench->settings;

    if (strcmp(what, "demo") == 0 || strcmp(what, "demo below floor") == 0) {
        settings->demo_lifetimes = true;
        settings->leaf_life_s = strcmp(what, "demo") == 0 ? 6 : 5;
    } else if (strcmp(what, "leaf below floor") == 0) {
        settings->leaf_life_s = 119;
    } else if (strcmp(what, "leaf too long") == 0) {
        settings->leaf_life_s = (int64_t)14 * 24 * 3600 / 4 + 1;
    } else if (strcmp(what, "trust domain") == 0) {
        settings->trust_domain = text_bad_domain;
    } else if (strcmp(what, "no passphrase file") == 0) {
        settings->ca_passphrase_file = NULL;
    } else if (strcmp(what, "admin over tcp") == 0) {
        settings->admin_address = text_tcp;
    }
}

static void check_spoil_files(struct bench *bench, const char *what)
{
    char store[128];

    (void)snprintf(store, sizeof store, "%s/signet.db", bench->data_dir);
    if (strcmp(what, "passphrase missing") == 0) {
        cr_assert_eq(unlink(bench->passphrase), 0);
    } else if (strcmp(what, "passphrase mode") == 0) {
        bench_write(bench->passphrase, "x", 0644);
    } else if (strcmp(what, "passphrase group") == 0) {
        bench_write(bench->passphrase, "x", 0640);
    } else if (strcmp(what, "passphrase empty") == 0) {
        bench_write(bench->passphrase, "\n", 0600);
    } else if (strcmp(what, "entries missing") == 0) {
        cr_assert_eq(unlink(bench->entries), 0);
    } else if (strcmp(what, "entries wrong") == 0) {
        bench_write(bench->entries, "entries:\n  - {name: web, spiffe: x}\n", 0644);
    } else if (strcmp(what, "entries foreign") == 0) {
        bench_write(bench->entries, "entries:\n  - {name: web, spiffeId: 'spiffe://other/web'}\n",
                    0644);
    } else if (strcmp(what, "entries short life") == 0) {
        bench_write(bench->entries,
                    "entries:\n  - {name: web, namespace: shop, serviceAccount: web, "
                    "maxLifeSeconds: 119}\n",
                    0644);
    } else if (strcmp(what, "data is a file") == 0) {
        bench_write(bench->data_dir, "x", 0600);
    } else if (strcmp(what, "data is open") == 0) {
        cr_assert_eq(mkdir(bench->data_dir, 0700), 0);
        cr_assert_eq(chmod(bench->data_dir, 0777), 0);
    } else if (strcmp(what, "store is noise") == 0) {
        cr_assert_eq(mkdir(bench->data_dir, 0700), 0);
        bench_write(store, "this is no database, it is a text that somebody put here by mistake",
                    0600);
    }
}

ParameterizedTest(struct check_case *given, control_check, says_what_is_wrong)
{
    struct bench bench;
    struct failure why = {0};
    struct stat about;
    enum control_exit code = CONTROL_EXIT_LISTEN;
    enum status status;
    bool had_data;

    bench_make(&bench);
    check_spoil_settings(&bench, given->what);
    check_spoil_files(&bench, given->what);
    had_data = stat(bench.data_dir, &about) == 0;
    status = control_check(&bench.settings, &code, &why);
    cr_assert_eq(code, given->code, "%s: %d %s %s", given->what, code, why.reason, why.detail);
    cr_assert_eq(status == STATUS_OK, given->code == CONTROL_EXIT_OK);
    if (given->reason[0] != '\0') {
        cr_assert_str_eq(why.reason, given->reason, "%s: %s", given->what, why.detail);
    }
    cr_assert(had_data || stat(bench.data_dir, &about) != 0, "--check made the data folder");
    cr_assert_neq(stat(bench.bundle, &about), 0, "--check wrote the bundle");
    bench_clear(&bench);
}

/* A whole start in this process and an end: with the same folder it must then be the same authority. */
static void check_run_once(struct bench *bench, struct buffer *out_bundle)
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

Test(control_check, starts_stops_and_starts_again_as_the_same_authority)
{
    struct bench bench;
    CLEARED(buffer) first = {.max = 65536};
    CLEARED(buffer) second = {.max = 65536};
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;
    struct stat about;

    bench_make(&bench);
    bench.settings.listen_address = text_any_port;
    bench.settings.metrics_address = bench.metrics;
    check_run_once(&bench, &first);
    cr_assert_eq(stat(bench.bundle, &about), 0);
    cr_assert_eq(about.st_mode & 0777, 0644); /* it is public: sidecars of other users mount it */
    cr_assert_eq(stat(bench.data_dir, &about), 0);
    cr_assert_eq(about.st_mode & 0777, 0700);
    cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_OK, "%s", why.detail);
    check_run_once(&bench, &second);
    cr_assert(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    bench_write(bench.passphrase, "another one", 0600);
    cr_assert_neq(control_check(&bench.settings, &code, &why), STATUS_OK);
    cr_assert_eq(code, CONTROL_EXIT_DATA);
    cr_assert_str_eq(why.reason, "authority/passphrase");
    bench_clear(&bench);
}

Test(control_check, refuses_a_data_folder_that_another_process_holds_and_an_address_in_use)
{
    struct bench bench;
    struct control *control = NULL;
    struct control *other = NULL;
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;

    bench_make(&bench);
    bench.settings.listen_address = text_any_port;
    bench.settings.metrics_address = bench.metrics;
    cr_assert_eq(control_start(&bench.settings, bytes_of(""), &control, &code, &why), STATUS_OK,
                 "%s: %s", why.reason, why.detail);
    cr_assert_neq(control_start(&bench.settings, bytes_of(""), &other, &code, &why), STATUS_OK);
    cr_assert_eq(code, CONTROL_EXIT_DATA);
    cr_assert_str_eq(why.reason, "data-dir/in-use");
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
    control_run(control);
    bench.settings.listen_address = text_foreign_address;
    cr_assert_neq(control_start(&bench.settings, bytes_of(""), &other, &code, &why), STATUS_OK);
    cr_assert_eq(code, CONTROL_EXIT_LISTEN);
    cr_assert_str_eq(why.reason, "rpc/listen");
    metrics_clear();
    bench_clear(&bench);
}

/* How many entries the stopped control plane's store has, and the revision that it has come to. */
static size_t check_entries(const struct bench *bench, int64_t *out_revision)
{
    OWNED(store) *store = NULL;
    struct registry registry;
    char path[128];
    size_t count = 0;
    struct failure why = {0};

    (void)snprintf(path, sizeof path, "%s/signet.db", bench->data_dir);
    cr_assert_eq(store_open(path, &store, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(registry_init(&registry, store, "cluster.local", &why), STATUS_OK);
    cr_assert_eq(entry_count(&registry, &count, &why), STATUS_OK);
    cr_assert_eq(store_revision(store, out_revision, &why), STATUS_OK);
    return count;
}

Test(control_check, an_entry_that_the_file_names_no_more_loses_its_right_at_hup)
{
    static const char two[] = "entries:\n  - {name: web, namespace: shop, serviceAccount: web}\n"
                              "  - {name: api, namespace: shop, serviceAccount: api}\n";
    static const char one[] = "entries:\n  - {name: web, namespace: shop, serviceAccount: web}\n";
    static const char broken[] = "entries:\n  - {name: web, namespace: shop}\n";
    struct bench bench;
    struct control *control = NULL;
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;
    int64_t revision = 0;

    bench_make(&bench);
    bench.settings.listen_address = text_any_port;
    bench.settings.metrics_address = bench.metrics;
    for (int round = 0; round < 2; round++) {
        bench_write(bench.entries, two, 0644);
        cr_assert_eq(control_start(&bench.settings, bytes_of(""), &control, &code, &why), STATUS_OK,
                     "%s: %s", why.reason, why.detail);
        bench_write(bench.entries, round == 0 ? broken : one, 0644);
        cr_assert_eq(kill(getpid(), SIGHUP), 0);
        cr_assert_eq(kill(getpid(), SIGTERM), 0);
        control_run(control);
        metrics_clear();
        cr_assert_eq(check_entries(&bench, &revision), round == 0 ? 2 : 1);
    }
    bench_clear(&bench);
}

/* A restored store has given out revisions that it does not know of: a start leaps past them. */
Test(control_check, a_start_gives_no_revision_that_an_earlier_run_may_have_given)
{
    struct bench bench;
    CLEARED(buffer) bundle = {.max = 65536};
    int64_t revision = 0;

    bench_make(&bench);
    bench.settings.listen_address = text_any_port;
    bench.settings.metrics_address = bench.metrics;
    check_run_once(&bench, &bundle);
    (void)check_entries(&bench, &revision);
    cr_assert_gt(revision, (int64_t)1700000000 * 1000);
    bench_clear(&bench);
}
