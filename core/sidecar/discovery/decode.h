/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mesh from YAML: files into a snapshot, judged whole before anything of it counts. No loop, no
 * watching: `signet-proxy --check` and the file source read by this same code.
 *
 * A document without apiVersion and kind is the mesh (workloads, services, settings); one of a policy
 * group is a policy. Any other is refused. Several files, and several mesh documents, add up; a
 * setting of the mesh may be given once.
 */
#ifndef SIGNET_CORE_SIDECAR_DISCOVERY_DECODE_H
#define SIGNET_CORE_SIDECAR_DISCOVERY_DECODE_H

#include "core/runtime/yaml/warnings.h"
#include "core/sidecar/discovery/snapshot.h"

#define SNAPSHOT_MAX_FILES 1024
#define SNAPSHOT_MAX_SIZE ((size_t)64 * 1024 * 1024) /* bytes of all files together */

#define SNAPSHOT_MAX_ENDPOINTS ((size_t)1 << 20) /* services' ports times workloads behind them */

/* A file as read. Both borrowed. */
struct snapshot_file {
    const char *name; /* for messages */
    struct bytes text;
};

/*
 * snapshot_parse makes a snapshot of files' contents, in their order.
 *
 *   warnings      what deserves a word; may be NULL
 *   out_snapshot  on STATUS_OK, a reference the caller must snapshot_drop()
 *
 * STATUS_CONFIG, always with file and line: those of yaml.h and policy_set.h, and
 *   "mesh/none" (no document describes a mesh), "mesh/kind", "mesh/name", "mesh/trust-domain",
 *   "mesh/address", "mesh/duplicate", "mesh/selector" (a service chooses by selector or by workloads,
 *   not both, not neither), "mesh/no-workload" (a service names one that there is not),
 *   "mesh/transport" (a workload without a sidecar of which TLS is asked)
 * STATUS_LIMIT "mesh/too-many", "mesh/too-large", and those of yaml.h and policy_set.h
 */
enum status snapshot_parse(const struct snapshot_file *files, size_t num_files,
                           struct warnings *warnings, struct snapshot **out_snapshot,
                           struct failure *why) MUST_USE;

/*
 * snapshot_load reads `path`, a file or a folder of which all *.yaml are read in the order of their
 * names (those that begin with a dot are left out), and parses it. Blocks on the file system.
 *
 * As snapshot_parse, and STATUS_NOT_FOUND "mesh/no-file", STATUS_IO "mesh/read".
 */
enum status snapshot_load(const char *path, struct warnings *warnings,
                          struct snapshot **out_snapshot, struct failure *why) MUST_USE;

/*
 * snapshot_check judges a file or folder as snapshot_load does, but a file of policies alone is fine
 * too (selectors and names are then judged without a mesh). Makes nothing.
 */
enum status snapshot_check(const char *path, struct warnings *warnings,
                           struct failure *why) MUST_USE;

#endif
