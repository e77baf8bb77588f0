/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Istio's tables of evaluation order, value matching and missing attributes say, row by row, for
 * a connection to the workload shop (app=api, tier=back).
 */
#include "core/trust/authz/evaluate.h"
#include "core/trust/authz/explain.h"
#include "tests/support/suite.h"
#include "tests/unit/trust/authz/policies.h"

SUITE(evaluate);

struct row {
    const char *spec; /* of one policy of security.istio.io/v1, shop/p */
    const char *caller;
    const char *address;
    uint16_t port;
    bool allowed;
    const char *reason;
};

#define P8 "10.0.0.8", 8080

static const struct row rows[] = {
    /* order of evaluation, and empty things */
    {"{}", WEB, P8, false, "deny/no-match"},
    {"", WEB, P8, false, "deny/no-match"},
    {"{rules: []}", WEB, P8, false, "deny/no-match"},
    {"{rules: [{}]}", WEB, P8, true, "allow/rule"},
    {"{rules: [{}]}", NULL, P8, true, "allow/rule"},
    {"{action: ALLOW, rules: [{}]}", WEB, P8, true, "allow/rule"},
    {"{action: DENY, rules: [{}]}", WEB, P8, false, "deny/rule"},
    {"{action: AUDIT, rules: [{}]}", WEB, P8, true, "allow/no-policy"},
    {"{action: AUDIT}", WEB, P8, true, "allow/no-policy"},
    {"{action: DENY, rules: [{from: [{source: {namespaces: [dev]}}]}]}", WEB, P8, true,
     "allow/no-policy"},
    {"{action: DENY, rules: [{from: [{source: {namespaces: [dev]}}]}]}", DEV, P8, false,
     "deny/rule"},
    /* principals */
    {"{rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}", WEB, P8, true,
     "allow/rule"},
    {"{rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}", DEV, P8, false,
     "deny/no-match"},
    {"{rules: [{from: [{source: {principals: [cluster.local/ns/shop/*]}}]}]}", WEB, P8, true,
     "allow/rule"},
    {"{rules: [{from: [{source: {principals: ['*/sa/web']}}]}]}", DEV, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {principals: ['*/ns/shop/sa/web']}}]}]}", FOREIGN, P8, true,
     "allow/rule"},
    {"{rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}", FOREIGN, P8,
     false, "deny/no-match"},
    {"{rules: [{from: [{source: {principals: ['*']}}]}]}", WEB, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {principals: ['*']}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {principals: ['cluster.local/ns/*/sa/web']}}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{from: [{source: {principals: [a, cluster.local/ns/dev/sa/web]}}]}]}", DEV, P8, true,
     "allow/rule"},
    /* missing attributes: no mTLS */
    {"{rules: [{from: [{source: {principals: [x]}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {namespaces: ['*']}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {serviceAccounts: [web]}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {trustDomains: ['*']}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {notPrincipals: [x]}}]}]}", NULL, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {notNamespaces: [x]}}]}]}", NULL, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {notServiceAccounts: [x]}}]}]}", NULL, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {notTrustDomains: [x]}}]}]}", NULL, P8, true, "allow/rule"},
    {"{action: DENY, rules: [{from: [{source: {notPrincipals: ['*']}}]}]}", NULL, P8, false,
     "deny/rule"},
    {"{action: DENY, rules: [{from: [{source: {notPrincipals: ['*']}}]}]}", WEB, P8, true,
     "allow/no-policy"},
    /* namespaces, where each star is any substring */
    {"{rules: [{from: [{source: {namespaces: [shop]}}]}]}", WEB, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {namespaces: ['s*p']}}]}]}", WEB, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {namespaces: ['*ho*']}}]}]}", WEB, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {namespaces: ['d*']}}]}]}", WEB, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {namespaces: [shop]}}]}]}", "spiffe://td/evil/ns/shop/sa/web", P8,
     false, "deny/no-match"},
    {"{rules: [{from: [{source: {notNamespaces: [dev]}}]}]}", DEV, P8, false, "deny/no-match"},
    /* service accounts: of the policy's own namespace, any trust domain */
    {"{rules: [{from: [{source: {serviceAccounts: [web]}}]}]}", WEB, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {serviceAccounts: [web]}}]}]}", DEV, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {serviceAccounts: [dev/web]}}]}]}", DEV, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {serviceAccounts: [web]}}]}]}", FOREIGN, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {notServiceAccounts: [web]}}]}]}", WEB, P8, false, "deny/no-match"},
    /* trust domains */
    {"{rules: [{from: [{source: {trustDomains: [cluster.local]}}]}]}", WEB, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {trustDomains: ['*.org']}}]}]}", FOREIGN, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {trustDomains: ['cluster*']}}]}]}", FOREIGN, P8, false,
     "deny/no-match"},
    {"{rules: [{from: [{source: {notTrustDomains: [other.org]}}]}]}", FOREIGN, P8, false,
     "deny/no-match"},
    /* addresses */
    {"{rules: [{from: [{source: {ipBlocks: [10.0.0.8]}}]}]}", NULL, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {ipBlocks: [10.0.0.0/24]}}]}]}", NULL, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {ipBlocks: [10.0.0.9/24]}}]}]}", NULL, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {ipBlocks: [10.0.1.0/24]}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {ipBlocks: ['fd00::/8']}}]}]}", NULL, "fd77::1", 80, true,
     "allow/rule"},
    {"{rules: [{from: [{source: {ipBlocks: ['::/0']}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {ipBlocks: [0.0.0.0/0]}}]}]}", NULL, "fd77::1", 80, false,
     "deny/no-match"},
    {"{rules: [{from: [{source: {notIpBlocks: [10.0.0.0/8]}}]}]}", NULL, P8, false,
     "deny/no-match"},
    {"{rules: [{from: [{source: {ipBlocks: [10.0.0.0/8], notIpBlocks: [10.0.0.8]}}]}]}", NULL, P8,
     false, "deny/no-match"},
    {"{rules: [{from: [{source: {ipBlocks: [10.0.0.0/8], notIpBlocks: [10.0.0.9]}}]}]}", NULL, P8,
     true, "allow/rule"},
    /* ports */
    {"{rules: [{to: [{operation: {ports: ['8080']}}]}]}", NULL, P8, true, "allow/rule"},
    {"{rules: [{to: [{operation: {ports: ['80', '8081']}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{to: [{operation: {notPorts: ['8080']}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{to: [{operation: {notPorts: ['80']}}]}]}", NULL, P8, true, "allow/rule"},
    /* AND between from, to and when; OR inside from and to; AND inside a source */
    {"{rules: [{from: [{source: {namespaces: [shop]}}], to: [{operation: {ports: ['80']}}]}]}", WEB,
     P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {namespaces: [shop]}}], to: [{operation: {ports: ['8080']}}]}]}",
     WEB, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {namespaces: [x]}}, {source: {namespaces: [shop]}}]}]}", WEB, P8,
     true, "allow/rule"},
    {"{rules: [{to: [{operation: {ports: ['1']}}, {operation: {ports: ['8080']}}]}]}", WEB, P8,
     true, "allow/rule"},
    {"{rules: [{from: [{source: {namespaces: [shop], ipBlocks: [10.1.0.0/16]}}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{from: [{source: {namespaces: [x]}}]}, {to: [{operation: {ports: ['8080']}}]}]}",
     WEB, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {principals: ['*'], notPrincipals: ['*/sa/web']}}]}]}", WEB, P8,
     false, "deny/no-match"},
    /* when */
    {"{rules: [{when: [{key: source.namespace, values: [shop]}]}]}", WEB, P8, true, "allow/rule"},
    {"{rules: [{when: [{key: source.namespace, values: [dev, shop]}]}]}", WEB, P8, true,
     "allow/rule"},
    {"{rules: [{when: [{key: source.namespace, notValues: [shop]}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{when: [{key: source.namespace, notValues: [x]}]}]}", NULL, P8, true, "allow/rule"},
    {"{rules: [{when: [{key: source.namespace, values: [shop]}, {key: destination.port, values: "
     "['80']}]}]}",
     WEB, P8, false, "deny/no-match"},
    {"{rules: [{when: [{key: source.ip, values: [10.0.0.0/8], notValues: [10.0.0.8]}]}]}", WEB, P8,
     false, "deny/no-match"},
    {"{rules: [{when: [{key: source.principal, values: [cluster.local/ns/shop/sa/web]}]}]}", WEB,
     P8, true, "allow/rule"},
    {"{rules: [{when: [{key: source.serviceAccount, values: [web]}]}]}", WEB, P8, true,
     "allow/rule"},
    {"{rules: [{when: [{key: source.trustDomain, values: [other.org]}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{when: [{key: destination.ip, values: [10.77.0.0/24]}]}]}", WEB, P8, true,
     "allow/rule"},
    {"{rules: [{when: [{key: destination.port, values: ['8080']}]}]}", WEB, P8, true, "allow/rule"},
    /* what a connection does not show: an ALLOW rule with any of it matches nothing */
    {"{rules: [{when: [{key: connection.sni, values: ['*']}]}]}", WEB, P8, false, "deny/no-match"},
    {"{rules: [{when: [{key: connection.sni, notValues: [x]}]}]}", WEB, P8, false, "deny/no-match"},
    {"{rules: [{to: [{operation: {methods: [GET]}}]}]}", WEB, P8, false, "deny/no-match"},
    {"{rules: [{to: [{operation: {notMethods: [GET]}}]}]}", WEB, P8, false, "deny/no-match"},
    {"{rules: [{to: [{operation: {ports: ['8080'], paths: [/a]}}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{to: [{operation: {ports: ['8080']}}, {operation: {hosts: [a]}}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}", WEB, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{from: [{source: {remoteIpBlocks: [10.0.0.0/8]}}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{when: [{key: 'request.headers[x]', notValues: [a]}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{to: [{operation: {paths: [/a]}}]}, {from: [{source: {namespaces: [shop]}}]}]}", WEB,
     P8, true, "allow/rule"},
    /* ... and is left out of a DENY rule, which widens it */
    {"{action: DENY, rules: [{when: [{key: connection.sni, values: [x]}]}]}", WEB, P8, false,
     "deny/rule"},
    {"{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}", WEB, P8, false, "deny/rule"},
    {"{action: DENY, rules: [{to: [{operation: {ports: ['8080'], paths: [/a]}}]}]}", WEB, P8, false,
     "deny/rule"},
    {"{action: DENY, rules: [{to: [{operation: {ports: ['80'], paths: [/a]}}]}]}", WEB, P8, true,
     "allow/no-policy"},
    {"{action: DENY, rules: [{from: [{source: {namespaces: [dev]}}], to: [{operation: {methods: "
     "[GET]}}]}]}",
     WEB, P8, true, "allow/no-policy"},
    {"{action: DENY, rules: [{from: [{source: {namespaces: [dev]}}], to: [{operation: {methods: "
     "[GET]}}]}]}",
     DEV, P8, false, "deny/rule"},
    {"{action: DENY, rules: [{from: [{source: {requestPrincipals: [x]}}, {source: {namespaces: "
     "[dev]}}]}]}",
     WEB, P8, false, "deny/rule"},
    {"{action: DENY, rules: [{when: [{key: 'request.auth.claims[a][b]', values: [c]}]}]}", WEB, P8,
     false, "deny/rule"},
    {"{action: DENY, rules: [{when: [{key: remote.ip, values: [10.0.0.1]}, {key: "
     "destination.port, values: ['80']}]}]}",
     WEB, P8, true, "allow/no-policy"},
};

Test(evaluate, answers_as_istio_does_for_a_connection)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct facts facts = policies_facts(row->caller, row->address, row->port);
        struct decision decision;
        char text[1024];
        struct policy *policy = policies_of(
            policies_document(text, sizeof text, "security.istio.io/v1", "p", row->spec));

        evaluate(policy, &facts, &decision);
        cr_expect_eq(decision.allowed, row->allowed, "%zu: %s by %s", i, row->spec,
                     row->caller != NULL ? row->caller : "nobody");
        cr_expect_str_eq(decision.reason, row->reason, "%zu: %s", i, row->spec);
        cr_expect_eq(decision.rule.policy != NULL, strstr(row->reason, "/rule") != NULL);
        policy_drop(&policy);
    }
}

/* Our own group: a star stops at a slash, alone it is presence. */
static const struct row our_rows[] = {
    {"{rules: [{from: [{source: {principals: ['cluster.local/ns/shop/*']}}]}]}", WEB, P8, false,
     "deny/no-match"},
    {"{rules: [{from: [{source: {principals: ['cluster.local/ns/shop/sa/*']}}]}]}", WEB, P8, true,
     "allow/rule"},
    {"{rules: [{from: [{source: {principals: ['cluster.local/ns/*/sa/web']}}]}]}", DEV, P8, true,
     "allow/rule"},
    {"{rules: [{from: [{source: {principals: ['*/ns/shop/sa/web']}}]}]}", FOREIGN, P8, true,
     "allow/rule"},
    {"{rules: [{from: [{source: {principals: ['*/sa/web']}}]}]}", WEB, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {principals: ['*']}}]}]}", WEB, P8, true, "allow/rule"},
    {"{rules: [{from: [{source: {principals: ['*']}}]}]}", NULL, P8, false, "deny/no-match"},
    {"{rules: [{from: [{source: {namespaces: ['s*p']}}]}]}", WEB, P8, true, "allow/rule"},
};

Test(evaluate, in_our_own_group_a_star_stops_at_a_slash)
{
    for (size_t i = 0; i < sizeof our_rows / sizeof our_rows[0]; i++) {
        const struct row *row = &our_rows[i];
        struct facts facts = policies_facts(row->caller, row->address, row->port);
        struct decision decision;
        char text[1024];
        struct policy *policy = policies_of(
            policies_document(text, sizeof text, "security.signet.mesh/v1", "p", row->spec));

        evaluate(policy, &facts, &decision);
        cr_expect_eq(decision.allowed, row->allowed, "%zu: %s", i, row->spec);
        policy_drop(&policy);
    }
}

static struct decision decide(const char *text, const char *caller, uint16_t port)
{
    static char last[4096]; /* the decision borrows from the policy, so its names are copied here */
    struct policy *policy = policies_of(text);
    struct facts facts = policies_facts(caller, "10.0.0.8", port);
    struct decision decision;

    evaluate(policy, &facts, &decision);
    if (decision.rule.policy != NULL) {
        deciding_rule_print(&decision.rule, last);
        decision.rule.policy = last;
    }
    policy_drop(&policy);
    return decision;
}

#define ISTIO "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"

Test(evaluate, deny_comes_before_allow_and_names_its_rule)
{
    struct decision decision =
        decide(ISTIO "metadata: {name: allow-all, namespace: shop}\nspec: {rules: [{}]}\n" ISTIO
                     "metadata: {name: no-dev, namespace: shop}\nspec:\n  action: DENY\n  rules:\n"
                     "  - from: [{source: {namespaces: [x]}}]\n"
                     "  - from: [{source: {namespaces: [dev]}}]\n",
               DEV, 8080);

    cr_assert_not(decision.allowed);
    cr_assert_str_eq(decision.reason, "deny/rule");
    cr_assert_str_eq(decision.rule.policy, "shop/no-dev rule 2, mesh.yaml:14");
    cr_assert_eq(decision.rule.rule, 2);
    cr_assert_eq(decision.rule.line, 14);
}

Test(evaluate, any_allow_policy_may_allow)
{
    const char *text = ISTIO "metadata: {name: a, namespace: shop}\nspec: {}\n" ISTIO
                             "metadata: {name: b, namespace: shop}\nspec: {rules: [{to: "
                             "[{operation: {ports: ['8080']}}]}]}\n";

    cr_assert(decide(text, WEB, 8080).allowed);
    cr_assert_not(decide(text, WEB, 8081).allowed);
}

Test(evaluate, policies_of_the_root_namespace_hold_everywhere_and_others_stay_at_home)
{
    const char *root = ISTIO "metadata: {name: r, namespace: signet-system}\n"
                             "spec: {action: DENY, rules: [{}]}\n";
    const char *other = ISTIO "metadata: {name: r, namespace: dev}\n"
                              "spec: {action: DENY, rules: [{}]}\n";

    cr_assert_not(decide(root, WEB, 80).allowed);
    cr_assert(decide(other, WEB, 80).allowed);
}

Test(evaluate, a_bare_service_account_is_of_the_policys_namespace_also_in_the_root)
{
    const char *root = ISTIO "metadata: {name: r, namespace: signet-system}\n"
                             "spec: {rules: [{from: [{source: {serviceAccounts: [web]}}]}]}\n";

    cr_assert_not(decide(root, WEB, 80).allowed);
    cr_assert(decide(root, "spiffe://cluster.local/ns/signet-system/sa/web", 80).allowed);
}

Test(evaluate, a_selector_needs_all_its_labels)
{
    const struct {
        const char *selector;
        bool holds;
    } cases[] = {
        {"{matchLabels: {app: api}}", true},
        {"{matchLabels: {app: api, tier: back}}", true},
        {"{matchLabels: {app: api, tier: front}}", false},
        {"{matchLabels: {app: api, zone: a}}", false},
        {"{matchLabels: {app: web}}", false},
        {"{matchLabels: {}}", true},
        {"{}", true},
    };
    const char *const namespaces[] = {"shop", "signet-system"};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t j = 0; j < 2; j++) {
            char text[512];

            (void)snprintf(text, sizeof text,
                           ISTIO "metadata: {name: s, namespace: %s}\n"
                                 "spec: {action: DENY, selector: %s, rules: [{}]}\n",
                           namespaces[j], cases[i].selector);
            cr_expect_eq(decide(text, WEB, 80).allowed, !cases[i].holds, "%s", text);
        }
    }
}

Test(evaluate, a_policy_for_gateways_does_not_touch_a_sidecar)
{
    const char *text = ISTIO "metadata: {name: g, namespace: shop}\n"
                             "spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: "
                             "Gateway, name: g}], action: DENY, rules: [{}]}\n";

    cr_assert_str_eq(decide(text, WEB, 80).reason, "allow/no-policy");
}

Test(evaluate, audit_marks_and_changes_nothing)
{
    struct policy *policy = policies_of(ISTIO "metadata: {name: a, namespace: shop}\n"
                                              "spec: {action: AUDIT, rules: [{}]}\n" ISTIO
                                              "metadata: {name: d, namespace: shop}\n"
                                              "spec: {action: DENY, rules: [{to: [{operation: "
                                              "{ports: ['1']}}]}]}\n");
    struct facts facts = policies_facts(WEB, "10.0.0.8", 80);
    struct decision decision;

    evaluate(policy, &facts, &decision);
    cr_assert(decision.allowed);
    cr_assert(decision.audited);
    cr_assert_str_eq(decision.audit.policy, "shop/a");
    facts.destination_port = 1;
    evaluate(policy, &facts, &decision);
    cr_assert_not(decision.allowed);
    cr_assert(decision.audited);
    policy_drop(&policy);
}

Test(evaluate, a_dry_run_is_told_and_not_enforced)
{
    const char *const annotations[] = {"istio.io/dry-run", "signet.mesh/dry-run"};

    for (size_t i = 0; i < 2; i++) {
        char text[512];
        struct policy *policy;
        struct facts facts = policies_facts(DEV, "10.0.0.8", 80);
        struct decision decision;

        (void)snprintf(text, sizeof text,
                       ISTIO "metadata: {name: d, namespace: shop, annotations: {%s: 'true'}}\n"
                             "spec: {action: DENY, rules: [{from: [{source: {namespaces: "
                             "[dev]}}]}]}\n",
                       annotations[i]);
        policy = policies_of(text);
        evaluate(policy, &facts, &decision);
        cr_expect(decision.allowed);
        cr_expect_str_eq(decision.reason, "allow/no-policy");
        cr_expect(decision.dry_run_differs);
        cr_expect_str_eq(decision.dry_run.policy, "shop/d");
        cr_expect(policy_is_empty(policy));
        facts = policies_facts(WEB, "10.0.0.8", 80);
        evaluate(policy, &facts, &decision);
        cr_expect_not(decision.dry_run_differs);
        policy_drop(&policy);
    }
}

Test(evaluate, an_allow_policy_in_dry_run_would_close_the_door)
{
    struct policy *policy =
        policies_of(ISTIO "metadata: {name: d, namespace: shop, annotations: {istio.io/dry-run: "
                          "'true'}}\nspec: {rules: [{from: [{source: {namespaces: [shop]}}]}]}\n");
    struct facts facts = policies_facts(DEV, "10.0.0.8", 80);
    struct decision decision;

    evaluate(policy, &facts, &decision);
    cr_assert(decision.allowed);
    cr_assert(decision.dry_run_differs);
    cr_assert_null(decision.dry_run.policy);
    policy_drop(&policy);
}

Test(evaluate, I23_without_any_policy_a_mesh_identity_may_and_nobody_may_not_on_strict)
{
    const char *strict = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
                         "metadata: {name: default, namespace: shop}\n"
                         "spec: {mtls: {mode: STRICT}}\n";

    cr_assert_str_eq(decide("", WEB, 80).reason, "allow/no-policy");
    cr_assert_str_eq(decide("", NULL, 80).reason, "allow/no-policy");
    cr_assert_str_eq(decide(strict, WEB, 80).reason, "allow/no-policy");
    cr_assert_str_eq(decide(strict, NULL, 80).reason, "deny/anonymous");
}

Test(evaluate, trust_domain_aliases_stand_for_our_own)
{
    const char *const aliases[] = {"old.example", "older.example", NULL};
    const struct {
        const char *principal;
        const char *caller;
        bool allowed;
    } cases[] = {
        {"cluster.local/ns/a/sa/b", "spiffe://our.example/ns/a/sa/b", true},
        {"cluster.local/ns/a/sa/b", "spiffe://old.example/ns/a/sa/b", true},
        {"cluster.local/ns/a/sa/b", "spiffe://older.example/ns/a/sa/b", true},
        {"cluster.local/ns/a/sa/b", "spiffe://cluster.local/ns/a/sa/b", false},
        {"old.example/ns/a/sa/b", "spiffe://our.example/ns/a/sa/b", true},
        {"our.example/ns/a/*", "spiffe://old.example/ns/a/sa/b", true},
        {"foreign.example/ns/a/sa/b", "spiffe://our.example/ns/a/sa/b", false},
        {"foreign.example/ns/a/sa/b", "spiffe://foreign.example/ns/a/sa/b", true},
        {"'*/ns/a/sa/b'", "spiffe://cluster.local/ns/a/sa/b", true},
        {"'our.example*'", "spiffe://old.example/ns/a/sa/b", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct facts facts = policies_facts(cases[i].caller, "10.0.0.8", 80);
        struct decision decision;
        struct policy *policy;
        char text[512];

        (void)snprintf(text, sizeof text,
                       ISTIO "metadata: {name: p, namespace: shop}\n"
                             "spec: {rules: [{from: [{source: {principals: [%s]}}]}]}\n",
                       cases[i].principal);
        policy = policies_for(text, "our.example", aliases);
        evaluate(policy, &facts, &decision);
        cr_expect_eq(decision.allowed, cases[i].allowed, "%s for %s", cases[i].principal,
                     cases[i].caller);
        policy_drop(&policy);
    }
}

Test(evaluate, a_policy_outlives_the_set_it_came_from)
{
    const struct policy_mesh mesh = {.trust_domain = "td", .root_namespace = "root"};
    const struct policy_subject subject = {.namespace = "shop"};
    struct policy_set *set = policy_set_make(&mesh);
    struct policy *policy = policy_select(set, &subject);
    struct policy *second = policy_ref(policy);
    struct facts facts = policies_facts(WEB, "10.0.0.8", 80);
    struct decision decision;

    policy_set_drop(&set);
    policy_drop(&policy);
    evaluate(second, &facts, &decision);
    cr_assert(decision.allowed);
    policy_drop(&second);
    policy_drop(&second);
}

Test(evaluate, explain_says_what_was_asked_and_what_was_found)
{
    struct policy *policy =
        policies_of(ISTIO "metadata: {name: callers, namespace: shop}\nspec:\n  rules:\n"
                          "  - from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]\n"
                          "    to: [{operation: {ports: ['80']}}]\n"
                          "  - from: [{source: {ipBlocks: [10.9.0.0/16]}}]\n"
                          "  - to: [{operation: {methods: [GET]}}]\n");
    struct facts facts = policies_facts(DEV, "10.0.0.8", 80);
    struct buffer out;
    const char *expected =
        "caller: cluster.local/ns/dev/sa/web from 10.0.0.8 to port 80, which is permissive (by "
        "defaultMtls)\n"
        "denied: 1 ALLOW policies hold here and none of their rules matches (deny/no-match)\n"
        "  ALLOW shop/callers rule 1, mesh.yaml:7: does not match: principal must be "
        "cluster.local/ns/shop/sa/web, and is cluster.local/ns/dev/sa/web\n"
        "  ALLOW shop/callers rule 2, mesh.yaml:9: does not match: source address must be "
        "10.9.0.0/16, and is 10.0.0.8\n"
        "  ALLOW shop/callers rule 3, mesh.yaml:10: does not match: it asks for something of an "
        "HTTP request, which a connection does not show\n";

    buffer_init(&out, 8192);
    cr_assert_eq(explain(policy, &facts, &out), STATUS_OK);
    cr_assert(bytes_equal_text(buffer_bytes(&out), expected), "%.*s", (int)out.len, out.at);
    buffer_clear(&out);
    policy_drop(&policy);
}
