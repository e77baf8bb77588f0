/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-control/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/base/secret.h"

/* Makes `path` and what is missing above it; 0, or an errno. The process's umask does not count. */
static int folder_make_all(const char *path, mode_t last_mode)
{
    char *copy = memory_text(path);
    int os_error = 0;

    for (char *at = copy + 1; os_error == 0; at++) {
        char was = *at;

        if (was != '/' && was != '\0') {
            continue;
        }
        *at = '\0';
        if (mkdir(copy, 0700) == 0) {
            os_error = was == '/' && chmod(copy, 0755) != 0 ? errno : 0;
            os_error = was == '\0' && chmod(copy, last_mode) != 0 ? errno : os_error;
        } else if (errno != EEXIST) {
            os_error = errno;
        }
        *at = was;
        if (was == '\0') {
            break;
        }
    }
    free(copy);
    return os_error;
}

static enum status folder_failed(int os_error, const char *path, struct failure *why)
{
    bool full = os_error == ENOSPC || os_error == EDQUOT;

    return fail_os(why, os_error, full ? "store/full" : "data-dir/open", "%s", path);
}

static enum status folder_take_lock(struct folder *folder, struct failure *why)
{
    char *path = folder_path(folder, "lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int os_error = errno;

    free(path);
    if (fd < 0) {
        return folder_failed(os_error, folder->path, why);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        os_error = errno;
        (void)close(fd);
        if (os_error == EWOULDBLOCK) {
            return fail(why, STATUS_DENIED, "data-dir/in-use",
                        "%s is held by another signet-control that is running", folder->path);
        }
        return fail_os(why, os_error, "data-dir/open", "the lock of %s", folder->path);
    }
    folder->lock = fd;
    return STATUS_OK;
}

/* A lock that is there already must be one that we can open as folder_take_lock() does. */
static enum status folder_look_lock(const char *path, struct failure *why)
{
    char *lock = memory_format("%s/lock", path);
    int os_error = faccessat(AT_FDCWD, lock, R_OK | W_OK, AT_EACCESS) == 0 ? 0 : errno;

    free(lock);
    return os_error == 0 || os_error == ENOENT ? STATUS_OK : folder_failed(os_error, path, why);
}

enum status folder_look(const char *path, struct failure *why)
{
    struct stat about;

    if (stat(path, &about) != 0) {
        if (errno == ENOENT) {
            return fail(why, STATUS_NOT_FOUND, "data-dir/missing", "%s does not exist yet", path);
        }
        return fail_os(why, errno, "data-dir/open", "%s", path);
    }
    if (!S_ISDIR(about.st_mode)) {
        return fail(why, STATUS_CONFIG, "data-dir/kind", "%s is not a folder", path);
    }
    if ((about.st_mode & 0077) != 0) {
        return fail(why, STATUS_CONFIG, "data-dir/mode",
                    "%s has mode %04o: others may read it or write to it (chmod 700 %s)", path,
                    (unsigned)(about.st_mode & 07777), path);
    }
    if (!secret_owner_is_trusted(about.st_uid)) {
        return fail(why, STATUS_CONFIG, "data-dir/owner",
                    "%s belongs to user %u; it must be ours (%u) or root's", path,
                    (unsigned)about.st_uid, (unsigned)geteuid());
    }
    return folder_look_lock(path, why);
}

enum status folder_look_room(const char *path, struct failure *why)
{
    struct statvfs room;

    if (access(path, W_OK | X_OK) != 0) {
        return fail_os(why, errno, "data-dir/open", "%s cannot be written to", path);
    }
    if (statvfs(path, &room) == 0 && room.f_blocks > 0 && room.f_bavail == 0) {
        return fail(why, STATUS_IO, "store/full", "%s: its disk is full", path);
    }
    return STATUS_OK;
}

enum status folder_look_above(const char *path, struct failure *why)
{
    char *above = memory_text(path);
    struct stat about;
    char *slash;
    enum status status;

    do {
        slash = strrchr(above, '/');
        if (slash != NULL) {
            slash[slash == above ? 1 : 0] = '\0';
        }
    } while (slash != NULL && strcmp(above, "/") != 0 && stat(above, &about) != 0);
    status = folder_look_room(slash != NULL ? above : ".", why);
    free(above);
    return status;
}

enum status folder_open(struct folder *folder, const char *path, struct failure *why)
{
    int os_error = folder_make_all(path, 0700);

    if (os_error != 0) {
        return folder_failed(os_error, path, why);
    }
    TRY(folder_look(path, why));
    folder->lock = -1;
    folder->path = memory_text(path);
    return folder_take_lock(folder, why);
}

void folder_clear(struct folder *folder)
{
    if (folder->lock >= 0) {
        (void)close(folder->lock);
    }
    free(folder->path);
    *folder = (struct folder){.lock = -1};
}

char *folder_path(const struct folder *folder, const char *name)
{
    return memory_format("%s/%s", folder->path, name);
}

enum status folder_make_for_socket(const char *path, struct failure *why)
{
    char *folder = memory_text(path);
    char *slash = strrchr(folder, '/');
    int os_error = 0;
    enum status status = STATUS_OK;

    if (slash != NULL && slash != folder) {
        *slash = '\0';
        os_error = folder_make_all(folder, 0700);
    }
    if (os_error != 0) {
        status = fail_os(why, os_error, "admin/folder", "%s", folder);
    }
    free(folder);
    return status;
}

static int folder_write_all(int fd, struct bytes content)
{
    while (content.len > 0) {
        ssize_t wrote = write(fd, content.at, content.len);

        if (wrote < 0 && errno != EINTR) {
            return -1;
        }
        content = bytes_skip(content, wrote > 0 ? (size_t)wrote : 0);
    }
    return 0;
}

enum status folder_replace_file(const char *path, struct bytes content, mode_t mode,
                                struct failure *why)
{
    char *fresh = memory_format("%s.XXXXXX", path);
    int fd = mkostemp(fresh, O_CLOEXEC);
    int os_error = 0;

    if (fd < 0) {
        os_error = errno;
    } else {
        if (folder_write_all(fd, content) != 0 || fchmod(fd, mode) != 0 || fsync(fd) != 0) {
            os_error = errno;
        }
        if (close(fd) != 0 && os_error == 0) {
            os_error = errno;
        }
        if (os_error == 0 && rename(fresh, path) != 0) {
            os_error = errno;
        }
        if (os_error != 0) {
            (void)unlink(fresh);
        }
    }
    free(fresh);
    return os_error == 0 ? STATUS_OK : fail_os(why, os_error, "file/write", "%s", path);
}
