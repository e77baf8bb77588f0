/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/runtime/base/memory.h"

struct token_file {
    int folder;      /* owned descriptor of the folder that holds it */
    int file;        /* owned descriptor of the temporary file; -1: not made */
    char *name;      /* owned: the name in the end */
    char *temporary; /* owned: the name until then; NULL once committed */
};

/* Names under which a write would end on a terminal or in a pipe instead of a file. */
static bool token_file_is_output(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0 ||
           strcmp(path, "/dev/stderr") == 0 || strcmp(path, "/dev/tty") == 0 ||
           strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/", 6) == 0;
}

/* token_file_find opens the folder of `path` and checks what stands under the name today. */
static enum status token_file_find(struct token_file *file, const char *path, struct failure *why)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    char *folder = slash == NULL   ? memory_text(".")
                   : slash == path ? memory_text("/")
                                   : bytes_text(bytes_make(path, (size_t)(slash - path)));
    struct stat there;

    file->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int os_error = errno;
    free(folder);
    if (file->folder < 0) {
        return fail_os(why, os_error, "token-file/folder", "the folder of %s cannot be opened",
                       path);
    }
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return fail(why, STATUS_CONFIG, "token-file/no-name", "%s names a folder, not a file",
                    path);
    }
    if (fstatat(file->folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(there.st_mode)) {
        return fail(why, STATUS_CONFIG, "token-file/not-regular",
                    "%s exists and is not a regular file: remove it or choose another name", path);
    }
    file->name = memory_text(name);
    return STATUS_OK;
}

static enum status token_file_create(struct token_file *file, const char *path, uid_t owner,
                                     struct failure *why)
{
    uint64_t drawn = 0;

    if (getrandom(&drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn) {
        return fail_os(why, errno, "token-file/create", "no random name for %s", path);
    }
    char *temporary = memory_format(".%.200s.%016llx", file->name, (unsigned long long)drawn);
    file->file =
        openat(file->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file->file < 0) {
        int os_error = errno;

        free(temporary);
        return fail_os(why, os_error, "token-file/create", "no file can be made beside %s", path);
    }
    file->temporary = temporary;
    if (fchmod(file->file, 0600) != 0) {
        return fail_os(why, errno, "token-file/create", "mode 0600 of %s", path);
    }
    if (owner != (uid_t)-1 && fchown(file->file, owner, (gid_t)-1) != 0) {
        return fail_os(why, errno, "token-file/owner", "%s cannot be given to user %u", path,
                       (unsigned)owner);
    }
    return STATUS_OK;
}

enum status token_file_open(const char *path, uid_t owner, struct token_file **out_file,
                            struct failure *why)
{
    OWNED(token_file) *file = NULL;

    if (token_file_is_output(path)) {
        return fail(why, STATUS_CONFIG, "token-file/standard-output",
                    "a token is not printed: it would stay in scroll-back and logs; name a file");
    }
    file = memory_make(sizeof *file);
    file->folder = -1;
    file->file = -1;
    TRY(token_file_find(file, path, why));
    TRY(token_file_create(file, path, owner, why));
    *out_file = TAKE(file);
    return STATUS_OK;
}

static enum status token_file_write(struct token_file *file, struct bytes part, struct failure *why)
{
    while (part.len > 0) {
        ssize_t written = write(file->file, part.at, part.len);

        if (written < 0 && errno != EINTR) {
            return fail_os(why, errno, "token-file/write", "%s", file->name);
        }
        part = bytes_skip(part, written > 0 ? (size_t)written : 0);
    }
    return STATUS_OK;
}

enum status token_file_commit(struct token_file *file, struct bytes token, struct failure *why)
{
    TRY(token_file_write(file, token, why));
    TRY(token_file_write(file, bytes_of("\n"), why));
    if (fsync(file->file) != 0) {
        return fail_os(why, errno, "token-file/write", "%s", file->name);
    }
    if (renameat(file->folder, file->temporary, file->folder, file->name) != 0) {
        return fail_os(why, errno, "token-file/rename", "%s", file->name);
    }
    free(TAKE(file->temporary));
    /* The name survives a crash only with its folder; a file system that cannot say so is no failure. */
    (void)fsync(file->folder);
    return STATUS_OK;
}

void token_file_drop(struct token_file **file)
{
    struct token_file *old = TAKE(*file);

    if (old == NULL) {
        return;
    }
    if (old->temporary != NULL) {
        (void)unlinkat(old->folder, old->temporary, 0);
    }
    if (old->file >= 0) {
        (void)close(old->file);
    }
    if (old->folder >= 0) {
        (void)close(old->folder);
    }
    free(old->temporary);
    free(old->name);
    free(old);
}
