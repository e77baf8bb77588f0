/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-control/assemble.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/signet-control/check.h"
#include "cmd/signet-control/data_dir.h"
#include "cmd/signet-control/folder.h"
#include "cmd/version.h"
#include "core/control/ca/authority.h"
#include "core/control/registry/entry_file.h"
#include "core/control/registry/instance.h"
#include "core/control/registry/token.h"
#include "core/control/serve/certificates.h"
#include "core/control/serve/keeper.h"
#include "core/control/serve/operators.h"
#include "core/control/serve/own_identity.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/loop/signals.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/rpc/credentials.h"
#include "core/runtime/rpc/server.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/runtime/web/health.h"
#include "core/runtime/web/metrics_page.h"

#define CONTROL_PASSPHRASE_MAX 1024
#define CONTROL_TICK_MS 1000
#define CONTROL_SWEEP_MS ((uint64_t)600 * 1000)
#define CONTROL_PROBE_MS ((uint64_t)10 * 1000) /* a store that can write is tried so often */
#define CONTROL_GRACE_MS 300 /* for calls that are open when TERM comes */

struct control {
    const struct control_settings *settings; /* borrowed; outlives us */
    struct log log;
    struct worker main;
    struct signals signals;
    struct timer tick;
    struct folder folder; /* the data folder and its lock */
    struct store *store;
    struct authority *authority;
    struct registry registry;
    struct certificates certificates;
    struct keeper keeper;
    struct operators operators;
    struct health health;
    struct web_route metrics_routes[3];
    struct rpc_queue *queue;
    struct own_identity *own;
    struct rpc_server_credentials *credentials;
    struct rpc_server *server;
    struct web_server *admin;
    struct web_server *metrics;
    uint64_t swept_ms;  /* monotonic: the last sweep of old tokens and instances */
    uint64_t probed_ms; /* monotonic: the last look whether the store can write */
    bool unwritable;    /* it could not, and that was told */
    bool closing;
};

static struct authority_lives control_lives(const struct control_settings *settings)
{
    return authority_lives_of(settings->leaf_life_s, settings->demo_lifetimes);
}

static enum status control_check_settings(const struct control_settings *settings,
                                          struct failure *why)
{
    struct authority_lives lives = control_lives(settings);
    struct spiffe_id domain;

    TRY(spiffe_id_of_domain(bytes_of(settings->trust_domain), &domain, why));
    if (settings->leaf_life_s < lives.leaf_floor_s) {
        return fail(why, STATUS_CONFIG, "settings/leaf-life",
                    "leaf_life_s is %lld: at least %lld%s", (long long)settings->leaf_life_s,
                    (long long)lives.leaf_floor_s,
                    settings->demo_lifetimes ? "" : " (demo_lifetimes lowers that to 6)");
    }
    if (lives.intermediate_s < 4 * lives.leaf_s) {
        return fail(why, STATUS_CONFIG, "settings/leaf-life",
                    "leaf_life_s is %lld: the intermediate lives %lld s, and a leaf at most a "
                    "quarter of that",
                    (long long)settings->leaf_life_s, (long long)lives.intermediate_s);
    }
    if (settings->ca_passphrase_file == NULL) {
        return fail(why, STATUS_CONFIG, "settings/passphrase",
                    "ca_passphrase_file is needed: the authority's keys lie sealed on the disk");
    }
    if (settings->check + settings->new_store + settings->new_authority > 1) {
        return fail(why, STATUS_CONFIG, "settings/one-act",
                    "check, new_store and new_authority are three acts: ask for one of them");
    }
    if (strncmp(settings->admin_address, "unix:", 5) != 0) {
        return fail(why, STATUS_CONFIG, "settings/admin-address",
                    "admin_address is %s: only a unix socket says who is calling (unix:PATH)",
                    settings->admin_address);
    }
    return STATUS_OK;
}

/* The registry over `store` (NULL: to judge words only), with the rules that these settings bring. */
static enum status control_init_registry(const struct control_settings *settings,
                                         struct store *store, struct registry *registry,
                                         struct failure *why)
{
    TRY(registry_init(registry, store, settings->trust_domain, why));
    registry->life_floor_s = (uint32_t)control_lives(settings).leaf_floor_s;
    return STATUS_OK;
}

/* The entries of the settings' file; none without a file. */
static enum status control_read_entries(const struct control_settings *settings,
                                        const struct registry *registry,
                                        struct entry_file *out_file, struct failure *why)
{
    return settings->entries == NULL ? STATUS_OK
                                     : entry_file_read(registry, settings->entries, out_file, why);
}

/* What is wrong with words and files of the operator, before any folder is touched. */
static enum status control_check_input(const struct control_settings *settings, struct failure *why)
{
    CLEARED(secret) passphrase = {0};
    CLEARED(entry_file) file = {0};
    struct registry registry;

    TRY(control_check_settings(settings, why));
    TRY(secret_read_file(settings->ca_passphrase_file, CONTROL_PASSPHRASE_MAX, true, &passphrase,
                         why));
    TRY(control_init_registry(settings, NULL, &registry, why));
    return control_read_entries(settings, &registry, &file, why);
}

/* The entries of the file, put into a copy of the store: as at a start, and gone with it. */
static enum status control_try_entries(const struct control_settings *settings, struct store *copy,
                                       struct failure *why)
{
    CLEARED(entry_file) file = {0};
    CLEARED(entry_dropped) dropped = {0};
    struct registry registry;

    if (settings->entries == NULL) {
        return STATUS_OK;
    }
    TRY(control_init_registry(settings, copy, &registry, why));
    TRY(control_read_entries(settings, &registry, &file, why));
    return entry_load(&registry, file.entries, file.count, &dropped, why);
}

/* A start goes on over links of a wrong clock, and makes what it needs: people should know all the same. */
static void control_say_links(const struct authority *authority)
{
    struct failure why = {0};

    if (keeper_judge_links(authority, clock_unix_s(), &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet-control: warning: %s: %s\n", why.reason, why.detail);
    }
}

enum status control_check(const struct control_settings *settings, enum control_exit *out_exit,
                          struct failure *why)
{
    OWNED(store) *store = NULL;
    OWNED(authority) *authority = NULL;

    *out_exit = CONTROL_EXIT_SETTINGS;
    TRY(log_set_levels(settings->log_level, why));
    TRY(control_check_input(settings, why));
    *out_exit = CONTROL_EXIT_DATA;
    TRY(data_dir_look(settings, &store, &authority, why));
    if (authority != NULL) {
        control_say_links(authority);
    }
    TRY(control_try_entries(settings, store, why));
    TRY(check_bundle_out(settings, why));
    *out_exit = CONTROL_EXIT_LISTEN;
    TRY(check_addresses(settings, why));
    *out_exit = CONTROL_EXIT_OK;
    return STATUS_OK;
}

enum status control_begin_anew(const struct control_settings *settings, char **out_said,
                               enum control_exit *out_exit, struct failure *why)
{
    CLEARED(folder) folder = {.lock = -1};

    *out_exit = CONTROL_EXIT_SETTINGS;
    TRY(control_check_input(settings, why));
    *out_exit = CONTROL_EXIT_DATA;
    TRY(folder_open(&folder, settings->data_dir, why));
    TRY(data_dir_begin(settings, &folder, out_said, why));
    *out_exit = CONTROL_EXIT_OK;
    return STATUS_OK;
}

static enum status control_load_entries(struct control *control, struct failure *why)
{
    CLEARED(entry_file) file = {0};
    CLEARED(entry_dropped) dropped = {0};

    if (control->settings->entries == NULL) {
        return STATUS_OK; /* without a file nothing is taken out that one brought before */
    }
    TRY(control_read_entries(control->settings, &control->registry, &file, why));
    for (size_t i = 0; i < file.count; i++) {
        file.entries[i].created_at = clock_unix_s();
    }
    TRY(entry_load(&control->registry, file.entries, file.count, &dropped, why));
    for (size_t i = 0; i < dropped.count; i++) {
        log_event(&control->log, LOG_WARN, "entry.removed",
                  LOG_TEXT("entry", dropped.entries[i].name),
                  LOG_TEXT("id", dropped.entries[i].spiffe_id.text),
                  LOG_TEXT("detail", "the entries file does not name it any more"));
    }
    log_event(&control->log, LOG_INFO, "entries.loaded",
              LOG_TEXT("file", control->settings->entries), LOG_INT("count", (int64_t)file.count),
              LOG_INT("removed", (int64_t)dropped.count));
    return STATUS_OK;
}

static enum status control_write_bundle(const struct control *control, struct failure *why)
{
    const struct bundle *bundle = authority_bundle(control->authority);
    CLEARED(buffer) pem = {.max = BUNDLE_MAX};

    if (control->settings->bundle_out == NULL) {
        return STATUS_OK;
    }
    if (bundle_pem(bundle_domain(bundle, 0), &pem) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "bundle/too-long", "the bundle passes %d bytes", BUNDLE_MAX);
    }
    return folder_replace_file(control->settings->bundle_out, buffer_bytes(&pem), 0644, why);
}

/* --- events ------------------------------------------------------------------------------------- */

static enum status control_identity_changed(void *user, struct identity_set *set,
                                            struct failure *why)
{
    struct control *control = user;

    return rpc_server_credentials_set(control->credentials, set, why);
}

/* A handshake found our leaf not valid now. What goes wrong here, the next look logs. */
static void control_identity_stale(void *user)
{
    struct control *control = user;

    (void)!own_identity_judge(control->own, NULL);
}

static void control_look_at_health(struct control *control)
{
    struct failure why = {0};
    size_t entries = 0;
    enum status status = entry_count(&control->registry, &entries, &why);
    const struct failure *refusal = status == STATUS_OK ? store_refusal(control->store) : &why;

    health_set(&control->health, "store", refusal == NULL ? HEALTH_YES : HEALTH_NO, "%s%s%s",
               refusal == NULL ? "can be read and written" : refusal->reason,
               refusal == NULL ? "" : ": ", refusal == NULL ? "" : refusal->detail);
    keeper_look(&control->keeper);
    metrics_gauge_set(METRIC_READY, LABEL_NONE, LABEL_NONE, health_is_ready(&control->health));
    if (status == STATUS_OK) {
        metrics_gauge_set(METRIC_ENTRIES, LABEL_NONE, LABEL_NONE, (int64_t)entries);
    } else {
        metrics_add_reason(0, METRIC_STORE_ERRORS, LABEL_NONE, LABEL_NONE, why.reason, 1);
    }
}

/*
 * Told before a workload finds out: once in a while a write is tried, and each second while the last one
 * failed. Both ends of such a time are logged.
 */
static void control_probe_store(struct control *control)
{
    struct failure why = {0};
    bool holds = true;

    if (store_refusal(control->store) != NULL ||
        clock_mono_ms() - control->probed_ms >= CONTROL_PROBE_MS) {
        control->probed_ms = clock_mono_ms();
        holds = store_probe(control->store, &why) == STATUS_OK;
    }
    if (!holds && !control->unwritable) {
        log_event(&control->log, LOG_ERROR, "store.unwritable", LOG_FAILURE(&why),
                  LOG_TEXT("still", "certificates that were issued stay good; none is issued"));
    } else if (holds && control->unwritable) {
        log_event(&control->log, LOG_INFO, "store.writable");
    }
    control->unwritable = !holds;
    if (!holds) {
        metrics_add_reason(0, METRIC_STORE_ERRORS, LABEL_NONE, LABEL_NONE, why.reason, 1);
    }
}

static void control_ticked(struct timer *timer, void *user)
{
    struct control *control = user;
    int64_t now = clock_unix_s();
    struct failure why = {0};

    (void)timer;
    if (clock_mono_ms() - control->swept_ms >= CONTROL_SWEEP_MS &&
        keeper_believes_clock(&control->keeper)) {
        control->swept_ms = clock_mono_ms();
        if (token_sweep(&control->registry, now, &why) != STATUS_OK) {
            log_event(&control->log, LOG_ERROR, "tokens.sweep-failed", LOG_FAILURE(&why));
        }
        if (instance_sweep(&control->registry, now, &why) != STATUS_OK) {
            log_event(&control->log, LOG_ERROR, "instances.sweep-failed", LOG_FAILURE(&why));
        }
    }
    control_probe_store(control);
    control_look_at_health(control);
}

static void control_close(struct control *control);

static void control_signalled(void *user, int number)
{
    struct control *control = user;
    struct failure why = {0};

    if (number != SIGHUP) {
        log_event(&control->log, LOG_INFO, "control.stopping", LOG_INT("signal", number));
        control_close(control);
        return;
    }
    if (control_load_entries(control, &why) != STATUS_OK) {
        log_event(&control->log, LOG_ERROR, "entries.refused", LOG_FAILURE(&why),
                  LOG_TEXT("still", "the entries in the store stay as they were"));
    }
}

/* --- start -------------------------------------------------------------------------------------- */

/*
 * A store that came back from a backup does not know which revisions it has given out since. A start
 * leaps past them all: to the milliseconds of Unix time, which no store reaches by counting its changes.
 * So an entry that is removed and made again after a restore is younger than every leaf of the lost time.
 * That rests on a clock that was not ahead when those leaves were issued; nothing else does.
 */
static enum status control_begin_revisions(struct control *control, struct failure *why)
{
    return store_raise(control->store, clock_unix_ms(), why);
}

static enum status control_start_data(struct control *control, struct failure *why)
{
    TRY(folder_open(&control->folder, control->settings->data_dir, why));
    TRY(data_dir_open(control->settings, &control->folder, &control->store, &control->authority,
                      why));
    TRY(control_init_registry(control->settings, control->store, &control->registry, why));
    TRY(control_begin_revisions(control, why));
    TRY(control_load_entries(control, why));
    return control_write_bundle(control, why);
}

static enum status control_start_grpc(struct control *control, struct failure *why)
{
    struct issuer issuer = {.registry = &control->registry, .authority = control->authority};
    struct own_identity_plan own = {.authority = control->authority,
                                    .registry = &control->registry,
                                    .changed = control_identity_changed,
                                    .user = control};
    struct rpc_server_options options = {.address = control->settings->listen_address,
                                         .methods = control->certificates.methods,
                                         .num_methods = CERTIFICATES_METHODS};

    certificates_init(&control->certificates, &issuer);
    control->queue = rpc_queue_start(&control->main);
    TRY(own_identity_start(&control->main.loop, &own, &control->own, why));
    keeper_init(&control->keeper, control->authority, control->own, &control->health);
    TRY(rpc_server_credentials_make(own_identity_set(control->own), &control->credentials, why));
    rpc_server_credentials_on_stale(control->credentials, &control->main, control_identity_stale,
                                    control);
    options.credentials = rpc_server_credentials_raw(control->credentials);
    options.judge = rpc_server_credentials_judge(control->credentials);
    return rpc_server_start(control->queue, &options, &control->server, why);
}

static enum status control_start_web(struct control *control, struct bytes config_text,
                                     struct failure *why)
{
    struct operators_view view = {
        .issuer = {.registry = &control->registry, .authority = control->authority},
        .own = control->own,
        .version = SIGNET_VERSION,
        .config_text = config_text,
        .started_at = clock_unix_s(),
        .demo_lifetimes = control->settings->demo_lifetimes,
    };
    struct web_server_options admin = {.address = control->settings->admin_address,
                                       .routes = control->operators.routes,
                                       .num_routes = OPERATORS_OPERATIONS,
                                       .local_host_only = true};
    struct web_server_options metrics = {.address = control->settings->metrics_address,
                                         .routes = control->metrics_routes,
                                         .num_routes = 3};

    operators_init(&control->operators, &view);
    control->metrics_routes[0] = metrics_page_route(METRICS_CONTROL);
    control->metrics_routes[1] = health_livez_route(&control->health);
    control->metrics_routes[2] = health_readyz_route(&control->health);
    TRY(folder_make_for_socket(control->settings->admin_address + strlen("unix:"), why));
    TRY(web_server_start(&control->main, &admin, &control->admin, why));
    return web_server_start(&control->main, &metrics, &control->metrics, why);
}

static void control_log_started(struct control *control)
{
    const struct control_settings *settings = control->settings;
    const struct bundle *bundle = authority_bundle(control->authority);
    char pin[2 * BUNDLE_SHA256_LEN + 1];

    bytes_to_hex(bytes_make(bundle_root_sha256(bundle_domain(bundle, 0), 0), BUNDLE_SHA256_LEN),
                 pin);
    metrics_set_version(SIGNET_VERSION);
    metrics_gauge_set(METRIC_START_TIME, LABEL_NONE, LABEL_NONE, clock_unix_s());
    if (settings->demo_lifetimes) {
        log_event(&control->log, LOG_WARN, "control.demo-lifetimes",
                  LOG_INT("leaf_life_s", settings->leaf_life_s),
                  LOG_TEXT("detail",
                           "certificates may live only seconds: fine to look at rotation, "
                           "an outage waiting to happen for real workloads"));
    }
    log_event(&control->log, LOG_INFO, "control.started", LOG_TEXT("version", SIGNET_VERSION),
              LOG_TEXT("trust_domain", settings->trust_domain),
              LOG_TEXT("listen", settings->listen_address),
              LOG_INT("port", rpc_server_port(control->server)),
              LOG_TEXT("admin", settings->admin_address),
              LOG_TEXT("metrics", settings->metrics_address), LOG_TEXT("root_sha256", pin),
              LOG_INT("leaf_life_s", settings->leaf_life_s));
}

static enum status control_start_all(struct control *control, struct bytes config_text,
                                     enum control_exit *out_exit, struct failure *why)
{
    *out_exit = CONTROL_EXIT_SETTINGS;
    TRY(control_check_input(control->settings, why));
    *out_exit = CONTROL_EXIT_DATA;
    TRY(control_start_data(control, why));
    *out_exit = CONTROL_EXIT_LISTEN;
    TRY(control_start_grpc(control, why));
    TRY(control_start_web(control, config_text, why));
    *out_exit = CONTROL_EXIT_OK;
    return STATUS_OK;
}

static void control_finish(struct control *control)
{
    worker_run_main(&control->main);
    worker_clear(&control->main);
    certificates_clear(&control->certificates);
    authority_drop(&control->authority);
    store_drop(&control->store);
    folder_clear(&control->folder);
    free(control);
}

enum status control_start(const struct control_settings *settings, struct bytes config_text,
                          struct control **out_control, enum control_exit *out_exit,
                          struct failure *why)
{
    struct control *control = memory_make(sizeof *control);
    enum status status;

    control->settings = settings;
    control->folder.lock = -1;
    log_init(&control->log, "control");
    worker_init_main(&control->main);
    signals_start(&control->signals, &control->main.loop, control_signalled, control);
    timer_init(&control->tick, &control->main.loop, control_ticked, control);
    status = control_start_all(control, config_text, out_exit, why);
    if (status != STATUS_OK) {
        if (control->authority != NULL) { /* what was made before stays made */
            keeper_log_notes(&control->log, control->authority);
        }
        control_close(control);
        control_finish(control);
        return status;
    }
    control->swept_ms = clock_mono_ms();
    control->probed_ms = clock_mono_ms();
    control_look_at_health(control);
    timer_start(&control->tick, CONTROL_TICK_MS, CONTROL_TICK_MS);
    control_log_started(control);
    *out_control = control;
    return STATUS_OK;
}

/* --- end ---------------------------------------------------------------------------------------- */

static void control_queue_closed(void *user)
{
    struct control *control = user;

    worker_stop(&control->main);
}

static void control_server_closed(void *user)
{
    struct control *control = user;

    rpc_server_credentials_drop(&control->credentials);
    if (control->queue != NULL) {
        rpc_queue_close(control->queue, control_queue_closed, control);
    } else {
        worker_stop(&control->main);
    }
}

/* Takes apart what was started, whatever that is; the loop then runs dry. */
static void control_close(struct control *control)
{
    if (control->closing) {
        return;
    }
    control->closing = true;
    signals_close(&control->signals);
    timer_close(&control->tick, NULL);
    web_server_close(control->admin);
    web_server_close(control->metrics);
    if (control->credentials != NULL) { /* handshakes go on until the server has closed */
        rpc_server_credentials_on_stale(control->credentials, NULL, NULL, NULL);
    }
    own_identity_close(control->own);
    if (control->server != NULL) {
        rpc_server_close(control->server, CONTROL_GRACE_MS, control_server_closed, control);
    } else {
        control_server_closed(control);
    }
}

void control_run(struct control *control)
{
    struct log log = control->log;

    control_finish(control);
    log_event(&log, LOG_INFO, "control.stopped");
}
