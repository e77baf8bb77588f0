/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark's children: each a session of its own, so that what it forks is counted and ended
 * with it, and Ctrl-C reaches the tool alone, which then ends them in order.
 */
#ifndef SIGNET_CMD_SIGNET_BENCH_PROCESS_H
#define SIGNET_CMD_SIGNET_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/status.h"

#define BENCH_PROCESS_WORDS_MAX 28

/* A command line: its words are owned. */
struct bench_command {
    char *words[BENCH_PROCESS_WORDS_MAX + 1]; /* NULL after the last */
    size_t num_words;
};

/*
 * bench_command_add appends a word, made as printf does. More than the maximum is a mistake of
 * ours.
 */
void bench_command_add(struct bench_command *command, const char *format, ...) PRINTF_LIKE(2, 3);

/* bench_command_clear frees the words. */
void bench_command_clear(struct bench_command *command);

/* A child; zeroed: none. */
struct bench_process {
    pid_t pid;
    char log[48]; /* name of its log in the folder; "" for a fork of ours */
};

/* Memory of a child and what it forked, in KiB. */
struct bench_memory {
    int64_t rss_kib;
    int64_t anon_kib; /* of it shared with nobody */
    bool coarse;      /* from /proc/PID/status, since smaps_rollup was not ours to read */
    bool unread;      /* not even that */
};

/*
 * bench_process_watch catches INT, TERM and HUP, and takes in orphans of the children. Once, first.
 */
void bench_process_watch(void);

/* bench_process_stopping tells whether one of those signals came: leave soon. */
bool bench_process_stopping(void);

/*
 * bench_process_sleep waits until `until_ns` of bench_process_now_ns(). STATUS_CLOSED
 * "bench/interrupted" when a signal came.
 */
enum status bench_process_sleep(uint64_t until_ns, struct failure *why) MUST_USE;

/* bench_process_now_ns is monotonic time in ns. */
uint64_t bench_process_now_ns(void);

/*
 * bench_process_fork begins a child of our own program: true in the child, which is then a session
 * of its own, dies with the tool, and must leave by _exit(). In the parent *out_process is set.
 * STATUS_IO "bench/fork".
 */
enum status bench_process_fork(struct bench_process *out_process, bool *out_in_child,
                               struct failure *why) MUST_USE;

/*
 * bench_process_start runs a command in `folder`; what it says goes to the file `log` there (anew
 * at each start). A program that cannot be run ends with 127. STATUS_IO "bench/fork".
 */
enum status bench_process_start(const struct bench_command *command, const char *folder,
                                const char *log, struct bench_process *out_process,
                                struct failure *why) MUST_USE;

/*
 * bench_process_lives tells whether it still runs. One that ended waits for bench_process_stop().
 */
bool bench_process_lives(const struct bench_process *process);

/*
 * bench_process_stop ends it and all that it forked: TERM, after 1.5 s KILL. A zeroed one is fine.
 */
void bench_process_stop(struct bench_process *process);

/* bench_process_cpu_ticks is user and system time of its session, in clock ticks of the system. */
uint64_t bench_process_cpu_ticks(const struct bench_process *process);

/* bench_process_memory is the memory of its session. */
struct bench_memory bench_process_memory(const struct bench_process *process);

/*
 * bench_process_said appends what a command says on both streams, at most 5 s. STATUS_IO
 * "bench/fork", STATUS_LIMIT "bench/slow", STATUS_CLOSED "bench/interrupted", and of
 * buffer_read_file.
 */
enum status bench_process_said(const struct bench_command *command, const char *folder,
                               struct buffer *out, struct failure *why) MUST_USE;

/* bench_process_last_words prints the last lines of a child's log to `out`, indented. */
void bench_process_last_words(const struct bench_process *process, const char *folder,
                              struct buffer *out);

#endif
