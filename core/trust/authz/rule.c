/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled rule against the facts of one connection. See rule.h.
 */
#include "core/trust/authz/rule.h"

static bool rule_any_text(const struct rule_test *test, struct bytes value)
{
    for (size_t i = 0; i < test->num_values; i++) {
        if (match_has(&test->values.texts[i], value)) {
            return true;
        }
    }
    return false;
}

static bool rule_any_block(const struct rule_test *test, const struct ip *ip)
{
    for (size_t i = 0; i < test->num_values; i++) {
        if (ip_block_has(&test->values.blocks[i], ip)) {
            return true;
        }
    }
    return false;
}

static bool rule_any_port(const struct rule_test *test, uint16_t port)
{
    for (size_t i = 0; i < test->num_values; i++) {
        if (test->values.ports[i] == port) {
            return true;
        }
    }
    return false;
}

static bool rule_any_account(const struct rule_test *test, const struct facts *facts)
{
    if (facts->service_account.len == 0) {
        return false;
    }
    for (size_t i = 0; i < test->num_values; i++) {
        const struct rule_account *account = &test->values.accounts[i];

        if (bytes_equal(account->namespace, facts->namespace) &&
            bytes_equal(account->name, facts->service_account)) {
            return true;
        }
    }
    return false;
}

static bool rule_any(const struct rule_test *test, const struct facts *facts)
{
    switch (test->field) {
    case RULE_PRINCIPAL:
        return rule_any_text(test, facts->principal);
    case RULE_NAMESPACE:
        return rule_any_text(test, facts->namespace);
    case RULE_SERVICE_ACCOUNT:
        return rule_any_account(test, facts);
    case RULE_TRUST_DOMAIN:
        return rule_any_text(test, facts->trust_domain);
    case RULE_SOURCE_IP:
        return rule_any_block(test, &facts->source_ip);
    case RULE_DESTINATION_IP:
        return rule_any_block(test, &facts->destination_ip);
    case RULE_DESTINATION_PORT:
        return rule_any_port(test, facts->destination_port);
    }
    return false;
}

bool rule_test_has(const struct rule_test *test, const struct facts *facts)
{
    return rule_any(test, facts) != test->negated;
}

bool rule_clause_has(const struct rule_clause *clause, const struct facts *facts)
{
    for (size_t i = 0; i < clause->num_tests; i++) {
        if (!rule_test_has(&clause->tests[i], facts)) {
            return false;
        }
    }
    return true;
}

static bool rule_any_clause(const struct rule_clause *clauses, size_t num_clauses,
                            const struct facts *facts)
{
    for (size_t i = 0; i < num_clauses; i++) {
        if (rule_clause_has(&clauses[i], facts)) {
            return true;
        }
    }
    return num_clauses == 0;
}

bool rule_has(const struct rule *rule, const struct facts *facts)
{
    return !rule->never && rule_any_clause(rule->from, rule->num_from, facts) &&
           rule_any_clause(rule->to, rule->num_to, facts) && rule_clause_has(&rule->when, facts);
}
