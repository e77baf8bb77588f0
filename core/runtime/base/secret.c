/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"

void secret_set(struct secret *secret, struct bytes from)
{
    uint8_t *copy = memory_make(from.len + 1);

    if (from.len > 0) {
        memcpy(copy, from.at, from.len);
    }
    secret_clear(secret);
    secret->at = copy;
    secret->len = from.len;
}

struct bytes secret_bytes(const struct secret *secret)
{
    return bytes_make(secret->at, secret->len);
}

void secret_clear(struct secret *secret)
{
    if (secret->at != NULL) {
        memory_wipe(secret->at, secret->len);
        free(secret->at);
    }
    *secret = (struct secret){0};
}

bool secret_owner_is_trusted(uid_t owner)
{
    return owner == 0 || owner == geteuid();
}

/* What a mode must not have. Root lends a file to a user by its group: no other way is open to root. */
static mode_t secret_others(const struct stat *about)
{
    return about->st_uid == 0 && geteuid() != 0 ? 0137 : 0177;
}

static enum status secret_read_fd(int fd, const char *path, size_t max, bool need_private,
                                  struct secret *out_secret, struct failure *why)
{
    struct stat about;
    CLEARED(secret) all = {0};
    size_t used = 0;

    if (fstat(fd, &about) != 0) {
        return fail_os(why, errno, "secret/read", "%s", path);
    }
    if (need_private && (!S_ISREG(about.st_mode) || (about.st_mode & secret_others(&about)) != 0)) {
        return fail(why, STATUS_CONFIG, "secret/mode",
                    "%s has mode %04o; it must be a regular file of mode 0600 (chmod 600 %s)", path,
                    (unsigned)(about.st_mode & 07777), path);
    }
    if (need_private && !secret_owner_is_trusted(about.st_uid)) {
        return fail(why, STATUS_CONFIG, "secret/owner",
                    "%s belongs to user %u; it must be ours (%u) or root's (chown %u %s)", path,
                    (unsigned)about.st_uid, (unsigned)geteuid(), (unsigned)geteuid(), path);
    }
    all.at = memory_make(max + 2);
    all.len = max + 1;
    while (used <= max) {
        ssize_t got = read(fd, all.at + used, max + 1 - used);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail_os(why, errno, "secret/read", "%s", path);
        }
        if (got == 0) {
            break;
        }
        used += (size_t)got;
    }
    if (used > max) {
        return fail(why, STATUS_LIMIT, "secret/too-long", "%s holds more than %zu bytes", path,
                    max);
    }
    while (used > 0 && strchr("\r\n \t", all.at[used - 1]) != NULL) {
        used--;
    }
    if (used == 0) {
        return fail(why, STATUS_CONFIG, "secret/empty", "%s is empty", path);
    }
    secret_set(out_secret, bytes_make(all.at, used));
    return STATUS_OK;
}

enum status secret_read_file(const char *path, size_t max, bool need_private,
                             struct secret *out_secret, struct failure *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum status status;

    if (fd < 0 && errno == ENOENT) {
        return fail(why, STATUS_NOT_FOUND, "secret/no-file", "%s does not exist", path);
    }
    if (fd < 0) {
        return fail_os(why, errno, "secret/read", "%s", path);
    }
    status = secret_read_fd(fd, path, max, need_private, out_secret, why);
    (void)close(fd);
    return status;
}
