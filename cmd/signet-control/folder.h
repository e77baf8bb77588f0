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
 * STATUS_CONFIG "data-dir/kind" (no folder), "data-dir/mode" (others may write to it);
 * STATUS_DENIED "data-dir/in-use" (another process has it); STATUS_IO "data-dir/open"
 */
enum status folder_open(struct folder *folder, const char *path, struct failure *why) MUST_USE;

/* folder_check is folder_open without making it. STATUS_NOT_FOUND "data-dir/missing". */
enum status folder_check(struct folder *folder, const char *path, struct failure *why) MUST_USE;

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
