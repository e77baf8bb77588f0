/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/replies.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/signet/doors.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/base/memory.h"

#define REPLY_NUMBER_MAX INT64_C(9007199254740991) /* what every JSON reader holds exactly */

/* A text that may be missing or null: then it stays empty. */
static enum status reply_maybe_text(const struct json_value *object, const char *name,
                                    struct bytes *out_text, struct failure *why)
{
    enum status status = json_get_text(object, name, REPLY_TEXT_MAX, out_text, why);

    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* A number that may be missing or null: then it stays as it was. */
static enum status reply_maybe_number(const struct json_value *object, const char *name,
                                      int64_t *out_number, struct failure *why)
{
    enum status status =
        json_get_number(object, name, -REPLY_NUMBER_MAX, REPLY_NUMBER_MAX, out_number, why);

    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status reply_maybe_object(const struct json_value *object, const char *name,
                                      const struct json_value **out_object, struct failure *why)
{
    enum status status = json_get_object(object, name, out_object, why);

    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status reply_maybe_array(const struct json_value *object, const char *name,
                                     const struct json_value **out_array, struct failure *why)
{
    enum status status = json_get_array(object, name, out_array, why);

    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* An amount that a table needs: a whole number, not negative. */
static enum status reply_amount(const struct json_value *object, const char *name,
                                int64_t *out_number, struct failure *why)
{
    return json_get_number(object, name, 0, REPLY_NUMBER_MAX, out_number, why);
}

/* "last_error": {"reason": …, "detail": …} or null: of the agent, of the mesh. */
static enum status reply_error(const struct json_value *object, struct bytes *out_reason,
                               struct bytes *out_detail, struct failure *why)
{
    const struct json_value *error = NULL;

    TRY(reply_maybe_object(object, "last_error", &error, why));
    if (error == NULL) {
        return STATUS_OK;
    }
    TRY(json_get_text(error, "reason", REPLY_TEXT_MAX, out_reason, why));
    return reply_maybe_text(error, "detail", out_detail, why);
}

static enum status reply_status_agent(const struct json_value *top, struct reply_status *out,
                                      struct failure *why)
{
    const struct json_value *agent = NULL;
    int64_t failures = 1; /* since the last success; a program that does not say may have some */

    TRY(reply_maybe_object(top, "agent", &agent, why));
    if (agent == NULL) {
        return STATUS_OK;
    }
    TRY(reply_maybe_text(agent, "state", &out->agent_state, why));
    TRY(reply_maybe_number(agent, "next_renewal", &out->next_renewal, why));
    TRY(reply_maybe_number(agent, "not_after", &out->not_after, why));
    TRY(reply_maybe_number(agent, "outage_budget_s", &out->outage_budget_s, why));
    TRY(reply_maybe_number(agent, "failures", &failures, why));
    /* An error from before the last success is history, and no state. */
    return failures == 0 ? STATUS_OK
                         : reply_error(agent, &out->error_reason, &out->error_detail, why);
}

static enum status reply_status_mesh(const struct json_value *top, struct reply_status *out,
                                     struct failure *why)
{
    const struct json_value *mesh = NULL;

    TRY(reply_maybe_object(top, "mesh", &mesh, why));
    if (mesh == NULL) {
        return STATUS_OK;
    }
    TRY(reply_error(mesh, &out->mesh_reason, &out->mesh_detail, why));
    return reply_maybe_array(mesh, "warnings", &out->warnings, why);
}

static enum status reply_status_fill(struct reply_status *out, struct failure *why)
{
    const struct json_value *top = out->document;

    TRY(reply_maybe_text(top, "name", &out->name, why));
    TRY(json_get_bool(top, "ready", &out->ready, why));
    TRY(json_get_array(top, "conditions", &out->conditions, why));
    TRY(json_get_text(top, "policy", REPLY_TEXT_MAX, &out->policy, why));
    TRY(reply_amount(top, "connections", &out->connections, why));
    TRY(reply_maybe_text(top, "workload", &out->workload, why));
    TRY(reply_maybe_text(top, "identity", &out->identity, why));
    TRY(reply_maybe_text(top, "drain", &out->drain, why));
    TRY(reply_maybe_number(top, "rss_bytes", &out->rss_bytes, why));
    TRY(reply_maybe_number(top, "started_at", &out->started_at, why));
    TRY(reply_maybe_array(top, "ports", &out->ports, why));
    TRY(reply_status_mesh(top, out, why));
    return reply_status_agent(top, out, why);
}

enum status reply_status_parse(struct bytes body, struct reply_status *out_status,
                               struct failure *why)
{
    CLEARED(reply_status) status = {.outage_budget_s = -1};

    TRY(json_read(body, DOORS_REPLY_MAX, &status.document, why));
    TRY(reply_status_fill(&status, why));
    *out_status = status;
    status.document = NULL;
    return STATUS_OK;
}

void reply_status_clear(struct reply_status *status)
{
    json_value_drop(&status->document);
    *status = (struct reply_status){0};
}

static enum status reply_certs_fill(struct reply_certs *out, struct failure *why)
{
    const struct json_value *top = out->document;

    TRY(json_get_array(top, "chain", &out->chain, why));
    TRY(json_get_array(top, "roots", &out->roots, why));
    TRY(reply_maybe_text(top, "identity", &out->identity, why));
    TRY(reply_maybe_text(top, "source", &out->source, why));
    TRY(reply_maybe_number(top, "next_renewal", &out->next_renewal, why));
    TRY(reply_maybe_number(top, "outage_budget_s", &out->outage_budget_s, why));
    return reply_error(top, &out->error_reason, &out->error_detail, why);
}

enum status reply_certs_parse(struct bytes body, struct reply_certs *out_certs, struct failure *why)
{
    CLEARED(reply_certs) certs = {.outage_budget_s = -1};

    TRY(json_read(body, DOORS_REPLY_MAX, &certs.document, why));
    TRY(reply_certs_fill(&certs, why));
    *out_certs = certs;
    certs.document = NULL;
    return STATUS_OK;
}

void reply_certs_clear(struct reply_certs *certs)
{
    json_value_drop(&certs->document);
    *certs = (struct reply_certs){0};
}

static enum status reply_need_object(const struct json_value *object, struct failure *why)
{
    return object != NULL
               ? STATUS_OK
               : fail(why, STATUS_PROTOCOL, "json/type", "an item of the reply is missing");
}

enum status reply_certificate_parse(const struct json_value *object,
                                    struct reply_certificate *out_certificate, struct failure *why)
{
    struct reply_certificate certificate = {0};

    TRY(reply_need_object(object, why));
    TRY(json_get_number(object, "not_before", INT64_MIN, INT64_MAX, &certificate.not_before, why));
    TRY(json_get_number(object, "not_after", INT64_MIN, INT64_MAX, &certificate.not_after, why));
    TRY(reply_maybe_text(object, "uri", &certificate.uri, why));
    TRY(reply_maybe_text(object, "subject", &certificate.subject, why));
    TRY(reply_maybe_text(object, "serial", &certificate.serial, why));
    TRY(reply_maybe_text(object, "issuer_key_id", &certificate.issuer_key_id, why));
    TRY(reply_maybe_text(object, "sha256", &certificate.sha256, why));
    TRY(reply_maybe_text(object, "trust_domain", &certificate.trust_domain, why));
    *out_certificate = certificate;
    return STATUS_OK;
}

enum status reply_condition_parse(const struct json_value *object,
                                  struct reply_condition *out_condition, struct failure *why)
{
    struct reply_condition condition = {0};

    TRY(reply_need_object(object, why));
    TRY(json_get_text(object, "name", REPLY_TEXT_MAX, &condition.name, why));
    TRY(json_get_text(object, "value", REPLY_TEXT_MAX, &condition.value, why));
    TRY(reply_maybe_text(object, "text", &condition.text, why));
    *out_condition = condition;
    return STATUS_OK;
}

enum status reply_connection_parse(const struct json_value *object,
                                   struct reply_connection *out_connection, struct failure *why)
{
    struct reply_connection connection = {0};

    TRY(reply_need_object(object, why));
    TRY(reply_amount(object, "id", &connection.id, why));
    TRY(json_get_text(object, "direction", REPLY_TEXT_MAX, &connection.direction, why));
    TRY(json_get_text(object, "state", REPLY_TEXT_MAX, &connection.state, why));
    TRY(reply_amount(object, "state_ms", &connection.state_ms, why));
    TRY(reply_amount(object, "age_ms", &connection.age_ms, why));
    TRY(reply_amount(object, "sent_bytes", &connection.sent_bytes, why));
    TRY(reply_amount(object, "received_bytes", &connection.received_bytes, why));
    TRY(reply_maybe_text(object, "transport", &connection.transport, why));
    TRY(reply_maybe_text(object, "peer", &connection.peer, why));
    TRY(reply_maybe_text(object, "destination", &connection.destination, why));
    TRY(reply_maybe_text(object, "local_identity", &connection.local_identity, why));
    TRY(reply_maybe_text(object, "peer_identity", &connection.peer_identity, why));
    TRY(reply_maybe_text(object, "reason", &connection.reason, why));
    TRY(reply_maybe_text(object, "rule", &connection.rule, why));
    *out_connection = connection;
    return STATUS_OK;
}

char *reply_mode(const struct json_value *ports)
{
    CLEARED(buffer) said = {.max = 1024};
    struct bytes first = {0};
    bool same = true;

    for (size_t i = 0; i < json_count(ports); i++) {
        const struct json_value *port = json_at(ports, i);
        struct bytes mode = {0};
        int64_t number = 0;

        if (json_get_text(port, "mode", REPLY_TEXT_MAX, &mode, NULL) != STATUS_OK ||
            json_get_number(port, "port", 0, 65535, &number, NULL) != STATUS_OK) {
            return memory_text("-");
        }
        same = same && (i == 0 || bytes_equal(mode, first));
        first = i == 0 ? mode : first;
        if (buffer_add_format(&said, "%s%lld %.*s", i == 0 ? "" : ", ", (long long)number,
                              (int)mode.len, (const char *)mode.at) != STATUS_OK) {
            break; /* a cell has an end; the page has them all */
        }
    }
    if (said.len == 0) {
        return memory_text("-");
    }
    return bytes_text(same ? first : buffer_bytes(&said));
}
