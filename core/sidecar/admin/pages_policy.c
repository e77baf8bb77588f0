/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /policy: who may call this workload, and by which line of which file. With ?peer= and ?port= the
 * same engine that judges connections judges that caller.
 */
#include "core/sidecar/admin/pages.h"
#include "core/sidecar/admin/pages_parts.h"
#include "core/trust/authz/evaluate.h"
#include "core/trust/authz/explain.h"

#define PAGES_SENTENCE_MAX ((size_t)4096)
#define PAGES_EXPLANATION_MAX ((size_t)4 * 1024 * 1024)

/* Who is to be judged, as the query says; without a query an anonymous caller of the first port. */
struct pages_caller {
    char peer[SPIFFE_ID_MAX + 1]; /* what facts.principal and its parts borrow from */
    struct facts facts;
};

static enum status pages_caller_read(struct bytes query, const struct snapshot_workload *workload,
                                     struct pages_caller *out_caller, struct failure *why)
{
    char port_text[8];
    uint64_t port = workload->num_ports > 0 ? workload->ports[0].port : 0;
    struct spiffe_id id;

    out_caller->facts = (struct facts){0};
    if (http_query_get(query, "peer", out_caller->peer, sizeof out_caller->peer)) {
        TRY(spiffe_id_parse(bytes_of(out_caller->peer), &id, why));
        if (!facts_set_peer(&out_caller->facts, bytes_of(out_caller->peer))) {
            return fail(why, STATUS_CONFIG, "policy/peer", "peer must be a SPIFFE ID with a path");
        }
    }
    if (http_query_get(query, "port", port_text, sizeof port_text) &&
        (!bytes_to_number(bytes_of(port_text), 65535, &port) || port == 0)) {
        return fail(why, STATUS_CONFIG, "policy/port", "port must be a number from 1 to 65535");
    }
    out_caller->facts.destination_port = (uint16_t)port;
    if (workload->num_addresses > 0) {
        out_caller->facts.destination_ip = workload->addresses[0];
    }
    return STATUS_OK;
}

static void pages_put_rule(struct json_writer *json, const struct deciding_rule *rule)
{
    if (rule->policy == NULL) {
        json_put_null(json, "rule");
        return;
    }
    json_open_object(json, "rule");
    json_put_text(json, "policy", rule->policy);
    json_put_uint(json, "number", rule->rule);
    json_put_text(json, "file", rule->file);
    json_put_uint(json, "line", rule->line);
    json_close_object(json);
}

static void pages_put_judgement(struct json_writer *json, const struct snapshot_workload *workload,
                                const struct pages_caller *caller, struct bytes explanation)
{
    struct decision decision;

    evaluate(workload->policy, &caller->facts, &decision);
    json_open_object(json, "judged");
    if (caller->facts.has_peer) {
        json_put_text(json, "peer", caller->peer);
    } else {
        json_put_null(json, "peer");
    }
    json_put_uint(json, "port", caller->facts.destination_port);
    json_put_bool(json, "allowed", decision.allowed);
    json_put_text(json, "reason", decision.reason);
    pages_put_rule(json, &decision.rule);
    json_open_array(json, "explanation");
    while (explanation.len > 0) {
        json_put_bytes(json, NULL, bytes_split(&explanation, '\n'));
    }
    json_close_array(json);
    json_close_object(json);
}

static void pages_put_rules(struct json_writer *json, const struct policy *policy, size_t index)
{
    struct policy_rule_description rule;

    json_open_array(json, "rules");
    for (size_t i = 0; policy_describe_rule(policy, index, i, &rule); i++) {
        json_open_object(json, NULL);
        json_put_uint(json, "number", rule.number);
        json_put_uint(json, "line", rule.line);
        json_put_bool(json, "never", rule.never);
        json_close_object(json);
    }
    json_close_array(json);
}

/* Every policy that holds here, in the order of judging, with the places of its rules. */
static void pages_put_policies(struct json_writer *json, const struct policy *policy)
{
    struct policy_description description;

    json_open_array(json, "policies");
    for (size_t i = 0; policy_describe(policy, i, &description); i++) {
        json_open_object(json, NULL);
        json_put_text(json, "policy", description.id);
        json_put_text(json, "action", description.action);
        json_put_text(json, "file", description.file);
        json_put_uint(json, "line", description.line);
        json_put_bool(json, "dry_run", description.dry_run);
        pages_put_rules(json, policy, i);
        json_close_object(json);
    }
    json_close_array(json);
}

void pages_policy(void *user, const struct web_request *request, struct web_answer *answer)
{
    const struct admin_sources *sources = user;
    const struct snapshot_workload *workload = pages_workload(sources);
    struct json_writer json = json_writer_to(&answer->body);
    CLEARED(buffer) sentence = {.max = PAGES_SENTENCE_MAX};
    CLEARED(buffer) explanation = {.max = PAGES_EXPLANATION_MAX};
    struct pages_caller caller;
    struct failure why = {0};
    enum status status;

    if (workload == NULL) {
        status = fail(&why, STATUS_NOT_FOUND, "policy/none",
                      "no mesh is loaded, or this sidecar's workload is not in it");
        web_answer_error(answer, status, &why);
        return;
    }
    status = pages_caller_read(request->query, workload, &caller, &why);
    if (status == STATUS_OK &&
        explain(workload->policy, &caller.facts, &explanation) != STATUS_OK) {
        status = fail(&why, STATUS_LIMIT, "policy/too-long", "the explanation does not fit");
    }
    if (status != STATUS_OK) {
        web_answer_error(answer, status, &why);
        return;
    }
    pages_access(sources, &sentence);
    json_open_object(&json, NULL);
    json_put_text(&json, "workload", workload->id);
    json_put_bytes(&json, "policy", buffer_bytes(&sentence));
    json_put_uint(&json, "allow_policies", policy_num_allow(workload->policy));
    json_put_uint(&json, "deny_policies", policy_num_deny(workload->policy));
    pages_put_policies(&json, workload->policy);
    pages_put_ports(&json, sources);
    pages_put_judgement(&json, workload, &caller, buffer_bytes(&explanation));
    json_close_object(&json);
    pages_end(&json, answer);
}
