/* SPDX-License-Identifier: Apache-2.0 */
/* What `signet-control --check` and its start say of settings, files and folders, and the exit code. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <criterion/redirect.h>

#include "core/control/registry/entry.h"
#include "core/runtime/base/clock.h"
#include "tests/flow/control_bench.h"
#include "tests/support/suite.h"

SUITE(control_check, .timeout = 60);

static char text_bad_domain[] = "Cluster.Local";
static char text_tcp[] = "127.0.0.1:15000";
static char text_foreign_address[] = "192.0.2.1:1"; /* TEST-NET-1 */
static char text_no_port[] = "127.0.0.1";
static char text_bad_level[] = "loud";
static char text_no_folder[] = "/no/such/folder/bundle.pem";

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
        {"data is readable", CONTROL_EXIT_DATA, "data-dir/mode"},
        {"store is noise", CONTROL_EXIT_DATA, "store/damaged"},
        {"store is readable", CONTROL_EXIT_DATA, "store/mode"},
        {"bundle folder", CONTROL_EXIT_DATA, "file/write"},
        {"log level", CONTROL_EXIT_SETTINGS, "log/level"},
        {"listen elsewhere", CONTROL_EXIT_LISTEN, "rpc/listen"},
        {"listen nowhere", CONTROL_EXIT_LISTEN, "rpc/listen"},
        {"metrics nowhere", CONTROL_EXIT_LISTEN, "address/form"},
        {"admin is a file", CONTROL_EXIT_LISTEN, "web/bind"},
        {"two acts", CONTROL_EXIT_SETTINGS, "settings/one-act"},
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
    } else if (strcmp(what, "bundle folder") == 0) {
        settings->bundle_out = text_no_folder;
    } else if (strcmp(what, "log level") == 0) {
        settings->log_level = text_bad_level;
    } else if (strncmp(what, "listen", 6) == 0) {
        settings->listen_address =
            strcmp(what, "listen nowhere") == 0 ? text_no_port : text_foreign_address;
    } else if (strcmp(what, "metrics nowhere") == 0) {
        settings->metrics_address = text_no_port;
    } else if (strcmp(what, "two acts") == 0) {
        settings->new_store = settings->new_authority = true;
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
    } else if (strcmp(what, "data is readable") == 0) {
        cr_assert_eq(mkdir(bench->data_dir, 0700), 0);
        cr_assert_eq(chmod(bench->data_dir, 0750), 0);
    } else if (strcmp(what, "store is readable") == 0) {
        cr_assert_eq(mkdir(bench->data_dir, 0700), 0);
        bench_write(store, "x", 0640);
    } else if (strcmp(what, "admin is a file") == 0) {
        bench_write(bench->admin + strlen("unix:"), "x", 0600);
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

Test(control_check, starts_stops_and_starts_again_as_the_same_authority)
{
    struct bench bench;
    CLEARED(buffer) first = {.max = 65536};
    CLEARED(buffer) second = {.max = 65536};
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;
    struct stat about;

    bench_make(&bench);
    bench_run_once(&bench, &first);
    cr_assert_eq(stat(bench.bundle, &about), 0);
    cr_assert_eq(about.st_mode & 0777, 0644); /* it is public: sidecars of other users mount it */
    cr_assert_eq(stat(bench.data_dir, &about), 0);
    cr_assert_eq(about.st_mode & 0777, 0700);
    cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_OK, "%s", why.detail);
    bench_run_once(&bench, &second);
    cr_assert(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    bench_write(bench.passphrase, "another one", 0600);
    cr_assert_neq(control_check(&bench.settings, &code, &why), STATUS_OK);
    cr_assert_eq(code, CONTROL_EXIT_DATA);
    cr_assert_str_eq(why.reason, "authority/passphrase");
    bench_clear(&bench);
}

static int64_t check_ahead_ms;

static int64_t check_unix_ms(void)
{
    return 1800000000000 + check_ahead_ms;
}

static uint64_t check_other_ms(void)
{
    return 1000000;
}

/* A clock that was a month ahead for a moment: the start goes on, and --check says what it left behind. */
Test(control_check, says_that_a_link_is_of_the_future_and_starts_all_the_same)
{
    static const struct clock_source source = {check_other_ms, check_other_ms, check_unix_ms};
    struct bench bench;
    CLEARED(buffer) bundle = {.max = 65536};
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;
    char said[1024] = "";
    FILE *output;

    bench_make(&bench);
    clock_replace(&source);
    bench_run_once(&bench, &bundle);
    check_ahead_ms = INT64_C(30) * 86400 * 1000;
    bench_run_once(&bench, &bundle);
    check_ahead_ms = 0;
    cr_redirect_stderr();
    cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_OK, "%s", why.detail);
    (void)fflush(stderr);
    output = cr_get_redirected_stderr();
    said[fread(said, 1, sizeof said - 1, output)] = '\0';
    cr_assert_not_null(strstr(said, "signet-control: warning: authority/link-ahead: "
                                    "intermediate-2.pem begins at 2027-02-14T07:55:00Z, our clock "
                                    "says 2027-01-15T08:00:00Z: "),
                       "%s", said);
    bench_run_once(&bench, &bundle);
    check_ahead_ms = INT64_C(-30) * 86400 * 1000;
    cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_DENIED);
    cr_assert_eq(code, CONTROL_EXIT_DATA);
    cr_assert_str_eq(why.reason, "authority/root-ahead");
    clock_replace(NULL);
    bench_clear(&bench);
}

/* The root is there from now on, whatever became of that start. */
Test(control_check, a_start_that_fails_says_which_links_it_has_made)
{
    static char level[] = "info";
    struct bench bench;
    struct control *control = NULL;
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;
    char said[8192] = "";
    int ends[2];

    bench_make(&bench);
    bench.settings.log_level = level;
    bench.settings.listen_address = text_foreign_address;
    cr_assert_eq(log_set_levels(level, &why), STATUS_OK);
    cr_assert_eq(pipe(ends), 0);
    log_set_output(ends[1]);
    cr_assert_neq(control_start(&bench.settings, bytes_of(""), &control, &code, &why), STATUS_OK);
    log_set_output(STDERR_FILENO);
    cr_assert_eq(code, CONTROL_EXIT_LISTEN);
    cr_assert_eq(close(ends[1]), 0);
    cr_assert_gt(read(ends[0], said, sizeof said - 1), 0);
    cr_assert_not_null(strstr(said, "\"event\":\"authority.renewed\",\"file\":\"root.pem\","),
                       "%s", said);
    cr_assert_not_null(
        strstr(said, "\"event\":\"authority.renewed\",\"file\":\"intermediate.pem\","), "%s", said);
    cr_assert_eq(close(ends[0]), 0);
    metrics_clear();
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
    bench_run_once(&bench, &bundle);
    (void)check_entries(&bench, &revision);
    cr_assert_gt(revision, (int64_t)1700000000 * 1000);
    bench_clear(&bench);
}
