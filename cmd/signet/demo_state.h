/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the demo made on this machine, written down before it is made, so that it can all be taken away
 * again: at the end, and after a kill -9 by the next run. Only what is written there is ever touched.
 *
 * The folder DEMO_STATE holds the list, and everything else that the demo writes. A lock tells a demo
 * that runs from one that died.
 */
#ifndef SIGNET_CMD_SIGNET_DEMO_STATE_H
#define SIGNET_CMD_SIGNET_DEMO_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/runtime/base/status.h"

#define DEMO_STATE "/run/signet-demo"

/* The kinds of object, by the words of the list. */
#define DEMO_STATE_NETNS "netns"   /* a network namespace, by name; with all that runs in it */
#define DEMO_STATE_LINK "link"     /* an interface of this namespace */
#define DEMO_STATE_FOLDER "folder" /* a folder, by path, with all that is in it */
#define DEMO_STATE_PARENT                                                                          \
    "parent" /* a folder that others may come to use: removed only when empty */

struct demo_state {
    int lock; /* descriptor of the locked file; -1: not open */
};

/*
 * demo_state_open takes the lock, takes away what a run that died has left, and makes the folder.
 * *out_swept is the number of objects so taken away.
 *
 * STATUS_DENIED "demo/running" with the other's process number; STATUS_IO "demo/state".
 */
enum status demo_state_open(struct demo_state *state, size_t *out_swept,
                            struct failure *why) MUST_USE;

/*
 * demo_state_note writes down an object that is about to be made. It must not exist yet:
 * STATUS_DENIED "demo/taken" when it does, since it is then somebody else's. STATUS_IO "demo/state".
 */
enum status demo_state_note(const char *kind, const char *name, struct failure *why) MUST_USE;

/* demo_state_is_free tells whether there is no such object yet. */
bool demo_state_is_free(const char *kind, const char *name);

/* demo_state_folder notes and makes a folder, mode 0755, for a user (0: root). Errors: of demo_state_note. */
enum status demo_state_folder(const char *path, unsigned owner, struct failure *why) MUST_USE;

/*
 * demo_state_close takes everything away again, the newest first, the folder at last, and gives the
 * lock back. Returns the number of objects that would not go; each was named on the standard error.
 */
size_t demo_state_close(struct demo_state *state);

/* demo_state_write makes a file of DEMO_STATE, with `mode` and for user `owner`. STATUS_IO "demo/state". */
enum status demo_state_write(const char *name, const char *text, unsigned mode, unsigned owner,
                             struct failure *why) MUST_USE;

#endif
