/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and folders by name. See mesh_files.h.
 */
#include "core/sidecar/discovery/mesh_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/map.h"
#include "core/runtime/base/memory.h"

/* Paths in the order of reading. */
struct mesh_files_names {
    char **at; /* owned, each one owned */
    size_t count;
};

static void mesh_files_names_clear(struct mesh_files_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->at[i]);
    }
    free(names->at);
}

static void mesh_files_names_add(struct mesh_files_names *names, char *name)
{
    names->at = memory_grow(names->at, (names->count + 1) * sizeof names->at[0]);
    names->at[names->count++] = name;
}

static int mesh_files_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool mesh_files_is_wanted(const char *name)
{
    return name[0] != '.' && bytes_ends(bytes_of(name), bytes_of(".yaml"));
}

static enum status mesh_files_list_folder(const char *path, struct mesh_files_names *names,
                                          struct failure *why)
{
    DIR *folder = opendir(path);
    enum status status = STATUS_OK;

    if (folder == NULL) {
        return fail_os(why, errno, "mesh/read", "%s", path);
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (!mesh_files_is_wanted(entry->d_name)) {
            continue;
        }
        if (names->count == SNAPSHOT_MAX_FILES) {
            status = fail(why, STATUS_LIMIT, "mesh/too-many", "%s: more than %d files", path,
                          SNAPSHOT_MAX_FILES);
            break;
        }
        mesh_files_names_add(names, memory_format("%s/%s", path, entry->d_name));
    }
    (void)closedir(folder);
    if (status == STATUS_OK && names->count == 0) {
        status = fail(why, STATUS_NOT_FOUND, "mesh/no-file", "%s: no *.yaml in this folder", path);
    }
    if (names->count > 0) {
        qsort(names->at, names->count, sizeof names->at[0], mesh_files_compare);
    }
    return status;
}

static enum status mesh_files_list(const char *path, struct mesh_files_names *names,
                                   struct failure *why)
{
    struct stat found;

    if (stat(path, &found) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return fail(why, STATUS_NOT_FOUND, "mesh/no-file", "%s does not exist", path);
        }
        return fail_os(why, errno, "mesh/read", "%s", path);
    }
    if (S_ISDIR(found.st_mode)) {
        return mesh_files_list_folder(path, names, why);
    }
    mesh_files_names_add(names, memory_text(path));
    return STATUS_OK;
}

static enum status mesh_files_read_one(const char *path, size_t max, struct snapshot_file *out_file,
                                       struct failure *why)
{
    CLEARED(buffer) content;
    struct stat found;

    buffer_init(&content, max);
    if (stat(path, &found) == 0 && !S_ISREG(found.st_mode)) {
        return fail(why, STATUS_IO, "mesh/read", "%s is no file", path); /* a pipe would block us */
    }
    switch (buffer_read_file(&content, path, why)) {
    case STATUS_OK:
        break;
    case STATUS_NOT_FOUND:
        return fail(why, STATUS_NOT_FOUND, "mesh/no-file", "%s does not exist", path);
    case STATUS_LIMIT:
        return fail(why, STATUS_LIMIT, "mesh/too-large", "%s: longer than %zu bytes", path, max);
    default:
        return fail_os(why, why != NULL ? why->os_error : EIO, "mesh/read", "%s", path);
    }
    out_file->name = memory_text(path);
    out_file->text = bytes_make(TAKE(content.at), content.len);
    return STATUS_OK;
}

enum status mesh_files_read(const char *path, struct mesh_files *out_files, struct failure *why)
{
    __attribute__((cleanup(mesh_files_names_clear))) struct mesh_files_names names = {0};
    CLEARED(mesh_files) files = {0};
    size_t left = SNAPSHOT_MAX_SIZE;

    TRY(mesh_files_list(path, &names, why));
    files.at = memory_make((names.count + 1) * sizeof files.at[0]);
    for (size_t i = 0; i < names.count; i++) {
        TRY(mesh_files_read_one(names.at[i], left < YAML_MAX_SIZE ? left : YAML_MAX_SIZE,
                                &files.at[i], why));
        files.count++;
        left -= files.at[i].text.len;
    }
    out_files->at = TAKE(files.at);
    out_files->count = files.count;
    files.count = 0;
    return STATUS_OK;
}

void mesh_files_clear(struct mesh_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free((void *)(uintptr_t)files->at[i].name);
        free((void *)(uintptr_t)files->at[i].text.at);
    }
    free(files->at);
    *files = (struct mesh_files){0};
}

/* mesh_files_mix joins two keyed hashes so that their order counts. */
static uint64_t mesh_files_mix(uint64_t before, uint64_t next)
{
    const uint64_t both[2] = {before, next};

    return map_hash(bytes_make(both, sizeof both));
}

uint64_t mesh_files_hash(const struct mesh_files *files)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < files->count; i++) {
        hash = mesh_files_mix(hash, map_hash(bytes_of(files->at[i].name)));
        hash = mesh_files_mix(hash, map_hash(files->at[i].text));
    }
    return hash;
}

uint64_t mesh_files_stamp(const char *path)
{
    __attribute__((cleanup(mesh_files_names_clear))) struct mesh_files_names names = {0};
    uint64_t stamp = 0;

    if (mesh_files_list(path, &names, NULL) != STATUS_OK) {
        return 0;
    }
    for (size_t i = 0; i < names.count; i++) {
        struct stat found;

        stamp = mesh_files_mix(stamp, map_hash(bytes_of(names.at[i])));
        if (stat(names.at[i], &found) == 0) {
            const int64_t seen[] = {(int64_t)found.st_dev,          (int64_t)found.st_ino,
                                    (int64_t)found.st_size,         (int64_t)found.st_mtim.tv_sec,
                                    (int64_t)found.st_mtim.tv_nsec, (int64_t)found.st_ctim.tv_sec,
                                    (int64_t)found.st_ctim.tv_nsec};

            stamp = mesh_files_mix(stamp, map_hash(bytes_make(seen, sizeof seen)));
        }
    }
    return stamp;
}
