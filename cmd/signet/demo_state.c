/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/demo_state.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signet/demo_process.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/base/memory.h"

#define DEMO_STATE_LOCK "/run/signet-demo.lock"
#define DEMO_STATE_LIST DEMO_STATE "/objects"
#define DEMO_STATE_LIST_MAX ((size_t)64 * 1024)
#define DEMO_STATE_OPEN_FOLDERS 16 /* descriptors that the walk through a folder may use */

static int demo_state_remove_one(const char *path, const struct stat *what, int kind,
                                 struct FTW *where)
{
    (void)what;
    (void)kind;
    (void)where;
    return remove(path);
}

/* Without following links, without leaving the file system. */
static bool demo_state_remove_folder(const char *path)
{
    (void)nftw(path, demo_state_remove_one, DEMO_STATE_OPEN_FOLDERS,
               FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return access(path, F_OK) != 0;
}

/* Processes of a namespace die before it: it would live on as long as they do. */
static void demo_state_kill_all_in(const char *netns)
{
    const struct demo_program pids = {
        .path = "ip",
        .arguments = DEMO_ARGUMENTS("ip", "netns", "pids", netns),
        .apart = true,
    };
    CLEARED(buffer) said = {0};
    struct bytes rest;

    if (demo_process_run(&pids, 5000, &said, NULL) != STATUS_OK) {
        return;
    }
    rest = buffer_bytes(&said);
    while (rest.len > 0) {
        struct bytes line = bytes_trim(bytes_split(&rest, '\n'));
        uint64_t pid = 0;

        if (bytes_to_number(line, INT32_MAX, &pid) && pid > 1) {
            (void)kill((pid_t)pid, SIGKILL);
        }
    }
}

bool demo_state_is_free(const char *kind, const char *name)
{
    struct stat there;
    char path[256];

    if (strcmp(kind, DEMO_STATE_LINK) == 0) {
        return if_nametoindex(name) == 0;
    }
    (void)snprintf(path, sizeof path, "%s%s",
                   strcmp(kind, DEMO_STATE_NETNS) == 0 ? "/run/netns/" : "", name);
    return lstat(path, &there) != 0 && errno == ENOENT;
}

/* True when it is gone, or never was. */
static bool demo_state_remove(const char *kind, const char *name)
{
    if (demo_state_is_free(kind, name)) {
        return true;
    }
    if (strcmp(kind, DEMO_STATE_NETNS) == 0) {
        demo_state_kill_all_in(name);
        return demo_process_tool(DEMO_ARGUMENTS("ip", "netns", "delete", name), NULL) == STATUS_OK;
    }
    if (strcmp(kind, DEMO_STATE_LINK) == 0) {
        return demo_process_tool(DEMO_ARGUMENTS("ip", "link", "delete", name), NULL) == STATUS_OK;
    }
    if (strcmp(kind, DEMO_STATE_FOLDER) == 0) {
        return demo_state_remove_folder(name);
    }
    (void)rmdir(name); /* a parent: others may have moved in */
    return true;
}

/* Cuts the list's last line off and gives it: the newest object goes first. */
static struct bytes demo_state_last(struct bytes *list)
{
    struct bytes line;
    size_t at;

    *list = bytes_trim(*list);
    at = list->len;
    while (at > 0 && list->at[at - 1] != '\n') {
        at--;
    }
    line = bytes_skip(*list, at);
    list->len = at;
    return line;
}

/* Takes away all that the list names. A line is "KIND NAME". */
static size_t demo_state_sweep(size_t *out_failed)
{
    CLEARED(buffer) list = {.max = DEMO_STATE_LIST_MAX};
    struct bytes rest;
    size_t num_objects = 0;

    if (buffer_read_file(&list, DEMO_STATE_LIST, NULL) != STATUS_OK) {
        return 0;
    }
    rest = buffer_bytes(&list);
    while (rest.len > 0) {
        struct bytes line = demo_state_last(&rest);
        char *kind = bytes_text(bytes_split(&line, ' '));
        char *name = bytes_text(line);

        if (name[0] != '\0') {
            num_objects++;
            if (!demo_state_remove(kind, name)) {
                (*out_failed)++;
                (void)fprintf(stderr, "signet demo: the %s %s would not go\n", kind, name);
            }
        }
        free(kind);
        free(name);
    }
    return num_objects;
}

static enum status demo_state_refuse_second(int lock, struct failure *why)
{
    char number[32] = {0};

    (void)!pread(lock, number, sizeof number - 1, 0);
    number[strcspn(number, "\n")] = '\0';
    return fail(why, STATUS_DENIED, "demo/running",
                "another demo runs on this machine (process %s): end it first, or look at it",
                number);
}

/* The file may be deleted between open and lock, by a demo that ends: then it is made anew. */
static enum status demo_state_take_lock(struct demo_state *state, struct failure *why)
{
    struct stat locked, named;
    char number[32];
    int len;

    do {
        if (state->lock >= 0) {
            (void)close(state->lock);
        }
        state->lock = open(DEMO_STATE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (state->lock < 0) {
            return fail_os(why, errno, "demo/state", "cannot make %s", DEMO_STATE_LOCK);
        }
        if (flock(state->lock, LOCK_EX | LOCK_NB) != 0) {
            (void)demo_state_refuse_second(state->lock, why);
            (void)close(state->lock);
            state->lock = -1;
            return STATUS_DENIED;
        }
    } while (fstat(state->lock, &locked) != 0 || stat(DEMO_STATE_LOCK, &named) != 0 ||
             locked.st_ino != named.st_ino);
    len = snprintf(number, sizeof number, "%d\n", (int)getpid());
    if (ftruncate(state->lock, 0) != 0 || pwrite(state->lock, number, (size_t)len, 0) != len) {
        return fail_os(why, errno, "demo/state", "cannot write %s", DEMO_STATE_LOCK);
    }
    return STATUS_OK;
}

enum status demo_state_open(struct demo_state *state, size_t *out_swept, struct failure *why)
{
    size_t num_failed = 0;

    state->lock = -1;
    TRY(demo_state_take_lock(state, why));
    *out_swept = demo_state_sweep(&num_failed);
    (void)demo_state_remove_folder(DEMO_STATE);
    if (mkdir(DEMO_STATE, 0755) != 0) {
        return fail_os(why, errno, "demo/state", "cannot make %s", DEMO_STATE);
    }
    if (chmod(DEMO_STATE, 0755) != 0) {
        return fail_os(why, errno, "demo/state", "cannot set the mode of %s", DEMO_STATE);
    }
    return STATUS_OK;
}

enum status demo_state_note(const char *kind, const char *name, struct failure *why)
{
    char *line = memory_format("%s %s\n", kind, name);
    size_t len = strlen(line);
    int list;
    bool written;

    if (!demo_state_is_free(kind, name)) {
        free(line);
        return fail(why, STATUS_DENIED, "demo/taken", "the %s %s exists already, and is not ours",
                    kind, name);
    }
    list = open(DEMO_STATE_LIST, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    written = list >= 0 && write(list, line, len) == (ssize_t)len;
    free(line);
    if (list >= 0) {
        (void)close(list);
    }
    return written ? STATUS_OK
                   : fail_os(why, errno, "demo/state", "cannot write %s", DEMO_STATE_LIST);
}

enum status demo_state_folder(const char *path, unsigned owner, struct failure *why)
{
    TRY(demo_state_note(DEMO_STATE_FOLDER, path, why));
    if (mkdir(path, 0755) != 0 || chmod(path, 0755) != 0 || chown(path, owner, owner) != 0) {
        return fail_os(why, errno, "demo/state", "cannot make %s", path);
    }
    return STATUS_OK;
}

size_t demo_state_close(struct demo_state *state)
{
    size_t num_failed = 0;

    if (state->lock < 0) {
        return 0;
    }
    (void)demo_state_sweep(&num_failed);
    /* With something left, the list stays: the next run tries again. */
    if (num_failed == 0) {
        (void)demo_state_remove_folder(DEMO_STATE);
    }
    (void)unlink(DEMO_STATE_LOCK);
    (void)close(state->lock);
    state->lock = -1;
    return num_failed;
}

enum status demo_state_write(const char *name, const char *text, unsigned mode, unsigned owner,
                             struct failure *why)
{
    char *path = memory_format(DEMO_STATE "/%s", name);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    size_t len = strlen(text);
    bool written = file >= 0 && write(file, text, len) == (ssize_t)len && fchmod(file, mode) == 0 &&
                   fchown(file, owner, owner) == 0;
    enum status status =
        written ? STATUS_OK : fail_os(why, errno, "demo/state", "cannot write %s", path);

    if (file >= 0) {
        (void)close(file);
    }
    free(path);
    return status;
}
