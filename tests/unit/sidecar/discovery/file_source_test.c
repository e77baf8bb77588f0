/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following files in a real folder: replaced by rename, swapped by a symbolic link, broken, mended.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/sidecar/discovery/file_source.h"
#include "tests/support/suite.h"

SUITE(file_source, .timeout = 60);

#define MESH(name) "workloads:\n  - {name: " name ", namespace: s, serviceAccount: x}\n"

enum { PATIENCE_MS = 8000, QUIET_MS = 400 };

/* What a source has told, and the loop it tells it on. */
struct ear {
    uv_loop_t loop;
    uv_timer_t limit;
    struct file_source *source;
    char *folder; /* made for the test */
    int loaded;
    int refused;
    int closed;
    bool is_over; /* the limit has passed */
    char reason[64];
    char detail[FAILURE_DETAIL_MAX];
    size_t num_warnings;
};

static void ear_loaded(void *user, struct snapshot *snapshot, const struct warnings *warnings)
{
    struct ear *ear = user;

    cr_assert_not_null(snapshot);
    ear->loaded++;
    uv_stop(&ear->loop); /* what a timer brings does not keep UV_RUN_ONCE from waiting on */
    ear->num_warnings = warnings->count;
}

static void ear_refused(void *user, enum status status, const struct failure *why)
{
    struct ear *ear = user;

    cr_assert_neq(status, STATUS_OK);
    (void)snprintf(ear->reason, sizeof ear->reason, "%s", why->reason);
    (void)snprintf(ear->detail, sizeof ear->detail, "%s", why->detail);
    ear->refused++;
    uv_stop(&ear->loop);
}

static void ear_closed(void *user)
{
    struct ear *ear = user;

    ear->closed++;
}

static const struct file_source_events ear_events = {ear_loaded, ear_refused, ear_closed};

static void ear_limit(uv_timer_t *timer)
{
    struct ear *ear = timer->data;

    ear->is_over = true;
    uv_stop(&ear->loop);
}

/* ear_wait runs the loop until so many events have come in all, or the limit passes. */
static void ear_wait(struct ear *ear, int loaded, int refused, unsigned limit_ms)
{
    ear->is_over = false;
    (void)uv_timer_start(&ear->limit, ear_limit, limit_ms, 0);
    while (!ear->is_over && (ear->loaded < loaded || ear->refused < refused)) {
        (void)uv_run(&ear->loop, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(&ear->limit);
}

static void ear_expect(struct ear *ear, int loaded, int refused)
{
    ear_wait(ear, loaded, refused, PATIENCE_MS);
    cr_assert_eq(ear->loaded, loaded, "loaded %d, refused %d: %s", ear->loaded, ear->refused,
                 ear->detail);
    cr_assert_eq(ear->refused, refused, "loaded %d, refused %d: %s", ear->loaded, ear->refused,
                 ear->detail);
}

static void ear_expect_quiet(struct ear *ear)
{
    int loaded = ear->loaded;
    int refused = ear->refused;

    ear_wait(ear, loaded + 1, refused + 1, QUIET_MS);
    cr_assert_eq(ear->loaded, loaded);
    cr_assert_eq(ear->refused, refused);
}

static const char *ear_path(const struct ear *ear, const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", ear->folder, name);
    return path;
}

static void ear_write(const struct ear *ear, const char *name, const char *text)
{
    FILE *file = fopen(ear_path(ear, name), "w");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

/* ear_replace writes a new file and renames it over the old one, as editors do. */
static void ear_replace(const struct ear *ear, const char *name, const char *text)
{
    ear_write(ear, "new~", text);
    cr_assert_eq(rename(ear_path(ear, "new~"), ear_path(ear, name)), 0);
}

static void ear_open(struct ear *ear)
{
    char template[] = "/tmp/signet-file-source-XXXXXX";

    *ear = (struct ear){0};
    cr_assert_not_null(mkdtemp(template));
    ear->folder = memory_text(template);
    cr_assert_eq(uv_loop_init(&ear->loop), 0);
    cr_assert_eq(uv_timer_init(&ear->loop, &ear->limit), 0);
    ear->limit.data = ear;
}

static void ear_start(struct ear *ear, const char *path)
{
    ear->source = file_source_start(&ear->loop, path, &ear_events, ear);
}

static bool ear_has(const struct ear *ear, const char *id)
{
    const struct snapshot *current = file_source_current(ear->source);

    return current != NULL && snapshot_workload_find(current, bytes_of(id)) != NULL;
}

static int ear_remove(const char *path, const struct stat *found, int type, struct FTW *where)
{
    (void)found;
    (void)type;
    (void)where;
    return remove(path);
}

static void ear_close(struct ear *ear)
{
    int loaded = ear->loaded;
    int refused = ear->refused;

    file_source_close(ear->source);
    uv_close((uv_handle_t *)&ear->limit, NULL);
    cr_assert_eq(uv_run(&ear->loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(ear->closed, 1);
    cr_assert_eq(ear->loaded, loaded);
    cr_assert_eq(ear->refused, refused);
    cr_assert_eq(uv_loop_close(&ear->loop), 0);
    cr_assert_eq(nftw(ear->folder, ear_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(ear->folder);
}

Test(file_source, reads_at_the_start_and_never_from_inside_the_call)
{
    struct ear ear;

    ear_open(&ear);
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_start(&ear, ear_path(&ear, "mesh.yaml"));
    cr_assert_eq(ear.loaded, 0);
    ear_expect(&ear, 1, 0);
    cr_assert(ear_has(&ear, "s/a"));
    cr_assert_null(file_source_failure(ear.source));
    ear_close(&ear);
}

Test(file_source, follows_a_file_that_is_replaced_by_rename_again_and_again)
{
    struct ear ear;

    ear_open(&ear);
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_start(&ear, ear_path(&ear, "mesh.yaml"));
    ear_expect(&ear, 1, 0);
    ear_replace(&ear, "mesh.yaml", MESH("b"));
    ear_expect(&ear, 2, 0);
    cr_assert(ear_has(&ear, "s/b"));
    ear_replace(&ear, "mesh.yaml", MESH("c"));
    ear_expect(&ear, 3, 0);
    cr_assert(ear_has(&ear, "s/c"));
    cr_assert_not(ear_has(&ear, "s/b"));
    ear_close(&ear);
}

Test(file_source, follows_a_file_that_is_written_in_place)
{
    struct ear ear;

    ear_open(&ear);
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_start(&ear, ear_path(&ear, "mesh.yaml"));
    ear_expect(&ear, 1, 0);
    ear_write(&ear, "mesh.yaml", MESH("b"));
    ear_expect(&ear, 2, 0);
    cr_assert(ear_has(&ear, "s/b"));
    ear_close(&ear);
}

Test(file_source, a_broken_file_keeps_the_last_good_mesh_and_names_the_line)
{
    struct ear ear;

    ear_open(&ear);
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_start(&ear, ear_path(&ear, "mesh.yaml"));
    ear_expect(&ear, 1, 0);
    ear_replace(&ear, "mesh.yaml", MESH("b") "  - {name: c, namespace: s, serviceAcount: x}\n");
    ear_expect(&ear, 1, 1);
    cr_assert_str_eq(ear.reason, "yaml/unknown-key");
    cr_assert_not_null(strstr(ear.detail, "mesh.yaml:3"), "%s", ear.detail);
    cr_assert(ear_has(&ear, "s/a"));
    cr_assert_not(ear_has(&ear, "s/b"));
    cr_assert_str_eq(file_source_failure(ear.source)->reason, "yaml/unknown-key");
    ear_expect_quiet(&ear);
    ear_replace(&ear, "mesh.yaml", MESH("b"));
    ear_expect(&ear, 2, 1);
    cr_assert(ear_has(&ear, "s/b"));
    cr_assert_null(file_source_failure(ear.source));
    ear_close(&ear);
}

Test(file_source, a_file_that_goes_away_or_is_emptied_keeps_the_last_good_mesh)
{
    struct ear ear;

    ear_open(&ear);
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_start(&ear, ear_path(&ear, "mesh.yaml"));
    ear_expect(&ear, 1, 0);
    ear_replace(&ear, "mesh.yaml", "");
    ear_expect(&ear, 1, 1);
    cr_assert_str_eq(ear.reason, "mesh/none");
    cr_assert_eq(unlink(ear_path(&ear, "mesh.yaml")), 0);
    ear_expect(&ear, 1, 2);
    cr_assert_str_eq(ear.reason, "mesh/no-file");
    cr_assert(ear_has(&ear, "s/a"));
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_expect(&ear, 2, 2);
    ear_close(&ear);
}

Test(file_source, reads_a_folder_in_the_order_of_names_and_follows_new_files)
{
    struct ear ear;

    ear_open(&ear);
    ear_write(&ear, "20.yaml", MESH("b"));
    ear_write(&ear, "10.yaml", MESH("a"));
    ear_write(&ear, ".hidden.yaml", "broken: [");
    ear_write(&ear, "notes.txt", "broken: [");
    ear_start(&ear, ear.folder);
    ear_expect(&ear, 1, 0);
    cr_assert_str_eq(snapshot_workloads(file_source_current(ear.source), &(size_t){0})[0].id,
                     "s/a");
    ear_write(&ear, "notes.txt", "more: [");
    ear_expect_quiet(&ear);
    ear_write(&ear, "30.yaml", MESH("c"));
    ear_expect(&ear, 2, 0);
    cr_assert(ear_has(&ear, "s/c"));
    ear_write(&ear, "40.yaml", MESH("c"));
    ear_expect(&ear, 2, 1);
    cr_assert_str_eq(ear.reason, "mesh/duplicate");
    cr_assert_eq(unlink(ear_path(&ear, "40.yaml")), 0);
    ear_expect(&ear, 3, 1);
    ear_close(&ear);
}

/* A ConfigMap's volume: mesh.yaml → ..data/mesh.yaml, ..data → ..version, swapped by rename. */
Test(file_source, follows_the_symbolic_link_that_kubernetes_swaps)
{
    struct ear ear;

    ear_open(&ear);
    for (int version = 1; version <= 3; version++) {
        char folder[32];
        char file[48];

        (void)snprintf(folder, sizeof folder, "..version%d", version);
        (void)snprintf(file, sizeof file, "%s/mesh.yaml", folder);
        cr_assert_eq(mkdir(ear_path(&ear, folder), 0755), 0);
        ear_write(&ear, file, version == 1 ? MESH("a") : version == 2 ? MESH("b") : MESH("c"));
        cr_assert_eq(symlink(folder, ear_path(&ear, "..data_tmp")), 0);
        cr_assert_eq(rename(ear_path(&ear, "..data_tmp"), ear_path(&ear, "..data")), 0);
        if (version == 1) {
            cr_assert_eq(symlink("..data/mesh.yaml", ear_path(&ear, "mesh.yaml")), 0);
            ear_start(&ear, ear_path(&ear, "mesh.yaml"));
        }
        ear_expect(&ear, version, 0);
    }
    cr_assert(ear_has(&ear, "s/c"));
    ear_close(&ear);
}

Test(file_source, waits_for_a_file_and_a_folder_that_are_not_there_yet)
{
    struct ear ear;

    ear_open(&ear);
    ear_start(&ear, ear_path(&ear, "later/mesh.yaml"));
    ear_expect(&ear, 0, 1);
    cr_assert_str_eq(ear.reason, "mesh/no-file");
    cr_assert_null(file_source_current(ear.source));
    cr_assert_eq(mkdir(ear_path(&ear, "later"), 0755), 0);
    ear_write(&ear, "later/mesh.yaml", MESH("a"));
    ear_expect(&ear, 1, 1);
    ear_replace(&ear, "later/mesh.yaml", MESH("b"));
    ear_expect(&ear, 2, 1);
    ear_close(&ear);
}

Test(file_source, sees_a_folder_that_is_made_anew)
{
    struct ear ear;

    ear_open(&ear);
    cr_assert_eq(mkdir(ear_path(&ear, "mesh"), 0755), 0);
    ear_write(&ear, "mesh/a.yaml", MESH("a"));
    ear_start(&ear, ear_path(&ear, "mesh/"));
    ear_expect(&ear, 1, 0);
    cr_assert_eq(rename(ear_path(&ear, "mesh"), ear_path(&ear, "old")), 0);
    cr_assert_eq(mkdir(ear_path(&ear, "mesh"), 0755), 0);
    ear_write(&ear, "mesh/a.yaml", MESH("b"));
    ear_wait(&ear, 2, 0, PATIENCE_MS);
    cr_assert(ear_has(&ear, "s/b"));
    ear_replace(&ear, "mesh/a.yaml", MESH("c"));
    ear_wait(&ear, 3, 0, PATIENCE_MS);
    cr_assert(ear_has(&ear, "s/c"));
    ear_close(&ear);
}

Test(file_source, the_same_content_again_is_no_event_unless_asked_for)
{
    struct ear ear;

    ear_open(&ear);
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_start(&ear, ear_path(&ear, "mesh.yaml"));
    ear_expect(&ear, 1, 0);
    ear_replace(&ear, "mesh.yaml", MESH("a"));
    ear_expect_quiet(&ear);
    file_source_reload(ear.source);
    ear_expect(&ear, 2, 0);
    ear_close(&ear);
}

Test(file_source, many_quick_changes_are_read_once_they_are_quiet)
{
    struct ear ear;

    ear_open(&ear);
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_start(&ear, ear_path(&ear, "mesh.yaml"));
    ear_expect(&ear, 1, 0);
    for (int i = 0; i < 20; i++) {
        ear_replace(&ear, "mesh.yaml", i % 2 == 0 ? "broken: [\n" : MESH("b"));
    }
    ear_expect(&ear, 2, 0);
    cr_assert(ear_has(&ear, "s/b"));
    ear_expect_quiet(&ear);
    ear_close(&ear);
}

Test(file_source, closing_before_the_first_event_brings_none)
{
    struct ear ear;

    ear_open(&ear);
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_start(&ear, ear_path(&ear, "mesh.yaml"));
    ear_close(&ear);
    cr_assert_eq(ear.loaded, 0);
}

Test(file_source, load_and_check_read_the_same_without_a_loop)
{
    struct ear ear;
    struct snapshot *snapshot = NULL;
    CLEARED(warnings) warnings = {0};
    struct failure why = {0};
    const char *policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
                         "metadata: {name: p, namespace: s}\n"
                         "spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}\n";

    ear_open(&ear);
    ear_write(&ear, "mesh.yaml", MESH("a"));
    ear_write(&ear, "policy.yaml", policy);
    cr_assert_eq(snapshot_load(ear.folder, &warnings, &snapshot, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_eq(snapshot_num_policies(snapshot), 1);
    cr_assert_eq(warnings.count, 1);
    snapshot_drop(&snapshot);
    cr_assert_eq(snapshot_check(ear_path(&ear, "policy.yaml"), NULL, &why), STATUS_OK);
    cr_assert_eq(snapshot_load(ear_path(&ear, "policy.yaml"), NULL, &snapshot, &why),
                 STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "mesh/none");
    cr_assert_eq(snapshot_load(ear_path(&ear, "none.yaml"), NULL, &snapshot, &why),
                 STATUS_NOT_FOUND);
    cr_assert_eq(snapshot_load("/dev/null", NULL, &snapshot, &why), STATUS_IO);
    ear_write(&ear, "empty.yaml", "# nothing\n");
    cr_assert_eq(snapshot_check(ear_path(&ear, "empty.yaml"), NULL, &why), STATUS_CONFIG);
    cr_assert_eq(mkdir(ear_path(&ear, "void"), 0755), 0);
    cr_assert_eq(snapshot_load(ear_path(&ear, "void"), NULL, &snapshot, &why), STATUS_NOT_FOUND);
    ear_start(&ear, ear.folder);
    ear_close(&ear);
}
