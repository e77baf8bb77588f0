/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/files.h"

#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/map.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/base/secret.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/trust/identity/verify.h"

enum { FILES_NUM = 3 };

struct files {
    struct worker *home;     /* borrowed */
    struct current *current; /* borrowed; outlives us */
    struct log log;
    struct files_options options;     /* its texts are owned */
    uv_fs_event_t folders[FILES_NUM]; /* one for each file's folder */
    struct timer settle;              /* a change was seen; read when it has been quiet */
    struct timer poll;
    int open_handles;
    uint64_t generation;
    uint64_t seen;          /* hash of what was read last, taken or refused */
    struct failure refusal; /* reason NULL: the files are in force */
    void (*closed)(void *user);
    void *closed_user;
};

/* The three texts. */
struct files_texts {
    struct buffer chain;
    struct secret key;
    struct buffer bundle;
};

static void files_texts_clear(struct files_texts *texts)
{
    buffer_clear(&texts->chain);
    secret_clear(&texts->key);
    buffer_clear(&texts->bundle);
}

static enum status files_read(const struct files_options *options, struct files_texts *texts,
                              struct failure *why)
{
    buffer_init(&texts->chain, 2 * SVID_CHAIN_MAX);
    buffer_init(&texts->bundle, BUNDLE_MAX);
    TRY(buffer_read_file(&texts->bundle, options->bundle_file, why)); /* it counts without the others */
    TRY(buffer_read_file(&texts->chain, options->chain_file, why));
    return secret_read_file(options->key_file, KEY_FILE_MAX, true, &texts->key, why);
}

/* Says which file is wrong: the reason of `cause` goes into the detail. */
static enum status files_blame(struct failure *why, const char *reason, const char *file,
                               const struct failure *cause)
{
    return fail(why, STATUS_CONFIG, reason, "%.100s: %s: %.100s", file, cause->reason,
                cause->detail);
}

/* Would a peer accept it, in at least one direction? */
static enum status files_verify(const struct files_options *options, const struct svid *svid,
                                const struct bundle *bundle, int64_t now_s, struct failure *why)
{
    struct bytes chain[SVID_CERTS_MAX];
    struct verified_peer self;
    struct failure cause = {0};

    for (size_t i = 0; i < svid_num_certs(svid); i++) {
        chain[i] = svid_cert_der(svid, i);
    }
    if (verify_peer(bundle, chain, svid_num_certs(svid), VERIFY_SERVER, now_s, &self, NULL) ==
            STATUS_OK ||
        verify_peer(bundle, chain, svid_num_certs(svid), VERIFY_CLIENT, now_s, &self, &cause) ==
            STATUS_OK) {
        return STATUS_OK;
    }
    return files_blame(why, "files/not-trusted", options->chain_file, &cause);
}

static enum status files_make_bundle(const struct files_options *options,
                                     const struct files_texts *texts, struct bundle **out_bundle,
                                     struct failure *why)
{
    struct failure cause = {0};

    if (bundle_parse_pem(bytes_of(options->trust_domain), buffer_bytes(&texts->bundle), 0,
                         out_bundle, &cause) != STATUS_OK) {
        return files_blame(why, "files/bundle", options->bundle_file, &cause);
    }
    return STATUS_OK;
}

static enum status files_make(const struct files_options *options, const struct files_texts *texts,
                              int64_t now_s, uint64_t generation, struct identity_set **out_set,
                              struct failure *why)
{
    OWNED(key) *key = NULL;
    OWNED(svid) *alone = NULL;
    OWNED(svid) *svid = NULL;
    OWNED(bundle) *bundle = NULL;
    struct bytes key_pem = secret_bytes(&texts->key);
    struct failure cause = {0};

    if (key_parse(key_pem, &key, &cause) != STATUS_OK) {
        return files_blame(why, "files/key", options->key_file, &cause);
    }
    if (svid_parse_pem(buffer_bytes(&texts->chain), (struct bytes){0}, &alone, &cause) !=
        STATUS_OK) {
        return files_blame(why, "files/chain", options->chain_file, &cause);
    }
    if (svid_parse(svid_chain_der(alone), key, &svid, &cause) != STATUS_OK) {
        return files_blame(why, "files/key-mismatch", options->key_file, &cause);
    }
    TRY(files_make_bundle(options, texts, &bundle, why));
    TRY(files_verify(options, svid, bundle, now_s, why));
    return identity_set_make(svid, bundle, generation, out_set, why);
}

enum status files_load(const struct files_options *options, int64_t now_unix_s,
                       struct identity_set **out_set, struct failure *why)
{
    CLEARED(files_texts) texts = {0};

    TRY(files_read(options, &texts, why));
    return files_make(options, &texts, now_unix_s, 1, out_set, why);
}

/* A keyed hash of all that was read, or of why it could not be. */
static uint64_t files_fingerprint(const struct files_texts *texts, const struct failure *why)
{
    if (why->reason != NULL) {
        return map_hash(bytes_of(why->detail)) + map_hash(buffer_bytes(&texts->bundle)) * 7;
    }
    return map_hash(buffer_bytes(&texts->chain)) * 3 + map_hash(secret_bytes(&texts->key)) * 5 +
           map_hash(buffer_bytes(&texts->bundle)) * 7;
}

/*
 * What is wrong with chain or key is no reason to go on trusting a root that was taken away: a sound
 * bundle judges peers from now on, beside the certificate that was in force. True when it is a new one.
 */
static bool files_take_bundle(struct files *files, const struct files_texts *texts)
{
    struct identity_set *old = current_get(files->current);
    OWNED(bundle) *bundle = NULL;
    OWNED(identity_set) *set = NULL;

    if (old == NULL || files_make_bundle(&files->options, texts, &bundle, NULL) != STATUS_OK ||
        bundle_same_roots(bundle, identity_set_bundle(old)) ||
        identity_set_make(identity_set_svid(old), bundle, files->generation + 1, &set, NULL) !=
            STATUS_OK) {
        return false;
    }
    files->generation++;
    metrics_gauge_set(METRIC_SVID_GENERATION, LABEL_NONE, LABEL_NONE, (int64_t)files->generation);
    log_event(&files->log, LOG_WARN, "identity.bundle-alone",
              LOG_TEXT("bundle", files->options.bundle_file),
              LOG_INT("generation", files->generation),
              LOG_TEXT("message", "the new bundle judges peers from now on; our own certificate is "
                                  "still the one from before"));
    current_publish(files->current, set);
    return true;
}

/* One line, one count, and who asked to know. */
static void files_tell(struct files *files, const struct failure *why)
{
    struct identity_set *set = current_get(files->current);

    if (why->reason != NULL) {
        metrics_add_reason(0, METRIC_RENEWALS, LABEL_FAILED, LABEL_NONE, why->reason, 1);
        log_event(&files->log, LOG_ERROR, "identity.refused", LOG_FAILURE(why),
                  LOG_TEXT("message", set == NULL ? "no identity"
                                                  : "the old certificate stays in force"));
    } else {
        const struct svid *svid = identity_set_svid(set);

        metrics_add_reason(0, METRIC_RENEWALS, LABEL_OK, LABEL_NONE, NULL, 1);
        metrics_gauge_set(METRIC_SVID_EXPIRY, LABEL_NONE, LABEL_NONE, svid_expires_at(svid));
        metrics_gauge_set(METRIC_SVID_GENERATION, LABEL_NONE, LABEL_NONE,
                          (int64_t)files->generation);
        log_event(&files->log, LOG_INFO, "identity.loaded", LOG_TEXT("id", svid_id(svid)->text),
                  LOG_TEXT("serial", svid_serial_hex(svid)),
                  LOG_INT("generation", files->generation),
                  LOG_DATE("not_after", svid_expires_at(svid)));
    }
    if (files->options.loaded != NULL) {
        files->options.loaded(files->options.user, why->reason == NULL ? NULL : why);
    }
}

/* Reads the files, and does something when they say something new. */
static enum status files_look(struct files *files, struct failure *why)
{
    CLEARED(files_texts) texts = {0};
    OWNED(identity_set) *set = NULL;
    struct failure cause = {0};
    enum status status = files_read(&files->options, &texts, &cause);
    uint64_t seen = files_fingerprint(&texts, &cause);

    if (seen == files->seen) {
        return STATUS_OK;
    }
    files->seen = seen;
    if (status == STATUS_OK) {
        status = files_make(&files->options, &texts, clock_unix_s(), files->generation + 1, &set,
                            &cause);
    }
    files->refusal = cause;
    if (status == STATUS_OK) {
        files->refusal.reason = NULL;
        files->generation++;
        current_publish(files->current, set);
    } else {
        (void)files_take_bundle(files, &texts);
    }
    files_tell(files, &files->refusal);
    if (status != STATUS_OK && why != NULL) {
        *why = cause;
    }
    return status;
}

static void files_settled(struct timer *timer, void *user)
{
    (void)timer;
    (void)(files_look(user, NULL) == STATUS_OK); /* told there */
}

static void files_changed(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct files *files = handle->data;

    (void)name;
    (void)events;
    (void)status; /* an error leaves the poll */
    timer_start(&files->settle, FILES_SETTLE_MS, 0);
}

static void files_watch(struct files *files)
{
    const char *paths[FILES_NUM] = {files->options.chain_file, files->options.key_file,
                                    files->options.bundle_file};

    for (size_t i = 0; i < FILES_NUM; i++) {
        const char *slash = strrchr(paths[i], '/');
        char *folder = slash == NULL ? memory_text(".")
                       : slash == paths[i]
                           ? memory_text("/")
                           : memory_format("%.*s", (int)(slash - paths[i]), paths[i]);

        if (uv_fs_event_init(&files->home->loop, &files->folders[i]) != 0) {
            abort();
        }
        files->folders[i].data = files;
        files->open_handles++;
        (void)uv_fs_event_start(&files->folders[i], files_changed, folder,
                                0); /* refused: the poll remains */
        free(folder);
    }
    timer_start(&files->poll, FILES_POLL_MS, FILES_POLL_MS);
}

static void files_free(struct files *files)
{
    void (*closed)(void *user) = files->closed;
    void *user = files->closed_user;

    free((char *)(uintptr_t)files->options.chain_file);
    free((char *)(uintptr_t)files->options.key_file);
    free((char *)(uintptr_t)files->options.bundle_file);
    free((char *)(uintptr_t)files->options.trust_domain);
    free(files);
    if (closed != NULL) {
        closed(user);
    }
}

static void files_handle_closed(struct files *files)
{
    if (--files->open_handles == 0) {
        files_free(files);
    }
}

static void files_timer_closed(struct timer *timer, void *user)
{
    (void)timer;
    files_handle_closed(user);
}

static void files_folder_closed(uv_handle_t *handle)
{
    files_handle_closed(handle->data);
}

enum status files_start(struct worker *home, struct current *current,
                        const struct files_options *options, struct files **out_files,
                        struct failure *why)
{
    struct files *files = memory_make(sizeof *files);
    enum status status;

    files->home = home;
    files->current = current;
    files->options = *options;
    files->options.chain_file = memory_text(options->chain_file);
    files->options.key_file = memory_text(options->key_file);
    files->options.bundle_file = memory_text(options->bundle_file);
    files->options.trust_domain = memory_text(options->trust_domain);
    log_init(&files->log, "rotation");
    status = files_look(files, why);
    if (status != STATUS_OK) {
        files_free(files);
        return status;
    }
    timer_init(&files->settle, &home->loop, files_settled, files);
    timer_init(&files->poll, &home->loop, files_settled, files);
    files->open_handles = 2;
    files_watch(files);
    *out_files = files;
    return STATUS_OK;
}

void files_close(struct files *files, void (*closed)(void *user), void *user)
{
    files->closed = closed;
    files->closed_user = user;
    for (size_t i = 0; i < FILES_NUM; i++) {
        uv_close((uv_handle_t *)&files->folders[i], files_folder_closed);
    }
    timer_close(&files->settle, files_timer_closed);
    timer_close(&files->poll, files_timer_closed);
}

const struct failure *files_refusal(const struct files *files)
{
    return files->refusal.reason == NULL ? NULL : &files->refusal;
}
