/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/ca/authority_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"

enum { AUTHORITY_NAME_MAX = 64 };

static enum status authority_files_check_owner(const struct stat *about, const char *name,
                                               struct failure *why)
{
    if (!secret_owner_is_trusted(about->st_uid)) {
        return fail(why, STATUS_CONFIG, "authority/owner",
                    "%s belongs to user %u; it must be ours (%u) or root's", name,
                    (unsigned)about->st_uid, (unsigned)geteuid());
    }
    return STATUS_OK;
}

static enum status authority_files_check_folder(int fd, const char *folder, struct failure *why)
{
    struct stat about;

    if (fstat(fd, &about) != 0) {
        return fail_os(why, errno, "authority/folder", "cannot open %s", folder);
    }
    if ((about.st_mode & 0077) != 0) {
        return fail(why, STATUS_CONFIG, "authority/mode",
                    "%s has mode %04o: others may read it or write into it (chmod 700 %s)", folder,
                    (unsigned)(about.st_mode & 07777), folder);
    }
    return authority_files_check_owner(&about, folder, why);
}

enum status authority_files_look(struct authority_files *files, const char *folder,
                                 struct failure *why)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status status;

    if (fd < 0) {
        return errno == ENOENT
                   ? fail(why, STATUS_NOT_FOUND, "authority/missing", "%s is not there", folder)
                   : fail_os(why, errno, "authority/folder", "cannot open %s", folder);
    }
    status = authority_files_check_folder(fd, folder, why);
    if (status != STATUS_OK) {
        (void)close(fd);
        return status;
    }
    files->folder = fd;
    return STATUS_OK;
}

enum status authority_files_open(struct authority_files *files, const char *folder,
                                 struct failure *why)
{
    enum status status;
    int fd;

    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return fail_os(why, errno, "authority/folder", "cannot make %s", folder);
    }
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail_os(why, errno, "authority/folder", "cannot open %s", folder);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return fail(why, STATUS_CONFIG, "authority/in-use", "another process has %s open", folder);
    }
    status = authority_files_check_folder(fd, folder, why);
    if (status != STATUS_OK) {
        (void)close(fd);
        return status;
    }
    files->folder = fd;
    return STATUS_OK;
}

void authority_files_close(struct authority_files *files)
{
    if (files->folder >= 0) {
        (void)close(files->folder); /* and with it the lock */
        files->folder = -1;
    }
}

/* False with errno set; `out` has room for one byte more than is allowed. */
static bool authority_files_read_all(int fd, struct secret *out, size_t *out_used)
{
    size_t used = 0;

    while (used < out->len) {
        ssize_t got = read(fd, out->at + used, out->len - used);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return false;
        }
        if (got == 0) {
            break;
        }
        used += (size_t)got;
    }
    *out_used = used;
    return true;
}

static enum status authority_files_read_fd(int fd, const char *name, struct secret *out_text,
                                           struct failure *why)
{
    CLEARED(secret) text = {0};
    struct stat about;
    size_t used = 0;

    if (fstat(fd, &about) != 0) {
        return fail_os(why, errno, "authority/read", "%s", name);
    }
    if (!S_ISREG(about.st_mode) || (about.st_mode & 0177) != 0) {
        return fail(why, STATUS_CONFIG, "authority/mode",
                    "%s has mode %04o; it must be a regular file of mode 0600", name,
                    (unsigned)(about.st_mode & 07777));
    }
    TRY(authority_files_check_owner(&about, name, why));
    text.at = memory_make(AUTHORITY_FILE_MAX + 2);
    text.len = AUTHORITY_FILE_MAX + 1;
    if (!authority_files_read_all(fd, &text, &used)) {
        return fail_os(why, errno, "authority/read", "%s", name);
    }
    if (used == 0 || used > AUTHORITY_FILE_MAX) {
        return fail(why, STATUS_PROTOCOL, "authority/file", "%s is empty, or longer than %d bytes",
                    name, AUTHORITY_FILE_MAX);
    }
    secret_set(out_text, bytes_make(text.at, used));
    return STATUS_OK;
}

enum status authority_files_read(const struct authority_files *files, const char *name,
                                 struct secret *out_text, struct failure *why)
{
    int fd = openat(files->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    enum status status;

    if (fd < 0 && errno == ENOENT) {
        return fail(why, STATUS_NOT_FOUND, "authority/missing", "%s is not there", name);
    }
    if (fd < 0) {
        return fail_os(why, errno, "authority/read", "%s", name);
    }
    status = authority_files_read_fd(fd, name, out_text, why);
    (void)close(fd);
    return status;
}

static bool authority_files_write_all(int fd, struct bytes text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.at, text.len);

        if (put < 0 && errno != EINTR) {
            return false;
        }
        text = bytes_skip(text, put < 0 ? 0 : (size_t)put);
    }
    return fsync(fd) == 0;
}

enum status authority_files_write(const struct authority_files *files, const char *name,
                                  struct bytes text, struct failure *why)
{
    char beside[AUTHORITY_NAME_MAX];
    bool written;
    int cause;
    int fd;

    (void)snprintf(beside, sizeof beside, "%s.new", name);
    if (unlinkat(files->folder, beside, 0) != 0 && errno != ENOENT) {
        return fail_os(why, errno, "authority/write", "cannot remove %s", beside);
    }
    fd = openat(files->folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return fail_os(why, errno, "authority/write", "cannot make %s", beside);
    }
    written = authority_files_write_all(fd, text);
    cause = errno;
    written = close(fd) == 0 && written;
    if (!written || renameat(files->folder, beside, files->folder, name) != 0) {
        cause = written ? errno : cause;
        (void)unlinkat(files->folder, beside, 0);
        return fail_os(why, cause, "authority/write", "cannot write %s", name);
    }
    if (fsync(files->folder) != 0) {
        return fail_os(why, errno, "authority/write", "cannot sync the folder of %s", name);
    }
    return STATUS_OK;
}

enum status authority_files_remove(const struct authority_files *files, const char *name,
                                   struct failure *why)
{
    if (unlinkat(files->folder, name, 0) != 0 && errno != ENOENT) {
        return fail_os(why, errno, "authority/write", "cannot remove %s", name);
    }
    if (fsync(files->folder) != 0) {
        return fail_os(why, errno, "authority/write", "cannot sync the folder of %s", name);
    }
    return STATUS_OK;
}
