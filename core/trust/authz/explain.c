/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decision in words. It walks the rules in the order of evaluate.c and asks rule.c about each part;
 * the answer itself is evaluate()'s. See explain.h.
 */
#include "core/trust/authz/explain.h"

#include <string.h>

#include "core/trust/authz/rule.h"

enum { EXPLAIN_VALUES = 6, EXPLAIN_SHOWN = 120 };

static const char *const explain_fields[] = {
    [RULE_PRINCIPAL] = "principal",
    [RULE_NAMESPACE] = "namespace",
    [RULE_SERVICE_ACCOUNT] = "service account",
    [RULE_TRUST_DOMAIN] = "trust domain",
    [RULE_SOURCE_IP] = "source address",
    [RULE_DESTINATION_IP] = "destination address",
    [RULE_DESTINATION_PORT] = "destination port",
};

static int explain_shown(struct bytes text)
{
    return (int)(text.len < EXPLAIN_SHOWN ? text.len : EXPLAIN_SHOWN);
}

static enum status explain_text(struct buffer *out, struct bytes text)
{
    if (text.len == 0) {
        return buffer_add_text(out, "nothing");
    }
    return buffer_add_format(out, "%.*s", explain_shown(text), (const char *)text.at);
}

static enum status explain_value(const struct rule_test *test, size_t index, struct buffer *out)
{
    switch (test->field) {
    case RULE_SERVICE_ACCOUNT: {
        const struct rule_account *account = &test->values.accounts[index];

        return buffer_add_format(out, "%.*s/%.*s", explain_shown(account->namespace),
                                 (const char *)account->namespace.at, explain_shown(account->name),
                                 (const char *)account->name.at);
    }
    case RULE_SOURCE_IP:
    case RULE_DESTINATION_IP: {
        char block[IP_BLOCK_TEXT_MAX];

        ip_block_print(&test->values.blocks[index], block);
        return buffer_add_text(out, block);
    }
    case RULE_DESTINATION_PORT:
        return buffer_add_format(out, "%u", test->values.ports[index]);
    case RULE_PRINCIPAL:
    case RULE_NAMESPACE:
    case RULE_TRUST_DOMAIN:
        break;
    }
    return explain_text(out, test->values.texts[index].written);
}

static enum status explain_found(enum rule_field field, const struct facts *facts,
                                 struct buffer *out)
{
    char address[IP_TEXT_MAX];

    switch (field) {
    case RULE_PRINCIPAL:
        return explain_text(out, facts->principal);
    case RULE_NAMESPACE:
        return explain_text(out, facts->namespace);
    case RULE_SERVICE_ACCOUNT:
        if (facts->service_account.len > 0) {
            TRY(explain_text(out, facts->namespace));
            TRY(buffer_add_text(out, "/"));
        }
        return explain_text(out, facts->service_account);
    case RULE_TRUST_DOMAIN:
        return explain_text(out, facts->trust_domain);
    case RULE_SOURCE_IP:
    case RULE_DESTINATION_IP:
        ip_print(field == RULE_SOURCE_IP ? &facts->source_ip : &facts->destination_ip, address);
        return buffer_add_text(out, address);
    case RULE_DESTINATION_PORT:
        return buffer_add_format(out, "%u", facts->destination_port);
    }
    return STATUS_OK;
}

/* explain_test writes "principal is none of a, b: it is c". */
static enum status explain_test(const struct rule_test *test, const struct facts *facts,
                                struct buffer *out)
{
    TRY(buffer_add_format(out, "%s %s ", explain_fields[test->field],
                          test->negated ? "must not be" : "must be"));
    for (size_t i = 0; i < test->num_values && i < EXPLAIN_VALUES; i++) {
        TRY(buffer_add_text(out, i > 0 ? " or " : ""));
        TRY(explain_value(test, i, out));
    }
    if (test->num_values > EXPLAIN_VALUES) {
        TRY(buffer_add_format(out, " or one of %zu more", test->num_values - EXPLAIN_VALUES));
    }
    TRY(buffer_add_text(out, ", and is "));
    return explain_found(test->field, facts, out);
}

/* explain_clause writes the first test of a clause that fails. */
static enum status explain_clause(const struct rule_clause *clause, const struct facts *facts,
                                  struct buffer *out)
{
    for (size_t i = 0; i < clause->num_tests; i++) {
        if (!rule_test_has(&clause->tests[i], facts)) {
            return explain_test(&clause->tests[i], facts, out);
        }
    }
    return STATUS_OK;
}

/* explain_part writes why none of `clauses` holds; nothing when one does. */
static enum status explain_part(const struct rule_clause *clauses, size_t num_clauses,
                                const struct facts *facts, bool *out_failed, struct buffer *out)
{
    *out_failed = num_clauses > 0;
    for (size_t i = 0; i < num_clauses; i++) {
        if (rule_clause_has(&clauses[i], facts)) {
            *out_failed = false;
        }
    }
    for (size_t i = 0; *out_failed && i < num_clauses && i < EXPLAIN_VALUES; i++) {
        TRY(buffer_add_text(out, i > 0 ? "; or " : ""));
        TRY(explain_clause(&clauses[i], facts, out));
    }
    return STATUS_OK;
}

static enum status explain_miss(const struct rule *rule, const struct facts *facts,
                                struct buffer *out)
{
    bool failed;

    if (rule->never) {
        return buffer_add_text(out, "it asks for something of an HTTP request, which a connection "
                                    "does not show");
    }
    TRY(explain_part(rule->from, rule->num_from, facts, &failed, out));
    if (!failed) {
        TRY(explain_part(rule->to, rule->num_to, facts, &failed, out));
    }
    return failed ? STATUS_OK : explain_clause(&rule->when, facts, out);
}

static enum status explain_policy(const struct authorization *policy, const char *action,
                                  const struct facts *facts, struct buffer *out)
{
    const char *dry_run = policy->dry_run ? " (dry run: does not count)" : "";

    if (policy->num_rules == 0) {
        return buffer_add_format(out, "  %s %s, %s:%u%s: no rules: matches nothing\n", action,
                                 policy->id, policy->file, policy->line, dry_run);
    }
    for (size_t i = 0; i < policy->num_rules; i++) {
        const struct rule *rule = &policy->rules[i];

        TRY(buffer_add_format(out, "  %s %s rule %u, %s:%u%s: ", action, policy->id, rule->number,
                              policy->file, rule->line, dry_run));
        if (rule_has(rule, facts)) {
            TRY(buffer_add_text(out, "matches\n"));
            continue;
        }
        TRY(buffer_add_text(out, "does not match: "));
        TRY(explain_miss(rule, facts, out));
        TRY(buffer_add_text(out, "\n"));
    }
    return STATUS_OK;
}

static enum status explain_answer(const struct policy *policy, const struct facts *facts,
                                  const struct decision *decision, struct buffer *out)
{
    char rule[DECIDING_RULE_TEXT_MAX];

    TRY(buffer_add_text(out, decision->allowed ? "allowed: " : "denied: "));
    if (strcmp(decision->reason, "allow/no-policy") == 0) {
        TRY(buffer_add_text(out, policy_is_empty(policy)
                                     ? "no AuthorizationPolicy holds here"
                                     : "no DENY rule matches, and no ALLOW policy holds here"));
    } else if (strcmp(decision->reason, "deny/no-match") == 0) {
        TRY(buffer_add_format(out, "%zu ALLOW policies hold here and none of their rules matches",
                              policy_num_allow(policy)));
    } else if (strcmp(decision->reason, "deny/anonymous") == 0) {
        TRY(buffer_add_format(out, "no identity, and port %u is strict (by %s)",
                              facts->destination_port,
                              policy_mtls_source(policy, facts->destination_port)));
    } else {
        deciding_rule_print(&decision->rule, rule);
        TRY(buffer_add_format(out, "by %s", rule));
    }
    TRY(buffer_add_format(out, " (%s)\n", decision->reason));
    if (decision->audited) {
        deciding_rule_print(&decision->audit, rule);
        TRY(buffer_add_format(out, "audited: by %s\n", rule));
    }
    if (decision->dry_run_differs) {
        deciding_rule_print(&decision->dry_run, rule);
        TRY(buffer_add_format(out, "in dry run: would be %s, by rule: %s\n",
                              decision->allowed ? "denied" : "allowed", rule));
    }
    return STATUS_OK;
}

enum status explain(const struct policy *policy, const struct facts *facts, struct buffer *out)
{
    static const char *const actions[] = {"ALLOW", "DENY", "AUDIT"};
    static const enum rule_action order[] = {RULE_DENY, RULE_ALLOW, RULE_AUDIT};
    struct decision decision;
    char address[IP_TEXT_MAX];

    evaluate(policy, facts, &decision);
    ip_print(&facts->source_ip, address);
    TRY(buffer_add_text(out, "caller: "));
    TRY(facts->has_peer ? explain_text(out, facts->principal)
                        : buffer_add_text(out, "anonymous (no mTLS)"));
    TRY(buffer_add_format(out, " from %s to port %u, which is %s (by %s)\n", address,
                          facts->destination_port,
                          mtls_mode_word(policy_mtls(policy, facts->destination_port)),
                          policy_mtls_source(policy, facts->destination_port)));
    TRY(explain_answer(policy, facts, &decision, out));
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < policy->num_by_action[order[i]]; j++) {
            TRY(explain_policy(policy->by_action[order[i]][j], actions[order[i]], facts, out));
        }
    }
    return STATUS_OK;
}
