/* SPDX-License-Identifier: Apache-2.0 */
/* GET /status: the one page that says whether something is wrong, and what. */
#include <stdio.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/sidecar/admin/pages.h"
#include "core/sidecar/admin/pages_parts.h"

#define PAGES_SENTENCE_MAX ((size_t)4096)

/* Resident memory in bytes: the second number of /proc/self/statm, in pages. 0 when it cannot be read. */
static uint64_t pages_resident_bytes(void)
{
    unsigned long long whole, resident = 0;
    long page = sysconf(_SC_PAGESIZE);
    FILE *statm = fopen("/proc/self/statm", "re");

    if (statm == NULL) {
        return 0;
    }
    if (fscanf(statm, "%llu %llu", &whole, &resident) != 2) {
        resident = 0;
    }
    (void)fclose(statm);
    return page > 0 ? resident * (uint64_t)page : 0;
}

static void pages_put_conditions(struct json_writer *json, const struct health *health)
{
    json_open_array(json, "conditions");
    for (unsigned i = 0; health != NULL && i < health->num_conditions; i++) {
        const struct health_condition *condition = &health->conditions[i];

        json_open_object(json, NULL);
        json_put_text(json, "name", condition->name);
        json_put_text(json, "value", health_value_word(condition->value));
        json_put_text(json, "text", condition->text);
        json_close_object(json);
    }
    json_close_array(json);
}

static void pages_put_warnings(struct json_writer *json, const struct warnings *warnings)
{
    json_open_array(json, "warnings");
    for (size_t i = 0; warnings != NULL && i < warnings->count; i++) {
        json_put_text(json, NULL, warnings->lines[i]);
    }
    json_close_array(json);
    json_put_uint(json, "warnings_left_out", warnings == NULL ? 0 : warnings->left_out);
}

static void pages_put_mesh(struct json_writer *json, const struct admin_sources *sources)
{
    const struct snapshot *snapshot;
    const struct failure *failure;
    size_t num_workloads = 0;

    if (sources->snapshot == NULL) {
        json_put_null(json, "mesh");
        return;
    }
    snapshot = sources->snapshot(sources->user);
    failure = sources->mesh_failure == NULL ? NULL : sources->mesh_failure(sources->user);
    if (snapshot != NULL) {
        (void)snapshot_workloads(snapshot, &num_workloads);
    }
    json_open_object(json, "mesh");
    json_put_uint(json, "generation", snapshot == NULL ? 0 : snapshot_generation(snapshot));
    json_put_uint(json, "workloads", num_workloads);
    json_put_uint(json, "policies", snapshot == NULL ? 0 : snapshot_num_policies(snapshot));
    pages_put_failure(json, "last_error", failure == NULL ? NULL : failure->reason,
                      failure == NULL ? NULL : failure->detail);
    pages_put_warnings(json, sources->mesh_warnings);
    json_close_object(json);
}

static void pages_put_skew(struct json_writer *json, const struct agent_view *view)
{
    if (view->skew_known) {
        json_put_int(json, "skew_ms", view->skew_ms);
    } else {
        json_put_null(json, "skew_ms");
    }
}

/* A certificate that waits for its time, because by our clock it is not valid yet. */
static void pages_put_kept(struct json_writer *json, const struct agent_view *view)
{
    if (view->kept_serial[0] == '\0') {
        json_put_null(json, "kept");
        return;
    }
    json_open_object(json, "kept");
    json_put_text(json, "serial", view->kept_serial);
    pages_put_moment(json, "begins_at", view->kept_begins_at);
    json_close_object(json);
}

static void pages_put_agent(struct json_writer *json, const struct admin_sources *sources)
{
    struct agent_view view = {0};

    if (sources->agent_view == NULL || !sources->agent_view(sources->user, &view)) {
        json_put_null(json, "agent");
        return;
    }
    json_open_object(json, "agent");
    json_put_text(json, "state", view.state);
    json_put_text(json, "method", view.method);
    json_put_text(json, "serial", view.serial);
    pages_put_moment(json, "issued_at", view.issued_at);
    pages_put_moment(json, "next_renewal", view.next_renewal);
    pages_put_moment(json, "not_after", view.not_after);
    pages_put_kept(json, &view);
    json_put_int(json, "outage_budget_s", view.outage_budget_s);
    json_put_int(json, "next_attempt_ms", view.next_attempt_ms);
    json_put_uint(json, "attempts", view.attempts);
    json_put_uint(json, "issued", view.issued);
    json_put_uint(json, "failures", view.failures);
    pages_put_failure(json, "last_error", view.last_error_reason, view.last_error_detail);
    pages_put_moment(json, "last_error_at", view.last_error_at);
    pages_put_skew(json, &view);
    json_put_uint(json, "bundle_sequence", view.bundle_sequence);
    json_close_object(json);
}

static void pages_put_identity(struct json_writer *json, const struct admin_sources *sources)
{
    struct identity_set *set = sources->current == NULL ? NULL : current_get(sources->current);

    if (set == NULL) {
        json_put_null(json, "identity");
    } else {
        json_put_bytes(json, "identity", spiffe_id_text(svid_id(identity_set_svid(set))));
    }
    json_put_uint(json, "identity_generation", set == NULL ? 0 : identity_set_generation(set));
}

static void pages_put_process(struct json_writer *json, const struct admin_sources *sources)
{
    json_put_text(json, "version", sources->version);
    json_open_object(json, "libraries");
    for (size_t i = 0; i < sources->num_libraries; i++) {
        json_put_text(json, sources->libraries[i].name, sources->libraries[i].version);
    }
    json_close_object(json);
    json_put_int(json, "pid", getpid());
    pages_put_moment(json, "started_at", sources->started_at);
    json_put_uint(json, "uptime_ms", clock_mono_ms() - sources->started_mono_ms);
    json_put_uint(json, "rss_bytes", pages_resident_bytes());
}

void pages_status(void *user, const struct web_request *request, struct web_answer *answer)
{
    const struct admin_sources *sources = user;
    struct json_writer json = json_writer_to(&answer->body);
    CLEARED(buffer) sentence = {.max = PAGES_SENTENCE_MAX};

    (void)request;
    pages_access(sources, &sentence);
    json_open_object(&json, NULL);
    json_put_text(&json, "program", "signet-proxy");
    json_put_text(&json, "name", sources->name);
    json_put_text(&json, "workload", sources->workload);
    pages_put_identity(&json, sources);
    json_put_bool(&json, "ready", sources->health != NULL && health_is_ready(sources->health));
    pages_put_conditions(&json, sources->health);
    pages_put_mesh(&json, sources);
    json_put_bytes(&json, "policy", buffer_bytes(&sentence));
    pages_put_ports(&json, sources);
    pages_put_agent(&json, sources);
    json_put_text(&json, "drain",
                  sources->drain_state == NULL ? NULL : sources->drain_state(sources->user));
    json_put_uint(&json, "connections",
                  sources->num_connections == NULL ? 0 : sources->num_connections(sources->user));
    pages_put_process(&json, sources);
    json_close_object(&json);
    pages_end(&json, answer);
}
