/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following a file: an inotify watch on its folder, a pause until it is quiet, a slow look of our own
 * in case the watch misses something (a swapped link further up, a folder made anew). See
 * file_source.h.
 */
#include "core/sidecar/discovery/file_source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/timer.h"
#include "core/sidecar/discovery/mesh_files.h"

enum {
    FILE_SOURCE_PAUSE_MS = 50,      /* quiet for so long: a writer is done */
    FILE_SOURCE_PATIENCE_MS = 1000, /* never quiet: read nevertheless */
    FILE_SOURCE_LOOK_MS = 3000,
};

struct file_source {
    uv_loop_t *loop;  /* borrowed */
    char *path;       /* owned */
    char *folder;     /* owned: what is watched; the path itself when that is a folder */
    const char *base; /* in `path`; NULL when the path is a folder */
    struct file_source_events events;
    void *user;
    uv_fs_event_t watch;
    bool is_watching;
    ino_t watched_inode; /* of the folder, so that one made anew is noticed */
    dev_t watched_device;
    struct timer pause;
    struct timer look;
    uint64_t noisy_since_ms;  /* loop's clock at the first event not yet read; 0: none */
    struct snapshot *current; /* reference; NULL before the first good one */
    struct failure failure;   /* of the last reading; reason NULL when it was good */
    uint64_t stamp;           /* of the files when last read */
    uint64_t hash;            /* of what was last judged; 0: nothing yet */
    bool is_forced;           /* read and report even if it is the same */
    bool is_closing;
    int open_handles;
};

static void file_source_free(struct file_source *source)
{
    if (--source->open_handles > 0) {
        return;
    }
    if (source->events.closed != NULL) {
        source->events.closed(source->user);
    }
    snapshot_drop(&source->current);
    free(source->path);
    free(source->folder);
    free(source);
}

static void file_source_timer_closed(struct timer *timer, void *user)
{
    (void)timer;
    file_source_free(user);
}

static void file_source_watch_closed(uv_handle_t *handle)
{
    file_source_free(handle->data);
}

/* file_source_find_folder says what to watch: it may change when a folder replaces a file. */
static void file_source_find_folder(struct file_source *source)
{
    struct stat found;
    char *slash = strrchr(source->path, '/');
    bool is_folder = stat(source->path, &found) == 0 && S_ISDIR(found.st_mode);

    free(source->folder);
    if (is_folder) {
        source->folder = memory_text(source->path);
        source->base = NULL;
    } else if (slash == NULL) {
        source->folder = memory_text(".");
        source->base = source->path;
    } else {
        source->folder = slash == source->path
                             ? memory_text("/")
                             : memory_format("%.*s", (int)(slash - source->path), source->path);
        source->base = slash + 1;
    }
}

static void file_source_begin_pause(struct file_source *source)
{
    uint64_t now_ms = uv_now(source->loop);

    if (source->noisy_since_ms == 0) {
        source->noisy_since_ms = now_ms;
    }
    if (now_ms - source->noisy_since_ms < FILE_SOURCE_PATIENCE_MS) {
        timer_start(&source->pause, FILE_SOURCE_PAUSE_MS, 0);
    }
}

/* file_source_is_ours: could an event about `name` in the folder change what we read? */
static bool file_source_is_ours(const struct file_source *source, const char *name)
{
    if (name == NULL || strncmp(name, "..", 2) == 0) { /* Kubernetes swaps the link "..data" */
        return true;
    }
    return source->base != NULL ? strcmp(name, source->base) == 0
                                : bytes_ends(bytes_of(name), bytes_of(".yaml"));
}

static void file_source_noticed(uv_fs_event_t *watch, const char *name, int events, int status)
{
    struct file_source *source = watch->data;

    (void)events;
    if (!source->is_closing && (status < 0 || file_source_is_ours(source, name))) {
        file_source_begin_pause(source);
    }
}

/* file_source_watch (re)starts the watch when the folder is not the one that is watched. */
static void file_source_watch(struct file_source *source)
{
    struct stat found;

    file_source_find_folder(source);
    if (stat(source->folder, &found) != 0) {
        (void)uv_fs_event_stop(&source->watch);
        source->is_watching = false;
        return;
    }
    if (source->is_watching && found.st_ino == source->watched_inode &&
        found.st_dev == source->watched_device) {
        return;
    }
    (void)uv_fs_event_stop(&source->watch);
    source->is_watching =
        uv_fs_event_start(&source->watch, file_source_noticed, source->folder, 0) == 0;
    source->watched_inode = found.st_ino;
    source->watched_device = found.st_dev;
}

/* file_source_report_failure tells of a failure unless it is the one that was told last. */
static void file_source_report_failure(struct file_source *source, enum status status,
                                       const struct failure *why)
{
    bool is_new = source->failure.reason == NULL ||
                  strcmp(source->failure.reason, why->reason) != 0 ||
                  strcmp(source->failure.detail, why->detail) != 0;

    source->failure = *why;
    if (is_new || source->is_forced) {
        source->is_forced = false;
        source->events.refused(source->user, status, &source->failure);
    }
}

static void file_source_judge(struct file_source *source, const struct mesh_files *files)
{
    CLEARED(warnings) warnings = {0};
    OWNED(snapshot) *snapshot = NULL;
    struct failure why = {0};
    enum status status = snapshot_parse(files->at, files->count, &warnings, &snapshot, &why);

    if (status != STATUS_OK) {
        file_source_report_failure(source, status, &why);
        return;
    }
    snapshot_drop(&source->current);
    source->current = snapshot_ref(snapshot);
    source->failure = (struct failure){0};
    source->is_forced = false;
    source->events.loaded(source->user, snapshot, &warnings);
}

/* file_source_read is where every way to notice a change ends. */
static void file_source_read(struct file_source *source)
{
    CLEARED(mesh_files) files = {0};
    struct failure why = {0};
    enum status status;
    uint64_t hash;

    source->noisy_since_ms = 0;
    source->stamp = mesh_files_stamp(source->path); /* before reading: a later change then shows */
    status = mesh_files_read(source->path, &files, &why);
    if (status != STATUS_OK) {
        source->hash = 0;
        file_source_report_failure(source, status, &why);
        return;
    }
    hash = mesh_files_hash(&files);
    if (hash != source->hash || source->is_forced) {
        source->hash = hash;
        file_source_judge(source, &files);
    }
}

static void file_source_pause_over(struct timer *timer, void *user)
{
    (void)timer;
    file_source_read(user);
}

static void file_source_take_look(struct timer *timer, void *user)
{
    struct file_source *source = user;

    (void)timer;
    file_source_watch(source);
    if (mesh_files_stamp(source->path) != source->stamp) {
        file_source_begin_pause(source);
    }
}

struct file_source *file_source_start(uv_loop_t *loop, const char *path,
                                      const struct file_source_events *events, void *user)
{
    struct file_source *source = memory_make(sizeof *source);
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    source->loop = loop;
    source->path = memory_format("%.*s", (int)len, path);
    source->events = *events;
    source->user = user;
    source->open_handles = 3;
    if (uv_fs_event_init(loop, &source->watch) != 0) {
        abort();
    }
    source->watch.data = source;
    timer_init(&source->pause, loop, file_source_pause_over, source);
    timer_init(&source->look, loop, file_source_take_look, source);
    file_source_watch(source); /* before the first reading: no change falls between the two */
    timer_start(&source->pause, 0, 0);
    timer_start(&source->look, FILE_SOURCE_LOOK_MS, FILE_SOURCE_LOOK_MS);
    return source;
}

void file_source_reload(struct file_source *source)
{
    if (!source->is_closing) {
        source->is_forced = true;
        timer_start(&source->pause, 0, 0);
    }
}

struct snapshot *file_source_current(const struct file_source *source)
{
    return source->current;
}

const struct failure *file_source_failure(const struct file_source *source)
{
    return source->failure.reason != NULL ? &source->failure : NULL;
}

void file_source_close(struct file_source *source)
{
    if (source == NULL || source->is_closing) {
        return;
    }
    source->is_closing = true;
    timer_stop(&source->pause);
    timer_stop(&source->look);
    (void)uv_fs_event_stop(&source->watch);
    timer_close(&source->pause, file_source_timer_closed);
    timer_close(&source->look, file_source_timer_closed);
    uv_close((uv_handle_t *)&source->watch, file_source_watch_closed);
}
