/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evaluate() against a second, naive reading of the same rules: random policies are written as YAML
 * and as a table at once; the table is judged here, word by word as Istio's text has it, without
 * anything of core/trust/authz.
 */
#include <stdlib.h>

#include "tests/support/suite.h"
#include "tests/unit/trust/authz/policies.h"

SUITE(evaluate_property);

enum { POLICIES = 3, RULES = 2, CLAUSES = 2, FIELDS = 5, VALUES = 2, ROUNDS = 4000 };

static const char *const field_names[FIELDS][2] = {{"principals", "notPrincipals"},
                                                   {"namespaces", "notNamespaces"},
                                                   {"ipBlocks", "notIpBlocks"},
                                                   {"trustDomains", "notTrustDomains"},
                                                   {"requestPrincipals", "notRequestPrincipals"}};

static const char *const principal_values[] = {"cluster.local/ns/a/sa/x", "cluster.local/ns/b/*",
                                               "*/sa/y", "*"};
static const char *const namespace_values[] = {"a", "b*", "*c", "*"};
static const char *const block_values[] = {"10.0.0.0/8", "10.1.2.3", "fd00::/8", "0.0.0.0/0"};
static const char *const domain_values[] = {"cluster.local", "other*", "*.org", "*"};
static const char *const *const field_values[FIELDS] = {
    principal_values, namespace_values, block_values, domain_values, principal_values};

struct clause {
    bool used[FIELDS][2]; /* [field][negated] */
    unsigned values[FIELDS][2][VALUES];
    unsigned num_values[FIELDS][2];
};

struct rule_table {
    unsigned num_from;
    struct clause from[CLAUSES];
    unsigned port; /* 0: no `to` */
    bool port_negated;
    bool path; /* `to` asks for a path too */
};

struct policy_table {
    unsigned action; /* 0 ALLOW, 1 DENY */
    unsigned num_rules;
    struct rule_table rules[RULES];
};

struct caller {
    bool has_peer;
    const char *domain;
    const char *namespace;
    const char *account;
    const char *address;
    unsigned port;
};

static uint32_t seed = 20;

static unsigned draw(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % below;
}

static void draw_clause(struct clause *clause)
{
    bool any = false;

    *clause = (struct clause){0};
    while (!any) {
        for (unsigned field = 0; field < FIELDS; field++) {
            for (unsigned negated = 0; negated < 2; negated++) {
                if (draw(field == 4 ? 16 : 5) != 0) {
                    continue;
                }
                any = true;
                clause->used[field][negated] = true;
                clause->num_values[field][negated] = 1 + draw(VALUES);
                for (unsigned i = 0; i < VALUES; i++) {
                    clause->values[field][negated][i] = draw(4);
                }
            }
        }
    }
}

static void draw_policy(struct policy_table *policy)
{
    policy->action = draw(2);
    policy->num_rules = draw(RULES) + (policy->action == 1 ? 1 : draw(2));
    for (unsigned i = 0; i < policy->num_rules; i++) {
        struct rule_table *rule = &policy->rules[i];

        rule->num_from = draw(CLAUSES + 1);
        for (unsigned j = 0; j < rule->num_from; j++) {
            draw_clause(&rule->from[j]);
        }
        rule->port = draw(2) == 0 ? 0 : 80 + draw(2);
        rule->port_negated = draw(2) == 0;
        rule->path = rule->port != 0 && draw(6) == 0;
    }
}

static size_t write_clause(char *out, size_t room, const struct clause *clause)
{
    size_t len = (size_t)snprintf(out, room, "{source: {");
    bool first = true;

    for (unsigned field = 0; field < FIELDS; field++) {
        for (unsigned negated = 0; negated < 2; negated++) {
            if (!clause->used[field][negated]) {
                continue;
            }
            len += (size_t)snprintf(out + len, room - len, "%s%s: [", first ? "" : ", ",
                                    field_names[field][negated]);
            first = false;
            for (unsigned i = 0; i < clause->num_values[field][negated]; i++) {
                len += (size_t)snprintf(out + len, room - len, "%s'%s'", i > 0 ? ", " : "",
                                        field_values[field][clause->values[field][negated][i]]);
            }
            len += (size_t)snprintf(out + len, room - len, "]");
        }
    }
    return len + (size_t)snprintf(out + len, room - len, "}}");
}

static size_t write_rule(char *out, size_t room, const struct rule_table *rule)
{
    size_t len = (size_t)snprintf(out, room, "{");

    if (rule->num_from > 0) {
        len += (size_t)snprintf(out + len, room - len, "from: [");
        for (unsigned i = 0; i < rule->num_from; i++) {
            len += (size_t)snprintf(out + len, room - len, i > 0 ? ", " : "");
            len += write_clause(out + len, room - len, &rule->from[i]);
        }
        len += (size_t)snprintf(out + len, room - len, "]%s", rule->port != 0 ? ", " : "");
    }
    if (rule->port != 0) {
        len += (size_t)snprintf(out + len, room - len, "to: [{operation: {%s: ['%u']%s}}]",
                                rule->port_negated ? "notPorts" : "ports", rule->port,
                                rule->path ? ", paths: [/a]" : "");
    }
    return len + (size_t)snprintf(out + len, room - len, "}");
}

static void write_policies(char *out, size_t room, const struct policy_table *policies)
{
    size_t len = 0;

    for (unsigned i = 0; i < POLICIES; i++) {
        len += (size_t)snprintf(out + len, room - len,
                                "---\napiVersion: security.istio.io/v1\n"
                                "kind: AuthorizationPolicy\nmetadata: {name: p%u, namespace: "
                                "shop}\nspec:\n  action: %s\n  rules: [",
                                i, policies[i].action == 1 ? "DENY" : "ALLOW");
        for (unsigned j = 0; j < policies[i].num_rules; j++) {
            len += (size_t)snprintf(out + len, room - len, "%s", j > 0 ? ", " : "");
            len += write_rule(out + len, room - len, &policies[i].rules[j]);
        }
        len += (size_t)snprintf(out + len, room - len, "]\n");
    }
}

static bool naive_text(const char *pattern, const char *value)
{
    size_t pattern_len = strlen(pattern);
    size_t value_len = strlen(value);

    if (value_len == 0) {
        return false;
    }
    if (strcmp(pattern, "*") == 0) {
        return true;
    }
    if (pattern[0] == '*') {
        return value_len >= pattern_len - 1 &&
               strcmp(value + value_len - (pattern_len - 1), pattern + 1) == 0;
    }
    if (pattern[pattern_len - 1] == '*') {
        return strncmp(pattern, value, pattern_len - 1) == 0;
    }
    return strcmp(pattern, value) == 0;
}

/* The four blocks of the test against its four addresses, worked out by hand. */
static bool naive_block(const char *block, const char *address)
{
    if (strcmp(block, "fd00::/8") == 0) {
        return address[0] == 'f';
    }
    if (address[0] == 'f') {
        return false;
    }
    if (strcmp(block, "0.0.0.0/0") == 0) {
        return true;
    }
    return strcmp(block, "10.1.2.3") == 0 ? strcmp(address, "10.1.2.3") == 0
                                          : strncmp(address, "10.", 3) == 0;
}

static bool naive_value(unsigned field, const char *pattern, const struct caller *caller)
{
    char principal[128] = "";

    if (field == 2) {
        return naive_block(pattern, caller->address);
    }
    if (!caller->has_peer) {
        return false;
    }
    (void)snprintf(principal, sizeof principal, "%s/ns/%s/sa/%s", caller->domain, caller->namespace,
                   caller->account);
    return naive_text(pattern, field == 0   ? principal
                               : field == 1 ? caller->namespace
                                            : caller->domain);
}

static bool naive_clause(const struct clause *clause, const struct caller *caller)
{
    for (unsigned field = 0; field < 4; field++) { /* the fifth is of requests: left out */
        for (unsigned negated = 0; negated < 2; negated++) {
            bool any = false;

            for (unsigned i = 0; i < clause->num_values[field][negated]; i++) {
                any = any ||
                      naive_value(field, field_values[field][clause->values[field][negated][i]],
                                  caller);
            }
            if (clause->used[field][negated] && any == (negated == 1)) {
                return false;
            }
        }
    }
    return true;
}

static bool naive_asks_request(const struct rule_table *rule)
{
    bool asks = rule->path;

    for (unsigned i = 0; i < rule->num_from; i++) {
        asks = asks || rule->from[i].used[4][0] || rule->from[i].used[4][1];
    }
    return asks;
}

static bool naive_rule(const struct rule_table *rule, unsigned action, const struct caller *caller)
{
    bool from = rule->num_from == 0;

    if (action == 0 && naive_asks_request(rule)) {
        return false;
    }
    for (unsigned i = 0; i < rule->num_from; i++) {
        from = from || naive_clause(&rule->from[i], caller);
    }
    return from && (rule->port == 0 || (rule->port == caller->port) != rule->port_negated);
}

static bool naive_allows(const struct policy_table *policies, const struct caller *caller)
{
    bool has_allow = false;
    bool allowed = false;

    for (unsigned i = 0; i < POLICIES; i++) {
        has_allow = has_allow || policies[i].action == 0;
        for (unsigned j = 0; j < policies[i].num_rules; j++) {
            if (naive_rule(&policies[i].rules[j], policies[i].action, caller)) {
                if (policies[i].action == 1) {
                    return false;
                }
                allowed = true;
            }
        }
    }
    return !has_allow || allowed;
}

static void check_callers(const char *text, const struct policy_table *tables)
{
    static const char *const domains[] = {"cluster.local", "other.org"};
    static const char *const namespaces[] = {"a", "bc"};
    static const char *const accounts[] = {"x", "y"};
    static const char *const addresses[] = {"10.1.2.3", "192.168.0.1", "fd00::7"};
    struct policy *policy = policies_of(text);

    for (unsigned i = 0; i < 2 * 2 * 2 * 3 * 2 * 2; i++) {
        const struct caller caller = {.has_peer = i % 2 == 0,
                                      .domain = domains[i / 2 % 2],
                                      .namespace = namespaces[i / 4 % 2],
                                      .account = accounts[i / 8 % 2],
                                      .port = 80 + i / 16 % 2,
                                      .address = addresses[i / 32 % 3]};
        char id[128];
        struct facts facts;
        struct decision decision;

        (void)snprintf(id, sizeof id, "spiffe://%s/ns/%s/sa/%s", caller.domain, caller.namespace,
                       caller.account);
        facts = policies_facts(caller.has_peer ? id : NULL, caller.address, (uint16_t)caller.port);
        evaluate(policy, &facts, &decision);
        cr_assert_eq(decision.allowed, naive_allows(tables, &caller), "%s from %s port %u\n%s",
                     caller.has_peer ? id : "nobody", caller.address, caller.port, text);
    }
    policy_drop(&policy);
}

Test(evaluate_property, agrees_with_a_naive_reading_of_random_policies)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct policy_table tables[POLICIES] = {0};
        char text[8192];

        for (unsigned i = 0; i < POLICIES; i++) {
            draw_policy(&tables[i]);
        }
        write_policies(text, sizeof text, tables);
        check_callers(text, tables);
    }
}
