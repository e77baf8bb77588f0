/* SPDX-License-Identifier: Apache-2.0 */
/* What may lie in a data folder, and what a start and --check make of it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "core/control/registry/entry.h"
#include "core/control/store/store.h"
#include "tests/flow/control_bench.h"
#include "tests/support/suite.h"
#include "tests/unit/control/store/power.h"

SUITE(data_dir, .timeout = 180);

static struct store *data_dir_store(const struct bench *bench)
{
    struct store *store = NULL;
    struct failure why = {0};

    cr_assert_eq(store_open(bench_in_data(bench, "signet.db"), &store, &why), STATUS_OK, "%s",
                 why.detail);
    return store;
}

static void data_dir_lose_store(const struct bench *bench)
{
    bench_remove(bench_in_data(bench, "signet.db"));
    bench_remove(bench_in_data(bench, "signet.db-wal"));
    bench_remove(bench_in_data(bench, "signet.db-shm"));
}

static bool data_dir_has_entry(const struct bench *bench, const char *key)
{
    OWNED(store) *store = data_dir_store(bench);
    CLEARED(buffer) value = {.max = 8192};

    return store_get(store, bytes_of(key), &value, NULL, NULL) == STATUS_OK;
}

static void data_dir_begin_anew(struct bench *bench, const char *refused)
{
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;
    char *said = NULL;
    enum status status = control_begin_anew(&bench->settings, &said, &code, &why);

    if (refused == NULL) {
        cr_assert_eq(status, STATUS_OK, "%s: %s", why.reason, why.detail);
        cr_assert_eq(code, CONTROL_EXIT_OK);
        cr_assert_not_null(strstr(said, bench->data_dir), "%s", said);
    } else {
        cr_assert_eq(status, STATUS_CONFIG);
        cr_assert_eq(code, CONTROL_EXIT_DATA);
        cr_assert_str_eq(why.reason, refused, "%s", why.detail);
    }
    free(said);
}

Test(data_dir, a_lost_authority_is_not_replaced_until_that_is_asked_for)
{
    struct bench bench;
    CLEARED(buffer) first = {.max = 65536};
    CLEARED(buffer) second = {.max = 65536};

    bench_make(&bench);
    bench_run_once(&bench, &first);
    bench_remove(bench_in_data(&bench, "ca"));
    bench_expect_refused(&bench, "authority/missing", "/data/ca");
    bench_expect_refused(&bench, "authority/missing", "--new-authority");
    cr_assert_neq(access(bench_in_data(&bench, "ca"), F_OK), 0, "it was replaced in silence");

    bench.settings.new_store = true; /* the wrong one of the two */
    data_dir_begin_anew(&bench, "store/not-lost");
    bench.settings.new_store = false;
    bench.settings.new_authority = true;
    data_dir_begin_anew(&bench, NULL);
    data_dir_begin_anew(&bench, "authority/not-lost"); /* left in a unit file it does nothing */
    bench.settings.new_authority = false;
    bench_run_once(&bench, &second);
    cr_assert_not(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    cr_assert(data_dir_has_entry(&bench, "entry/web"));
    bench_clear(&bench);
}

Test(data_dir, a_lost_store_is_not_replaced_until_that_is_asked_for)
{
    struct bench bench;
    CLEARED(buffer) first = {.max = 65536};
    CLEARED(buffer) second = {.max = 65536};

    bench_make(&bench);
    bench_run_once(&bench, &first);
    data_dir_lose_store(&bench);
    bench_expect_refused(&bench, "store/missing", "/data/signet.db");
    bench_expect_refused(&bench, "store/missing", "--new-store");
    cr_assert_neq(access(bench_in_data(&bench, "signet.db"), F_OK), 0, "replaced in silence");
    bench_write(bench_in_data(&bench, "signet.db"), "", 0600); /* as good as none */
    bench_expect_refused(&bench, "store/missing", "--new-store");

    bench.settings.new_authority = true;
    data_dir_begin_anew(&bench, "authority/not-lost");
    bench.settings.new_authority = false;
    bench.settings.new_store = true;
    data_dir_begin_anew(&bench, NULL);
    data_dir_begin_anew(&bench, "store/not-lost");
    bench.settings.new_store = false;
    bench_run_once(&bench, &second);
    cr_assert(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    bench_clear(&bench);
}

Test(data_dir, an_authority_with_another_root_is_refused)
{
    struct bench bench;
    struct bench other;
    CLEARED(buffer) first = {.max = 65536};
    CLEARED(buffer) second = {.max = 65536};
    CLEARED(buffer) again = {.max = 65536};

    bench_make(&bench);
    bench_make(&other);
    bench_run_once(&bench, &first);
    bench_run_once(&other, &second);
    cr_assert_eq(rename(bench_in_data(&bench, "ca"), bench_in_data(&bench, "kept")), 0);
    cr_assert_eq(rename(bench_in_data(&other, "ca"), bench_in_data(&bench, "ca")), 0);
    bench_expect_refused(&bench, "authority/other-root", "/data/ca");
    cr_assert_eq(rename(bench_in_data(&bench, "ca"), bench_in_data(&other, "ca")), 0);
    cr_assert_eq(rename(bench_in_data(&bench, "kept"), bench_in_data(&bench, "ca")), 0);
    bench_run_once(&bench, &again);
    cr_assert(bytes_equal(buffer_bytes(&first), buffer_bytes(&again)));
    bench_clear(&bench);
    bench_clear(&other);
}

/* As an older version left it, or a start that was cut off between the two. */
Test(data_dir, a_store_that_remembers_no_root_takes_the_one_beside_it)
{
    struct bench bench;
    CLEARED(buffer) first = {.max = 65536};
    CLEARED(buffer) second = {.max = 65536};
    struct store *store;

    bench_make(&bench);
    bench_run_once(&bench, &first);
    store = data_dir_store(&bench);
    cr_assert_eq(store_remove(store, bytes_of("authority/root"), NULL), STATUS_OK);
    store_drop(&store);
    bench_run_once(&bench, &second);
    cr_assert(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    cr_assert(data_dir_has_entry(&bench, "authority/root"));
    /* Without a root of its own it is in use all the same. */
    store = data_dir_store(&bench);
    cr_assert_eq(store_remove(store, bytes_of("authority/root"), NULL), STATUS_OK);
    store_drop(&store);
    bench_remove(bench_in_data(&bench, "ca"));
    bench_expect_refused(&bench, "authority/missing", "--new-authority");
    bench_clear(&bench);
}

Test(data_dir, a_first_start_that_was_cut_off_goes_on)
{
    struct bench bench;
    CLEARED(buffer) bundle = {.max = 65536};
    struct store *store;
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;

    for (int step = 0; step < 4; step++) {
        bench_make(&bench);
        cr_assert_eq(mkdir(bench.data_dir, 0700), 0);
        bench_write(bench_in_data(&bench, "lock"), "", 0600);
        if (step >= 1) {
            bench_write(bench_in_data(&bench, "signet.db"), "", 0600);
        }
        if (step >= 2) {
            store = data_dir_store(&bench);
            store_drop(&store);
        }
        if (step >= 3) { /* the folder, and a root that has no name yet */
            cr_assert_eq(mkdir(bench_in_data(&bench, "ca"), 0700), 0);
            bench_write(bench_in_data(&bench, "ca/root.pem.new"), "half", 0600);
        }
        cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_OK, "%d: %s", step,
                     why.detail);
        bench_run_once(&bench, &bundle);
        bench_run_once(&bench, &bundle);
        bench_clear(&bench);
        buffer_reset(&bundle);
    }
}

/* --- modes and owners ----------------------------------------------------------------------------- */

struct data_dir_case {
    char path[24]; /* within the data folder; "" is the folder */
    unsigned mode; /* 0: another owner instead */
    char reason[24];
};

ParameterizedTestParameters(data_dir, what_others_can_read_or_own_is_refused)
{
    static struct data_dir_case cases[] = {
        {"", 0750, "data-dir/mode"},         {"", 0705, "data-dir/mode"},
        {"", 0, "data-dir/owner"},           {"ca", 0740, "authority/mode"},
        {"ca", 0, "authority/owner"},        {"signet.db", 0640, "store/mode"},
        {"signet.db", 0604, "store/mode"},   {"signet.db", 0, "store/owner"},
        {"ca/root.pem", 0644, "authority/mode"}, {"ca/root.pem", 0, "authority/owner"},
    };
    return cr_make_param_array(struct data_dir_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct data_dir_case *given, data_dir, what_others_can_read_or_own_is_refused)
{
    struct bench bench;
    CLEARED(buffer) bundle = {.max = 65536};
    const char *path;

    if (given->mode == 0 && geteuid() != 0) {
        cr_skip_test("only root can give a file away");
    }
    bench_make(&bench);
    bench_run_once(&bench, &bundle);
    path = given->path[0] == '\0' ? bench.data_dir : bench_in_data(&bench, given->path);
    if (given->mode != 0) {
        cr_assert_eq(chmod(path, given->mode), 0);
    } else {
        cr_assert_eq(chown(path, 1234, 0), 0);
    }
    bench_expect_refused(&bench, given->reason, given->mode != 0 ? "mode" : "1234");
    bench_clear(&bench);
}

/* --- what cannot be written ----------------------------------------------------------------------- */

/* What --check and a start said, in another process. */
struct data_dir_said {
    char check[64], start[64];
    enum control_exit check_code, start_code;
};

static int data_dir_give_away(const char *path, const struct stat *about, int kind,
                              struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return lchown(path, 1234, 1234);
}

/* Mode bits do not bind root: whoever he is, a user without rights asks. */
static void data_dir_ask_as_user(struct bench *bench, struct data_dir_said *said)
{
    struct control *control = NULL;
    struct failure why = {.reason = ""};

    if (geteuid() == 0 &&
        (nftw(bench->folder, data_dir_give_away, 8, FTW_PHYS) != 0 ||
         setresgid(1234, 1234, 1234) != 0 || setresuid(1234, 1234, 1234) != 0)) {
        return;
    }
    (void)!control_check(&bench->settings, &said->check_code, &why);
    (void)snprintf(said->check, sizeof said->check, "%s", why.reason);
    why.reason = "";
    (void)!control_start(&bench->settings, bytes_of(""), &control, &said->start_code, &why);
    (void)snprintf(said->start, sizeof said->start, "%s", why.reason);
}

Test(data_dir, check_finds_files_that_a_start_could_not_open_for_writing)
{
    static const char *const cases[][2] = {{"signet.db", "store/open"}, {"lock", "data-dir/open"}};
    struct data_dir_said *said =
        mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq((void *)said, MAP_FAILED);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench bench;
        CLEARED(buffer) bundle = {.max = 65536};
        pid_t child;

        bench_make(&bench);
        bench_run_once(&bench, &bundle);
        cr_assert_eq(chmod(bench_in_data(&bench, cases[i][0]), 0400), 0);
        *said = (struct data_dir_said){0};
        child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
            data_dir_ask_as_user(&bench, said);
            _exit(0);
        }
        cr_assert_eq(waitpid(child, NULL, 0), child);
        cr_assert_str_eq(said->start, cases[i][1], "%s: a start says %s", cases[i][0], said->start);
        cr_assert_eq(said->start_code, CONTROL_EXIT_DATA);
        cr_assert_str_eq(said->check, cases[i][1], "%s: --check says %s", cases[i][0], said->check);
        cr_assert_eq(said->check_code, CONTROL_EXIT_DATA);
        bench_clear(&bench);
    }
    (void)munmap(said, sizeof *said);
}

/* --- beside a running one ------------------------------------------------------------------------- */

/* A control plane in a process of its own; `prepare` runs there first. */
static pid_t data_dir_serve(struct bench *bench, void (*prepare)(void *user), void *user)
{
    int ends[2];
    char letter = 0;
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct control *control = NULL;
        struct failure why = {0};
        enum control_exit code = CONTROL_EXIT_OK;

        if (prepare != NULL) {
            prepare(user);
        }
        if (control_start(&bench->settings, bytes_of(""), &control, &code, &why) != STATUS_OK ||
            write(ends[1], "x", 1) != 1) {
            (void)fprintf(stderr, "%s: %s\n", why.reason, why.detail);
            _exit((int)code);
        }
        control_run(control);
        _exit(0);
    }
    (void)close(ends[1]);
    cr_assert_eq(read(ends[0], &letter, 1), 1, "it does not start");
    (void)close(ends[0]);
    return child;
}

static void data_dir_stop(pid_t child)
{
    int how = -1;

    cr_assert_eq(kill(child, SIGTERM), 0);
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert_eq(how, 0, "it ended with %x", (unsigned)how);
}

Test(data_dir, check_beside_a_running_control_plane_changes_nothing_and_finds_what_is_wrong)
{
    struct bench bench;
    CLEARED(buffer) before = {0};
    CLEARED(buffer) after = {0};
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_LISTEN;
    pid_t child;

    bench_make(&bench);
    child = data_dir_serve(&bench, NULL, NULL);
    cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_OK, "%s: %s", why.reason,
                 why.detail);
    cr_assert_eq(code, CONTROL_EXIT_OK);
    /* From here on it stands still, with all that it holds: it writes now and then by itself. */
    cr_assert_eq(kill(child, SIGSTOP), 0);
    cr_assert_eq(waitpid(child, NULL, WUNTRACED), child);
    bench_survey(&bench, &before);
    cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_OK, "%s: %s", why.reason,
                 why.detail);
    cr_assert_eq(chmod(bench_in_data(&bench, "ca/root.pem"), 0644), 0);
    cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_CONFIG);
    cr_assert_eq(code, CONTROL_EXIT_DATA);
    cr_assert_str_eq(why.reason, "authority/mode");
    cr_assert_eq(chmod(bench_in_data(&bench, "ca/root.pem"), 0600), 0);
    bench_write(bench.passphrase, "another one", 0600);
    cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "authority/passphrase");
    bench_survey(&bench, &after);
    cr_assert(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)), "it changed something");
    cr_assert_eq(kill(child, SIGCONT), 0);
    data_dir_stop(child);
    bench_clear(&bench);
}

/* What a process left that was killed is judged as it lies, and left so. */
Test(data_dir, check_after_a_kill_changes_nothing)
{
    struct bench bench;
    CLEARED(buffer) before = {0};
    CLEARED(buffer) after = {0};
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_LISTEN;
    pid_t child;

    bench_make(&bench);
    child = data_dir_serve(&bench, NULL, NULL);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    bench_survey(&bench, &before);
    cr_assert_eq(control_check(&bench.settings, &code, &why), STATUS_OK, "%s: %s", why.reason,
                 why.detail);
    bench_survey(&bench, &after);
    cr_assert(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)), "it changed something");
    bench_clear(&bench);
}

Test(data_dir, check_finds_entries_that_contradict_those_of_the_store)
{
    struct bench bench;
    CLEARED(buffer) bundle = {.max = 65536};
    struct registry registry;
    struct store *store;
    struct entry entry;

    bench_make(&bench);
    bench.settings.entries = NULL;
    bench_run_once(&bench, &bundle);
    store = data_dir_store(&bench);
    cr_assert_eq(registry_init(&registry, store, "cluster.local", NULL), STATUS_OK);
    cr_assert_eq(entry_make(&registry, bytes_of("front"),
                            bytes_of("spiffe://cluster.local/ns/shop/sa/web"), bytes_of(""),
                            &entry, NULL),
                 STATUS_OK);
    cr_assert_eq(entry_add(&registry, &entry, NULL), STATUS_OK);
    store_drop(&store);
    bench.settings.entries = bench.entries;
    bench_expect_refused(&bench, "entry/identity-taken", "front");
    bench_clear(&bench);
}

/* --- a full disk ---------------------------------------------------------------------------------- */

/* Asks a unix socket for a page; false when nobody answers. */
static bool data_dir_ask(const char *address, const char *path, char *out, size_t room)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *request = memory_format("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                                  path);
    size_t used = 0;
    ssize_t got = 0;
    bool asked;

    (void)snprintf(where.sun_path, sizeof where.sun_path, "%s", address + strlen("unix:"));
    asked = connect(fd, (struct sockaddr *)&where, sizeof where) == 0 &&
            write(fd, request, strlen(request)) == (ssize_t)strlen(request);
    while (asked && used + 1 < room && (got = read(fd, out + used, room - 1 - used)) > 0) {
        used += (size_t)got;
    }
    out[used] = '\0';
    free(request);
    (void)close(fd);
    return used > 0;
}

/* Asks until the answer holds `wanted`, or a minute is over. */
static bool data_dir_soon(const char *address, const char *path, const char *wanted)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    char answer[8192];

    for (int i = 0; i < 600; i++) {
        if (data_dir_ask(address, path, answer, sizeof answer) &&
            strstr(answer, wanted) != NULL) {
            return true;
        }
        (void)nanosleep(&pause, NULL);
    }
    cr_log_error("%s says: %s", path, answer);
    return false;
}

static void data_dir_with_power(void *user)
{
    struct power_plan plan = {.seed = 1, .room = user};

    power_install(&plan);
}

Test(data_dir, a_store_that_cannot_write_is_told_by_readiness_and_status_until_it_can)
{
    volatile size_t *room = mmap(NULL, sizeof *room, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct bench bench;
    pid_t child;

    cr_assert_neq((void *)room, MAP_FAILED);
    *room = SIZE_MAX;
    bench_make(&bench);
    child = data_dir_serve(&bench, data_dir_with_power, (void *)(uintptr_t)room);
    cr_assert(data_dir_soon(bench.metrics, "/readyz", " 200 "));
    cr_assert(data_dir_soon(bench.admin, "/status", "\"store_refusal\":null"));
    *room = 0;
    cr_assert(data_dir_soon(bench.metrics, "/readyz", "[no] store: store/full"));
    cr_assert(data_dir_soon(bench.metrics, "/readyz", " 503 "));
    cr_assert(data_dir_soon(bench.admin, "/status", "\"store_refusal\":\"store/full: "));
    cr_assert(data_dir_soon(bench.admin, "/entries", "\"web\"")); /* what is there is still read */
    *room = SIZE_MAX;
    cr_assert(data_dir_soon(bench.metrics, "/readyz", " 200 "));
    cr_assert(data_dir_soon(bench.admin, "/status", "\"store_refusal\":null"));
    data_dir_stop(child);
    bench_clear(&bench);
    (void)munmap((void *)(uintptr_t)room, sizeof *room);
}

Test(data_dir, a_start_on_a_full_disk_says_store_full)
{
    size_t room = SIZE_MAX;
    CLEARED(buffer) bundle = {.max = 65536};
    struct control *control = NULL;
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;
    struct bench bench;

    data_dir_with_power(&room);
    bench_make(&bench);
    for (int started = 0; started < 2; started++) {
        room = 0;
        cr_assert_neq(control_start(&bench.settings, bytes_of(""), &control, &code, &why),
                      STATUS_OK);
        cr_assert_eq(code, CONTROL_EXIT_DATA);
        cr_assert_str_eq(why.reason, "store/full", "%s", why.detail);
        room = SIZE_MAX;
        bench_run_once(&bench, &bundle);
        buffer_reset(&bundle);
    }
    bench_clear(&bench);
}
