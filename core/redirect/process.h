/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run another program and wait for it: arguments as a list, text in, text out. No shell, no PATH of
 * the caller: programs are looked for in the system's own folders, and get a small environment.
 *
 * It blocks, so it is for programs that run once (signet-init), never for a loop's thread.
 */
#ifndef SIGNET_CORE_REDIRECT_PROCESS_H
#define SIGNET_CORE_REDIRECT_PROCESS_H

#include "core/runtime/base/buffer.h"

#define PROCESS_PATH_MAX 64          /* bytes of a program's path, NUL included */
#define PROCESS_OUTPUT_MAX (1 << 20) /* bytes of output that are kept, per stream */

struct process_result {
    int exit_code;     /* what it answered; 128 + signal when a signal ended it */
    struct buffer out; /* owned: its standard output */
    struct buffer err; /* owned: its standard error */
};

/* process_result_clear gives the output back; a zeroed result may be cleared. */
void process_result_clear(struct process_result *result);

/*
 * process_find looks for the program `name` in /usr/sbin, /sbin, /usr/bin, /bin and the same under
 * /usr/local, and writes its path into `out_path`. False when it is in none of them.
 */
bool process_find(const char *name, char out_path[PROCESS_PATH_MAX]);

/*
 * process_run runs argv[0], a name for process_find(), with the arguments that follow up to NULL,
 * and with `input` as its standard input. `out_result`, zeroed before, is the caller's to clear. A
 * program that ran and answered something else than 0 is STATUS_OK here: see exit_code.
 *
 * STATUS_NOT_FOUND "process/missing": no such program. STATUS_IO "process/start": the system
 * refused. STATUS_LIMIT "process/slow": not done in `limit_ms`; it was killed. STATUS_LIMIT
 * "process/output": it said more than PROCESS_OUTPUT_MAX.
 */
enum status process_run(const char *const argv[], struct bytes input, int limit_ms,
                        struct process_result *out_result, struct failure *why) MUST_USE;

#endif
