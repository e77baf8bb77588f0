/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin pages on a fabricated sidecar: what they say, and that the tool reads what they write.
 */
#include "core/sidecar/admin/pages.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/signet/connections.h"
#include "cmd/signet/replies.h"
#include "core/runtime/base/clock.h"
#include "core/runtime/json/json.h"
#include "core/runtime/telemetry/log.h"
#include "tests/support/suite.h"
#include "tests/unit/sidecar/admin/fabricated.h"

SUITE(pages);

static void pages_ask(struct fabricated *fabricated, web_route_fn page, const char *query,
                      const char *body, struct web_answer *answer)
{
    const struct web_request request = {.query = bytes_of(query), .body = bytes_of(body)};

    *answer = (struct web_answer){.status = 200, .content_type = "application/json"};
    buffer_init(&answer->body, WEB_ANSWER_MAX);
    page(&fabricated->sources, &request, answer);
}

/* pages_read gives the answer as JSON: the caller drops it. */
static struct json_value *pages_read(struct fabricated *fabricated, web_route_fn page,
                                     const char *query, unsigned status)
{
    struct web_answer answer;
    struct json_value *top = NULL;
    struct failure why = {0};

    pages_ask(fabricated, page, query, "", &answer);
    cr_assert_eq(answer.status, status, "%.*s", (int)answer.body.len, (char *)answer.body.at);
    cr_assert_eq(json_read(buffer_bytes(&answer.body), WEB_ANSWER_MAX, &top, &why), STATUS_OK, "%s",
                 why.detail);
    buffer_clear(&answer.body);
    return top;
}

static bool pages_text_is(const struct json_value *object, const char *name, const char *wanted)
{
    struct bytes text = {0};

    return json_get_text(object, name, 10000, &text, NULL) == STATUS_OK &&
           bytes_equal_text(text, wanted);
}

static const struct json_value *pages_object(const struct json_value *top, const char *name)
{
    const struct json_value *object = NULL;

    cr_assert_eq(json_get_object(top, name, &object, NULL), STATUS_OK, "%s", name);
    return object;
}

static const struct json_value *pages_array(const struct json_value *top, const char *name)
{
    const struct json_value *array = NULL;

    cr_assert_eq(json_get_array(top, name, &array, NULL), STATUS_OK, "%s", name);
    return array;
}

static int64_t pages_number(const struct json_value *top, const char *name)
{
    int64_t number = -77;

    cr_assert_eq(json_get_number(top, name, INT64_MIN, INT64_MAX, &number, NULL), STATUS_OK, "%s",
                 name);
    return number;
}

Test(pages, status_says_who_how_and_since_when)
{
    struct fabricated *fabricated = fabricated_make();
    struct json_value *top = pages_read(fabricated, pages_status, "", 200);
    bool ready = false;

    cr_assert(pages_text_is(top, "program", "signet-proxy"));
    cr_assert(pages_text_is(top, "identity", "spiffe://cluster.local/ns/shop/sa/web"));
    cr_assert(pages_text_is(top, "drain", "running"));
    cr_assert_eq(json_get_bool(top, "ready", &ready, NULL), STATUS_OK);
    cr_assert(ready, "not yet proved counts as ready");
    cr_assert_eq(json_count(pages_array(top, "conditions")), 2);
    cr_assert(pages_text_is(json_at(pages_array(top, "conditions"), 1), "value", "unproved"));
    cr_assert_eq(pages_number(top, "connections"), 2);
    cr_assert_eq(pages_number(top, "identity_generation"), 3);
    cr_assert_geq(pages_number(top, "uptime_ms"), 60000);
    cr_assert_gt(pages_number(top, "rss_bytes"), 100000);
    cr_assert_eq(pages_number(pages_object(top, "agent"), "skew_ms"), -1500);
    cr_assert_eq(pages_number(pages_object(top, "agent"), "outage_budget_s"), 39600);
    cr_assert(pages_number(pages_object(pages_object(top, "agent"), "kept"), "begins_at") >
              clock_unix_s());
    cr_assert_eq(pages_number(pages_object(top, "mesh"), "workloads"), 2);
    cr_assert_eq(pages_number(pages_object(top, "mesh"), "policies"), 1);
    cr_assert_eq(json_count(pages_array(pages_object(top, "mesh"), "warnings")), 1);
    json_value_drop(&top);
    fabricated_free(fabricated);
}

Test(pages, status_gives_the_mode_of_each_port_and_who_decided_it)
{
    struct fabricated *fabricated = fabricated_make();
    struct json_value *top = pages_read(fabricated, pages_status, "", 200);
    const struct json_value *ports = pages_array(top, "ports");

    cr_assert_eq(json_count(ports), 2);
    cr_assert_eq(pages_number(json_at(ports, 0), "port"), 8080);
    cr_assert(pages_text_is(json_at(ports, 0), "mode", "strict"));
    cr_assert(pages_text_is(json_at(ports, 0), "mode_from", "mesh"));
    cr_assert(pages_text_is(json_at(ports, 1), "mode", "permissive"));
    cr_assert(pages_text_is(json_at(ports, 1), "mode_from", "defaultMtls"));
    json_value_drop(&top);
    fabricated_free(fabricated);
}

Test(pages, status_gives_reason_and_detail_of_a_mesh_that_is_not_in_force)
{
    struct fabricated *fabricated = fabricated_make();
    struct json_value *top;
    const struct json_value *error;

    (void)fail(&fabricated->mesh_failure, STATUS_CONFIG, "yaml/unknown-key",
               "mesh.yaml:3: adresses");
    health_set(&fabricated->health, "mesh", HEALTH_NO, "mesh.yaml:3: adresses");
    top = pages_read(fabricated, pages_status, "", 200);
    error = pages_object(pages_object(top, "mesh"), "last_error");
    cr_assert(pages_text_is(error, "reason", "yaml/unknown-key"));
    cr_assert(pages_text_is(error, "detail", "mesh.yaml:3: adresses"));
    bool ready = true;
    cr_assert_eq(json_get_bool(top, "ready", &ready, NULL), STATUS_OK);
    cr_assert_not(ready);
    json_value_drop(&top);
    fabricated_free(fabricated);
}

Test(pages, a_sidecar_that_has_nothing_yet_still_has_every_page)
{
    struct admin_sources sources = {.name = "web", .version = "0.1.0"};
    struct web_route routes[PAGES_ROUTES];
    const struct web_request request = {0};

    pages_routes(&sources, routes);
    for (size_t i = 0; i < PAGES_ROUTES; i++) {
        struct web_answer answer = {.status = 200, .content_type = "application/json"};
        OWNED(json_value) *top = NULL;

        buffer_init(&answer.body, WEB_ANSWER_MAX);
        routes[i].respond(routes[i].user, &request, &answer);
        cr_assert_eq(json_read(buffer_bytes(&answer.body), WEB_ANSWER_MAX, &top, NULL), STATUS_OK,
                     "%s %s", routes[i].method, routes[i].path);
        buffer_clear(&answer.body);
    }
}

Test(pages, the_tool_reads_the_status_page)
{
    struct fabricated *fabricated = fabricated_make();
    struct reply_status status = {0};
    struct web_answer answer;
    struct failure why = {0};
    char *mode;

    pages_ask(fabricated, pages_status, "", "", &answer);
    cr_assert_eq(reply_status_parse(buffer_bytes(&answer.body), &status, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert(bytes_equal_text(status.name, "web"));
    cr_assert(bytes_equal_text(status.workload, "shop/web-1"));
    cr_assert(bytes_equal_text(status.error_reason, "agent/no-token"));
    cr_assert_eq(status.outage_budget_s, 39600);
    cr_assert_eq(status.next_renewal, fabricated->view.next_renewal);
    cr_assert_gt(status.policy.len, 0);
    mode = reply_mode(status.ports);
    cr_assert_str_eq(mode, "8080 strict, 9090 permissive");
    free(mode);
    reply_status_clear(&status);
    buffer_clear(&answer.body);
    fabricated_free(fabricated);
}

Test(pages, certs_show_chain_and_roots_and_the_tool_reads_them)
{
    struct fabricated *fabricated = fabricated_make();
    struct reply_certs certs = {0};
    struct reply_certificate leaf, root;
    struct web_answer answer;
    struct failure why = {0};
    const struct svid *svid = identity_set_svid(current_get(&fabricated->current));

    pages_ask(fabricated, pages_certs, "", "", &answer);
    cr_assert_eq(reply_certs_parse(buffer_bytes(&answer.body), &certs, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert_eq(reply_certificate_parse(json_at(certs.chain, 0), &leaf, &why), STATUS_OK, "%s",
                 why.detail);
    cr_assert(bytes_equal_text(leaf.uri, "spiffe://cluster.local/ns/shop/sa/web"));
    cr_assert(bytes_equal_text(leaf.serial, svid_serial_hex(svid)));
    cr_assert(bytes_equal_text(leaf.issuer_key_id, svid_issuer_hex(svid)));
    cr_assert_eq(leaf.not_before, svid_starts_at(svid));
    cr_assert_eq(leaf.not_after, svid_certificate(svid, 0)->not_after);
    cr_assert_eq(json_count(certs.roots), 1);
    cr_assert_eq(reply_certificate_parse(json_at(certs.roots, 0), &root, &why), STATUS_OK);
    cr_assert(bytes_equal_text(root.trust_domain, "cluster.local"));
    cr_assert_eq(root.sha256.len, 64);
    cr_assert_gt(root.subject.len, 0, "a root has a name for people");
    cr_assert(bytes_equal_text(certs.source, "agent"));
    cr_assert_eq(certs.outage_budget_s, 39600);
    cr_assert(bytes_equal_text(certs.error_reason, "agent/no-token"));
    reply_certs_clear(&certs);
    buffer_clear(&answer.body);
    fabricated_free(fabricated);
}

Test(pages, I21_no_page_holds_a_byte_of_the_private_key)
{
    struct fabricated *fabricated = fabricated_make();
    struct web_route routes[PAGES_ROUTES];
    const struct web_request request = {0};

    pages_routes(&fabricated->sources, routes);
    for (size_t i = 0; i < PAGES_ROUTES; i++) {
        struct web_answer answer = {.status = 200, .content_type = "application/json"};

        buffer_init(&answer.body, WEB_ANSWER_MAX);
        routes[i].respond(routes[i].user, &request, &answer);
        cr_assert_null(memmem(answer.body.at, answer.body.len, "PRIVATE", 7), "%s", routes[i].path);
        buffer_clear(&answer.body);
    }
    fabricated_free(fabricated);
}

static const struct failure *pages_refusal_of_files(void *user)
{
    static struct failure why;

    (void)user;
    (void)fail(&why, STATUS_CONFIG, "files/key-mismatch", "key.pem is not chain.pem's key");
    return &why;
}

Test(pages, an_identity_from_files_has_no_next_renewal_but_an_outage_budget)
{
    struct fabricated *fabricated = fabricated_make();
    struct reply_certs certs = {0};
    struct web_answer answer;

    fabricated->sources.agent_view = NULL;
    fabricated->sources.files_refusal = pages_refusal_of_files;
    pages_ask(fabricated, pages_certs, "", "", &answer);
    cr_assert_eq(reply_certs_parse(buffer_bytes(&answer.body), &certs, NULL), STATUS_OK);
    cr_assert(bytes_equal_text(certs.source, "files"));
    cr_assert_eq(certs.next_renewal, 0);
    cr_assert(certs.outage_budget_s > 3500 && certs.outage_budget_s <= 3600, "%ld",
              (long)certs.outage_budget_s);
    cr_assert(bytes_equal_text(certs.error_reason, "files/key-mismatch"));
    reply_certs_clear(&certs);
    buffer_clear(&answer.body);
    fabricated_free(fabricated);
}

Test(pages, connections_are_listed_and_the_tool_reads_them)
{
    struct fabricated *fabricated = fabricated_make();
    const struct connections_filter filter = {"/sa/api", "relay"};
    struct web_answer answer;
    struct failure why = {0};
    struct table table;

    pages_ask(fabricated, pages_connections, "", "", &answer);
    table_init(&table, connections_titles, CONNECTIONS_COLUMNS);
    cr_assert_eq(connections_add(&table, "web", buffer_bytes(&answer.body), &filter, &why),
                 STATUS_OK, "%s", why.detail);
    cr_assert_eq(table.num_rows, 2);
    table_clear(&table);
    buffer_clear(&answer.body);
    fabricated_free(fabricated);
}

Test(pages, connections_come_in_pages_that_the_tool_follows)
{
    struct fabricated *fabricated = fabricated_make();
    const struct connections_filter all = {0};
    char query[64] = "most=300";
    struct table table;
    int64_t next = 0;
    int pages = 0;

    fabricated->num_connections = 1000;
    table_init(&table, connections_titles, CONNECTIONS_COLUMNS);
    while (next >= 0 && pages < 10) {
        struct web_answer answer;

        pages_ask(fabricated, pages_connections, query, "", &answer);
        cr_assert_eq(answer.status, 200);
        cr_assert_eq(connections_add(&table, "web", buffer_bytes(&answer.body), &all, NULL),
                     STATUS_OK);
        next = connections_next(buffer_bytes(&answer.body));
        (void)snprintf(query, sizeof query, "most=300&from=%lld", (long long)next);
        buffer_clear(&answer.body);
        pages++;
    }
    cr_assert_eq(pages, 4);
    cr_assert_eq(table.num_rows, 1000);
    table_clear(&table);
    fabricated_free(fabricated);
}

Test(pages, a_page_of_connections_that_cannot_be_read_is_refused)
{
    static const char *const queries[][2] = {
        {"from=x", "connections/from"},   {"from=99999999999999999", "connections/from"},
        {"most=0", "connections/most"},   {"most=1025", "connections/most"},
        {"most=-1", "connections/most"},
    };
    struct fabricated *fabricated = fabricated_make();

    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        struct json_value *top = pages_read(fabricated, pages_connections, queries[i][0], 400);

        cr_assert(pages_text_is(top, "reason", queries[i][1]), "%s", queries[i][0]);
        json_value_drop(&top);
    }
    fabricated_free(fabricated);
}

Test(pages, an_answer_that_does_not_fit_is_an_error_and_not_half_a_page)
{
    struct fabricated *fabricated = fabricated_make();
    const struct web_request request = {0};
    struct web_answer answer = {.status = 200, .content_type = "application/json"};
    OWNED(json_value) *top = NULL;

    fabricated->num_connections = 1000;
    buffer_init(&answer.body, 4096);
    pages_connections(&fabricated->sources, &request, &answer);
    cr_assert_eq(answer.status, 500);
    cr_assert_eq(json_read(buffer_bytes(&answer.body), 4096, &top, NULL), STATUS_OK);
    cr_assert(pages_text_is(top, "reason", "json/full"));
    buffer_clear(&answer.body);
    fabricated_free(fabricated);
}

Test(pages, config_gives_each_setting_with_its_origin)
{
    struct fabricated *fabricated = fabricated_make();
    struct json_value *top = pages_read(fabricated, pages_config, "", 200);
    const struct json_value *settings = pages_array(top, "settings");

    cr_assert_eq(json_count(settings), 4);
    cr_assert(pages_text_is(json_at(settings, 0), "origin", "flag"));
    cr_assert(pages_text_is(json_at(settings, 1), "name", "admin_address"));
    cr_assert(pages_text_is(json_at(settings, 1), "value", "unix:/run/signet/web/admin.sock"));
    cr_assert(pages_text_is(json_at(settings, 3), "value", ":3=127.0.0.1:4,peer=spiffe://td/a"));
    cr_assert(pages_text_is(json_at(settings, 3), "origin", "file"));
    json_value_drop(&top);
    fabricated_free(fabricated);
}

/* The one policy of the fabricated mesh, whose one rule stands at `line`. */
static void pages_check_policies(const struct json_value *top, int64_t line)
{
    const struct json_value *policies = pages_array(top, "policies");
    const struct json_value *policy = json_at(policies, 0);
    const struct json_value *rules = pages_array(policy, "rules");

    cr_assert_eq(json_count(policies), 1);
    cr_assert(pages_text_is(policy, "policy", "shop/web-allow"));
    cr_assert(pages_text_is(policy, "action", "ALLOW"));
    cr_assert(pages_text_is(policy, "file", "mesh.yaml"));
    cr_assert_lt(pages_number(policy, "line"), line);
    cr_assert_eq(json_count(rules), 1);
    cr_assert_eq(pages_number(json_at(rules, 0), "number"), 1);
    cr_assert_eq(pages_number(json_at(rules, 0), "line"), line);
}

Test(pages, policy_judges_the_caller_of_the_query_by_the_engine_of_the_data_path)
{
    struct fabricated *fabricated = fabricated_make();
    struct json_value *let_in = pages_read(
        fabricated, pages_policy, "peer=spiffe://cluster.local/ns/shop/sa/api&port=8080", 200);
    struct json_value *refused = pages_read(
        fabricated, pages_policy, "peer=spiffe://cluster.local/ns/shop/sa/rogue&port=8080", 200);
    const struct json_value *judged = pages_object(let_in, "judged");
    const struct json_value *rule = pages_object(judged, "rule");
    bool allowed = false;

    cr_assert_eq(json_get_bool(judged, "allowed", &allowed, NULL), STATUS_OK);
    cr_assert(allowed);
    cr_assert(pages_text_is(rule, "policy", "shop/web-allow"));
    cr_assert(pages_text_is(rule, "file", "mesh.yaml"));
    cr_assert_gt(pages_number(rule, "line"), 16);
    judged = pages_object(refused, "judged");
    cr_assert_eq(json_get_bool(judged, "allowed", &allowed, NULL), STATUS_OK);
    cr_assert_not(allowed);
    cr_assert(pages_text_is(judged, "reason", "deny/no-match"));
    cr_assert_gt(json_count(pages_array(judged, "explanation")), 1);
    cr_assert_eq(pages_number(refused, "allow_policies"), 1);
    pages_check_policies(let_in, pages_number(rule, "line"));
    json_value_drop(&let_in);
    json_value_drop(&refused);
    fabricated_free(fabricated);
}

struct pages_refusal {
    char query[64];
    char reason[32];
};

ParameterizedTestParameters(pages, policy_refuses_a_query_it_cannot_read)
{
    static struct pages_refusal cases[] = {
        {"peer=web", "spiffe-id/scheme"},
        {"peer=", "spiffe-id/empty"},
        {"peer=spiffe://a/b/../c", "spiffe-id/path"},
        {"port=0", "policy/port"},
        {"port=65536", "policy/port"},
        {"port=http", "policy/port"},
    };

    return cr_make_param_array(struct pages_refusal, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct pages_refusal *given, pages, policy_refuses_a_query_it_cannot_read)
{
    struct fabricated *fabricated = fabricated_make();
    struct json_value *top = pages_read(fabricated, pages_policy, given->query, 400);

    cr_assert(pages_text_is(top, "reason", given->reason), "%s", given->query);
    json_value_drop(&top);
    fabricated_free(fabricated);
}

Test(pages, policy_says_that_there_is_none_without_a_mesh)
{
    struct fabricated *fabricated = fabricated_make();
    struct json_value *top;

    fabricated->sources.workload = "shop/nobody";
    top = pages_read(fabricated, pages_policy, "", 404);
    cr_assert(pages_text_is(top, "reason", "policy/none"));
    json_value_drop(&top);
    fabricated_free(fabricated);
}

Test(pages, explicit_listeners_are_ports_and_say_who_may_call)
{
    static const struct admin_listener listeners[] = {
        {"127.0.0.1:8443", "127.0.0.1:8080", "inbound", MTLS_STRICT, "spiffe://td/a"},
        {"127.0.0.1:9000", "10.0.0.2:8443", "outbound", MTLS_STRICT, "spiffe://td/b"},
    };
    struct admin_sources sources = {
        .name = "web", .version = "0.1.0", .listeners = listeners, .num_listeners = 2};
    const struct web_request request = {0};
    struct web_answer answer = {.status = 200, .content_type = "application/json"};
    OWNED(json_value) *top = NULL;

    buffer_init(&answer.body, WEB_ANSWER_MAX);
    pages_status(&sources, &request, &answer);
    cr_assert_eq(json_read(buffer_bytes(&answer.body), WEB_ANSWER_MAX, &top, NULL), STATUS_OK);
    cr_assert_eq(json_count(pages_array(top, "ports")), 1);
    cr_assert_eq(pages_number(json_at(pages_array(top, "ports"), 0), "port"), 8443);
    cr_assert(pages_text_is(top, "policy", "127.0.0.1:8443: spiffe://td/a may call"));
    buffer_clear(&answer.body);
}

Test(pages, loglevel_is_set_and_a_wrong_one_changes_nothing)
{
    struct fabricated *fabricated = fabricated_make();
    const char *const wrong[] = {"",
                                 "info",
                                 "{}",
                                 "{\"levels\":\"loud\"}",
                                 "{\"levels\":1}",
                                 "{\"levels\":\"info\",\"x\":1}"};
    struct web_answer answer;

    log_set_output(-1);
    pages_ask(fabricated, pages_set_loglevel, "", "{\"levels\":\"warn\"}", &answer);
    cr_assert_eq(answer.status, 200);
    cr_assert_not_null(memmem(answer.body.at, answer.body.len, "\"warn", 5));
    buffer_clear(&answer.body);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        pages_ask(fabricated, pages_set_loglevel, "", wrong[i], &answer);
        cr_assert_neq(answer.status, 200, "%s", wrong[i]);
        buffer_clear(&answer.body);
    }
    pages_ask(fabricated, pages_loglevel, "", "", &answer);
    cr_assert_not_null(memmem(answer.body.at, answer.body.len, "\"warn", 5));
    buffer_clear(&answer.body);
    fabricated_free(fabricated);
}
