/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mesh from a file or a folder, followed as it changes. Editors and Kubernetes replace files by
 * rename, or swap a symbolic link above them, so the folder is watched, and because no watch is to be
 * trusted alone, looked at every few seconds too. A change is read whole after a short pause; what
 * does not parse is reported and changes nothing: the last good mesh stays in force.
 *
 * Lives on one loop; all events come on its thread, from the loop.
 */
#ifndef SIGNET_CORE_SIDECAR_DISCOVERY_FILE_SOURCE_H
#define SIGNET_CORE_SIDECAR_DISCOVERY_FILE_SOURCE_H

#include <uv.h>

#include "core/sidecar/discovery/decode.h"

/* What happens to it. `user` is the pointer given at the start. */
struct file_source_events {
    /*
     * A new mesh, different from the last one: publish it. `snapshot` and `warnings` are borrowed for
     * the call (snapshot_ref() to keep it).
     */
    void (*loaded)(void *user, struct snapshot *snapshot, const struct warnings *warnings);

    /* What is there now cannot be used: once per content. The last good mesh stays. */
    void (*refused)(void *user, enum status status, const struct failure *why);

    /* After file_source_close(): nothing more comes. May be NULL. */
    void (*closed)(void *user);
};

struct file_source;

/*
 * file_source_start begins to follow `path` (copied). The first loaded() or refused() comes on the
 * loop's next turn; a path that does not exist yet is refused() and then waited for. Its handles keep
 * the loop alive. End it with file_source_close().
 */
struct file_source *file_source_start(uv_loop_t *loop, const char *path,
                                      const struct file_source_events *events, void *user);

/* file_source_reload reads again soon even if nothing seems to have changed (HUP). */
void file_source_reload(struct file_source *source);

/*
 * file_source_current is the last good mesh, or NULL before the first. Borrowed: snapshot_ref() to
 * keep it.
 */
struct snapshot *file_source_current(const struct file_source *source);

/*
 * file_source_failure is why what is there now cannot be used, or NULL when the last reading was
 * good. Borrowed until the next event. For readiness, metrics and the admin page.
 */
const struct failure *file_source_failure(const struct file_source *source);

/* file_source_close ends it: no event but closed() comes after, then it frees itself. NULL is fine. */
void file_source_close(struct file_source *source);

#endif
