/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owned bytes that must not be seen: keys, tokens, passphrases. Wiped when cleared.
 *
 * A struct of its own so that the logger, which takes text and numbers, cannot print one (I21).
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_SECRET_H
#define SIGNET_CORE_RUNTIME_BASE_SECRET_H

#include <sys/types.h>

#include "core/runtime/base/bytes.h"

struct secret {
    uint8_t *at; /* owned; NULL when empty; followed by a NUL that len does not count */
    size_t len;  /* bytes */
};

/* secret_set wipes what `secret` held and copies `from` in. */
void secret_set(struct secret *secret, struct bytes from);

/* secret_bytes borrows the content; valid until the next secret_set or secret_clear. */
struct bytes secret_bytes(const struct secret *secret);

/* secret_clear wipes and frees; `secret` is then empty. A zeroed struct may be cleared. */
void secret_clear(struct secret *secret);

/*
 * secret_owner_is_trusted: is a file of this owner as good as ours? Its owner may read it and change its mode,
 * whatever that is now: only this process's user and root may be that.
 */
bool secret_owner_is_trusted(uid_t owner);

/*
 * secret_read_file reads a whole file of at most `max` bytes; trailing CR, LF and blanks are not kept.
 *
 * STATUS_NOT_FOUND "secret/no-file"; STATUS_IO "secret/read"; STATUS_LIMIT "secret/too-long";
 * STATUS_CONFIG "secret/empty", and where `need_private` is set "secret/mode" (anyone but the owner may
 * read or write the file: anything in mode & 0177; or it is not a regular file) and "secret/owner"
 * (secret_owner_is_trusted() says no). Where root owns the file and we are somebody else, its group may
 * read it (mode & 0137): so a mounted Kubernetes secret reaches a process that is not root.
 */
enum status secret_read_file(const char *path, size_t max, bool need_private,
                             struct secret *out_secret, struct failure *why) MUST_USE;

#endif
