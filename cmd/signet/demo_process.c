/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/demo_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/redirect/process.h"
#include "core/runtime/base/clock.h"

static char *const demo_process_environment[] = {
    "PATH=/usr/sbin:/sbin:/usr/bin:/bin",
    "LC_ALL=C.UTF-8",
    "HOME=/nonexistent",
    NULL,
};

/* Written by the signal handler, read everywhere. */
static volatile sig_atomic_t demo_process_signal;
static bool demo_process_deaf;

static void demo_process_caught(int number)
{
    demo_process_signal = number;
}

static void demo_process_set(void (*action)(int))
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction wanted = {.sa_handler = action};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)sigaction(numbers[i], &wanted, NULL);
    }
}

void demo_process_watch(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    demo_process_set(demo_process_caught);
    (void)sigaction(SIGPIPE, &ignore,
                    NULL); /* the reader of our words may leave before the clean-up */
}

int demo_process_asked(void)
{
    return demo_process_deaf ? 0 : demo_process_signal;
}

void demo_process_deafen(void)
{
    demo_process_deaf = true;
    demo_process_set(SIG_IGN);
}

bool demo_process_wait(unsigned ms)
{
    uint64_t until = clock_mono_ms() + ms;

    for (uint64_t now = clock_mono_ms(); now < until && demo_process_asked() == 0;
         now = clock_mono_ms()) {
        (void)poll(NULL, 0, (int)(until - now));
    }
    return demo_process_asked() == 0;
}

bool demo_process_bind(pid_t parent)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

enum status demo_process_enter(const char *netns, struct failure *why)
{
    char path[256];
    int handle;
    int refused = 0;

    (void)snprintf(path, sizeof path, "/run/netns/%s", netns);
    handle = open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0) {
        return fail_os(why, errno, "demo/start", "the namespace %s cannot be opened", netns);
    }
    if (setns(handle, CLONE_NEWNET) != 0) {
        refused = errno;
    }
    (void)close(handle);
    return refused == 0 ? STATUS_OK : fail_os(why, refused, "demo/start", "cannot enter %s", netns);
}

/* The child's last words: they land where its output goes. */
static _Noreturn void demo_process_perish(const char *what, const char *path)
{
    char line[512];
    int len = snprintf(line, sizeof line, "signet demo: %s %s: %s\n", what, path, strerror(errno));

    (void)!write(STDERR_FILENO, line, len < (int)sizeof line ? (size_t)len : sizeof line - 1);
    _exit(127);
}

static void demo_process_settle(const struct demo_program *program, pid_t parent)
{
    struct failure why = {0};
    struct sigaction usual = {.sa_handler = SIG_DFL};

    (void)sigaction(SIGPIPE, &usual, NULL);
    demo_process_set(SIG_DFL);
    (void)setsid();
    if (program->room == DEMO_ROOM_NAMED && demo_process_enter(program->netns, &why) != STATUS_OK) {
        demo_process_perish("cannot enter the namespace for", program->path);
    }
    if (program->room == DEMO_ROOM_FRESH && unshare(CLONE_NEWNET) != 0) {
        demo_process_perish("cannot make a namespace for", program->path);
    }
    if (program->user != 0 &&
        (setgroups(0, NULL) != 0 || setresgid(program->user, program->user, program->user) != 0 ||
         setresuid(program->user, program->user, program->user) != 0)) {
        demo_process_perish("cannot change the user for", program->path);
    }
    /* After the change of user, which forgets it. */
    if (!demo_process_bind(parent)) {
        _exit(127);
    }
}

/*
 * `binary` was opened by root: the program may lie where its user may not walk (a home folder), and
 * is then run by its descriptor.
 */
static _Noreturn void demo_process_become(const struct demo_program *program, const char *path,
                                          int binary, const int streams[3], pid_t parent)
{
    /* exec's prototype is older than const: it does not write to argv. */
    char *const *arguments = (char *const *)(uintptr_t)program->arguments;

    for (int i = 0; i < 3; i++) {
        if (dup2(streams[i], i) < 0) {
            _exit(127);
        }
    }
    demo_process_settle(program, parent);
    (void)execve(path, arguments, demo_process_environment);
    if (errno == EACCES) {
        (void)fexecve(binary, arguments, demo_process_environment);
    }
    demo_process_perish("cannot run", path);
}

static enum status demo_process_find(const struct demo_program *program,
                                     char path[PROCESS_PATH_MAX * 64], struct failure *why)
{
    if (program->path[0] == '/') {
        (void)snprintf(path, PROCESS_PATH_MAX * (size_t)64, "%s", program->path);
        return STATUS_OK;
    }
    if (!process_find(program->path, path)) {
        return fail(why, STATUS_NOT_FOUND, "demo/program", "there is no program %s", program->path);
    }
    return STATUS_OK;
}

static enum status demo_process_fork(const struct demo_program *program, const int streams[3],
                                     pid_t *out_child, struct failure *why)
{
    char path[PROCESS_PATH_MAX * 64];
    pid_t parent = getpid();
    int binary;
    int refused;

    TRY(demo_process_find(program, path, why));
    binary = open(path, O_PATH | O_CLOEXEC);
    if (binary < 0) {
        return fail(why, STATUS_NOT_FOUND, "demo/program", "there is no program %s", path);
    }
    *out_child = fork();
    if (*out_child == 0) {
        demo_process_become(program, path, binary, streams, parent);
    }
    refused = errno;
    (void)close(binary);
    return *out_child > 0 ? STATUS_OK
                          : fail_os(why, refused, "demo/start", "cannot start %s", path);
}

enum status demo_process_start(const struct demo_program *program, pid_t *out_child,
                               struct failure *why)
{
    const char *log = program->log == NULL ? "/dev/null" : program->log;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int output = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    enum status status = STATUS_OK;
    pid_t child = 0;

    if (nothing < 0 || output < 0) {
        status = fail_os(why, errno, "demo/start", "cannot open %s", log);
    } else {
        const int streams[3] = {nothing, output, output};

        status = demo_process_fork(program, streams, &child, why);
    }
    if (nothing >= 0) {
        (void)close(nothing);
    }
    if (output >= 0) {
        (void)close(output);
    }
    if (status == STATUS_OK) {
        *out_child = child;
    }
    return status;
}

bool demo_process_lives(pid_t *child)
{
    if (*child > 0 && waitpid(*child, NULL, WNOHANG) != 0) {
        *child = 0;
    }
    return *child > 0;
}

void demo_process_end(pid_t *child, int signal_number, unsigned grace_ms)
{
    uint64_t until = clock_mono_ms() + grace_ms;

    if (*child <= 0) {
        return;
    }
    (void)kill(*child, signal_number);
    while (demo_process_lives(child) && clock_mono_ms() < until) {
        (void)poll(NULL, 0, 5);
    }
    if (*child > 0) {
        (void)kill(*child, SIGKILL);
        while (waitpid(*child, NULL, 0) < 0 && errno == EINTR) {
        }
        *child = 0;
    }
}

/* Waits for the end; true when it came by itself. */
static bool demo_process_outwait(pid_t child, unsigned limit_ms, int *out_wait_status)
{
    uint64_t until = clock_mono_ms() + limit_ms;
    int pause_ms = 1;

    for (;;) {
        pid_t reaped = waitpid(child, out_wait_status, WNOHANG);

        if (reaped == child) {
            return true;
        }
        if (demo_process_asked() != 0 || clock_mono_ms() >= until) {
            (void)kill(child, SIGKILL);
            while (waitpid(child, out_wait_status, 0) < 0 && errno == EINTR) {
            }
            return false;
        }
        (void)poll(NULL, 0, pause_ms);
        pause_ms = pause_ms < 20 ? pause_ms + 1 : pause_ms;
    }
}

static enum status demo_process_collect(int stream, struct buffer *out, struct failure *why)
{
    struct stat size;
    uint8_t *at;
    ssize_t count;

    buffer_init(out, DEMO_PROCESS_OUTPUT_MAX);
    if (fstat(stream, &size) != 0 || size.st_size == 0) {
        return STATUS_OK;
    }
    at = buffer_reserve(out, (size_t)size.st_size);
    if (at == NULL) {
        return fail(why, STATUS_LIMIT, "demo/output", "a program said too much");
    }
    count = pread(stream, at, (size_t)size.st_size, 0);
    if (count > 0) {
        buffer_commit(out, (size_t)count);
    }
    return STATUS_OK;
}

/* The last line that a program said, for a message. */
static struct bytes demo_process_last_line(const struct buffer *said)
{
    struct bytes rest = bytes_trim(buffer_bytes(said));
    struct bytes last = rest;

    while (rest.len > 0) {
        last = bytes_split(&rest, '\n');
    }
    return last;
}

static enum status demo_process_judge(const struct demo_program *program, int wait_status,
                                      const struct buffer *said, struct failure *why)
{
    struct bytes last = demo_process_last_line(said);

    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) {
        return STATUS_OK;
    }
    return fail(why, STATUS_DENIED, "demo/exit-code", "%s ended with %s %d: %.*s",
                program->arguments[0], WIFEXITED(wait_status) ? "code" : "signal",
                WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : WTERMSIG(wait_status),
                (int)(last.len < 180 ? last.len : 180), last.len == 0 ? "" : (const char *)last.at);
}

static enum status demo_process_run_on(const struct demo_program *program, unsigned limit_ms,
                                       const int streams[3], struct buffer *out,
                                       struct failure *why)
{
    CLEARED(buffer) errors = {0};
    pid_t child = 0;
    int wait_status = 0;

    TRY(demo_process_fork(program, streams, &child, why));
    if (!demo_process_outwait(child, limit_ms, &wait_status)) {
        if (demo_process_asked() != 0) {
            return fail(why, STATUS_CLOSED, "demo/interrupted", "interrupted");
        }
        return fail(why, STATUS_LIMIT, "demo/slow", "%s was not done after %u ms",
                    program->arguments[0], limit_ms);
    }
    TRY(demo_process_collect(streams[1], out, why));
    if (streams[2] == streams[1]) {
        return demo_process_judge(program, wait_status, out, why);
    }
    TRY(demo_process_collect(streams[2], &errors, why));
    return demo_process_judge(program, wait_status, &errors, why);
}

enum status demo_process_run(const struct demo_program *program, unsigned limit_ms,
                             struct buffer *out, struct failure *why)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int output = memfd_create("output", MFD_CLOEXEC);
    int errors = program->apart ? memfd_create("errors", MFD_CLOEXEC) : output;
    enum status status = STATUS_OK;

    if (nothing < 0 || output < 0 || errors < 0) {
        status = fail_os(why, errno, "demo/start", "cannot make a file in memory");
    } else {
        const int streams[3] = {nothing, output, errors};

        status = demo_process_run_on(program, limit_ms, streams, out, why);
    }
    if (errors != output && errors >= 0) {
        (void)close(errors);
    }
    if (output >= 0) {
        (void)close(output);
    }
    if (nothing >= 0) {
        (void)close(nothing);
    }
    return status;
}

enum status demo_process_tool(const char *const *arguments, struct failure *why)
{
    const struct demo_program program = {.path = arguments[0], .arguments = arguments};
    CLEARED(buffer) said = {0};

    return demo_process_run(&program, 10000, &said, why);
}
