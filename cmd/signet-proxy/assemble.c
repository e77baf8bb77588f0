/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-proxy/assemble.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/signet-proxy/fitness.h"
#include "cmd/signet-proxy/footprint.h"
#include "cmd/signet-proxy/memory_watch.h"
#include "cmd/signet-proxy/scrape.h"
#include "cmd/version.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/json/writer.h"
#include "core/runtime/loop/signals.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/admin/pages.h"
#include "core/sidecar/discovery/file_source.h"
#include "core/sidecar/proxy/canary.h"
#include "core/sidecar/proxy/drain.h"
#include "core/sidecar/rotation/agent.h"
#include "core/sidecar/rotation/files.h"

#define SIDECAR_QUOTE_(number) #number
#define SIDECAR_QUOTE(number) SIDECAR_QUOTE_(number)
#define SIDECAR_UV_VERSION                                                                         \
    SIDECAR_QUOTE(UV_VERSION_MAJOR)                                                                \
    "." SIDECAR_QUOTE(UV_VERSION_MINOR) "." SIDECAR_QUOTE(UV_VERSION_PATCH)

enum { SIDECAR_TICK_MS = 1000 };

struct sidecar {
    const struct proxy_settings *settings; /* borrowed */
    struct sidecar_plan *plan;             /* borrowed */
    struct sidecar_config config;          /* borrowed pointers */
    struct log log;
    struct worker home;
    struct signals signals;
    struct timer tick;
    struct drain *drain; /* NULL: TERM has not come */
    struct health health;
    struct current current;
    struct current_subscriber follows_identity;
    struct failure unfit; /* why our own certificate is; reason NULL: it is fit */
    struct access_sink access;
    struct agent *agent;
    struct files *files;
    struct file_source *mesh;
    struct warnings mesh_warnings;
    struct canary *canary;
    int64_t inbound_before; /* inbound connections that were opened before capture was lost last */
    struct proxy *proxy;
    struct web_server *admin;
    struct scrape scrape;
    struct memory_watch memory;
    struct web_route admin_routes[PAGES_ROUTES];
    struct admin_sources sources;
    struct admin_listener *listeners; /* owned, with its texts */
    int closers; /* of agent, files and mesh: closes still to be told */
    bool closing;
};

/* ---- what others tell us ---- */

static void sidecar_judge_identity(struct sidecar *sidecar);

/* Whom this proxy is set to speak to, and could never verify: said at the start and with each mesh. */
static void sidecar_judge_peers(struct sidecar *sidecar)
{
    struct identity_set *set = current_get(&sidecar->current);
    struct snapshot *mesh = sidecar->mesh == NULL ? NULL : file_source_current(sidecar->mesh);
    size_t num_workloads = 0;
    const struct snapshot_workload *workloads =
        mesh == NULL ? NULL : snapshot_workloads(mesh, &num_workloads);
    struct failure why = {0};

    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < sidecar->plan->num_forwards; i++) {
        const struct forward *forward = &sidecar->plan->forwards[i];

        if (forward->peer_id != NULL &&
            fitness_of_peer(set, "peer=", forward->peer_id, &why) != STATUS_OK) {
            log_event(&sidecar->log, LOG_ERROR, "peer.cannot-be-verified", LOG_FAILURE(&why),
                      LOG_TEXT("peer", forward->peer_id));
        }
    }
    /* One trust domain for all of them. */
    if (num_workloads > 0 &&
        fitness_of_peer(set, "the mesh file", workloads[0].spiffe_id, &why) != STATUS_OK) {
        log_event(&sidecar->log, LOG_ERROR, "peer.cannot-be-verified", LOG_FAILURE(&why));
    }
}

/* Our own certificate as peers will see it; said when it changes for the worse, or for another reason. */
static void sidecar_judge_fitness(struct sidecar *sidecar, const struct identity_set *set)
{
    struct failure unfit = {0};
    const char *before = sidecar->unfit.reason;

    if (fitness_of_leaf(set, sidecar->plan, clock_unix_s(), &unfit) == STATUS_OK) {
        unfit.reason = NULL;
    }
    sidecar->unfit = unfit;
    if (unfit.reason != NULL && (before == NULL || strcmp(before, unfit.reason) != 0)) {
        log_event(&sidecar->log, LOG_ERROR, "identity.unfit", LOG_FAILURE(&unfit));
    }
}

static void sidecar_identity_changed(void *user, struct identity_set *set, uint64_t generation)
{
    struct sidecar *sidecar = user;
    struct failure why = {0};

    if (proxy_take_identity(sidecar->proxy, set, &why) != STATUS_OK) {
        log_event(&sidecar->log, LOG_ERROR, "identity.refused", LOG_FAILURE(&why));
        return;
    }
    sidecar_judge_fitness(sidecar, set);
    sidecar_judge_identity(sidecar);
    if (generation == 1) {
        sidecar_judge_peers(sidecar);
    }
    footprint_shrink();
}

static void sidecar_mesh_loaded(void *user, struct snapshot *snapshot,
                                const struct warnings *warnings)
{
    struct sidecar *sidecar = user;
    const struct snapshot_workload *self =
        snapshot_workload_find(snapshot, bytes_of(sidecar->settings->workload));
    CLEARED(buffer) sentence = {.max = 4096};

    warnings_clear(&sidecar->mesh_warnings);
    warnings_copy(warnings, &sidecar->mesh_warnings);
    for (size_t i = 0; i < warnings->count; i++) {
        log_event(&sidecar->log, LOG_WARN, "mesh.warning", LOG_TEXT("detail", warnings->lines[i]));
    }
    proxy_take_snapshot(sidecar->proxy, snapshot);
    scrape_follow(&sidecar->scrape, self);
    sidecar_judge_peers(sidecar);
    metrics_gauge_set(METRIC_POLICY_GENERATION, LABEL_NONE, LABEL_NONE,
                      (int64_t)snapshot_generation(snapshot));
    metrics_gauge_set(METRIC_POLICY_LAST_GOOD, LABEL_NONE, LABEL_NONE, clock_unix_s());
    metrics_gauge_set(METRIC_MESH_FILE_BROKEN, LABEL_NONE, LABEL_NONE, 0);
    if (self == NULL) {
        health_set(&sidecar->health, "policy", HEALTH_NO, "%s is not in the mesh file",
                   sidecar->settings->workload);
        log_event(&sidecar->log, LOG_ERROR, "mesh.unknown-workload",
                  LOG_TEXT("workload", sidecar->settings->workload));
        return;
    }
    health_set(&sidecar->health, "policy", HEALTH_YES, "mesh generation %llu",
               (unsigned long long)snapshot_generation(snapshot));
    if (snapshot_describe_access(self, &sentence) == STATUS_OK) {
        log_event(&sidecar->log, LOG_INFO, "mesh.in-force",
                  LOG_INT("generation", snapshot_generation(snapshot)),
                  LOG_BYTES("access", bytes_trim(buffer_bytes(&sentence))));
    }
}

static void sidecar_mesh_refused(void *user, enum status status, const struct failure *why)
{
    struct sidecar *sidecar = user;
    bool has_one = file_source_current(sidecar->mesh) != NULL;

    metrics_add_reason(0,
                       status == STATUS_CONFIG || status == STATUS_PROTOCOL
                           ? METRIC_POLICY_ERRORS
                           : METRIC_MESH_FILE_ERRORS,
                       LABEL_NONE, LABEL_NONE, why->reason, 1);
    metrics_gauge_set(METRIC_MESH_FILE_BROKEN, LABEL_NONE, LABEL_NONE, 1);
    health_set(&sidecar->health, "policy", has_one ? HEALTH_YES : HEALTH_NO, "%s%s",
               has_one ? "the last good one; the file now: " : "", why->detail);
    log_event(&sidecar->log, LOG_ERROR, "mesh.refused", LOG_FAILURE(why),
              LOG_TEXT("still", has_one ? "the last good mesh stays in force"
                                        : "nothing is let through until there is a good one"));
}

/* Connections taken in since the start: each one that was captured proves inbound capture. */
static int64_t sidecar_inbound_opened(void)
{
    return metrics_read(METRIC_CONNECTIONS_OPENED, LABEL_INBOUND, LABEL_MTLS) +
           metrics_read(METRIC_CONNECTIONS_OPENED, LABEL_INBOUND, LABEL_PLAINTEXT);
}

static void sidecar_canary_proved(void *user, bool yes)
{
    struct sidecar *sidecar = user;

    bool was = health_get(&sidecar->health, "outbound-capture") == HEALTH_YES;

    if (yes && !was) {
        log_event(&sidecar->log, LOG_INFO, "capture.outbound-proved");
    }
    if (!yes && was) {
        log_event(&sidecar->log, LOG_ERROR, "capture.lost",
                  LOG_TEXT("message", "the redirection is gone: connections of this pod go, and "
                                      "come in, beside the proxy, in plaintext"),
                  LOG_TEXT("remedy", "run signet-init again; signet-init check shows what is "
                                     "captured"));
        sidecar->inbound_before = sidecar_inbound_opened();
        health_set(&sidecar->health, "inbound-capture", HEALTH_UNPROVED,
                   "outbound capture was lost, so inbound capture may be too");
    }
    health_set(
        &sidecar->health, "outbound-capture", yes ? HEALTH_YES : HEALTH_NO, "%s",
        yes ? "the canary came back"
            : "the canary did not come back: did signet-init set the redirection, and does the "
              "proxy run as the user it excludes (1337)?");
}

/* ---- what the admin pages ask ---- */

static const char *sidecar_drain_state(void *user)
{
    const struct sidecar *sidecar = user;

    return sidecar->closing ? "stopped" : sidecar->drain != NULL ? "draining" : "running";
}

static bool sidecar_agent_view(void *user, struct agent_view *out_view)
{
    const struct sidecar *sidecar = user;

    if (sidecar->agent == NULL) {
        return false;
    }
    agent_look(sidecar->agent, out_view);
    return true;
}

static const struct failure *sidecar_files_refusal(void *user)
{
    const struct sidecar *sidecar = user;

    return sidecar->files == NULL ? NULL : files_refusal(sidecar->files);
}

static struct snapshot *sidecar_snapshot(void *user)
{
    const struct sidecar *sidecar = user;

    return sidecar->mesh == NULL ? NULL : file_source_current(sidecar->mesh);
}

static const struct failure *sidecar_mesh_failure(void *user)
{
    const struct sidecar *sidecar = user;

    return sidecar->mesh == NULL ? NULL : file_source_failure(sidecar->mesh);
}

static unsigned sidecar_num_connections(void *user)
{
    const struct sidecar *sidecar = user;

    return proxy_num_live(sidecar->proxy);
}

static bool sidecar_connections(void *user, uint64_t from, size_t most, struct json_writer *json,
                                uint64_t *out_next)
{
    struct sidecar *sidecar = user;

    return proxy_describe(sidecar->proxy, from, most, json, out_next);
}

static enum status sidecar_settings_text(void *user, struct buffer *out)
{
    const struct sidecar *sidecar = user;

    return setting_print_values(sidecar->config.table, sidecar->settings, out);
}

static const char *sidecar_setting_origin(void *user, struct bytes name)
{
    const struct sidecar *sidecar = user;

    return setting_origin(sidecar->config.table, sidecar->config.request, name);
}

/* ---- time, signals, the end ---- */

/* This workload in the mesh in force; NULL when there is none, or it does not know us. */
static const struct snapshot_workload *sidecar_self(struct sidecar *sidecar)
{
    struct snapshot *mesh = sidecar_snapshot(sidecar);

    return mesh == NULL ? NULL
                        : snapshot_workload_find(mesh, bytes_of(sidecar->settings->workload));
}

/* Is the certificate in force one that holds, and of the workload that the mesh says we are? */
static void sidecar_judge_identity(struct sidecar *sidecar)
{
    struct identity_set *set = current_get(&sidecar->current);
    const struct svid *svid = set == NULL ? NULL : identity_set_svid(set);
    const struct snapshot_workload *self = sidecar_self(sidecar);

    if (svid == NULL) {
        return;
    }
    if (svid_expires_at(svid) <= clock_unix_s()) {
        health_set(&sidecar->health, "certificate", HEALTH_NO, "it ended %s",
                   clock_utc(svid_expires_at(svid)).text);
    } else if (svid_starts_at(svid) > clock_unix_s()) {
        health_set(&sidecar->health, "certificate", HEALTH_NO, "by our clock it begins only %s",
                   clock_utc(svid_starts_at(svid)).text);
    } else if (self != NULL && strcmp(self->spiffe_id, svid_id(svid)->text) != 0) {
        health_set(&sidecar->health, "certificate", HEALTH_NO, "it is for %s, the mesh expects %s",
                   svid_id(svid)->text, self->spiffe_id);
    } else if (sidecar->unfit.reason != NULL) {
        health_set(&sidecar->health, "certificate", HEALTH_NO, "%s", sidecar->unfit.detail);
    } else {
        health_set(&sidecar->health, "certificate", HEALTH_YES, "%s, serial %s",
                   svid_id(svid)->text, svid_serial_hex(svid));
    }
}

static void sidecar_ticked(struct timer *timer, void *user)
{
    struct sidecar *sidecar = user;

    (void)timer;
    if (sidecar->unfit.reason != NULL) { /* a clock may have been set right meanwhile */
        sidecar_judge_fitness(sidecar, current_get(&sidecar->current));
    }
    sidecar_judge_identity(sidecar);
    scrape_follow(&sidecar->scrape, sidecar_self(sidecar));
    if (sidecar->plan->transparent &&
        health_get(&sidecar->health, "inbound-capture") == HEALTH_UNPROVED &&
        sidecar_inbound_opened() > sidecar->inbound_before) {
        health_set(&sidecar->health, "inbound-capture", HEALTH_YES, "a captured connection came");
    }
    metrics_gauge_set(METRIC_READY, LABEL_NONE, LABEL_NONE, health_is_ready(&sidecar->health));
    footprint_shrink_due();
    memory_watch_look(&sidecar->memory, &sidecar->log);
}

static void sidecar_one_closed(void *user)
{
    struct sidecar *sidecar = user;

    if (--sidecar->closers == 0) {
        worker_stop(&sidecar->home);
    }
}

/* Takes apart what was started, whatever that is; the loop then runs dry. */
static void sidecar_close(struct sidecar *sidecar)
{
    if (sidecar->closing) {
        return;
    }
    sidecar->closing = true;
    signals_close(&sidecar->signals);
    timer_close(&sidecar->tick, NULL);
    drain_close(&sidecar->drain);
    web_server_close(sidecar->admin);
    scrape_close(&sidecar->scrape);
    canary_close(sidecar->canary);
    current_unsubscribe(&sidecar->follows_identity);
    proxy_stop(&sidecar->proxy);
    sidecar->closers = 1;
    if (sidecar->agent != NULL) {
        sidecar->closers++;
        agent_close(TAKE(sidecar->agent), sidecar_one_closed, sidecar);
    }
    if (sidecar->files != NULL) {
        sidecar->closers++;
        files_close(TAKE(sidecar->files), sidecar_one_closed, sidecar);
    }
    if (sidecar->mesh != NULL) {
        sidecar->closers++;
        file_source_close(TAKE(sidecar->mesh));
    }
    sidecar_one_closed(sidecar);
}

static void sidecar_drained(void *user)
{
    sidecar_close(user);
}

static void sidecar_drain(struct sidecar *sidecar, int number)
{
    const struct drain_options options = {
        .until = sidecar->plan->drain_until,
        .grace_ms = (uint64_t)sidecar->settings->drain_limit_ms,
        .user_is_ours = sidecar->plan->transparent,
    };

    metrics_gauge_set(METRIC_DRAINING, LABEL_NONE, LABEL_NONE, 1);
    health_set(&sidecar->health, "drain", HEALTH_NO, "TERM came; connections may finish");
    log_event(&sidecar->log, LOG_INFO, "proxy.draining", LOG_INT("signal", number),
              LOG_INT("connections", proxy_num_live(sidecar->proxy)),
              LOG_INT("limit_ms", sidecar->settings->drain_limit_ms),
              LOG_TEXT("until", options.until == DRAIN_UNTIL_IDLE ? "idle" : "sockets"));
    sidecar->drain =
        drain_start(&sidecar->home, sidecar->proxy, &options, sidecar_drained, sidecar);
}

static void sidecar_signalled(void *user, int number)
{
    struct sidecar *sidecar = user;

    if (number == SIGHUP) {
        access_sink_reopen(&sidecar->access);
        if (sidecar->mesh != NULL) {
            file_source_reload(sidecar->mesh);
        }
        if (sidecar->agent != NULL) {
            agent_hurry(sidecar->agent);
        }
        return;
    }
    if (sidecar->drain != NULL) {
        log_event(&sidecar->log, LOG_WARN, "proxy.drain-cut-short", LOG_INT("signal", number));
        sidecar_close(sidecar);
        return;
    }
    sidecar_drain(sidecar, number);
}

/* ---- the start, in order ---- */

static enum status sidecar_start_proxy(struct sidecar *sidecar, struct failure *why)
{
    struct proxy_options options = {
        .num_workers = sidecar->plan->num_workers,
        .transparent = sidecar->plan->transparent,
        .outbound = sidecar->plan->outbound,
        .inbound = sidecar->plan->inbound,
        .forwards = sidecar->plan->forwards,
        .num_forwards = sidecar->plan->num_forwards,
        .posture = sidecar->plan->posture,
        .lane = sidecar->plan->lane,
    };

    if (strcmp(sidecar->settings->access_log, "off") != 0) {
        TRY(access_sink_open(&sidecar->access, sidecar->settings->access_log, why));
        options.lane.access = &sidecar->access;
    }
    return proxy_start(&sidecar->home, &options, &sidecar->proxy, why);
}

static enum status sidecar_start_identity(struct sidecar *sidecar, struct failure *why)
{
    const struct proxy_settings *settings = sidecar->settings;
    struct agent_options agent = {
        .control_address = settings->control_address,
        .trust_domain = settings->trust_domain,
        .token_file = settings->token_file,
        .bundle_file = settings->bootstrap_bundle,
        .bundle_sha256 = settings->bundle_sha256,
    };
    struct files_options files = {
        .chain_file = settings->chain_file,
        .key_file = settings->key_file,
        .bundle_file = settings->bundle_file,
        .trust_domain = settings->trust_domain,
    };

    current_init(&sidecar->current);
    sidecar->follows_identity.changed = sidecar_identity_changed;
    sidecar->follows_identity.user = sidecar;
    current_subscribe(&sidecar->current, &sidecar->follows_identity);
    health_set(&sidecar->health, "certificate", HEALTH_NO, "none yet");
    if (sidecar->plan->from_files) {
        return files_start(&sidecar->home, &sidecar->current, &files, &sidecar->files, why);
    }
    return agent_start(&sidecar->home, &sidecar->current, &agent, &sidecar->agent, why);
}

static void sidecar_start_mesh(struct sidecar *sidecar)
{
    static const struct file_source_events events = {
        .loaded = sidecar_mesh_loaded,
        .refused = sidecar_mesh_refused,
        .closed = sidecar_one_closed,
    };

    if (sidecar->settings->mesh != NULL) {
        health_set(&sidecar->health, "policy", HEALTH_NO, "not loaded yet");
        sidecar->mesh =
            file_source_start(&sidecar->home.loop, sidecar->settings->mesh, &events, sidecar);
    }
    if (sidecar->plan->transparent) {
        health_set(&sidecar->health, "outbound-capture", HEALTH_NO, "the canary is on its way");
        health_set(&sidecar->health, "inbound-capture", HEALTH_UNPROVED,
                   "no captured connection yet; `signet-init check` proves it");
        sidecar->canary = canary_start(&sidecar->home, sidecar_canary_proved, sidecar);
    }
}

static void sidecar_fill_listeners(struct sidecar *sidecar)
{
    size_t count = sidecar->plan->num_forwards;

    sidecar->listeners = memory_make(count * sizeof *sidecar->listeners);
    for (size_t i = 0; i < count; i++) {
        const struct forward *forward = &sidecar->plan->forwards[i];
        char text[ADDRESS_TEXT_MAX];

        sidecar->listeners[i] = (struct admin_listener){
            .listen = memory_text(address_print(&forward->listen, text)),
            .forward = NULL,
            .direction = forward->inbound ? "inbound" : "outbound",
            .mode = MTLS_STRICT,
            .peer = forward->peer_id,
        };
        sidecar->listeners[i].forward = memory_text(address_print(&forward->to, text));
    }
}

static void sidecar_fill_sources(struct sidecar *sidecar)
{
    static const struct admin_library libraries[] = {{"libuv", SIDECAR_UV_VERSION}};

    sidecar_fill_listeners(sidecar);
    sidecar->sources = (struct admin_sources){
        .user = sidecar,
        .name = sidecar->settings->name,
        .workload = sidecar->settings->workload,
        .version = SIGNET_VERSION,
        .libraries = libraries,
        .num_libraries = sizeof libraries / sizeof libraries[0],
        .started_at = clock_unix_s(),
        .started_mono_ms = clock_mono_ms(),
        .drain_state = sidecar_drain_state,
        .health = &sidecar->health,
        .current = &sidecar->current,
        .agent_view = sidecar_agent_view,
        .files_refusal = sidecar_files_refusal,
        .snapshot = sidecar_snapshot,
        .mesh_failure = sidecar_mesh_failure,
        .mesh_warnings = &sidecar->mesh_warnings,
        .num_connections = sidecar_num_connections,
        .connections = sidecar_connections,
        .listeners = sidecar->listeners,
        .num_listeners = sidecar->plan->num_forwards,
        .settings = sidecar_settings_text,
        .setting_origin = sidecar_setting_origin,
    };
}

/* The folders above a unix socket: /run/signet and /run/signet/NAME. */
static enum status sidecar_make_folders(const char *socket_path, struct failure *why)
{
    char *path = memory_text(socket_path);
    enum status status = STATUS_OK;

    for (char *slash = strchr(path + 1, '/'); slash != NULL && status == STATUS_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST) {
            status = fail_os(why, errno, "settings/admin-address", "making the folder %s", path);
        }
        *slash = '/';
    }
    free(path);
    return status;
}

static enum status sidecar_start_web(struct sidecar *sidecar, struct failure *why)
{
    const char *address = sidecar->plan->admin_address;
    struct web_server_options admin = {.address = address,
                                       .routes = sidecar->admin_routes,
                                       .num_routes = PAGES_ROUTES,
                                       .local_host_only = true};
    struct scrape_options scrape = {.metrics_address = sidecar->settings->metrics_address,
                                    .health_address = sidecar->settings->health_address,
                                    .transparent = sidecar->plan->transparent,
                                    .health = &sidecar->health};

    sidecar_fill_sources(sidecar);
    pages_routes(&sidecar->sources, sidecar->admin_routes);
    if (address != NULL && strncmp(address, "unix:", 5) == 0) {
        TRY(sidecar_make_folders(address + 5, why));
    }
    if (address != NULL) {
        TRY(web_server_start(&sidecar->home, &admin, &sidecar->admin, why));
    }
    return scrape_start(&sidecar->scrape, &sidecar->home, &scrape, why);
}

static enum status sidecar_start_all(struct sidecar *sidecar, enum sidecar_exit *out_exit,
                                     struct failure *why)
{
    *out_exit = SIDECAR_EXIT_LISTEN;
    TRY(sidecar_start_proxy(sidecar, why));
    TRY(sidecar_start_web(sidecar, why));
    *out_exit = SIDECAR_EXIT_IDENTITY;
    TRY(sidecar_start_identity(sidecar, why));
    *out_exit = SIDECAR_EXIT_OK;
    sidecar_start_mesh(sidecar);
    return STATUS_OK;
}

static void sidecar_finish(struct sidecar *sidecar)
{
    worker_run_main(&sidecar->home);
    worker_clear(&sidecar->home);
    current_clear(&sidecar->current);
    warnings_clear(&sidecar->mesh_warnings);
    access_sink_close(&sidecar->access);
    for (size_t i = 0; sidecar->listeners != NULL && i < sidecar->plan->num_forwards; i++) {
        free((char *)sidecar->listeners[i].listen);
        free((char *)sidecar->listeners[i].forward);
    }
    free(sidecar->listeners);
    free(sidecar);
}

enum status sidecar_start(const struct sidecar_config *config, struct sidecar_plan *plan,
                          struct sidecar **out_sidecar, enum sidecar_exit *out_exit,
                          struct failure *why)
{
    const struct proxy_settings *settings = config->settings;
    struct sidecar *sidecar = memory_make(sizeof *sidecar);
    enum status status;

    sidecar->settings = settings;
    sidecar->plan = plan;
    sidecar->config = *config;
    log_init(&sidecar->log, "sidecar");
    current_init(&sidecar->current);
    memory_ledger_set_budget(plan->memory_budget);
    worker_init_main(&sidecar->home);
    signals_start(&sidecar->signals, &sidecar->home.loop, sidecar_signalled, sidecar);
    timer_init(&sidecar->tick, &sidecar->home.loop, sidecar_ticked, sidecar);
    status = sidecar_start_all(sidecar, out_exit, why);
    if (status != STATUS_OK) {
        sidecar_close(sidecar);
        sidecar_finish(sidecar);
        return status;
    }
    timer_start(&sidecar->tick, SIDECAR_TICK_MS, SIDECAR_TICK_MS);
    metrics_set_version(SIGNET_VERSION);
    metrics_gauge_set(METRIC_START_TIME, LABEL_NONE, LABEL_NONE, clock_unix_s());
    log_event(&sidecar->log, LOG_INFO, "proxy.started", LOG_TEXT("version", SIGNET_VERSION),
              LOG_TEXT("capture", settings->capture), LOG_INT("workers", plan->num_workers),
              LOG_TEXT("workload", settings->workload), LOG_TEXT("admin", plan->admin_address));
    *out_sidecar = sidecar;
    return STATUS_OK;
}

void sidecar_run(struct sidecar *sidecar)
{
    struct log log = sidecar->log;

    sidecar_finish(sidecar);
    log_event(&log, LOG_INFO, "proxy.stopped");
}
