/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry entries from a YAML file: the whole file is read and checked before any of it counts.
 *
 *     entries:
 *       - name: web
 *         spiffeId: spiffe://cluster.local/ns/shop/sa/web
 *         description: the shop's front     # optional
 *         maxLifeSeconds: 3600              # optional: longest certificate
 *         maxInstances: 10                  # optional: workloads that hold it at once
 *       - name: api
 *         namespace: shop                   # instead of spiffeId: /ns/NAMESPACE/sa/SERVICE_ACCOUNT
 *         serviceAccount: api               # of our trust domain
 */
#ifndef SIGNET_CORE_CONTROL_REGISTRY_ENTRY_FILE_H
#define SIGNET_CORE_CONTROL_REGISTRY_ENTRY_FILE_H

#include "core/control/registry/entry.h"

/* The entries of one file. entry_file_clear() frees them; a zeroed struct may be cleared. */
struct entry_file {
    struct entry *entries; /* owned */
    size_t count;
};

/*
 * entry_file_parse reads the text of a file. `registry` gives the trust domain; its store is not used,
 * and may be NULL. `name` is what messages call the file. Pure.
 *
 * STATUS_CONFIG "yaml/…", "entry/…", "entry-file/twice" (a name or identity given twice),
 * "entry-file/identity" (neither or both ways of saying it), "entry-file/documents"; every detail
 * begins with FILE:LINE:COLUMN. STATUS_LIMIT "yaml/…", "entry/too-many".
 */
enum status entry_file_parse(const struct registry *registry, const char *name, struct bytes text,
                             struct entry_file *out_file, struct failure *why) MUST_USE;

/* entry_file_read is entry_file_parse for the file at `path`. Further errors: "file/…". */
enum status entry_file_read(const struct registry *registry, const char *path,
                            struct entry_file *out_file, struct failure *why) MUST_USE;

/* entry_file_clear frees the entries. */
void entry_file_clear(struct entry_file *file);

#endif
