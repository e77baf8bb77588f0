/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is refused in a policy, what is warned about, and which mode a port ends up with.
 */
#include "core/trust/authz/policy.h"
#include "tests/support/suite.h"
#include "tests/unit/trust/authz/policies.h"

SUITE(policy);

#define ISTIO "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
#define PEER "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
#define NAMED "metadata: {name: p, namespace: shop}\n"
#define SOURCE(fields) ISTIO NAMED "spec:\n  rules:\n  - from:\n    - source: " fields "\n"
#define OPERATION(fields) ISTIO NAMED "spec:\n  rules:\n  - to:\n    - operation: " fields "\n"
#define WHEN(condition) ISTIO NAMED "spec:\n  rules:\n  - when:\n    - " condition "\n"
#define PORTS(ports)                                                                               \
    PEER NAMED "spec: {selector: {matchLabels: {a: b}}, portLevelMtls: " ports "}\n"

struct refusal {
    const char *text;
    const char *reason;
    const char *says; /* part of the detail: file, line, key or what is allowed */
};

static const struct refusal refusals[] = {
    /* the document */
    {"apiVersion: security.istio.io/v2\nkind: AuthorizationPolicy\n" NAMED, "yaml/value",
     "mesh.yaml:1:13"},
    {"apiVersion: security.istio.io/v1\nkind: Authorisation\n" NAMED, "yaml/value",
     "PeerAuthentication"},
    {"apiVersion: security.istio.io/v1\n" NAMED, "yaml/missing-key", "kind"},
    {"apiVersion: security.signet.mesh/v1\nkind: RequestAuthentication\n" NAMED, "policy/kind",
     "mesh.yaml:2"},
    {ISTIO "spec: {}\n", "yaml/missing-key", "metadata"},
    {ISTIO NAMED "specs: {}\n", "yaml/unknown-key", "did you mean \"spec\""},
    {ISTIO "metadata: {name: p}\n", "yaml/missing-key", "namespace"},
    {ISTIO "metadata: {namespace: shop}\n", "yaml/missing-key", "name"},
    {ISTIO "metadata: {name: p, namespce: shop}\n", "yaml/unknown-key", "namespace"},
    {ISTIO "metadata: {name: 'a b', namespace: shop}\n", "policy/name", "mesh.yaml:3"},
    {ISTIO "metadata: {name: 'a/b', namespace: shop}\n", "policy/name", "name"},
    {ISTIO "metadata: {name: p, namespace: shop, annotations: {istio.io/dry-run: maybe}}\n",
     "yaml/value", "false, true"},
    {ISTIO "metadata: {name: p, namespace: shop, creationTimestamp: yesterday}\n", "policy/value",
     "2024-05-06T07:08:09Z"},
    {ISTIO NAMED "spec: {}\n---\n" ISTIO NAMED "spec: {}\n", "policy/duplicate", "mesh.yaml:8"},
    {"- a\n", "yaml/type", "expected a mapping"},
    /* the spec */
    {ISTIO NAMED "spec: []\n", "yaml/type", "mesh.yaml:4"},
    {ISTIO NAMED "spec: {rule: []}\n", "yaml/unknown-key", "did you mean \"rules\""},
    {ISTIO NAMED "spec: {action: PERMIT, rules: [{}]}\n", "yaml/value", "ALLOW, DENY, AUDIT"},
    {ISTIO NAMED "spec: {action: deny, rules: [{}]}\n", "yaml/value", "mesh.yaml:4:16: action"},
    {ISTIO NAMED "spec: {action: CUSTOM, provider: {name: x}, rules: [{}]}\n", "policy/custom",
     "mesh.yaml:4"},
    {ISTIO NAMED "spec: {provider: {name: x}, rules: [{}]}\n", "policy/conflict", "CUSTOM"},
    {ISTIO NAMED "spec: {action: DENY}\n", "policy/no-rules", "mesh.yaml:4"},
    {ISTIO NAMED "spec: {action: DENY, rules: []}\n", "policy/no-rules", "mesh.yaml:4"},
    {ISTIO NAMED "spec: {rules: }\n", "yaml/type", "found nothing"},
    {ISTIO NAMED "spec: {rules: {}}\n", "yaml/type", "expected a list"},
    {ISTIO NAMED "spec: {rules: [~]}\n", "yaml/type", "expected a mapping"},
    {ISTIO NAMED "spec: {rules: [{form: []}]}\n", "yaml/unknown-key", "did you mean \"from\""},
    {ISTIO NAMED "spec: {selector: {matchLabel: {a: b}}}\n", "yaml/unknown-key", "matchLabels"},
    {ISTIO NAMED "spec: {selector: }\n", "yaml/type", "found nothing"},
    {ISTIO NAMED "spec: {selector: {matchLabels: {a: [b]}}}\n", "yaml/type", "single value"},
    {ISTIO NAMED "spec: {selector: {matchLabels: {a: 'b*'}}}\n", "policy/selector", "a:"},
    {ISTIO NAMED "spec: {selector: {matchLabels: {a: }}}\n", "policy/selector", "a:"},
    {ISTIO NAMED "spec: {selector: {}, targetRefs: [{kind: Gateway, name: g}]}\n",
     "policy/conflict", "targetRefs"},
    {ISTIO NAMED "spec: {targetRefs: []}\n", "policy/value", "1 to 16"},
    {ISTIO NAMED "spec: {targetRefs: [{knd: Gateway}]}\n", "yaml/unknown-key", "kind"},
    /* rules */
    {ISTIO NAMED "spec: {rules: [{from: []}]}\n", "policy/empty", "from"},
    {ISTIO NAMED "spec: {rules: [{from: }]}\n", "yaml/type", "from"},
    {ISTIO NAMED "spec: {rules: [{to: []}]}\n", "policy/empty", "to"},
    {ISTIO NAMED "spec: {rules: [{when: []}]}\n", "policy/empty", "when"},
    {ISTIO NAMED "spec: {rules: [{from: [{}]}]}\n", "yaml/missing-key", "source"},
    {ISTIO NAMED "spec: {rules: [{from: [{operation: {}}]}]}\n", "yaml/unknown-key", "source"},
    {SOURCE("{}"), "policy/empty", "mesh.yaml:7"},
    {SOURCE("{principal: [a]}"), "yaml/unknown-key", "did you mean \"principals\""},
    {SOURCE("{principals: []}"), "policy/empty", "principals"},
    {SOURCE("{principals: a}"), "yaml/type", "expected a list"},
    {SOURCE("{principals: [a, '']}"), "yaml/value", "mesh.yaml:7"},
    {SOURCE("{principals: [~]}"), "yaml/value", "mesh.yaml:7"},
    {SOURCE("{principals: [[a]]}"), "yaml/type", "single value"},
    {SOURCE("{principals: ['spiffe://td/ns/a/sa/b']}"), "policy/value", "without \"spiffe://\""},
    {SOURCE("{namespaces: [a/b]}"), "policy/value", "no \"/\""},
    {SOURCE("{serviceAccounts: [a/b/c]}"), "policy/value", "mesh.yaml:7"},
    {SOURCE("{serviceAccounts: [/b]}"), "policy/value", "mesh.yaml:7"},
    {SOURCE("{serviceAccounts: [a/]}"), "policy/value", "mesh.yaml:7"},
    {SOURCE("{serviceAccounts: ['a*']}"), "policy/value", "mesh.yaml:7"},
    {SOURCE("{serviceAccounts: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]}"), "policy/value", "16"},
    {SOURCE("{serviceAccounts: [a], principals: [b]}"), "policy/conflict", "serviceAccounts"},
    {SOURCE("{notServiceAccounts: [a], notNamespaces: [b]}"), "policy/conflict", "notServiceAccou"},
    {SOURCE("{trustDomains: [a/b]}"), "policy/value", "trust domain"},
    {SOURCE("{trustDomains: ['a*b']}"), "policy/value", "trust domain"},
    {SOURCE("{trustDomains: ['*a*']}"), "policy/value", "trust domain"},
    {SOURCE("{ipBlocks: [10.0.0.0/33]}"), "policy/value", "10.0.0.0/8"},
    {SOURCE("{ipBlocks: [10.0.0]}"), "policy/value", "mesh.yaml:7"},
    {SOURCE("{ipBlocks: [010.0.0.1]}"), "policy/value", "mesh.yaml:7"},
    {SOURCE("{ipBlocks: ['fd00::/129']}"), "policy/value", "mesh.yaml:7"},
    {SOURCE("{ipBlocks: ['10.0.0.0/']}"), "policy/value", "mesh.yaml:7"},
    {SOURCE("{ipBlocks: [example.org]}"), "policy/value", "mesh.yaml:7"},
    {SOURCE("{requestPrincipals: []}"), "policy/empty", "requestPrincipals"},
    {OPERATION("{port: ['80']}"), "yaml/unknown-key", "did you mean \"ports\""},
    {OPERATION("{ports: ['0']}"), "yaml/number", "1 to 65535"},
    {OPERATION("{ports: ['65536']}"), "yaml/number", "1 to 65535"},
    {OPERATION("{ports: [http]}"), "yaml/number", "mesh.yaml:7"},
    {OPERATION("{ports: ['80-90']}"), "yaml/number", "mesh.yaml:7"},
    {OPERATION("{ports: ['*']}"), "yaml/number", "mesh.yaml:7"},
    {OPERATION("{methods: [{}]}"), "yaml/type", "mesh.yaml:7"},
    {WHEN("{key: source.port, values: [a]}"), "policy/when-key", "mesh.yaml:7"},
    {WHEN("{key: 'request.headers', values: [a]}"), "policy/when-key", "source.ip"},
    {WHEN("{key: 'request.headers[]', values: [a]}"), "policy/when-key", "mesh.yaml:7"},
    {WHEN("{key: 'request.headers[x', values: [a]}"), "policy/when-key", "mesh.yaml:7"},
    {WHEN("{values: [a]}"), "yaml/missing-key", "key"},
    {WHEN("{key: source.ip}"), "policy/empty", "values"},
    {WHEN("{key: source.ip, values: []}"), "policy/empty", "values"},
    {WHEN("{key: source.ip, value: [10.0.0.1]}"), "yaml/unknown-key", "did you mean \"values\""},
    {WHEN("{key: source.ip, values: [here]}"), "policy/value", "mesh.yaml:7"},
    {WHEN("{key: destination.port, notValues: [x]}"), "yaml/number", "mesh.yaml:7"},
    /* PeerAuthentication */
    {PEER NAMED "spec: {mtls: {mode: strict}}\n", "yaml/value", "UNSET, DISABLE, PERMISSIVE"},
    {PEER NAMED "spec: {mtls: STRICT}\n", "yaml/type", "mtls"},
    {PEER NAMED "spec: {mtls: {mod: STRICT}}\n", "yaml/unknown-key", "mode"},
    {PEER NAMED "spec: {mTLS: {mode: STRICT}}\n", "yaml/unknown-key", "mesh.yaml:5"},
    {PEER NAMED "spec: {portLevelMtls: {80: {mode: STRICT}}}\n", "policy/selector", "selector"},
    {PEER NAMED "spec: {selector: {}, portLevelMtls: {80: {mode: STRICT}}}\n", "policy/selector",
     "labels"},
    {PORTS("{http: {mode: STRICT}}"), "yaml/number", "65535"},
    {PORTS("{0: {mode: STRICT}}"), "yaml/number", "65535"},
    {PORTS("{65536: {mode: STRICT}}"), "yaml/number", "65535"},
    {PORTS("{080: {mode: STRICT}}"), "yaml/number", "65535"},
    {PORTS("{80: STRICT}"), "yaml/type", "mesh.yaml:5"},
    {PORTS("[]"), "yaml/type", "mesh.yaml:5"},
};

Test(policy, refuses_and_names_line_key_and_what_is_allowed)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *given = &refusals[i];
        OWNED(policy_set) *set = NULL;
        struct failure why = {0};

        cr_expect_eq(policies_read(given->text, "cluster.local", NULL, NULL, &set, &why),
                     STATUS_CONFIG, "%s", given->text);
        cr_assert_not_null(why.reason, "%s", given->text);
        cr_expect_str_eq(why.reason, given->reason, "%s\n%s", given->text, why.detail);
        cr_expect_not_null(strstr(why.detail, given->says), "%s\n%s", given->text, why.detail);
        cr_expect_not_null(strstr(why.detail, "mesh.yaml:"), "%s", why.detail);
    }
}

Test(policy, refuses_more_values_than_its_bound)
{
    static char text[64 * 1024];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", OPERATION("{ports: ["));
    OWNED(policy_set) *set = NULL;
    struct failure why = {0};

    len--; /* the newline */
    for (int i = 0; i < POLICY_MAX_VALUES + 1; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s80", i > 0 ? "," : "");
    }
    (void)snprintf(text + len, sizeof text - len, "]}\n");
    cr_assert_eq(policies_read(text, "td", NULL, NULL, &set, &why), STATUS_LIMIT, "%s", why.detail);
    cr_assert_str_eq(why.reason, "policy/too-many");
}

struct warning {
    const char *text;
    size_t count;
    const char *says;
};

static const struct warning warned[] = {
    {ISTIO NAMED "spec: {rules: [{}]}\n", 0, ""},
    {OPERATION("{methods: [GET]}"), 1, "mesh.yaml:7: shop/p rule 1: \"methods\""},
    {OPERATION("{methods: [GET]}"), 1, "matches nothing"},
    {OPERATION("{methods: [GET], paths: [/a]}"), 2, "matches nothing"},
    {WHEN("{key: 'request.headers[x]', values: [a]}"), 1, "request.headers[x]"},
    {ISTIO NAMED "spec: {action: DENY, rules: [{to: [{operation: {ports: ['1'], hosts: [a]}}]}]}\n",
     1, "holds for more than is written"},
    {ISTIO NAMED "spec: {action: DENY, rules: [{to: [{operation: {hosts: [a]}}]}]}\n", 2,
     "denies every one"},
    {SOURCE("{principals: ['a*b']}"), 1, "taken literally"},
    {SOURCE("{namespaces: ['a*b']}"), 0, ""},
    {ISTIO NAMED "spec: {targetRefs: [{kind: Gateway, name: g}]}\n", 1, "no effect on a sidecar"},
    {"apiVersion: security.istio.io/v1\nkind: RequestAuthentication\n" NAMED
     "spec: {anything: 1}\n",
     1, "no JWT"},
    {PEER "metadata: {name: a, namespace: shop}\n" PEER "metadata: {name: b, namespace: shop}\n", 1,
     "shop/a and shop/b"},
    {PEER "metadata: {name: a, namespace: signet-system}\n"
          "spec: {selector: {matchLabels: {a: b}}, mtls: {mode: STRICT}}\n",
     1, "ignored"},
};

Test(policy, warns_of_what_has_no_or_another_effect)
{
    for (size_t i = 0; i < sizeof warned / sizeof warned[0]; i++) {
        OWNED(policy_set) *set = NULL;
        CLEARED(warnings) warnings = {0};
        struct failure why = {0};
        bool found = warned[i].count == 0;

        cr_assert_eq(policies_read(warned[i].text, "td", NULL, &warnings, &set, &why), STATUS_OK,
                     "%s", why.detail);
        cr_expect_eq(warnings.count, warned[i].count, "%s: %zu", warned[i].text, warnings.count);
        for (size_t j = 0; j < warnings.count; j++) {
            found = found || strstr(warnings.lines[j], warned[i].says) != NULL;
        }
        cr_expect(found, "%s: %s", warned[i].text, warnings.count > 0 ? warnings.lines[0] : "");
    }
}

Test(policy, reads_what_kubernetes_prints)
{
    const char *text = "apiVersion: security.istio.io/v1beta1\nkind: AuthorizationPolicy\n"
                       "metadata:\n  name: p\n  namespace: shop\n  creationTimestamp: "
                       "\"2024-05-06T07:08:09Z\"\n  generation: 3\n  resourceVersion: \"77\"\n"
                       "  uid: 5e7c\n  labels: {a: b}\n  annotations:\n    note: x\n"
                       "spec:\n  rules:\n  - {}\nstatus: {}\n";
    OWNED(policy_set) *set = NULL;
    struct failure why = {0};

    cr_assert_eq(policies_read(text, "td", NULL, NULL, &set, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(policy_set_count(set), 1);
}

#define MODE(where, name, spec)                                                                    \
    PEER "metadata: {name: " name ", namespace: " where "}\nspec: " spec "\n"
#define OWN_LABELS "selector: {matchLabels: {app: api}}"

struct mode_row {
    const char *text;
    enum mtls_mode mode_80;
    enum mtls_mode mode_90;
    const char *source_80;
};

static const struct mode_row modes[] = {
    {"", MTLS_PERMISSIVE, MTLS_PERMISSIVE, "defaultMtls"},
    {MODE("signet-system", "m", "{mtls: {mode: STRICT}}"), MTLS_STRICT, MTLS_STRICT,
     "signet-system/m"},
    {MODE("dev", "m", "{mtls: {mode: STRICT}}"), MTLS_PERMISSIVE, MTLS_PERMISSIVE, "defaultMtls"},
    {MODE("signet-system", "m", "{mtls: {mode: STRICT}}")
         MODE("shop", "n", "{mtls: {mode: DISABLE}}"),
     MTLS_DISABLE, MTLS_DISABLE, "shop/n"},
    {MODE("signet-system", "m", "{mtls: {mode: STRICT}}")
         MODE("shop", "n", "{mtls: {mode: UNSET}}"),
     MTLS_STRICT, MTLS_STRICT, "signet-system/m"},
    {MODE("shop", "n", "{mtls: {}}"), MTLS_PERMISSIVE, MTLS_PERMISSIVE, "defaultMtls"},
    {MODE("shop", "n", "{}"), MTLS_PERMISSIVE, MTLS_PERMISSIVE, "defaultMtls"},
    {MODE("shop", "n", "{mtls: {mode: STRICT}}")
         MODE("shop", "w", "{" OWN_LABELS ", mtls: {mode: PERMISSIVE}}"),
     MTLS_PERMISSIVE, MTLS_PERMISSIVE, "shop/w"},
    {MODE("shop", "w", "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}"),
     MTLS_PERMISSIVE, MTLS_PERMISSIVE, "defaultMtls"},
    {MODE("shop", "w",
          "{" OWN_LABELS ", mtls: {mode: STRICT}, portLevelMtls: {80: {mode: "
          "DISABLE}}}"),
     MTLS_DISABLE, MTLS_STRICT, "shop/w"},
    {MODE("shop", "w",
          "{" OWN_LABELS ", mtls: {mode: STRICT}, portLevelMtls: {80: {mode: "
          "UNSET}}}"),
     MTLS_STRICT, MTLS_STRICT, "shop/w"},
    {MODE("shop", "n", "{mtls: {mode: STRICT}}")
         MODE("shop", "w", "{" OWN_LABELS ", portLevelMtls: {80: {mode: PERMISSIVE}}}"),
     MTLS_PERMISSIVE, MTLS_STRICT, "shop/w"},
    {MODE("signet-system", "m", "{" OWN_LABELS ", mtls: {mode: STRICT}}"), MTLS_PERMISSIVE,
     MTLS_PERMISSIVE, "defaultMtls"},
    {MODE("shop", "a", "{mtls: {mode: STRICT}}") MODE("shop", "b", "{mtls: {mode: DISABLE}}"),
     MTLS_STRICT, MTLS_STRICT, "shop/a"},
    {MODE("shop", "a, creationTimestamp: '2024-05-06T07:08:09Z'", "{mtls: {mode: STRICT}}")
         MODE("shop", "b, creationTimestamp: '2023-05-06T07:08:09Z'", "{mtls: {mode: DISABLE}}"),
     MTLS_DISABLE, MTLS_DISABLE, "shop/b"},
    {MODE("shop", "a", "{mtls: {mode: STRICT}}")
         MODE("shop", "b, creationTimestamp: '2023-05-06T07:08:09Z'", "{mtls: {mode: DISABLE}}"),
     MTLS_DISABLE, MTLS_DISABLE, "shop/b"},
};

Test(policy, the_mode_is_that_of_port_then_workload_then_namespace_then_mesh)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct policy *policy = policies_of(modes[i].text);

        cr_expect_eq(policy_mtls(policy, 80), modes[i].mode_80, "%zu: %s", i, modes[i].text);
        cr_expect_eq(policy_mtls(policy, 90), modes[i].mode_90, "%zu: %s", i, modes[i].text);
        cr_expect_str_eq(policy_mtls_source(policy, 80), modes[i].source_80, "%zu", i);
        policy_drop(&policy);
    }
}

/* The same rows' first, where the mesh does not say permissive. */
Test(policy, I23_plaintext_needs_somebodys_word)
{
    static const struct {
        enum policy_default given;
        const char *text;
        enum mtls_mode mode;
        const char *source;
    } rows[] = {
        {POLICY_DEFAULT_UNSAID, "", MTLS_STRICT, "default"},
        {POLICY_DEFAULT_STRICT, "", MTLS_STRICT, "defaultMtls"},
        {POLICY_DEFAULT_PERMISSIVE, "", MTLS_PERMISSIVE, "defaultMtls"},
        {POLICY_DEFAULT_UNSAID, MODE("signet-system", "m", "{mtls: {mode: UNSET}}"), MTLS_STRICT,
         "default"},
        {POLICY_DEFAULT_PERMISSIVE, MODE("signet-system", "m", "{mtls: {mode: UNSET}}"),
         MTLS_PERMISSIVE, "defaultMtls"},
        {POLICY_DEFAULT_UNSAID, MODE("signet-system", "m", "{mtls: {mode: PERMISSIVE}}"),
         MTLS_PERMISSIVE, "signet-system/m"},
        {POLICY_DEFAULT_PERMISSIVE, MODE("shop", "n", "{mtls: {mode: STRICT}}"), MTLS_STRICT,
         "shop/n"},
        {POLICY_DEFAULT_UNSAID, MODE("shop", "w", "{" OWN_LABELS ", mtls: {mode: UNSET}}"),
         MTLS_STRICT, "default"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct policy_mesh mesh = {.trust_domain = "td",
                                         .root_namespace = "signet-system",
                                         .default_mtls = rows[i].given};
        const struct policy_subject subject = {
            .namespace = "shop", .labels = policies_labels, .num_labels = 2};
        OWNED(policy_set) *set = policy_set_make(&mesh);
        OWNED(yaml_file) *file = NULL;
        struct policy *policy;

        cr_assert_eq(yaml_file_parse("m.yaml", bytes_of(rows[i].text), &file, NULL), STATUS_OK);
        for (const struct yaml_node *document = yaml_file_document(file, 0); document != NULL;
             document = document->next) {
            cr_assert_eq(policy_set_add(set, document, NULL, NULL), STATUS_OK);
        }
        policy = policy_select(set, &subject);
        cr_expect_eq(policy_mtls(policy, 80), rows[i].mode, "%zu", i);
        cr_expect_str_eq(policy_mtls_source(policy, 80), rows[i].source, "%zu", i);
        cr_expect_str_eq(policy_mtls_default_source(policy), rows[i].source, "%zu", i);
        policy_drop(&policy);
    }
}

Test(policy, a_mode_given_by_the_mesh_beats_every_peer_authentication)
{
    const struct policy_port ports[] = {{443, MTLS_DISABLE}, {80, MTLS_STRICT}};
    const struct policy_subject subject = {.namespace = "shop",
                                           .labels = policies_labels,
                                           .num_labels = 2,
                                           .ports = ports,
                                           .num_ports = 2};
    OWNED(policy_set) *set = NULL;
    struct failure why = {0};
    struct policy *policy;
    struct policy_port port;

    cr_assert_eq(policies_read(MODE("shop", "w",
                                    "{" OWN_LABELS ", portLevelMtls: {80: {mode: "
                                    "DISABLE}, 81: {mode: STRICT}}}"),
                               "td", NULL, NULL, &set, &why),
                 STATUS_OK);
    policy = policy_select(set, &subject);
    cr_assert_eq(policy_mtls(policy, 80), MTLS_STRICT);
    cr_assert_str_eq(policy_mtls_source(policy, 80), "mesh");
    cr_assert_eq(policy_mtls(policy, 81), MTLS_STRICT);
    cr_assert_str_eq(policy_mtls_source(policy, 81), "shop/w");
    cr_assert_eq(policy_mtls(policy, 443), MTLS_DISABLE);
    cr_assert_eq(policy_mtls(policy, 0), MTLS_PERMISSIVE);
    cr_assert(policy_mtls_port(policy, 2, &port));
    cr_assert_eq(port.port, 443, "in ascending order");
    cr_assert_not(policy_mtls_port(policy, 3, &port));
    policy_drop(&policy);
}

Test(policy, describes_what_holds_in_the_order_of_judging_with_the_place_of_each_rule)
{
    struct policy *policy = policies_of("apiVersion: security.istio.io/v1\n"
                                        "kind: AuthorizationPolicy\n"
                                        "metadata: {name: allow, namespace: shop}\n"
                                        "spec:\n"
                                        "  rules:\n"
                                        "    - to: [{operation: {ports: ['80']}}]\n"
                                        "    - to: [{operation: {methods: [GET]}}]\n"
                                        "---\n"
                                        "apiVersion: security.istio.io/v1\n"
                                        "kind: AuthorizationPolicy\n"
                                        "metadata: {name: deny, namespace: shop}\n"
                                        "spec: {action: DENY, rules: [{}]}\n");
    struct policy_description description;
    struct policy_rule_description rule;

    cr_assert(policy_describe(policy, 0, &description));
    cr_assert_str_eq(description.id, "shop/deny");
    cr_assert_str_eq(description.action, "DENY");
    cr_assert(policy_describe(policy, 1, &description));
    cr_assert_str_eq(description.id, "shop/allow");
    cr_assert_str_eq(description.file, "mesh.yaml");
    cr_assert_eq(description.num_rules, 2);
    cr_assert(policy_describe_rule(policy, 1, 0, &rule));
    cr_assert(rule.number == 1 && rule.line == 6 && !rule.never);
    cr_assert(policy_describe_rule(policy, 1, 1, &rule));
    cr_assert(rule.number == 2 && rule.line == 7 && rule.never);
    cr_assert_not(policy_describe_rule(policy, 1, 2, &rule));
    cr_assert_not(policy_describe_rule(policy, 2, 0, &rule));
    cr_assert_not(policy_describe(policy, 2, &description));
    policy_drop(&policy);
}
