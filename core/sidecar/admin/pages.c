/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/admin/pages.h"

#include <string.h>

#include "core/runtime/json/json.h"
#include "core/runtime/telemetry/log.h"
#include "core/sidecar/admin/pages_parts.h"

#define PAGES_SENTENCE_MAX ((size_t)4096)
#define PAGES_SETTINGS_MAX ((size_t)256 * 1024)

/* Connections on a page, unless asked otherwise; the most that may be asked for; the greatest cursor. */
#define PAGES_CONNECTIONS 256u
#define PAGES_CONNECTIONS_MAX 1024u
#define PAGES_CURSOR_MAX (((uint64_t)1 << 53) - 1)

void pages_routes(struct admin_sources *sources, struct web_route out_routes[PAGES_ROUTES])
{
    const struct web_route routes[PAGES_ROUTES] = {
        {"GET", "/status", pages_status, sources},
        {"GET", "/certs", pages_certs, sources},
        {"GET", "/connections", pages_connections, sources},
        {"GET", "/config", pages_config, sources},
        {"GET", "/policy", pages_policy, sources},
        {"GET", "/loglevel", pages_loglevel, sources},
        {"POST", "/loglevel", pages_set_loglevel, sources},
    };

    memcpy(out_routes, routes, sizeof routes);
}

void pages_end(struct json_writer *json, struct web_answer *answer)
{
    struct failure why = {0};

    if (json_writer_end(json, &why) != STATUS_OK) {
        web_answer_error(answer, STATUS_IO, &why); /* not the caller's fault: 500 */
    }
}

void pages_put_moment(struct json_writer *json, const char *name, int64_t at_s)
{
    if (at_s > 0) {
        json_put_int(json, name, at_s);
    } else {
        json_put_null(json, name);
    }
}

void pages_put_failure(struct json_writer *json, const char *name, const char *reason,
                       const char *detail)
{
    if (reason == NULL || reason[0] == '\0') {
        json_put_null(json, name);
        return;
    }
    json_open_object(json, name);
    json_put_text(json, "reason", reason);
    json_put_text(json, "detail", detail);
    json_close_object(json);
}

const struct snapshot_workload *pages_workload(const struct admin_sources *sources)
{
    const struct snapshot *snapshot =
        sources->snapshot == NULL ? NULL : sources->snapshot(sources->user);

    if (snapshot == NULL || sources->workload == NULL) {
        return NULL;
    }
    return snapshot_workload_find(snapshot, bytes_of(sources->workload));
}

/* Explicit listeners carry their own rule: the peer they were given. */
static enum status pages_access_of_listeners(const struct admin_sources *sources,
                                             struct buffer *out)
{
    for (size_t i = 0; i < sources->num_listeners; i++) {
        const struct admin_listener *listener = &sources->listeners[i];

        if (strcmp(listener->direction, "inbound") != 0) {
            continue;
        }
        TRY(buffer_add_format(out, "%s%s: %s may call", out->len == 0 ? "" : "; ", listener->listen,
                              listener->peer == NULL ? "every mesh identity" : listener->peer));
    }
    return STATUS_OK;
}

void pages_access(const struct admin_sources *sources, struct buffer *out)
{
    const struct snapshot_workload *workload = pages_workload(sources);
    enum status status;

    if (workload != NULL) {
        status = snapshot_describe_access(workload, out);
    } else if (sources->num_listeners > 0) {
        status = pages_access_of_listeners(sources, out);
    } else {
        status = buffer_add_text(out, "no mesh is loaded: nobody may call");
    }
    if (out->len > 0 && out->at[out->len - 1] == '\n') {
        out->len--;
    }
    /* A sentence that is too long keeps what fits and shows that more follows. */
    if (status != STATUS_OK) {
        (void)!buffer_add_text(out, "…");
    }
}

static void pages_put_declared_ports(struct json_writer *json,
                                     const struct snapshot_workload *workload)
{
    for (size_t i = 0; i < workload->num_ports; i++) {
        const struct snapshot_port *port = &workload->ports[i];

        json_open_object(json, NULL);
        json_put_uint(json, "port", port->port);
        json_put_text(json, "mode", mtls_mode_word(policy_mtls(workload->policy, port->port)));
        json_put_text(json, "mode_from", policy_mtls_source(workload->policy, port->port));
        json_put_text(json, "protocol", snapshot_protocol_word(port->protocol));
        json_close_object(json);
    }
}

/* The port of "127.0.0.1:8080", 0 when the text has none. */
static uint64_t pages_port_of(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    uint64_t port = 0;

    return colon != NULL && bytes_to_number(bytes_of(colon + 1), 65535, &port) ? port : 0;
}

void pages_put_ports(struct json_writer *json, const struct admin_sources *sources)
{
    const struct snapshot_workload *workload = pages_workload(sources);

    json_open_array(json, "ports");
    if (workload != NULL) {
        pages_put_declared_ports(json, workload);
    }
    for (size_t i = 0; i < sources->num_listeners; i++) {
        const struct admin_listener *listener = &sources->listeners[i];

        if (strcmp(listener->direction, "inbound") != 0) {
            continue;
        }
        json_open_object(json, NULL);
        json_put_uint(json, "port", pages_port_of(listener->listen));
        json_put_text(json, "mode", mtls_mode_word(listener->mode));
        json_put_text(json, "mode_from", "listener");
        json_put_text(json, "listen", listener->listen);
        json_put_text(json, "forward", listener->forward);
        json_put_text(json, "peer", listener->peer);
        json_close_object(json);
    }
    json_close_array(json);
}

static enum status pages_read_window(const struct web_request *request, uint64_t *out_from,
                                     uint64_t *out_most, struct failure *why)
{
    char text[24];

    *out_from = 0;
    *out_most = PAGES_CONNECTIONS;
    if (http_query_get(request->query, "from", text, sizeof text) &&
        !bytes_to_number(bytes_of(text), PAGES_CURSOR_MAX, out_from)) {
        return fail(why, STATUS_CONFIG, "connections/from",
                    "from is what the page before gave as \"next\"");
    }
    if (http_query_get(request->query, "most", text, sizeof text) &&
        (!bytes_to_number(bytes_of(text), PAGES_CONNECTIONS_MAX, out_most) || *out_most == 0)) {
        return fail(why, STATUS_CONFIG, "connections/most", "most is a number from 1 to %u",
                    PAGES_CONNECTIONS_MAX);
    }
    return STATUS_OK;
}

void pages_connections(void *user, const struct web_request *request, struct web_answer *answer)
{
    const struct admin_sources *sources = user;
    struct json_writer json = json_writer_to(&answer->body);
    struct failure why = {0};
    uint64_t from = 0;
    uint64_t most = 0;
    bool more = false;
    enum status status = pages_read_window(request, &from, &most, &why);

    if (status != STATUS_OK) {
        web_answer_error(answer, status, &why);
        return;
    }
    json_open_object(&json, NULL);
    json_put_text(&json, "name", sources->name);
    json_open_array(&json, "connections");
    if (sources->connections != NULL) {
        more = sources->connections(sources->user, from, most, &json, &from);
    }
    json_close_array(&json);
    if (more) {
        json_put_uint(&json, "next", from);
    } else {
        json_put_null(&json, "next");
    }
    json_close_object(&json);
    pages_end(&json, answer);
}

void pages_config(void *user, const struct web_request *request, struct web_answer *answer)
{
    const struct admin_sources *sources = user;
    struct json_writer json = json_writer_to(&answer->body);
    CLEARED(buffer) lines = {.max = PAGES_SETTINGS_MAX};
    struct failure why = {0};

    (void)request;
    if (sources->settings != NULL && sources->settings(sources->user, &lines) != STATUS_OK) {
        web_answer_error(
            answer, fail(&why, STATUS_LIMIT, "config/too-long", "more settings than fit"), &why);
        return;
    }
    json_open_object(&json, NULL);
    json_open_array(&json, "settings");
    for (struct bytes rest = buffer_bytes(&lines); rest.len > 0;) {
        struct bytes value = bytes_split(&rest, '\n');
        struct bytes name = bytes_split(&value, ':');

        if (name.len == 0) {
            continue;
        }
        json_open_object(&json, NULL);
        json_put_bytes(&json, "name", name);
        json_put_bytes(&json, "value", bytes_trim(value));
        json_put_text(
            &json, "origin",
            sources->setting_origin == NULL ? NULL : sources->setting_origin(sources->user, name));
        json_close_object(&json);
    }
    json_close_array(&json);
    json_close_object(&json);
    pages_end(&json, answer);
}

void pages_loglevel(void *user, const struct web_request *request, struct web_answer *answer)
{
    struct json_writer json = json_writer_to(&answer->body);
    CLEARED(buffer) levels = {.max = PAGES_SENTENCE_MAX};

    (void)user;
    (void)request;
    if (log_levels_print(&levels) != STATUS_OK) {
        struct failure why = {0};

        web_answer_error(answer, fail(&why, STATUS_LIMIT, "log/levels", "more areas than fit"),
                         &why);
        return;
    }
    json_open_object(&json, NULL);
    json_put_bytes(&json, "levels", buffer_bytes(&levels));
    json_close_object(&json);
    pages_end(&json, answer);
}

static enum status pages_read_levels(struct bytes body, char *out_text, size_t room,
                                     struct failure *why)
{
    static const char *const known[] = {"levels"};
    OWNED(json_value) *top = NULL;
    struct bytes levels;

    TRY(json_read(body, WEB_BODY_MAX, &top, why));
    TRY(json_refuse_unknown(top, known, 1, why));
    TRY(json_get_text(top, "levels", room - 1, &levels, why));
    memcpy(out_text, levels.at, levels.len);
    out_text[levels.len] = '\0';
    return STATUS_OK;
}

void pages_set_loglevel(void *user, const struct web_request *request, struct web_answer *answer)
{
    struct failure why = {0};
    char levels[512];
    struct log log;
    enum status status = pages_read_levels(request->body, levels, sizeof levels, &why);

    if (status == STATUS_OK) {
        status = log_set_levels(levels, &why);
    }
    if (status != STATUS_OK) {
        web_answer_error(answer, status, &why);
        return;
    }
    log_init(&log, "admin");
    log_event(&log, LOG_INFO, "log.levels-set", LOG_TEXT("levels", levels),
              LOG_INT("uid", request->is_unix ? (int64_t)request->peer_uid : -1));
    pages_loglevel(user, request, answer);
}
