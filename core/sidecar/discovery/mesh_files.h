/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files behind a mesh's path: one file, or all *.yaml of a folder in the order of their names,
 * those that begin with a dot left out. Read whole into memory before any of it is judged.
 */
#ifndef SIGNET_CORE_SIDECAR_DISCOVERY_MESH_FILES_H
#define SIGNET_CORE_SIDECAR_DISCOVERY_MESH_FILES_H

#include "core/sidecar/discovery/decode.h"

struct mesh_files {
    struct snapshot_file *at; /* owned, with the names and texts in it */
    size_t count;
};

/*
 * mesh_files_read reads them. STATUS_NOT_FOUND "mesh/no-file" (no such path, or a folder without any),
 * STATUS_IO "mesh/read", STATUS_LIMIT "mesh/too-many", "mesh/too-large". Blocks on the file system.
 */
enum status mesh_files_read(const char *path, struct mesh_files *out_files,
                            struct failure *why) MUST_USE;

/* mesh_files_clear frees them; a zeroed struct may be cleared. */
void mesh_files_clear(struct mesh_files *files);

/* mesh_files_hash is a number of names and contents, for "is it the same as before?" in this process. */
uint64_t mesh_files_hash(const struct mesh_files *files);

/*
 * mesh_files_stamp is a number of what the file system says of them (names, inodes, sizes, times) without
 * reading them; 0 when there is nothing.
 */
uint64_t mesh_files_stamp(const char *path);

#endif
