/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/bench_process.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"

enum {
    BENCH_PROCESS_LINES = 4,   /* last words */
    BENCH_PROCESS_TAIL = 1200, /* bytes of them at most */
    BENCH_PROCESS_LOG_MAX = 1 << 20,
    BENCH_PROCESS_GRACE_MS = 1500,
    BENCH_PROCESS_SAYS_MS = 5000,
    BENCH_PROCESS_STEP_MS = 5,
};

#define BENCH_PROCESS_MS ((uint64_t)1000000)

static volatile sig_atomic_t bench_process_signal;

/* Commands ---------------------------------------- */

void bench_command_add(struct bench_command *command, const char *format, ...)
{
    va_list arguments;
    char *word = NULL;

    assert(command->num_words < BENCH_PROCESS_WORDS_MAX);
    va_start(arguments, format);
    if (vasprintf(&word, format, arguments) < 0) {
        abort();
    }
    va_end(arguments);
    command->words[command->num_words++] = word;
    command->words[command->num_words] = NULL;
}

void bench_command_clear(struct bench_command *command)
{
    for (size_t i = 0; i < command->num_words; i++) {
        free(command->words[i]);
    }
    *command = (struct bench_command){.num_words = 0};
}

/* Signals and time ---------------------------------------- */

static void bench_process_caught(int number)
{
    bench_process_signal = number;
}

static const int bench_process_signals[] = {SIGINT, SIGTERM, SIGHUP};

void bench_process_watch(void)
{
    struct sigaction caught = {.sa_handler = bench_process_caught};
    struct sigaction ignored = {.sa_handler = SIG_IGN};

    for (size_t i = 0; i < sizeof bench_process_signals / sizeof bench_process_signals[0]; i++) {
        (void)sigaction(bench_process_signals[i], &caught, NULL);
    }
    (void)sigaction(SIGPIPE, &ignored, NULL);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

bool bench_process_stopping(void)
{
    return bench_process_signal != 0;
}

uint64_t bench_process_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

enum status bench_process_sleep(uint64_t until_ns, struct failure *why)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
                                   .tv_nsec = (long)(until_ns % 1000000000u)};

    while (!bench_process_stopping()) {
        if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != EINTR) {
            return STATUS_OK;
        }
    }
    return fail(why, STATUS_CLOSED, "bench/interrupted", "interrupted");
}

/* A short wait in which a signal is noticed by the caller. */
static void bench_process_pause(void)
{
    const struct timespec step = {.tv_nsec = BENCH_PROCESS_STEP_MS * 1000000L};

    (void)nanosleep(&step, NULL);
}

/* Children ---------------------------------------- */

/* In a child just forked: a session of its own, that the kernel ends when the tool dies. */
static void bench_process_settle(pid_t tool)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};

    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != tool) {
        _exit(0);
    }
    for (size_t i = 0; i < sizeof bench_process_signals / sizeof bench_process_signals[0]; i++) {
        (void)sigaction(bench_process_signals[i], &usual, NULL);
    }
    bench_process_signal = 0;
}

enum status bench_process_fork(struct bench_process *out_process, bool *out_in_child,
                               struct failure *why)
{
    pid_t tool = getpid();
    pid_t pid;

    (void)fflush(NULL); /* or the child would say it again */
    pid = fork();
    if (pid < 0) {
        return fail_os(why, errno, "bench/fork", "no new process");
    }
    *out_in_child = pid == 0;
    if (pid == 0) {
        bench_process_settle(tool);
    } else {
        *out_process = (struct bench_process){.pid = pid};
    }
    return STATUS_OK;
}

/* Becomes the command. Only calls that are allowed after a fork. */
static _Noreturn void bench_process_become(const struct bench_command *command, const char *folder,
                                           const char *log)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int output;

    (void)sigaction(SIGPIPE, &usual, NULL);
    if (chdir(folder) != 0) {
        _exit(127);
    }
    output = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (input < 0 || output < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 ||
        dup2(output, 2) < 0) {
        _exit(127);
    }
    (void)execv(command->words[0], command->words);
    dprintf(2, "%s cannot be run: %s\n", command->words[0], strerror(errno));
    _exit(127);
}

enum status bench_process_start(const struct bench_command *command, const char *folder,
                                const char *log, struct bench_process *out_process,
                                struct failure *why)
{
    bool in_child = false;

    TRY(bench_process_fork(out_process, &in_child, why));
    if (in_child) {
        bench_process_become(command, folder, log);
    }
    (void)snprintf(out_process->log, sizeof out_process->log, "%s", log);
    return STATUS_OK;
}

bool bench_process_lives(const struct bench_process *process)
{
    siginfo_t ended = {0};

    return process->pid > 0 &&
           waitid(P_PID, (id_t)process->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
}

/* Reaps what ended of the child's group; false when nothing of it is left. */
static bool bench_process_reap(pid_t group)
{
    pid_t ended;

    do {
        ended = waitpid(-group, NULL, WNOHANG);
    } while (ended > 0);
    return ended == 0;
}

void bench_process_stop(struct bench_process *process)
{
    static const int numbers[] = {SIGTERM, SIGKILL};

    if (process->pid <= 0) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        uint64_t end = bench_process_now_ns() + BENCH_PROCESS_GRACE_MS * BENCH_PROCESS_MS;

        (void)kill(process->pid, numbers[i]); /* before its setsid() there is no group yet */
        (void)kill(-process->pid, numbers[i]);
        while (bench_process_now_ns() < end) {
            if (waitpid(process->pid, NULL, WNOHANG) != 0 && !bench_process_reap(process->pid)) {
                *process = (struct bench_process){.pid = 0};
                return;
            }
            bench_process_pause();
        }
    }
    *process = (struct bench_process){.pid = 0};
}

/* What it costs ---------------------------------------- */

/* Reads a small file of /proc; the number of bytes, 0 when the process is gone. */
static size_t bench_process_read(const char *pid, const char *name, char *out, size_t room)
{
    char path[64];
    int fd;
    ssize_t len;

    (void)snprintf(path, sizeof path, "/proc/%.20s/%s", pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    len = read(fd, out, room - 1);
    (void)close(fd);
    out[len > 0 ? len : 0] = '\0';
    return len > 0 ? (size_t)len : 0;
}

/* The session and the CPU ticks in a line of /proc/PID/stat; the name before may hold anything. */
static bool bench_process_read_stat(const char *text, long *out_session, uint64_t *out_ticks)
{
    const char *after = strrchr(text, ')');
    unsigned long user, system;

    if (after == NULL || sscanf(after + 1, " %*c %*d %*d %ld %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                out_session, &user, &system) != 3) {
        return false;
    }
    *out_ticks = user + system;
    return true;
}

/* The number of KiB behind a label at a line's beginning, or 0. */
static int64_t bench_process_kib(const char *text, const char *label)
{
    const char *line = strstr(text, label);

    return line != NULL ? strtol(line + strlen(label), NULL, 10) : 0;
}

/*
 * A process that may not dump its core, such as signet-proxy, shows its maps to root alone. Its
 * status is there for all, though the kernel counts it in per-CPU portions.
 */
static void bench_process_add_memory(const char *pid, struct bench_memory *sum)
{
    char text[4096];

    if (bench_process_read(pid, "smaps_rollup", text, sizeof text) > 0) {
        sum->rss_kib += bench_process_kib(text, "\nRss:");
        sum->anon_kib += bench_process_kib(text, "\nAnonymous:");
    } else if (bench_process_read(pid, "status", text, sizeof text) > 0) {
        sum->rss_kib += bench_process_kib(text, "\nVmRSS:");
        sum->anon_kib += bench_process_kib(text, "\nRssAnon:");
        sum->coarse = true;
    } else {
        sum->unread = true;
    }
}

/* Goes over all processes of a session. Either output may be NULL. */
static void bench_process_sum(pid_t session, uint64_t *ticks, struct bench_memory *memory)
{
    DIR *all = opendir("/proc");
    struct dirent *entry;

    while (all != NULL && (entry = readdir(all)) != NULL) {
        char text[1024];
        uint64_t own_ticks = 0;
        long own_session = 0;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
            bench_process_read(entry->d_name, "stat", text, sizeof text) == 0 ||
            !bench_process_read_stat(text, &own_session, &own_ticks) || own_session != session) {
            continue;
        }
        if (ticks != NULL) {
            *ticks += own_ticks;
        }
        if (memory != NULL) {
            bench_process_add_memory(entry->d_name, memory);
        }
    }
    if (all != NULL) {
        (void)closedir(all);
    }
}

uint64_t bench_process_cpu_ticks(const struct bench_process *process)
{
    uint64_t ticks = 0;

    if (process->pid > 0) {
        bench_process_sum(process->pid, &ticks, NULL);
    }
    return ticks;
}

struct bench_memory bench_process_memory(const struct bench_process *process)
{
    struct bench_memory memory = {0};

    if (process->pid > 0) {
        bench_process_sum(process->pid, NULL, &memory);
    }
    return memory;
}

/* What it says ---------------------------------------- */

static enum status bench_process_read_log(const char *folder, const char *log, struct buffer *out,
                                          struct failure *why)
{
    char *path = memory_format("%s/%s", folder, log);
    enum status status = buffer_read_file(out, path, why);

    free(path);
    return status;
}

enum status bench_process_said(const struct bench_command *command, const char *folder,
                               struct buffer *out, struct failure *why)
{
    static const char log[] = "asked.log";
    uint64_t end = bench_process_now_ns() + BENCH_PROCESS_SAYS_MS * BENCH_PROCESS_MS;
    struct bench_process process = {0};
    bool slow = false;

    TRY(bench_process_start(command, folder, log, &process, why));
    while (bench_process_lives(&process) && !bench_process_stopping() && !slow) {
        bench_process_pause();
        slow = bench_process_now_ns() > end;
    }
    bench_process_stop(&process);
    if (bench_process_stopping()) {
        return fail(why, STATUS_CLOSED, "bench/interrupted", "interrupted");
    }
    if (slow) {
        return fail(why, STATUS_LIMIT, "bench/slow", "%s does not answer", command->words[0]);
    }
    return bench_process_read_log(folder, log, out, why);
}

void bench_process_last_words(const struct bench_process *process, const char *folder,
                              struct buffer *out)
{
    CLEARED(buffer) text = {.max = BENCH_PROCESS_LOG_MAX};
    size_t from;
    unsigned lines = 0;

    if (process->log[0] == '\0' ||
        bench_process_read_log(folder, process->log, &text, NULL) != STATUS_OK) {
        return;
    }
    while (text.len > 0 && text.at[text.len - 1] == '\n') {
        text.len--;
    }
    for (from = text.len; from > 0 && text.len - from < BENCH_PROCESS_TAIL; from--) {
        lines += text.at[from - 1] == '\n';
        if (lines == BENCH_PROCESS_LINES) {
            break;
        }
    }
    struct bytes rest = bytes_make(text.at + from, text.len - from);
    while (rest.len > 0) {
        struct bytes line = bytes_split(&rest, '\n');

        if (buffer_add_format(out, "    %s: %.*s\n", process->log, (int)line.len,
                              (const char *)line.at) != STATUS_OK) {
            return;
        }
    }
}
