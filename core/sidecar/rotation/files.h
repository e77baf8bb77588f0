/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An identity from files (chain, key, bundle; all PEM) instead of from the agent: loaded, watched, and
 * loaded again when they change. A chain and key that do not fit together, or that the bundle does not vouch
 * for, are refused, the old ones stay in force, and the refusal names the file. A sound bundle takes effect
 * all the same, at once: whom it no longer vouches for is refused from then on, and when that is ourselves,
 * our own certificate is what is wrong. At the start there is nothing to keep: there all must fit.
 *
 * Change is noticed by the folders (inotify: also a symlink swap as Kubernetes does) and, because not
 * every file system tells, by a look every FILES_POLL_MS. A change is read once it has settled.
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_FILES_H
#define SIGNET_CORE_SIDECAR_ROTATION_FILES_H

#include "core/runtime/base/status.h"
#include "core/runtime/loop/worker.h"
#include "core/sidecar/rotation/current.h"

#define FILES_POLL_MS 5000
#define FILES_SETTLE_MS 50

struct files;

struct files_options {
    const char *chain_file;   /* leaf first */
    const char *key_file;     /* the leaf's; private: see secret_read_file() */
    const char *bundle_file;  /* roots */
    const char *trust_domain; /* whose roots the bundle holds */
    /* Each load that changed something: why NULL when it is in force, else the refusal. May be NULL. */
    void (*loaded)(void *user, const struct failure *why);
    void *user;
};

/*
 * files_load reads the three and makes an identity set. *out_set is a reference to drop.
 * STATUS_CONFIG "files/chain", "files/key", "files/key-mismatch", "files/bundle", "files/not-trusted"
 * (the chain does not verify to the bundle now): the detail names the file and what is wrong.
 * STATUS_NOT_FOUND "file/missing", "secret/no-file". STATUS_CONFIG "secret/mode", "secret/owner": the key
 * file is one that others can read or change.
 */
enum status files_load(const struct files_options *options, int64_t now_unix_s,
                       struct identity_set **out_set, struct failure *why) MUST_USE;

/*
 * files_start loads them, publishes the set through `current`, and watches. It refuses, and starts nothing,
 * when the first load fails: see files_load. Strings are copied. Home's thread.
 */
enum status files_start(struct worker *home, struct current *current,
                        const struct files_options *options, struct files **out_files,
                        struct failure *why) MUST_USE;

/* files_close stops watching, frees it and then calls closed(user) on the loop (NULL: nobody). */
void files_close(struct files *files, void (*closed)(void *user), void *user);

/* files_refusal is why the files as they are now were not taken, or NULL: they are in force. */
const struct failure *files_refusal(const struct files *files);

#endif
