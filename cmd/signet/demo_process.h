/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's children: programs with their arguments as a list, in a network namespace, as a user.
 *
 * Each is a session of its own (Ctrl-C reaches the demo alone, which then ends them in order) and is
 * killed by the kernel when the demo dies. No shell, no PATH of the caller. One thread: the main one.
 */
#ifndef SIGNET_CMD_SIGNET_DEMO_PROCESS_H
#define SIGNET_CMD_SIGNET_DEMO_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/status.h"

#define DEMO_PROCESS_OUTPUT_MAX ((size_t)4 << 20) /* bytes of output kept of a short program */

/* Where a child lives. */
enum demo_room {
    DEMO_ROOM_HERE,  /* our own network namespace */
    DEMO_ROOM_NAMED, /* the one of `netns` */
    DEMO_ROOM_FRESH, /* a new, empty one, that ends with the child */
};

struct demo_program {
    const char *path;             /* absolute, or a name for process_find() */
    const char *const *arguments; /* argv, its own name first, NULL last */
    enum demo_room room;
    const char *netns; /* name of the namespace, as in `ip netns` */
    uid_t user;        /* user and group; 0: root, as the demo itself */
    const char *log;   /* file that output and errors are appended to; NULL: nowhere */
    bool apart;        /* of demo_process_run: keep the errors out of what is collected */
};

/* DEMO_ARGUMENTS("ip", "link") is such a list. */
#define DEMO_ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/*
 * demo_process_start begins a program that stays, and returns at once. *out_child is to be ended with
 * demo_process_end(). A program that cannot be executed ends with 127 and says so in its log.
 *
 * STATUS_NOT_FOUND "demo/program" (no such program); STATUS_IO "demo/start".
 */
enum status demo_process_start(const struct demo_program *program, pid_t *out_child,
                               struct failure *why) MUST_USE;

/*
 * demo_process_run runs a program to its end.
 *
 *   limit_ms  then it is killed
 *   out       an empty buffer; what it said on both streams (with `apart`: on its output) is put there
 *
 * STATUS_NOT_FOUND "demo/program"; STATUS_IO "demo/start"; STATUS_LIMIT "demo/slow"; STATUS_CLOSED
 * "demo/interrupted" (a signal asked us to leave; the program was killed); STATUS_DENIED
 * "demo/exit-code" when it ended with another code than 0, with its last words in the detail.
 */
enum status demo_process_run(const struct demo_program *program, unsigned limit_ms,
                             struct buffer *out, struct failure *why) MUST_USE;

/* demo_process_tool is demo_process_run for a tool of the system in our namespace; output is dropped. */
enum status demo_process_tool(const char *const *arguments, struct failure *why) MUST_USE;

/* demo_process_lives tells whether a child still runs; one that ended is reaped, and *child set to 0. */
bool demo_process_lives(pid_t *child);

/* demo_process_end sends `signal_number`, after `grace_ms` SIGKILL, reaps, and sets *child to 0. 0 is fine. */
void demo_process_end(pid_t *child, int signal_number, unsigned grace_ms);

/* demo_process_watch makes INT, TERM and HUP ask the demo to leave instead of killing it. */
void demo_process_watch(void);

/* demo_process_asked tells which of them came; 0: none. */
int demo_process_asked(void);

/* demo_process_deafen ignores them from now on: the clean-up is not left half done. */
void demo_process_deafen(void);

/* demo_process_wait sleeps; false when a signal asks us to leave. */
bool demo_process_wait(unsigned ms);

/* demo_process_enter moves this process into a named network namespace. For a child that was forked. */
enum status demo_process_enter(const char *netns, struct failure *why) MUST_USE;

/*
 * demo_process_bind makes the calling child die with the process `parent`. For a child that was forked.
 * False when the parent is gone already.
 */
bool demo_process_bind(pid_t parent);

#endif
