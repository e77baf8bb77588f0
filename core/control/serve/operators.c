/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/operators.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/control/registry/instance.h"
#include "core/control/serve/operators_parts.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/json/json.h"
#include "core/runtime/json/writer.h"
#include "core/runtime/telemetry/metrics.h"

/* One operation: what it answers goes into `answer`, which is JSON unless it says otherwise. */
struct operators_operation {
    const char *name; /* in logs */
    const char *method;
    const char *path;
    enum status (*run)(struct operators *operators, const struct web_request *request,
                       struct web_answer *answer, struct failure *why);
};

enum status operators_check_caller(const struct web_request *request, struct failure *why)
{
    if (!request->is_unix) {
        return fail(why, STATUS_DENIED, "admin/not-local",
                    "operations are for callers on a unix socket, whom the kernel names");
    }
    if (request->peer_uid != 0 && request->peer_uid != geteuid()) {
        return fail(why, STATUS_DENIED, "admin/uid", "user %u is neither root nor ours (%u)",
                    (unsigned)request->peer_uid, (unsigned)geteuid());
    }
    return STATUS_OK;
}

/* Adds a counted walk to an open JSON array. */
struct operators_walk {
    struct json_writer *json;
    struct operators *operators;
    int64_t now;
    size_t count;
    struct entry *entries; /* owned: counting instances reads the store, which a walk may not */
};

static enum status operators_collect_entry(void *user, const struct entry *entry,
                                           struct failure *why)
{
    struct operators_walk *walk = user;

    (void)why;
    walk->entries = memory_grow(walk->entries, (walk->count + 1) * sizeof *walk->entries);
    walk->entries[walk->count++] = *entry;
    return STATUS_OK;
}

static enum status operators_put_entry(struct operators_walk *walk, const struct entry *entry,
                                       struct failure *why)
{
    size_t instances = 0;

    TRY(instance_count(walk->operators->view.issuer.registry->store, entry->name, walk->now,
                       &instances, why));
    json_open_object(walk->json, NULL);
    json_put_text(walk->json, "name", entry->name);
    json_put_text(walk->json, "spiffe_id", entry->spiffe_id.text);
    json_put_text(walk->json, "description", entry->description);
    json_put_uint(walk->json, "max_life_s", entry->max_life_s);
    json_put_uint(walk->json, "max_instances", entry->max_instances);
    json_put_uint(walk->json, "instances", instances);
    json_put_int(walk->json, "created_at", entry->created_at);
    json_put_text(walk->json, "source", entry->source == ENTRY_OF_FILE ? "file" : "operator");
    json_close_object(walk->json);
    return STATUS_OK;
}

static enum status operators_entries(struct operators *operators, const struct web_request *request,
                                     struct web_answer *answer, struct failure *why)
{
    struct json_writer json = json_writer_to(&answer->body);
    struct operators_walk walk = {.json = &json, .operators = operators, .now = clock_unix_s()};
    enum status status =
        entry_list(operators->view.issuer.registry, operators_collect_entry, &walk, why);

    (void)request;
    json_open_object(&json, NULL);
    json_open_array(&json, "entries");
    for (size_t i = 0; status == STATUS_OK && i < walk.count; i++) {
        status = operators_put_entry(&walk, &walk.entries[i], why);
    }
    json_close_array(&json);
    json_close_object(&json);
    free(walk.entries);
    return status == STATUS_OK ? json_writer_end(&json, why) : status;
}

enum status operators_optional_number(const struct json_value *object, const char *name,
                                      int64_t max, int64_t *out_number, struct failure *why)
{
    enum status status = json_get_number(object, name, 1, max, out_number, why);

    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status operators_need_text(const struct json_value *object, const char *name, size_t max_len,
                                struct bytes *out_text, struct failure *why)
{
    enum status status = json_get_text(object, name, max_len, out_text, why);

    return status == STATUS_NOT_FOUND ? STATUS_CONFIG : status;
}

static enum status operators_read_entry(struct operators *operators, const struct json_value *top,
                                        struct entry *out_entry, struct failure *why)
{
    static const char *const known[] = {"name", "spiffe_id", "description", "max_life_s",
                                        "max_instances"};
    struct bytes name;
    struct bytes id;
    struct bytes description = {0};
    int64_t life_s = 0;
    int64_t instances = 0;
    struct failure inner = {0};
    enum status status;

    TRY(json_refuse_unknown(top, known, sizeof known / sizeof known[0], why));
    TRY(operators_need_text(top, "name", ENTRY_NAME_MAX, &name, why));
    TRY(operators_need_text(top, "spiffe_id", SPIFFE_ID_MAX, &id, why));
    status = json_get_text(top, "description", ENTRY_DESCRIPTION_MAX, &description, why);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    TRY(operators_optional_number(top, "max_life_s", ENTRY_LIFE_MAX_S, &life_s, why));
    TRY(operators_optional_number(top, "max_instances", ENTRY_INSTANCES_MAX, &instances, why));
    TRY(entry_make(operators->view.issuer.registry, name, id, description, out_entry, why));
    if (entry_set_life(operators->view.issuer.registry, out_entry, life_s, &inner) != STATUS_OK) {
        return fail(why, STATUS_CONFIG, inner.reason, "max_life_s (--life): %s", inner.detail);
    }
    out_entry->max_instances = (uint32_t)instances;
    out_entry->created_at = clock_unix_s();
    return STATUS_OK;
}

enum status operators_answer_done(struct web_answer *answer, const char *name, struct bytes value,
                                  struct failure *why)
{
    struct json_writer json = json_writer_to(&answer->body);

    json_open_object(&json, NULL);
    json_put_bytes(&json, name, value);
    json_close_object(&json);
    return json_writer_end(&json, why);
}

static enum status operators_add_entry(struct operators *operators,
                                       const struct web_request *request, struct web_answer *answer,
                                       struct failure *why)
{
    OWNED(json_value) *top = NULL;
    struct entry entry;

    TRY(json_read(request->body, OPERATORS_BODY_MAX, &top, why));
    TRY(operators_read_entry(operators, top, &entry, why));
    TRY(entry_add(operators->view.issuer.registry, &entry, why));
    log_event(&operators->log, LOG_INFO, "entry.added", LOG_TEXT("entry", entry.name),
              LOG_TEXT("id", entry.spiffe_id.text));
    return operators_answer_done(answer, "added", bytes_of(entry.name), why);
}

static enum status operators_remove_entry(struct operators *operators,
                                          const struct web_request *request,
                                          struct web_answer *answer, struct failure *why)
{
    TRY(entry_remove(operators->view.issuer.registry, request->rest, why));
    log_event(&operators->log, LOG_INFO, "entry.removed", LOG_BYTES("entry", request->rest));
    return operators_answer_done(answer, "removed", request->rest, why);
}

/* Null while it can be written, else why not. */
static void operators_put_store(struct json_writer *json, const struct store *store)
{
    const struct failure *refusal = store_refusal(store);
    char text[2 * FAILURE_DETAIL_MAX];

    if (refusal == NULL) {
        json_put_null(json, "store_refusal");
        return;
    }
    (void)snprintf(text, sizeof text, "%s: %s", refusal->reason, refusal->detail);
    json_put_text(json, "store_refusal", text);
}

/* Whether the wall clock may be believed, and its last jump; no members of a jump while there was none. */
static void operators_put_clock(struct json_writer *json, const struct authority *authority)
{
    const struct steady *steady = authority_steady(authority);
    struct steady_now now = {.unix_ms = clock_unix_ms(), .boot_ms = clock_boot_ms()};

    json_put_uint(json, "clock_steady_s", steady_for_ms(steady, now) / 1000);
    if (steady->num_steps > 0) {
        json_put_int(json, "clock_stepped_ms", steady->stepped_ms);
        json_put_int(json, "clock_stepped_at", steady->stepped_at);
    }
}

static enum status operators_status(struct operators *operators, const struct web_request *request,
                                    struct web_answer *answer, struct failure *why)
{
    const struct operators_view *view = &operators->view;
    const struct authority *authority = view->issuer.authority;
    const struct authority_lives *lives = authority_lives(authority);
    struct operators_open open = {.now = clock_unix_s()};
    struct json_writer json = json_writer_to(&answer->body);
    size_t entries = 0;

    (void)request;
    TRY(entry_count(view->issuer.registry, &entries, why));
    TRY(operators_count_open(view->issuer.registry, &open, why));
    json_open_object(&json, NULL);
    json_put_text(&json, "program", "signet-control");
    json_put_text(&json, "version", view->version);
    json_put_text(&json, "trust_domain", view->issuer.registry->trust_domain);
    json_put_text(&json, "id", view->issuer.registry->own.text);
    json_put_int(&json, "pid", getpid());
    json_put_int(&json, "now", open.now);
    json_put_int(&json, "started_at", view->started_at);
    json_put_uint(&json, "entries", entries);
    json_put_uint(&json, "open_tokens", open.tokens);
    json_put_uint(&json, "open_token_uses", open.uses);
    operators_put_store(&json, view->issuer.registry->store);
    json_put_int(&json, "issued",
                 metrics_read(METRIC_ISSUED, LABEL_BOOTSTRAP, LABEL_OK) +
                     metrics_read(METRIC_ISSUED, LABEL_RENEW, LABEL_OK));
    json_put_int(&json, "refused",
                 metrics_read(METRIC_ISSUED, LABEL_BOOTSTRAP, LABEL_REFUSED) +
                     metrics_read(METRIC_ISSUED, LABEL_RENEW, LABEL_REFUSED));
    json_put_bool(&json, "demo_lifetimes", view->demo_lifetimes);
    json_put_int(&json, "leaf_life_s", lives->leaf_s);
    json_put_int(&json, "intermediate_life_s", lives->intermediate_s);
    operators_put_clock(&json, authority);
    json_put_int(&json, "root_not_after", authority_root_ends_at(authority));
    json_put_int(&json, "intermediate_not_after", authority_intermediate_ends_at(authority));
    json_put_int(&json, "intermediate_renew_at", authority_renews_at(authority));
    json_close_object(&json);
    return json_writer_end(&json, why);
}

static void operators_put_certificate(struct json_writer *json, const char *what,
                                      const struct certificate *certificate)
{
    char serial[CERTIFICATE_SERIAL_HEX];
    char issuer[CERTIFICATE_KEY_ID_HEX];

    certificate_serial_hex(certificate, serial);
    certificate_issuer_hex(certificate, issuer);
    json_open_object(json, NULL);
    json_put_text(json, "what", what);
    json_put_bytes(json, "id", certificate->uri);
    json_put_text(json, "serial", serial);
    json_put_text(json, "issuer_key", issuer);
    json_put_int(json, "not_before", certificate->not_before);
    json_put_int(json, "not_after", certificate->not_after);
    json_close_object(json);
}

/* The root and each intermediate that is kept, with the file it lies in. */
static void operators_put_links(struct json_writer *json, const struct authority *authority)
{
    static const char *const states[] = {[AUTHORITY_LINK_VALID] = "valid",
                                         [AUTHORITY_LINK_AHEAD] = "ahead",
                                         [AUTHORITY_LINK_ENDED] = "ended"};
    struct authority_view views[1 + AUTHORITY_LINKS_MAX];
    size_t num_views = authority_views(authority, clock_unix_s(), views);

    json_open_array(json, "authority");
    for (size_t i = 0; i < num_views; i++) {
        json_open_object(json, NULL);
        json_put_text(json, "file", views[i].file);
        json_put_text(json, "serial", views[i].serial_hex);
        json_put_int(json, "not_before", views[i].not_before);
        json_put_int(json, "not_after", views[i].not_after);
        json_put_text(json, "state", states[views[i].state]);
        json_put_bool(json, "signs", views[i].signs);
        json_close_object(json);
    }
    json_close_array(json);
}

static enum status operators_certs(struct operators *operators, const struct web_request *request,
                                   struct web_answer *answer, struct failure *why)
{
    const struct bundle *bundle = authority_bundle(operators->view.issuer.authority);
    const struct bundle_domain *domain = bundle_domain(bundle, 0);
    const struct svid *own = identity_set_svid(own_identity_set(operators->view.own));
    struct json_writer json = json_writer_to(&answer->body);

    (void)request;
    json_open_object(&json, NULL);
    json_put_bytes(&json, "trust_domain", bundle_domain_name(domain));
    json_put_uint(&json, "bundle_sequence", bundle_sequence(bundle));
    json_open_array(&json, "roots");
    for (size_t i = 0; i < bundle_num_roots(domain); i++) {
        char hex[2 * BUNDLE_SHA256_LEN + 1];

        bytes_to_hex(bytes_make(bundle_root_sha256(domain, i), BUNDLE_SHA256_LEN), hex);
        json_open_object(&json, NULL);
        json_put_text(&json, "sha256", hex);
        json_put_int(&json, "not_before", bundle_root(domain, i)->not_before);
        json_put_int(&json, "not_after", bundle_root(domain, i)->not_after);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_put_text(&json, "id", svid_id(own)->text);
    json_put_int(&json, "not_after", svid_expires_at(own));
    json_put_int(&json, "renew_at", own_identity_renews_at(operators->view.own));
    json_open_array(&json, "chain");
    for (size_t i = 0; i < svid_num_certs(own); i++) {
        operators_put_certificate(&json, i == 0 ? "leaf" : "intermediate",
                                  svid_certificate(own, i));
    }
    json_close_array(&json);
    operators_put_links(&json, operators->view.issuer.authority);
    json_close_object(&json);
    return json_writer_end(&json, why);
}

static enum status operators_bundle(struct operators *operators, const struct web_request *request,
                                    struct web_answer *answer, struct failure *why)
{
    const struct bundle *bundle = authority_bundle(operators->view.issuer.authority);

    (void)request;
    answer->content_type = "application/x-pem-file";
    if (bundle_pem(bundle_domain(bundle, 0), &answer->body) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "admin/too-long", "the bundle passes the answer's bound");
    }
    return STATUS_OK;
}

static enum status operators_config(struct operators *operators, const struct web_request *request,
                                    struct web_answer *answer, struct failure *why)
{
    (void)request;
    answer->content_type = "text/plain; charset=utf-8";
    if (buffer_add(&answer->body, operators->view.config_text) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "admin/too-long", "the settings pass the answer's bound");
    }
    return STATUS_OK;
}

static enum status operators_levels(struct operators *operators, const struct web_request *request,
                                    struct web_answer *answer, struct failure *why)
{
    CLEARED(buffer) levels = {.max = LOG_LINE_MAX};

    (void)operators;
    (void)request;
    if (log_levels_print(&levels) != STATUS_OK) {
        return fail(why, STATUS_LIMIT, "admin/too-long", "the levels pass the answer's bound");
    }
    return operators_answer_done(answer, "levels", buffer_bytes(&levels), why);
}

static enum status operators_set_levels(struct operators *operators,
                                        const struct web_request *request,
                                        struct web_answer *answer, struct failure *why)
{
    static const char *const known[] = {"levels"};
    OWNED(json_value) *top = NULL;
    struct bytes given;
    char *levels;
    enum status status;

    TRY(json_read(request->body, OPERATORS_BODY_MAX, &top, why));
    TRY(json_refuse_unknown(top, known, 1, why));
    TRY(operators_need_text(top, "levels", 1024, &given, why));
    levels = bytes_text(given);
    status = log_set_levels(levels, why);
    free(levels);
    TRY(status);
    log_event(&operators->log, LOG_INFO, "log.levels-set", LOG_BYTES("levels", given));
    return operators_levels(operators, request, answer, why);
}

static const struct operators_operation operators_table[OPERATORS_OPERATIONS] = {
    {"status", "GET", "/status", operators_status},
    {"entry-list", "GET", "/entries", operators_entries},
    {"entry-add", "POST", "/entries", operators_add_entry},
    {"entry-remove", "DELETE",
     "/entries/"
     "*",
     operators_remove_entry},
    {"token-list", "GET", "/tokens", operators_list_tokens},
    {"token-create", "POST", "/tokens", operators_create_token},
    {"token-revoke", "DELETE",
     "/tokens/"
     "*",
     operators_revoke_token},
    {"certs", "GET", "/certs", operators_certs},
    {"bundle", "GET", "/bundle", operators_bundle},
    {"config", "GET", "/config", operators_config},
    {"loglevel", "GET", "/loglevel", operators_levels},
    {"loglevel-set", "POST", "/loglevel", operators_set_levels},
};

/* The way of every operation: who asks, then what; a refusal is logged here and nowhere else. */
static void operators_respond(void *user, const struct web_request *request,
                              struct web_answer *answer)
{
    const struct operators_route *route = user;
    struct failure why = {0};
    enum status status = operators_check_caller(request, &why);

    if (status == STATUS_OK) {
        status = route->operation->run(route->operators, request, answer, &why);
    }
    metrics_add_reason(0, METRIC_ADMIN_REQUESTS,
                       status == STATUS_OK   ? LABEL_OK
                       : status == STATUS_IO ? LABEL_FAILED
                                             : LABEL_REFUSED,
                       LABEL_NONE, why.reason, 1);
    if (status == STATUS_OK) {
        return;
    }
    log_event(&route->operators->log, LOG_WARN, "operation.refused",
              LOG_TEXT("operation", route->operation->name), LOG_INT("uid", request->peer_uid),
              LOG_INT("pid", request->peer_pid), LOG_FAILURE(&why));
    buffer_reset(&answer->body);
    answer->content_type = "application/json";
    web_answer_error(answer, status, &why);
}

void operators_init(struct operators *operators, const struct operators_view *view)
{
    log_init(&operators->log, "control");
    operators->view = *view;
    for (size_t i = 0; i < OPERATORS_OPERATIONS; i++) {
        operators->bindings[i] = (struct operators_route){operators, &operators_table[i]};
        operators->routes[i] =
            (struct web_route){operators_table[i].method, operators_table[i].path,
                               operators_respond, &operators->bindings[i]};
    }
}
