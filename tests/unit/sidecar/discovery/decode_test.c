/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/sidecar/discovery/decode.h"
#include "core/trust/authz/evaluate.h"
#include "tests/support/suite.h"

SUITE(decode);

static const char mesh_text[] =
    "trustDomain: our.example\n"
    "unknownDestinations: passthrough\n"
    "defaultMtls: permissive\n"
    "workloads:\n"
    "  - name: api-1\n"
    "    namespace: shop\n"
    "    serviceAccount: api\n"
    "    labels: {app: api}\n"
    "    addresses: [10.77.0.2, \"fd77::2\"]\n"
    "    ports:\n"
    "      - {port: 8080, protocol: http}\n"
    "      - {port: 5432, protocol: tcp, mtls: strict}\n"
    "      - {port: 9000, mtls: disable}\n"
    "    unknownDestinations: refuse\n"
    "  - name: api-2\n"
    "    namespace: shop\n"
    "    serviceAccount: api\n"
    "    labels: {app: api}\n"
    "    addresses: [10.77.0.3]\n"
    "  - {name: job, namespace: shop, serviceAccount: job, labels: {app: "
    "api}}\n"
    "services:\n"
    "  - name: api\n"
    "    namespace: shop\n"
    "    addresses: [10.96.0.10, \"fd96::a\"]\n"
    "    ports: [{port: 80, targetPort: 8080}, {port: 5432}]\n"
    "    selector: {app: api}\n"
    "  - {name: one, namespace: shop, addresses: [10.96.0.11], ports: "
    "[{port: 1}], workloads: [api-2]}\n";

static enum status parse(const char *text, struct warnings *warnings,
                         struct snapshot **out_snapshot, struct failure *why)
{
    const struct snapshot_file file = {"mesh.yaml", bytes_of(text)};

    return snapshot_parse(&file, 1, warnings, out_snapshot, why);
}

static struct snapshot *parsed(const char *text)
{
    struct snapshot *snapshot = NULL;
    struct failure why = {0};

    cr_assert_eq(parse(text, NULL, &snapshot, &why), STATUS_OK, "%s", why.detail);
    return snapshot;
}

static struct ip ip_from(const char *text)
{
    struct ip ip;

    cr_assert(ip_parse(bytes_of(text), &ip), "%s", text);
    return ip;
}

static struct snapshot_target target_at(const struct snapshot *snapshot, const char *address,
                                        uint16_t port)
{
    struct ip ip = ip_from(address);
    struct snapshot_target target;

    snapshot_endpoint_at(snapshot, &ip, port, &target);
    return target;
}

Test(decode, a_workload_has_its_identity_addresses_and_modes)
{
    struct snapshot *snapshot = parsed(mesh_text);
    const struct snapshot_workload *api = snapshot_workload_find(snapshot, bytes_of("shop/api-1"));
    size_t count;

    cr_assert_not_null(api);
    cr_assert_str_eq(api->spiffe_id, "spiffe://our.example/ns/shop/sa/api");
    cr_assert_eq(api->num_addresses, 2);
    cr_assert_eq(api->unknown_destinations, SNAPSHOT_REFUSE);
    cr_assert_eq(policy_mtls(api->policy, 8080), MTLS_PERMISSIVE);
    cr_assert_eq(policy_mtls(api->policy, 5432), MTLS_STRICT);
    cr_assert_eq(policy_mtls(api->policy, 9000), MTLS_DISABLE);
    cr_assert_eq(snapshot_workload_protocol(api, 8080), SNAPSHOT_HTTP);
    cr_assert_eq(snapshot_workload_protocol(api, 1), SNAPSHOT_AUTO);
    cr_assert_null(snapshot_workload_find(snapshot, bytes_of("shop/api-9")));
    (void)snapshot_workloads(snapshot, &count);
    cr_assert_eq(count, 3);
    (void)snapshot_services(snapshot, &count);
    cr_assert_eq(count, 2);
    cr_assert_str_eq(snapshot_trust_domain(snapshot), "our.example");
    cr_assert_str_eq(snapshot_root_namespace(snapshot), "signet-system");
    cr_assert_eq(snapshot_unknown_destinations(snapshot), SNAPSHOT_PASSTHROUGH);
    cr_assert_eq(snapshot_num_policies(snapshot), 0);
    snapshot_drop(&snapshot);
}

Test(decode, an_address_leads_to_its_workload_on_any_port)
{
    struct snapshot *snapshot = parsed(mesh_text);
    struct snapshot_target target = target_at(snapshot, "10.77.0.2", 5432);
    const struct snapshot_endpoint *endpoint = snapshot_target_endpoint(&target, 0);
    struct ip ip = ip_from("fd77::2");

    cr_assert(target.known);
    cr_assert_eq(target.num_endpoints, 1);
    cr_assert_null(target.service);
    cr_assert_str_eq(endpoint->workload->id, "shop/api-1");
    cr_assert_eq(endpoint->mtls, MTLS_STRICT);
    cr_assert_eq(endpoint->protocol, SNAPSHOT_TCP);
    cr_assert_eq(endpoint->port, 5432);
    target = target_at(snapshot, "fd77::2", 7);
    cr_assert(target.known);
    cr_assert_eq(snapshot_target_endpoint(&target, 0)->protocol, SNAPSHOT_AUTO);
    cr_assert_str_eq(snapshot_workload_at(snapshot, &ip)->name, "api-1");
    target = target_at(snapshot, "::ffff:10.77.0.2", 1);
    cr_assert(target.known, "a mapped address is the IPv4 address");
    target = target_at(snapshot, "10.77.0.9", 80);
    cr_assert_not(target.known);
    cr_assert_eq(target.num_endpoints, 0);
    snapshot_drop(&snapshot);
}

Test(decode, a_service_leads_to_who_it_selects_at_the_target_port)
{
    struct snapshot *snapshot = parsed(mesh_text);
    struct snapshot_target target = target_at(snapshot, "10.96.0.10", 80);
    struct ip api1 = ip_from("10.77.0.2");
    struct ip api1_v6 = ip_from("fd77::2");
    struct ip service = ip_from("10.96.0.10");

    cr_assert_eq(target.num_endpoints, 2, "the job has no address");
    cr_assert_str_eq(target.service->id, "shop/api");
    cr_assert_str_eq(snapshot_target_endpoint(&target, 0)->workload->id, "shop/api-1");
    cr_assert(ip_equal(&snapshot_target_endpoint(&target, 0)->ip, &api1));
    cr_assert_eq(snapshot_target_endpoint(&target, 0)->port, 8080);
    cr_assert_eq(snapshot_target_endpoint(&target, 0)->protocol, SNAPSHOT_HTTP);
    cr_assert_str_eq(snapshot_target_endpoint(&target, 1)->workload->id, "shop/api-2");
    target = target_at(snapshot, "10.96.0.10", 5432);
    cr_assert_eq(snapshot_target_endpoint(&target, 0)->port, 5432);
    cr_assert_eq(snapshot_target_endpoint(&target, 0)->mtls, MTLS_STRICT);
    cr_assert_eq(snapshot_target_endpoint(&target, 1)->mtls, MTLS_PERMISSIVE);
    target = target_at(snapshot, "fd96::a", 80);
    cr_assert(ip_equal(&snapshot_target_endpoint(&target, 0)->ip, &api1_v6), "by IPv6 if it can");
    cr_assert(ip_is_v4(&snapshot_target_endpoint(&target, 1)->ip), "else as it can");
    target = target_at(snapshot, "10.96.0.11", 1);
    cr_assert_eq(target.num_endpoints, 1);
    cr_assert_null(snapshot_workload_at(snapshot, &service));
    snapshot_drop(&snapshot);
}

Test(decode, I23_a_service_without_that_port_is_known_and_has_nobody)
{
    struct snapshot *snapshot = parsed(mesh_text);
    struct snapshot_target target = target_at(snapshot, "10.96.0.10", 81);

    cr_assert(target.known, "never passed through as if it were outside the mesh");
    cr_assert_eq(target.num_endpoints, 0);
    cr_assert_not_null(target.service);
    snapshot_drop(&snapshot);
}

#define W(rest) "workloads:\n  - {name: a, namespace: s, serviceAccount: x" rest "}\n"
#define W2(rest) "  - {name: b, namespace: s, serviceAccount: x" rest "}\n"
#define S(rest)                                                                                    \
    "services:\n  - {name: v, namespace: s, addresses: [10.9.0.1], ports: [{port: 80}]" rest "}\n"

struct refusal {
    const char *text;
    enum status status;
    const char *reason;
    const char *says;
};

static const struct refusal refusals[] = {
    {"", STATUS_CONFIG, "mesh/none", "no document here"},
    {"# nothing\n", STATUS_CONFIG, "mesh/none", "no document here"},
    {"apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: "
     "s}\n",
     STATUS_CONFIG, "mesh/none", "no document here"},
    {"apiVersion: v1\nkind: Service\n", STATUS_CONFIG, "mesh/kind", "mesh.yaml:1"},
    {"apiVersion: apps/v1\nkind: Deployment\n", STATUS_CONFIG, "mesh/kind", "security.istio.io"},
    {"kind: Service\n", STATUS_CONFIG, "mesh/kind", "mesh.yaml:1"},
    {"- a\n", STATUS_CONFIG, "yaml/type", "expected a mapping"},
    {"just a text\n", STATUS_CONFIG, "yaml/type", "expected a mapping"},
    {"workload: []\n", STATUS_CONFIG, "yaml/unknown-key", "did you mean \"workloads\""},
    {"workloads:\n", STATUS_CONFIG, "yaml/type", "found nothing"},
    {"workloads: {}\n", STATUS_CONFIG, "yaml/type", "expected a list"},
    {"workloads: [a]\n", STATUS_CONFIG, "yaml/type", "expected a mapping"},
    {"trustDomain: Our.Example\n", STATUS_CONFIG, "mesh/trust-domain", "mesh.yaml:1:14"},
    {"trustDomain: a/b\n", STATUS_CONFIG, "mesh/trust-domain", "trustDomain"},
    {"trustDomain: ''\n", STATUS_CONFIG, "yaml/value", "trustDomain"},
    {"trustDomain: a\n---\ntrustDomain: a\n", STATUS_CONFIG, "mesh/duplicate", "mesh.yaml:1"},
    {"trustDomainAliases: [a, B]\n", STATUS_CONFIG, "mesh/trust-domain", "mesh.yaml:1"},
    {"rootNamespace: a/b\n", STATUS_CONFIG, "mesh/name", "rootNamespace"},
    {"unknownDestinations: drop\n", STATUS_CONFIG, "yaml/value", "passthrough, refuse"},
    {W(", adresses: [10.0.0.1]"), STATUS_CONFIG, "yaml/unknown-key", "did you mean \"addresses\""},
    {"workloads:\n  - {name: a, namespace: s}\n", STATUS_CONFIG, "yaml/missing-key",
     "serviceAccount"},
    {"workloads:\n  - {name: a/b, namespace: s, serviceAccount: x}\n", STATUS_CONFIG, "mesh/name",
     "mesh.yaml:2"},
    {"workloads:\n  - {name: a, namespace: .., serviceAccount: x}\n", STATUS_CONFIG, "mesh/name",
     "namespace"},
    {"workloads:\n  - {name: a, namespace: s, serviceAccount: 'x?y'}\n", STATUS_CONFIG, "mesh/name",
     "serviceAccount"},
    {"workloads:\n  - {name: a, namespace: s, serviceAccount: '\xc3\xa9'}\n", STATUS_CONFIG,
     "mesh/name", "serviceAccount"},
    {W("") "  - {name: a, namespace: s, serviceAccount: y}\n", STATUS_CONFIG, "mesh/duplicate",
     "first in mesh.yaml:2"},
    {W(", addresses: 10.0.0.1"), STATUS_CONFIG, "yaml/type", "expected a list"},
    {W(", addresses: [10.0.0.256]"), STATUS_CONFIG, "mesh/address", "10.0.0.256"},
    {W(", addresses: [10.0.0.1/8]"), STATUS_CONFIG, "mesh/address", "mesh.yaml:2"},
    {W(", addresses: [0.0.0.0]"), STATUS_CONFIG, "mesh/address", "mesh.yaml:2"},
    {W(", addresses: ['::']"), STATUS_CONFIG, "mesh/address", "mesh.yaml:2"},
    {W(", addresses: [224.0.0.1]"), STATUS_CONFIG, "mesh/address", "mesh.yaml:2"},
    {W(", addresses: ['ff02::1']"), STATUS_CONFIG, "mesh/address", "mesh.yaml:2"},
    {W(", addresses: ['fe80::1%eth0']"), STATUS_CONFIG, "mesh/address", "mesh.yaml:2"},
    {W(", addresses: [api.example]"), STATUS_CONFIG, "mesh/address", "mesh.yaml:2"},
    {W(", addresses: [10.0.0.1, 10.0.0.1]"), STATUS_CONFIG, "mesh/duplicate", "10.0.0.1"},
    {W(", addresses: [10.0.0.1]") W2(", addresses: ['::ffff:10.0.0.1']"), STATUS_CONFIG,
     "mesh/duplicate", "mesh.yaml:3"},
    {W(", addresses: [10.9.0.1]") S(", workloads: [a]"), STATUS_CONFIG, "mesh/duplicate",
     "first in mesh.yaml:2"},
    {W(", ports: [80]"), STATUS_CONFIG, "yaml/type", "expected a mapping"},
    {W(", ports: [{protocol: tcp}]"), STATUS_CONFIG, "yaml/missing-key", "port"},
    {W(", ports: [{port: 0}]"), STATUS_CONFIG, "yaml/number", "1 to 65535"},
    {W(", ports: [{port: 65536}]"), STATUS_CONFIG, "yaml/number", "1 to 65535"},
    {W(", ports: [{port: http}]"), STATUS_CONFIG, "yaml/number", "port"},
    {W(", ports: [{port: 80}, {port: '80'}]"), STATUS_CONFIG, "mesh/duplicate", "a port"},
    {W(", ports: [{port: 80, protocol: udp}]"), STATUS_CONFIG, "yaml/value",
     "auto, http, http2, grpc, tcp"},
    {W(", ports: [{port: 80, mtls: STRICT}]"), STATUS_CONFIG, "yaml/value",
     "disable, permissive, strict"},
    {W(", ports: [{port: 80, tls: strict}]"), STATUS_CONFIG, "yaml/unknown-key", "mtls"},
    {W(", labels: [a]"), STATUS_CONFIG, "yaml/type", "labels"},
    {W(", labels: {a: {b: c}}"), STATUS_CONFIG, "yaml/type", "mesh.yaml:2"},
    {W(", labels: {a: }"), STATUS_CONFIG, "yaml/value", "mesh.yaml:2"},
    {W(", unknownDestinations: yes"), STATUS_CONFIG, "yaml/value", "passthrough, refuse"},
    {W("") S(""), STATUS_CONFIG, "mesh/selector", "mesh.yaml:4"},
    {W("") S(", workloads: [a], selector: {a: b}"), STATUS_CONFIG, "mesh/selector", "mesh.yaml:4"},
    {W("") S(", selector: {}"), STATUS_CONFIG, "mesh/selector", "at least one label"},
    {W("") S(", workloads: [b]"), STATUS_CONFIG, "mesh/no-workload", "\"b\""},
    {W("") S(", workloads: [a, a]"), STATUS_CONFIG, "mesh/duplicate", "mesh.yaml:4"},
    {W("") S(", workloads: a"), STATUS_CONFIG, "yaml/type", "expected a list"},
    {W("") S(", workload: [a]"), STATUS_CONFIG, "yaml/unknown-key", "did you mean \"workloads\""},
    {"services:\n  - {name: v, namespace: s, ports: [{port: 1}], workloads: []}\n", STATUS_CONFIG,
     "yaml/missing-key", "addresses"},
    {"services:\n  - {name: v, namespace: s, addresses: [10.9.0.1], workloads: []}\n",
     STATUS_CONFIG, "yaml/missing-key", "ports"},
    {"services:\n  - {name: v, namespace: s, addresses: [10.9.0.1], workloads: [], ports: [{port: "
     "1}, {port: 1}]}\n",
     STATUS_CONFIG, "mesh/duplicate", "a port"},
    {"services:\n  - {name: v, namespace: s, addresses: [10.9.0.1], workloads: [], ports: [{port: "
     "1, targetPort: http}]}\n",
     STATUS_CONFIG, "yaml/number", "targetPort"},
    {S(", workloads: []") "  - {name: v, namespace: s, addresses: [10.9.0.2], ports: [{port: 1}], "
                          "workloads: []}\n",
     STATUS_CONFIG, "mesh/duplicate", "s/v"},
    {"a: &a 1\n", STATUS_CONFIG, "yaml/anchor", "mesh.yaml:1"},
    {"workloads: []\nworkloads: []\n", STATUS_CONFIG, "yaml/duplicate-key", "mesh.yaml:2"},
    {"workloads: []\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: "
     "{name: p, namespace: s}\nspec: {action: CUSTOM}\n",
     STATUS_CONFIG, "policy/custom", "mesh.yaml:6"},
};

Test(decode, refuses_the_whole_mesh_and_names_line_key_and_what_is_allowed)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *given = &refusals[i];
        struct snapshot *snapshot = NULL;
        struct failure why = {0};

        cr_expect_eq(parse(given->text, NULL, &snapshot, &why), given->status, "%s", given->text);
        cr_assert_not_null(why.reason, "%s", given->text);
        cr_expect_str_eq(why.reason, given->reason, "%s\n%s", given->text, why.detail);
        cr_expect_not_null(strstr(why.detail, given->says), "%s\n%s", given->text, why.detail);
        cr_expect_null(snapshot);
        snapshot_drop(&snapshot);
    }
}

Test(decode, several_files_add_up_and_a_setting_stands_once)
{
    const struct snapshot_file files[] = {
        {"a.yaml", bytes_of("apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
                            "metadata: {name: default, namespace: s}\n"
                            "spec: {mtls: {mode: STRICT}}\n")},
        {"b.yaml", bytes_of("trustDomain: td\nrootNamespace: root\n" W(""))},
        {"c.yaml", bytes_of("workloads:\n" W2(", addresses: [10.0.0.1]"))},
        {"d.yaml", bytes_of("trustDomain: td\n")},
        {"e.yaml", bytes_of("workloads:\n" W2(""))},
    };
    struct snapshot *snapshot = NULL;
    struct failure why = {0};
    const struct snapshot_workload *workload;

    cr_assert_eq(snapshot_parse(files, 3, NULL, &snapshot, &why), STATUS_OK, "%s", why.detail);
    workload = snapshot_workload_find(snapshot, bytes_of("s/b"));
    cr_assert_str_eq(workload->spiffe_id, "spiffe://td/ns/s/sa/x");
    cr_assert_eq(policy_mtls(workload->policy, 1), MTLS_STRICT);
    cr_assert_str_eq(snapshot_root_namespace(snapshot), "root");
    snapshot_drop(&snapshot);
    cr_assert_eq(snapshot_parse(files, 4, NULL, &snapshot, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "mesh/duplicate");
    cr_assert_not_null(strstr(why.detail, "b.yaml:1"), "%s", why.detail);
    cr_assert_not_null(strstr(why.detail, "d.yaml:1"), "%s", why.detail);
    cr_assert_eq(snapshot_parse(&files[1], 4, NULL, &snapshot, &why), STATUS_CONFIG);
}

Test(decode, warns_of_a_service_with_nobody_behind)
{
    CLEARED(warnings) warnings = {0};
    struct snapshot *snapshot = NULL;
    struct failure why = {0};
    struct snapshot_target target;

    cr_assert_eq(parse(W("") S(", selector: {app: x}"), &warnings, &snapshot, &why), STATUS_OK);
    cr_assert_eq(warnings.count, 1);
    cr_assert_str_eq(warnings.lines[0],
                     "mesh.yaml:4: service s/v has nobody behind it: its callers are refused");
    target = target_at(snapshot, "10.9.0.1", 80);
    cr_assert(target.known);
    cr_assert_eq(target.num_endpoints, 0);
    snapshot_drop(&snapshot);
}

Test(decode, generations_grow)
{
    struct snapshot *first = parsed(mesh_text);
    struct snapshot *second = parsed(mesh_text);
    struct snapshot *again = snapshot_ref(second);

    cr_assert_gt(snapshot_generation(second), snapshot_generation(first));
    snapshot_drop(&first);
    snapshot_drop(&second);
    cr_assert_str_eq(snapshot_trust_domain(again), "our.example");
    snapshot_drop(&again);
}

static void check_sentence(const char *policies, const char *id, const char *expected)
{
    char text[2048];
    struct snapshot *snapshot;
    struct buffer out;

    (void)snprintf(text, sizeof text, "%s%s", mesh_text, policies);
    snapshot = parsed(text);
    buffer_init(&out, 1024);
    cr_assert_eq(snapshot_describe_access(snapshot_workload_find(snapshot, bytes_of(id)), &out),
                 STATUS_OK);
    cr_expect(bytes_equal_text(buffer_bytes(&out), expected), "%.*s", (int)out.len, out.at);
    buffer_clear(&out);
    snapshot_drop(&snapshot);
}

#define POLICY(kind, namespace, spec)                                                              \
    "---\napiVersion: security.istio.io/v1\nkind: " kind "\n"                                      \
    "metadata: {name: p, namespace: " namespace "}\nspec: " spec "\n"

Test(decode, says_who_may_call)
{
    check_sentence(
        "", "shop/api-1",
        "shop/api-1: no AuthorizationPolicy: every mesh identity may call, and anyone in "
        "plaintext by defaultMtls but on ports 5432 by mesh\n");
    check_sentence(
        "", "shop/api-2",
        "shop/api-2: no AuthorizationPolicy: every mesh identity may call, and anyone in "
        "plaintext by defaultMtls\n");
    check_sentence(POLICY("PeerAuthentication", "shop", "{mtls: {mode: STRICT}}"), "shop/api-2",
                   "shop/api-2: no AuthorizationPolicy: every mesh identity may call; plaintext is "
                   "refused by shop/p\n");
    check_sentence(POLICY("PeerAuthentication", "shop", "{mtls: {mode: STRICT}}"), "shop/api-1",
                   "shop/api-1: no AuthorizationPolicy: every mesh identity may call; plaintext is "
                   "taken on ports 9000 by mesh; other plaintext is refused by shop/p\n");
    check_sentence(POLICY("AuthorizationPolicy", "shop", "{rules: [{}]}"), "shop/api-2",
                   "shop/api-2: 1 ALLOW and 0 DENY policies: who no ALLOW rule names is refused; "
                   "plaintext is taken by defaultMtls (judged by the same policies)\n");
    check_sentence(POLICY("AuthorizationPolicy", "signet-system", "{action: DENY, rules: [{}]}"),
                   "shop/api-2",
                   "shop/api-2: 0 ALLOW and 1 DENY policies: who no DENY rule names may call; "
                   "plaintext is taken by defaultMtls (judged by the same policies)\n");
    check_sentence(POLICY("AuthorizationPolicy", "dev", "{action: DENY, rules: [{}]}"), "shop/job",
                   "shop/job: no AuthorizationPolicy: every mesh identity may call, and anyone in "
                   "plaintext by defaultMtls\n");
}

Test(decode, refuses_more_endpoints_than_its_bound)
{
    const size_t num_workloads = 1100;
    const size_t num_ports = 1000;
    const size_t room = num_workloads * 100 + num_ports * 20 + 1000;
    char *text = memory_make(room);
    size_t len = (size_t)snprintf(text, room, "workloads:\n");
    struct snapshot *snapshot = NULL;
    struct failure why = {0};

    for (size_t i = 0; i < num_workloads; i++) {
        len += (size_t)snprintf(text + len, room - len,
                                "  - {name: w%zu, namespace: s, serviceAccount: x, labels: {a: b}, "
                                "addresses: [10.1.%zu.%zu]}\n",
                                i, i / 250, i % 250 + 1);
    }
    len += (size_t)snprintf(text + len, room - len,
                            "services:\n  - name: v\n    namespace: s\n    addresses: [10.9.0.1]\n"
                            "    selector: {a: b}\n    ports:\n");
    for (size_t i = 0; i < num_ports; i++) {
        len += (size_t)snprintf(text + len, room - len, "      - port: %zu\n", i + 1);
    }
    cr_assert_eq(parse(text, NULL, &snapshot, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "mesh/too-many");
    free(text);
}

static struct decision decide(const struct snapshot *snapshot, const char *id, const char *caller,
                              uint16_t port)
{
    const struct snapshot_workload *workload = snapshot_workload_find(snapshot, bytes_of(id));
    struct facts facts = {.destination_port = port};
    struct decision decision;

    cr_assert(caller == NULL || facts_set_peer(&facts, bytes_of(caller)));
    evaluate(workload->policy, &facts, &decision);
    return decision;
}

Test(decode, the_sample_does_what_its_comments_say)
{
    const char *const api = "shop/api-1";
    CLEARED(warnings) warnings = {0};
    OWNED(snapshot) *mesh = NULL;
    struct failure why = {0};
    struct decision dry;

    cr_assert_eq(snapshot_load("deploy/dev/samples/mesh.yaml", &warnings, &mesh, &why), STATUS_OK,
                 "%s", why.detail);
    cr_assert_eq(warnings.count, 0, "%s", warnings.lines[0]);
    cr_assert(decide(mesh, api, "spiffe://cluster.local/ns/shop/sa/web", 8080).allowed);
    cr_assert_not(decide(mesh, api, "spiffe://cluster.local/ns/shop/sa/web", 5432).allowed);
    cr_assert_not(decide(mesh, api, "spiffe://cluster.local/ns/dev/sa/rogue", 8080).allowed);
    cr_assert_not(decide(mesh, "shop/web-1", "spiffe://cluster.local/ns/dev/sa/rogue", 80).allowed);
    cr_assert_str_eq(decide(mesh, api, NULL, 8080).reason, "deny/anonymous");
    dry = decide(mesh, "shop/web-1", "spiffe://cluster.local/ns/pay/sa/x", 5432);
    cr_assert(dry.allowed);
    cr_assert(dry.dry_run_differs);
}
