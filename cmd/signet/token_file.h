/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret put into a file that only its owner can read, whole or not at all.
 *
 * The file is opened before the secret is asked for: a path that cannot be written costs no token.
 * It appears under its name by rename, so a sidecar that re-reads it never sees half of it.
 */
#ifndef SIGNET_CMD_SIGNET_TOKEN_FILE_H
#define SIGNET_CMD_SIGNET_TOKEN_FILE_H

#include <sys/types.h>

#include "core/runtime/base/bytes.h"
#include "core/runtime/base/status.h"

struct token_file;

/*
 * token_file_open makes a temporary file beside `path`: O_EXCL, O_NOFOLLOW, mode 0600 whatever the
 * umask says. `path` may name an existing regular file, which the commit then replaces.
 *
 *   owner     user id that shall own the file; (uid_t)-1: whoever runs us
 *   out_file  on STATUS_OK owned by the caller: token_file_drop()
 *
 * STATUS_CONFIG "token-file/standard-output" ("-", /dev/stdout, /dev/stderr, /dev/fd/… and
 *               /proc/self/fd/…: a token is not printed), "token-file/not-regular" (a link, a
 *               folder or a device has that name), "token-file/no-name"
 * STATUS_IO     "token-file/folder", "token-file/create", "token-file/owner"
 */
enum status token_file_open(const char *path, uid_t owner, struct token_file **out_file,
                            struct failure *why) MUST_USE;

/*
 * token_file_commit writes `token` and a line feed, syncs, and gives the file its name. After a
 * failure nothing new stands under the name.
 *
 * STATUS_IO "token-file/write", "token-file/rename"
 */
enum status token_file_commit(struct token_file *file, struct bytes token,
                              struct failure *why) MUST_USE;

/* token_file_drop closes; a file that was not committed disappears. NULL is fine; sets *file to NULL. */
void token_file_drop(struct token_file **file);

#endif
