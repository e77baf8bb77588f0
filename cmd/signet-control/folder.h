/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the control plane around the modules' own: the data folder with its lock, the folder of
 * the admin socket, a public file replaced as a whole.
 */
#ifndef SIGNET_CMD_SIGNET_CONTROL_FOLDER_H
#define SIGNET_CMD_SIGNET_CONTROL_FOLDER_H

#include <sys/types.h>

#include "core/runtime/base/bytes.h"

/* One data folder, held by one process. {.lock = -1} may be cleared. */
struct folder {
    char *path; /* owned */
    int lock;   /* descriptor of the lock file, or -1 */
};

/*
 * folder_open makes the folder where it is missing (mode 0700, parents 0755) and takes its lock, which
 * ends with the process.
 *
 * STATUS_CONFIG "data-dir/kind" (no folder), "data-dir/mode" (others may read it or write to it),
 * "data-dir/owner" (neither ours nor root's); STATUS_DENIED "data-dir/in-use" (another process has it);
 * STATUS_IO "data-dir/open", "store/full"
 */
enum status folder_open(struct folder *folder, const char *path, struct failure *why) MUST_USE;

/*
 * folder_look judges it as folder_open() does, its lock's file too, and neither makes nor locks it.
 * STATUS_NOT_FOUND "data-dir/missing".
 */
enum status folder_look(const char *path, struct failure *why) MUST_USE;

/*
 * folder_look_room: could a file be made in this folder? Read-only and full file systems, as far as they
 * can be asked. folder_look_above: could the folder or file `path`, which is not there yet, be made with
 * what is missing above it? STATUS_IO "data-dir/open", "store/full".
 */
enum status folder_look_room(const char *path, struct failure *why) MUST_USE;
enum status folder_look_above(const char *path, struct failure *why) MUST_USE;

/* folder_clear gives the lock back and forgets the path. */
void folder_clear(struct folder *folder);

/* folder_path is the path of `name` in the folder; free() it. */
char *folder_path(const struct folder *folder, const char *name);

/* folder_make_for_socket makes the folders above `path`, the last one with mode 0700. STATUS_IO "admin/folder". */
enum status folder_make_for_socket(const char *path, struct failure *why) MUST_USE;

/*
 * folder_replace_file writes `content` beside `path`, syncs it and renames it: a reader sees the old
 * file or the new one. STATUS_IO "file/write".
 */
enum status folder_replace_file(const char *path, struct bytes content, mode_t mode,
                                struct failure *why) MUST_USE;

#endif
