/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-control/data_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"

#define DATA_DIR_PASSPHRASE_MAX 1024
#define DATA_DIR_ROOT_KEY "authority/root"

/* Where the two lie, and which of them are there. */
struct data_dir {
    char *store;     /* owned */
    char *authority; /* owned */
    bool has_store;  /* a file that was begun; one of no length was not */
    bool has_authority;
};

static void data_dir_clear(struct data_dir *dir)
{
    free(dir->store);
    free(dir->authority);
}

static void data_dir_survey(const char *path, struct data_dir *out_dir)
{
    struct stat about;

    out_dir->store = memory_format("%s/signet.db", path);
    out_dir->authority = memory_format("%s/ca", path);
    if (lstat(out_dir->store, &about) == 0) {
        out_dir->has_store = about.st_size > 0;
    } else {
        out_dir->has_store = errno != ENOENT && errno != ENOTDIR;
    }
    out_dir->has_authority = authority_is_there(out_dir->authority);
}

static enum status data_dir_check_store(const struct data_dir *dir, struct failure *why)
{
    if (dir->has_authority && !dir->has_store) {
        return fail(why, STATUS_CONFIG, "store/missing",
                    "%s is not there, and %s holds the authority of a mesh: put it back from a "
                    "backup, or begin an empty one with --new-store",
                    dir->store, dir->authority);
    }
    return STATUS_OK;
}

static enum status data_dir_check_authority(const struct data_dir *dir, struct store *store,
                                            struct failure *why)
{
    int64_t revision = 0;

    TRY(store_revision(store, &revision, why));
    if (!dir->has_authority && revision > 0) {
        return fail(why, STATUS_CONFIG, "authority/missing",
                    "%s holds no authority, and %s is in use: put the folder back from a backup, "
                    "or make a new root with --new-authority",
                    dir->authority, dir->store);
    }
    return STATUS_OK;
}

static enum status data_dir_open_authority(const struct control_settings *settings,
                                           const struct data_dir *dir, bool only_look,
                                           struct authority **out_authority, struct failure *why)
{
    CLEARED(secret) passphrase = {0};
    struct authority_plan plan = {
        .folder = dir->authority,
        .passphrase = &passphrase,
        .trust_domain = bytes_of(settings->trust_domain),
        .lives = authority_lives_of(settings->leaf_life_s, settings->demo_lifetimes),
        .constrain_names = true,
        .only_look = only_look,
    };

    TRY(secret_read_file(settings->ca_passphrase_file, DATA_DIR_PASSPHRASE_MAX, true, &passphrase,
                         why));
    return authority_open(&plan, clock_unix_s(), out_authority, why);
}

static enum status data_dir_check_root(const struct data_dir *dir, struct bytes remembered,
                                       struct bytes root, struct failure *why)
{
    char ours[2 * BUNDLE_SHA256_LEN + 1] = "";
    char theirs[2 * BUNDLE_SHA256_LEN + 1] = "";

    if (bytes_equal(remembered, root)) {
        return STATUS_OK;
    }
    bytes_to_hex(root, ours);
    if (remembered.len == BUNDLE_SHA256_LEN) {
        bytes_to_hex(remembered, theirs);
    }
    return fail(why, STATUS_CONFIG, "authority/other-root",
                "%s holds root %.12s, but %s belongs to root %.12s: put back the folder or the "
                "file that belongs to the other",
                dir->authority, ours, dir->store, theirs);
}

/* The store remembers whose it is, from the first start on, or from the first of this version. */
static enum status data_dir_match(const struct data_dir *dir, struct store *store,
                                  const struct authority *authority, struct failure *why)
{
    const struct bundle_domain *domain = bundle_domain(authority_bundle(authority), 0);
    struct bytes root = bytes_make(bundle_root_sha256(domain, 0), BUNDLE_SHA256_LEN);
    CLEARED(buffer) remembered = {.max = 256};
    struct failure inner = {0};
    enum status status =
        store_get(store, bytes_of(DATA_DIR_ROOT_KEY), &remembered, NULL, &inner);

    if (status == STATUS_NOT_FOUND) {
        return store_put(store, bytes_of(DATA_DIR_ROOT_KEY), root, why);
    }
    if (status != STATUS_OK) {
        return fail(why, status, inner.reason, "%s", inner.detail);
    }
    return data_dir_check_root(dir, buffer_bytes(&remembered), root, why);
}

enum status data_dir_open(const struct control_settings *settings, const struct folder *folder,
                          struct store **out_store, struct authority **out_authority,
                          struct failure *why)
{
    CLEARED(data_dir) dir = {0};

    data_dir_survey(folder->path, &dir);
    TRY(data_dir_check_store(&dir, why));
    TRY(store_open(dir.store, out_store, why));
    TRY(data_dir_check_authority(&dir, *out_store, why));
    TRY(data_dir_open_authority(settings, &dir, false, out_authority, why));
    return data_dir_match(&dir, *out_store, *out_authority, why);
}

/* --- looking -------------------------------------------------------------------------------------- */

enum status data_dir_look(const struct control_settings *settings, struct store **out_store,
                          struct authority **out_authority, struct failure *why)
{
    CLEARED(data_dir) dir = {0};
    struct failure inner = {0};
    enum status status = folder_look(settings->data_dir, &inner);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return fail(why, status, inner.reason, "%s", inner.detail);
    }
    data_dir_survey(settings->data_dir, &dir);
    TRY(data_dir_check_store(&dir, why));
    TRY(store_open_copy(dir.store, out_store, why));
    TRY(data_dir_check_authority(&dir, *out_store, why));
    if (dir.has_authority) {
        TRY(data_dir_open_authority(settings, &dir, true, out_authority, why));
        TRY(data_dir_match(&dir, *out_store, *out_authority, why));
    }
    return status == STATUS_OK ? folder_look_room(settings->data_dir, why)
                               : folder_look_above(settings->data_dir, why);
}

/* --- beginning anew ------------------------------------------------------------------------------- */

static enum status data_dir_begin_store(const struct control_settings *settings,
                                        const struct data_dir *dir, char **out_said,
                                        struct failure *why)
{
    OWNED(store) *store = NULL;
    OWNED(authority) *authority = NULL;

    if (dir->has_store || !dir->has_authority) {
        return fail(why, STATUS_CONFIG, "store/not-lost",
                    "%s %s: start without --new-store, which begins an empty store beside an "
                    "authority that has lost its own",
                    dir->has_store ? dir->store : dir->authority,
                    dir->has_store ? "is there" : "holds no authority");
    }
    TRY(data_dir_open_authority(settings, dir, true, &authority, why)); /* before anything is made */
    TRY(store_open(dir->store, &store, why));
    TRY(data_dir_match(dir, store, authority, why));
    *out_said = memory_format("%s is a new, empty store: add entries and make tokens again; now "
                              "start without --new-store",
                              dir->store);
    return STATUS_OK;
}

static enum status data_dir_begin_authority(const struct control_settings *settings,
                                            const struct data_dir *dir, char **out_said,
                                            struct failure *why)
{
    OWNED(store) *store = NULL;
    OWNED(authority) *authority = NULL;
    struct failure inner = {0};
    enum status status;

    if (dir->has_authority || !dir->has_store) {
        return fail(why, STATUS_CONFIG, "authority/not-lost",
                    "%s %s: start without --new-authority, which makes a root beside a store that "
                    "has lost its own",
                    dir->has_authority ? dir->authority : dir->store,
                    dir->has_authority ? "holds an authority" : "is not there");
    }
    TRY(store_open(dir->store, &store, why));
    /* Cut off from here on, the next start finds no authority, or takes the new one. */
    status = store_remove(store, bytes_of(DATA_DIR_ROOT_KEY), &inner);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return fail(why, status, inner.reason, "%s", inner.detail);
    }
    TRY(data_dir_open_authority(settings, dir, false, &authority, why));
    TRY(data_dir_match(dir, store, authority, why));
    *out_said = memory_format("%s is a new authority: every sidecar needs the new bundle and a new "
                              "token; now start without --new-authority",
                              dir->authority);
    return STATUS_OK;
}

enum status data_dir_begin(const struct control_settings *settings, const struct folder *folder,
                           char **out_said, struct failure *why)
{
    CLEARED(data_dir) dir = {0};

    data_dir_survey(folder->path, &dir);
    return settings->new_store ? data_dir_begin_store(settings, &dir, out_said, why)
                               : data_dir_begin_authority(settings, &dir, out_said, why);
}
