/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three standard streams of the child are files in memory: nothing can block on a full pipe,
 * and no SIGPIPE comes when a child leaves without having read its input.
 */
#include "core/redirect/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child sees: no locale that changes its messages, and where it may find helpers. */
static char *const process_environment[] = {
    "PATH=/usr/sbin:/sbin:/usr/bin:/bin",
    "LC_ALL=C",
    NULL,
};

static const char *const process_folders[] = {
    "/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin",
};

enum { PROCESS_INPUT, PROCESS_OUTPUT, PROCESS_ERRORS, PROCESS_STREAMS };

void process_result_clear(struct process_result *result)
{
    buffer_clear(&result->out);
    buffer_clear(&result->err);
}

bool process_find(const char *name, char out_path[PROCESS_PATH_MAX])
{
    char path[PROCESS_PATH_MAX];

    for (size_t i = 0; i < sizeof process_folders / sizeof process_folders[0]; i++) {
        int len = snprintf(path, sizeof path, "%s/%s", process_folders[i], name);

        if (len > 0 && (size_t)len < sizeof path && access(path, X_OK) == 0) {
            memcpy(out_path, path, (size_t)len + 1);
            return true;
        }
    }
    return false;
}

static void process_close_streams(int streams[PROCESS_STREAMS])
{
    for (int i = 0; i < PROCESS_STREAMS; i++) {
        if (streams[i] >= 0) {
            (void)close(streams[i]);
            streams[i] = -1;
        }
    }
}

static enum status process_write_input(int stream, struct bytes input, struct failure *why)
{
    while (input.len > 0) {
        ssize_t written = write(stream, input.at, input.len);

        if (written <= 0) {
            return fail_os(why, errno, "process/start", "cannot store a program's input");
        }
        input = bytes_skip(input, (size_t)written);
    }
    if (lseek(stream, 0, SEEK_SET) != 0) {
        return fail_os(why, errno, "process/start", "cannot rewind a program's input");
    }
    return STATUS_OK;
}

static enum status process_open_streams(int streams[PROCESS_STREAMS], struct bytes input,
                                        struct failure *why)
{
    static const char *const names[PROCESS_STREAMS] = {"input", "output", "errors"};

    for (int i = 0; i < PROCESS_STREAMS; i++) {
        streams[i] = memfd_create(names[i], MFD_CLOEXEC);
        if (streams[i] < 0) {
            return fail_os(why, errno, "process/start", "cannot make a file in memory");
        }
    }
    return process_write_input(streams[PROCESS_INPUT], input, why);
}

static enum status process_spawn(const char *path, const char *const argv[],
                                 const int streams[PROCESS_STREAMS], pid_t *out_child,
                                 struct failure *why)
{
    posix_spawn_file_actions_t actions;
    int refused = posix_spawn_file_actions_init(&actions);

    if (refused != 0) {
        return fail_os(why, refused, "process/start", "cannot start %s", path);
    }
    for (int i = 0; refused == 0 && i < PROCESS_STREAMS; i++) {
        refused = posix_spawn_file_actions_adddup2(&actions, streams[i], i);
    }
    if (refused == 0) {
        /* posix_spawn's prototype is older than const: it does not write to argv. */
        refused = posix_spawn(out_child, path, &actions, NULL, (char *const *)(uintptr_t)argv,
                              process_environment);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    if (refused != 0) {
        return fail_os(why, refused, "process/start", "cannot start %s", path);
    }
    return STATUS_OK;
}

/* True when the child ended by itself in time. Without pidfd (Linux < 5.3) there is no limit. */
static bool process_wait(pid_t child, int limit_ms, int *out_wait_status)
{
    int handle = (int)syscall(SYS_pidfd_open, child, 0);
    bool in_time = true;

    if (handle >= 0) {
        struct pollfd ended = {.fd = handle, .events = POLLIN};
        int answer;

        do {
            answer = poll(&ended, 1, limit_ms);
        } while (answer < 0 && errno == EINTR);
        in_time = answer != 0;
        (void)close(handle);
    }
    if (!in_time) {
        (void)kill(child, SIGKILL);
    }
    while (waitpid(child, out_wait_status, 0) < 0 && errno == EINTR) {
    }
    return in_time;
}

static enum status process_collect(int stream, struct buffer *into, struct failure *why)
{
    struct stat size;

    buffer_init(into, PROCESS_OUTPUT_MAX);
    if (fstat(stream, &size) != 0 || size.st_size > PROCESS_OUTPUT_MAX) {
        return fail(why, STATUS_LIMIT, "process/output", "a program said more than %d bytes",
                    PROCESS_OUTPUT_MAX);
    }
    if (size.st_size > 0) {
        uint8_t *at = buffer_reserve(into, (size_t)size.st_size);
        ssize_t count = pread(stream, at, (size_t)size.st_size, 0);

        if (count < 0) {
            return fail_os(why, errno, "process/start", "cannot read a program's output");
        }
        buffer_commit(into, (size_t)count);
    }
    return STATUS_OK;
}

static enum status process_run_on(const char *path, const char *const argv[],
                                  const int streams[PROCESS_STREAMS], int limit_ms,
                                  struct process_result *out_result, struct failure *why)
{
    pid_t child;
    int wait_status = 0;

    TRY(process_spawn(path, argv, streams, &child, why));
    if (!process_wait(child, limit_ms, &wait_status)) {
        return fail(why, STATUS_LIMIT, "process/slow", "%s was not done after %d ms", path,
                    limit_ms);
    }
    out_result->exit_code =
        WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    TRY(process_collect(streams[PROCESS_OUTPUT], &out_result->out, why));
    return process_collect(streams[PROCESS_ERRORS], &out_result->err, why);
}

enum status process_run(const char *const argv[], struct bytes input, int limit_ms,
                        struct process_result *out_result, struct failure *why)
{
    char path[PROCESS_PATH_MAX];
    int streams[PROCESS_STREAMS] = {-1, -1, -1};
    enum status status;

    if (!process_find(argv[0], path)) {
        return fail(why, STATUS_NOT_FOUND, "process/missing", "there is no program %s", argv[0]);
    }
    status = process_open_streams(streams, input, why);
    if (status == STATUS_OK) {
        status = process_run_on(path, argv, streams, limit_ms, out_result, why);
    }
    process_close_streams(streams);
    return status;
}
