/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of an AuthorizationPolicy from YAML: tables of fields and of `when` keys. The values are
 * read in rule_values.c. Refusals and the treatment of L7 fields: policy_set.h.
 */
#include <string.h>

#include "core/trust/authz/rule.h"

enum { RULE_KEYS_MAX = 16, RULE_SHOWN = 60 };

struct rule_key {
    const char *name;
    enum rule_value value;
    enum rule_field field; /* of no meaning for VALUE_OF_REQUEST */
    bool negated;
};

static const struct rule_key rule_source_keys[] = {
    {"principals", VALUE_PRINCIPAL, RULE_PRINCIPAL, false},
    {"notPrincipals", VALUE_PRINCIPAL, RULE_PRINCIPAL, true},
    {"namespaces", VALUE_NAMESPACE, RULE_NAMESPACE, false},
    {"notNamespaces", VALUE_NAMESPACE, RULE_NAMESPACE, true},
    {"serviceAccounts", VALUE_ACCOUNT, RULE_SERVICE_ACCOUNT, false},
    {"notServiceAccounts", VALUE_ACCOUNT, RULE_SERVICE_ACCOUNT, true},
    {"trustDomains", VALUE_TRUST_DOMAIN, RULE_TRUST_DOMAIN, false},
    {"notTrustDomains", VALUE_TRUST_DOMAIN, RULE_TRUST_DOMAIN, true},
    {"ipBlocks", VALUE_BLOCK, RULE_SOURCE_IP, false},
    {"notIpBlocks", VALUE_BLOCK, RULE_SOURCE_IP, true},
    {"requestPrincipals", VALUE_OF_REQUEST, 0, false},
    {"notRequestPrincipals", VALUE_OF_REQUEST, 0, true},
    {"remoteIpBlocks", VALUE_OF_REQUEST, 0, false},
    {"notRemoteIpBlocks", VALUE_OF_REQUEST, 0, true},
    {NULL, 0, 0, false},
};

static const struct rule_key rule_operation_keys[] = {
    {"ports", VALUE_PORT, RULE_DESTINATION_PORT, false},
    {"notPorts", VALUE_PORT, RULE_DESTINATION_PORT, true},
    {"hosts", VALUE_OF_REQUEST, 0, false},
    {"notHosts", VALUE_OF_REQUEST, 0, true},
    {"methods", VALUE_OF_REQUEST, 0, false},
    {"notMethods", VALUE_OF_REQUEST, 0, true},
    {"paths", VALUE_OF_REQUEST, 0, false},
    {"notPaths", VALUE_OF_REQUEST, 0, true},
    {NULL, 0, 0, false},
};

static const struct rule_key rule_when_keys[] = {
    {"source.ip", VALUE_BLOCK, RULE_SOURCE_IP, false},
    {"source.namespace", VALUE_NAMESPACE, RULE_NAMESPACE, false},
    {"source.principal", VALUE_PRINCIPAL, RULE_PRINCIPAL, false},
    {"source.serviceAccount", VALUE_ACCOUNT, RULE_SERVICE_ACCOUNT, false},
    {"source.trustDomain", VALUE_TRUST_DOMAIN, RULE_TRUST_DOMAIN, false},
    {"destination.ip", VALUE_BLOCK, RULE_DESTINATION_IP, false},
    {"destination.port", VALUE_PORT, RULE_DESTINATION_PORT, false},
    {"connection.sni", VALUE_OF_REQUEST, 0, false}, /* nobody reads it out of the hello */
    {"remote.ip", VALUE_OF_REQUEST, 0, false},
    {"request.auth.principal", VALUE_OF_REQUEST, 0, false},
    {"request.auth.audiences", VALUE_OF_REQUEST, 0, false},
    {"request.auth.presenter", VALUE_OF_REQUEST, 0, false},
    {NULL, 0, 0, false},
};

/* Keys that carry a name in brackets: "request.headers[x-user]". All of requests. */
static const char *const rule_when_families[] = {"request.headers[", "request.auth.claims[",
                                                 "experimental.envoy.filters.", NULL};

static const struct rule_key rule_key_of_request = {"", VALUE_OF_REQUEST, 0, false};

static int rule_shown(struct bytes text)
{
    return (int)(text.len < RULE_SHOWN ? text.len : RULE_SHOWN);
}

/* rule_skip_request says what a field that we cannot judge does to its rule. */
static void rule_skip_request(struct rule_reading *reading, const struct yaml_node *list,
                              struct bytes key, struct rule *rule)
{
    if (reading->action == RULE_ALLOW) {
        rule->never = true;
        warnings_add(reading->warnings, list,
                     "%s rule %u: \"%.*s\" is nothing that a connection shows: this ALLOW rule "
                     "matches nothing",
                     reading->id, rule->number, rule_shown(key), (const char *)key.at);
    } else {
        warnings_add(reading->warnings, list,
                     "%s rule %u: \"%.*s\" is nothing that a connection shows: it is left out, so "
                     "the rule holds for more than is written",
                     reading->id, rule->number, rule_shown(key), (const char *)key.at);
    }
}

/*
 * rule_test_parse reads one field's list. What is of requests leaves `test` without values, and is
 * then no test at all.
 */
static enum status rule_test_parse(struct rule_reading *reading, const struct yaml_node *list,
                                   const struct rule_key *key, struct rule_test *test,
                                   struct failure *why)
{
    TRY(yaml_node_check_kind(list, YAML_SEQUENCE, why));
    if (list->count == 0) {
        return yaml_node_fail(why, list, "policy/empty", "an empty list: leave the key out");
    }
    test->field = key->field;
    test->negated = key->negated;
    return rule_values_parse(reading, list, key->value, test, why);
}

static const struct rule_key *rule_find_key(const struct rule_key *keys, struct bytes name)
{
    for (size_t i = 0; keys[i].name != NULL; i++) {
        if (bytes_equal_text(name, keys[i].name)) {
            return &keys[i];
        }
    }
    return NULL;
}

/* rule_fields_parse reads one source or operation: a mapping of the keys in the table. */
static enum status rule_fields_parse(struct rule_reading *reading, const struct yaml_node *node,
                                     const struct rule_key *keys, struct rule *rule,
                                     struct rule_clause *out_clause, struct failure *why)
{
    const char *names[RULE_KEYS_MAX] = {NULL};
    struct rule_test *tests;
    size_t num_tests = 0;

    for (size_t i = 0; keys[i].name != NULL; i++) {
        names[i] = keys[i].name;
    }
    TRY(yaml_node_check_keys(node, names, why));
    if (node->count == 0) {
        return yaml_node_fail(why, node, "policy/empty", "nothing is asked for: leave it out");
    }
    tests = arena_take(&reading->set->arena, node->count, sizeof *tests);
    YAML_EACH(node, list)
    {
        const struct rule_key *key = rule_find_key(keys, list->key);

        TRY(rule_test_parse(reading, list, key, &tests[num_tests], why));
        if (key->value == VALUE_OF_REQUEST) {
            rule_skip_request(reading, list, list->key, rule);
        } else {
            num_tests++;
        }
    }
    *out_clause = (struct rule_clause){tests, num_tests};
    return STATUS_OK;
}

static enum status rule_check_source(const struct yaml_node *source, struct failure *why)
{
    static const char *const accounts[] = {"serviceAccounts", "notServiceAccounts"};
    static const char *const others[] = {"principals", "notPrincipals", "namespaces",
                                         "notNamespaces"};

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < 4; j++) {
            if (yaml_node_get(source, accounts[i]) != NULL &&
                yaml_node_get(source, others[j]) != NULL) {
                return yaml_node_fail(why, yaml_node_get(source, others[j]), "policy/conflict",
                                      "not together with %s", accounts[i]);
            }
        }
    }
    return STATUS_OK;
}

/* rule_part_parse reads `from` or `to`: a list of mappings with the one key `inner`. */
static enum status rule_part_parse(struct rule_reading *reading, const struct yaml_node *part,
                                   const char *inner, struct rule *rule,
                                   struct rule_clause **out_clauses, struct failure *why)
{
    const char *const allowed[] = {inner, NULL};
    bool is_source = strcmp(inner, "source") == 0;
    size_t count = 0;

    TRY(yaml_node_check_kind(part, YAML_SEQUENCE, why));
    if (part->count == 0) {
        return yaml_node_fail(why, part, "policy/empty", "an empty list: leave the key out");
    }
    *out_clauses = arena_take(&reading->set->arena, part->count, sizeof **out_clauses);
    YAML_EACH(part, entry)
    {
        const struct yaml_node *fields;

        TRY(yaml_node_check_keys(entry, allowed, why));
        TRY(yaml_node_need(entry, inner, &fields, why));
        TRY(rule_fields_parse(reading, fields, is_source ? rule_source_keys : rule_operation_keys,
                              rule, &(*out_clauses)[count++], why));
        if (is_source) {
            TRY(rule_check_source(fields, why));
        }
    }
    return STATUS_OK;
}

/* rule_when_key finds a `when` key; those with a name in brackets are all of requests. */
static const struct rule_key *rule_when_key(struct bytes name)
{
    for (size_t i = 0; rule_when_families[i] != NULL; i++) {
        struct bytes family = bytes_of(rule_when_families[i]);

        if (bytes_starts(name, family) && bytes_ends(name, bytes_of("]")) &&
            name.len > family.len + 1) {
            return &rule_key_of_request;
        }
    }
    return rule_find_key(rule_when_keys, name);
}

static enum status rule_condition_parse(struct rule_reading *reading,
                                        const struct yaml_node *condition, struct rule *rule,
                                        struct rule_test *tests, size_t *num_tests,
                                        struct failure *why)
{
    static const char *const allowed[] = {"key", "values", "notValues", NULL};
    const struct yaml_node *lists[2];
    const struct yaml_node *name;
    const struct rule_key *found;
    struct bytes text;

    TRY(yaml_node_check_keys(condition, allowed, why));
    TRY(yaml_node_need(condition, "key", &name, why));
    TRY(yaml_node_text(name, RULE_TEXT_MAX, &text, why));
    found = rule_when_key(text);
    if (found == NULL) {
        return yaml_node_fail(why, name, "policy/when-key",
                              "unknown condition \"%.*s\": a connection knows source.ip, "
                              "source.principal, source.namespace, source.serviceAccount, "
                              "source.trustDomain, destination.ip, destination.port",
                              rule_shown(text), (const char *)text.at);
    }
    lists[0] = yaml_node_get(condition, "values");
    lists[1] = yaml_node_get(condition, "notValues");
    if (lists[0] == NULL && lists[1] == NULL) {
        return yaml_node_fail(why, condition, "policy/empty", "neither values nor notValues");
    }
    for (size_t i = 0; i < 2; i++) {
        struct rule_key key = *found;

        if (lists[i] == NULL) {
            continue;
        }
        key.negated = i == 1;
        TRY(rule_test_parse(reading, lists[i], &key, &tests[*num_tests], why));
        if (key.value == VALUE_OF_REQUEST) {
            rule_skip_request(reading, lists[i], text, rule);
        } else {
            (*num_tests)++;
        }
    }
    return STATUS_OK;
}

static enum status rule_when_parse(struct rule_reading *reading, const struct yaml_node *when,
                                   struct rule *rule, struct failure *why)
{
    struct rule_test *tests;
    size_t num_tests = 0;

    TRY(yaml_node_check_kind(when, YAML_SEQUENCE, why));
    if (when->count == 0) {
        return yaml_node_fail(why, when, "policy/empty", "an empty list: leave the key out");
    }
    tests = arena_take(&reading->set->arena, when->count * 2, sizeof *tests);
    YAML_EACH(when, condition)
    {
        TRY(rule_condition_parse(reading, condition, rule, tests, &num_tests, why));
    }
    rule->when = (struct rule_clause){tests, num_tests};
    return STATUS_OK;
}

/* rule_part_is_open: does some clause (or the absence of all) let everything through? */
static bool rule_part_is_open(const struct rule_clause *clauses, size_t num_clauses)
{
    for (size_t i = 0; i < num_clauses; i++) {
        if (clauses[i].num_tests == 0) {
            return true;
        }
    }
    return num_clauses == 0;
}

static enum status rule_parse(struct rule_reading *reading, const struct yaml_node *node,
                              struct rule *rule, struct failure *why)
{
    static const char *const allowed[] = {"from", "to", "when", NULL};
    const struct yaml_node *from = yaml_node_get(node, "from");
    const struct yaml_node *to = yaml_node_get(node, "to");
    const struct yaml_node *when = yaml_node_get(node, "when");

    rule->line = node->line;
    reading->num_values = 0;
    TRY(yaml_node_check_keys(node, allowed, why));
    if (from != NULL) {
        struct rule_clause *clauses;

        TRY(rule_part_parse(reading, from, "source", rule, &clauses, why));
        rule->from = clauses;
        rule->num_from = from->count;
    }
    if (to != NULL) {
        struct rule_clause *clauses;

        TRY(rule_part_parse(reading, to, "operation", rule, &clauses, why));
        rule->to = clauses;
        rule->num_to = to->count;
    }
    if (when != NULL) {
        TRY(rule_when_parse(reading, when, rule, why));
    }
    if (reading->action == RULE_DENY && node->count > 0 && rule->when.num_tests == 0 &&
        rule_part_is_open(rule->from, rule->num_from) &&
        rule_part_is_open(rule->to, rule->num_to)) {
        warnings_add(reading->warnings, node,
                     "%s rule %u: nothing is left of it for connections: it denies every one",
                     reading->id, rule->number);
    }
    return STATUS_OK;
}

enum status rule_parse_all(struct rule_reading *reading, const struct yaml_node *rules,
                           struct authorization *policy, struct failure *why)
{
    struct rule *compiled;
    size_t count = 0;

    if (rules == NULL) {
        return STATUS_OK;
    }
    TRY(yaml_node_check_kind(rules, YAML_SEQUENCE, why));
    if (rules->count > POLICY_MAX_RULES) {
        (void)yaml_node_fail(why, rules, "policy/too-many", "more than %d rules", POLICY_MAX_RULES);
        return STATUS_LIMIT;
    }
    compiled = arena_take(&reading->set->arena, rules->count, sizeof *compiled);
    YAML_EACH(rules, node)
    {
        compiled[count].number = (unsigned)count + 1;
        TRY(rule_parse(reading, node, &compiled[count], why));
        count++;
    }
    policy->rules = compiled;
    policy->num_rules = count;
    return STATUS_OK;
}
