/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of one field of a policy from YAML: texts, service accounts, address blocks, ports, and
 * the form of those that are of requests. Which fields there are: rule_parse.c.
 */
#include <string.h>

#include "core/trust/authz/rule.h"

enum { RULE_ACCOUNTS_MAX = 16, RULE_SHOWN = 60 };

static int rule_shown(struct bytes text)
{
    return (int)(text.len < RULE_SHOWN ? text.len : RULE_SHOWN);
}

static enum status rule_bad_value(const struct yaml_node *node, const char *expected,
                                  struct failure *why)
{
    return yaml_node_fail(why, node, "policy/value", "\"%.*s\" is not allowed here: %s",
                          rule_shown(node->text), (const char *)node->text.at, expected);
}

static enum status rule_count_values(struct rule_reading *reading, const struct yaml_node *node,
                                     size_t more, struct failure *why)
{
    reading->num_values += more;
    if (reading->num_values > POLICY_MAX_VALUES) {
        (void)yaml_node_fail(why, node, "policy/too-many", "more than %d values in one rule",
                             POLICY_MAX_VALUES);
        return STATUS_LIMIT;
    }
    return STATUS_OK;
}

static enum match_star rule_star(const struct rule_reading *reading, enum rule_value value)
{
    if (reading->is_ours) {
        return MATCH_STAR_IN_SEGMENT;
    }
    return value == VALUE_NAMESPACE ? MATCH_STAR_ANYWHERE : MATCH_STAR_AT_ENDS;
}

/* rule_is_our_domain: is the principal's trust domain one that means "this mesh"? */
static bool rule_is_our_domain(const struct policy_set *set, struct bytes principal)
{
    struct bytes rest = principal;
    struct bytes domain = bytes_split(&rest, '/');

    if (rest.at == NULL) {
        return false; /* no path: "cluster*", "*" */
    }
    if (bytes_equal_text(domain, set->trust_domain) || bytes_equal_text(domain, "cluster.local")) {
        return true;
    }
    for (size_t i = 0; i < set->num_aliases; i++) {
        if (bytes_equal_text(domain, set->aliases[i])) {
            return true;
        }
    }
    return false;
}

/* rule_under_domain is the principal with another trust domain. */
static struct bytes rule_under_domain(struct policy_set *set, const char *domain,
                                      struct bytes principal)
{
    struct bytes path = principal;

    (void)bytes_split(&path, '/');
    return bytes_of(
        arena_format(&set->arena, "%s/%.*s", domain, (int)path.len, (const char *)path.at));
}

static struct match rule_text(struct rule_reading *reading, const struct yaml_node *node,
                              struct bytes text, enum rule_value value)
{
    const char *kept = arena_text(&reading->set->arena, text);
    struct match match = match_make(bytes_make(kept, text.len), rule_star(reading, value));

    if ((match.kind == MATCH_EXACT || match.kind == MATCH_PREFIX || match.kind == MATCH_SUFFIX) &&
        memchr(match.text.at, '*', match.text.len) != NULL) {
        warnings_add(reading->warnings, node,
                     "%s: the `*` inside \"%.*s\" is taken literally and will match nothing",
                     reading->id, rule_shown(text), (const char *)text.at);
    }
    return match;
}

static enum status rule_check_text(const struct yaml_node *node, enum rule_value value,
                                   struct bytes text, struct failure *why)
{
    if (value == VALUE_PRINCIPAL && bytes_starts(text, bytes_of("spiffe://"))) {
        return rule_bad_value(node, "write it without \"spiffe://\", else it never matches", why);
    }
    if (value == VALUE_NAMESPACE && memchr(text.at, '/', text.len) != NULL) {
        return rule_bad_value(node, "a namespace holds no \"/\"", why);
    }
    if (value == VALUE_TRUST_DOMAIN) {
        const uint8_t *star = memchr(text.at + 1, '*', text.len - 1);

        if (memchr(text.at, '/', text.len) != NULL ||
            (star != NULL && (star != text.at + text.len - 1 || text.at[0] == '*'))) {
            return rule_bad_value(node, "a trust domain holds no \"/\", and one `*` at an end",
                                  why);
        }
    }
    return STATUS_OK;
}

/* rule_texts_parse reads texts; a principal of our own mesh becomes one for each of its names. */
static enum status rule_texts_parse(struct rule_reading *reading, const struct yaml_node *list,
                                    enum rule_value value, struct rule_test *test,
                                    struct failure *why)
{
    struct policy_set *set = reading->set;
    size_t names = value == VALUE_PRINCIPAL ? 1 + set->num_aliases : 1;
    struct match *texts;

    TRY(rule_count_values(reading, list, list->count * (names - 1), why));
    texts = arena_take(&set->arena, list->count * names, sizeof *texts);
    test->values.texts = texts;
    YAML_EACH(list, node) {
        struct bytes text;

        TRY(yaml_node_text(node, RULE_TEXT_MAX, &text, why));
        TRY(rule_check_text(node, value, text, why));
        if (value != VALUE_PRINCIPAL || !rule_is_our_domain(set, text)) {
            texts[test->num_values++] = rule_text(reading, node, text, value);
            continue;
        }
        texts[test->num_values++] =
            rule_text(reading, node, rule_under_domain(set, set->trust_domain, text), value);
        for (size_t i = 0; i < set->num_aliases; i++) {
            texts[test->num_values++] =
                rule_text(reading, node, rule_under_domain(set, set->aliases[i], text), value);
        }
    }
    return STATUS_OK;
}

static enum status rule_accounts_parse(struct rule_reading *reading, const struct yaml_node *list,
                                       struct rule_test *test, struct failure *why)
{
    struct rule_account *accounts;

    if (list->count > RULE_ACCOUNTS_MAX) {
        return yaml_node_fail(why, list, "policy/value", "at most %d service accounts",
                              RULE_ACCOUNTS_MAX);
    }
    accounts = arena_take(&reading->set->arena, list->count, sizeof *accounts);
    test->values.accounts = accounts;
    YAML_EACH(list, node) {
        struct bytes name;
        struct bytes namespace;

        TRY(yaml_node_text(node, RULE_TEXT_MAX, &name, why));
        name = bytes_of(arena_text(&reading->set->arena, name));
        namespace = bytes_split(&name, '/');
        if (name.at == NULL) { /* without a namespace: the policy's own */
            name = namespace;
            namespace = bytes_of(reading->namespace);
        }
        if (namespace.len == 0 || name.len == 0 || memchr(name.at, '/', name.len) != NULL ||
            memchr(node->text.at, '*', node->text.len) != NULL) {
            return rule_bad_value(node, "\"namespace/name\" or \"name\", without `*`", why);
        }
        accounts[test->num_values++] = (struct rule_account){namespace, name};
    }
    return STATUS_OK;
}

static enum status rule_blocks_parse(struct rule_reading *reading, const struct yaml_node *list,
                                     struct rule_test *test, struct failure *why)
{
    struct ip_block *blocks = arena_take(&reading->set->arena, list->count, sizeof *blocks);

    test->values.blocks = blocks;
    YAML_EACH(list, node) {
        struct bytes text;

        TRY(yaml_node_text(node, RULE_TEXT_MAX, &text, why));
        if (!ip_block_parse(text, &blocks[test->num_values++])) {
            return rule_bad_value(node, "an IP address or a block such as 10.0.0.0/8", why);
        }
    }
    return STATUS_OK;
}

static enum status rule_ports_parse(struct rule_reading *reading, const struct yaml_node *list,
                                    struct rule_test *test, struct failure *why)
{
    uint16_t *ports = arena_take(&reading->set->arena, list->count, sizeof *ports);

    test->values.ports = ports;
    YAML_EACH(list, node) {
        uint64_t port;

        TRY(yaml_node_number(node, 1, UINT16_MAX, &port, why));
        ports[test->num_values++] = (uint16_t)port;
    }
    return STATUS_OK;
}

/* rule_requests_parse checks the form of what a connection does not show; nothing is kept. */
static enum status rule_requests_parse(const struct yaml_node *list, struct failure *why)
{
    YAML_EACH(list, node) {
        struct bytes text;

        TRY(yaml_node_text(node, RULE_TEXT_MAX, &text, why));
    }
    return STATUS_OK;
}

enum status rule_values_parse(struct rule_reading *reading, const struct yaml_node *list,
                              enum rule_value value, struct rule_test *test, struct failure *why)
{
    TRY(rule_count_values(reading, list, list->count, why));
    switch (value) {
    case VALUE_PRINCIPAL:
    case VALUE_NAMESPACE:
    case VALUE_TRUST_DOMAIN:
        return rule_texts_parse(reading, list, value, test, why);
    case VALUE_ACCOUNT:
        return rule_accounts_parse(reading, list, test, why);
    case VALUE_BLOCK:
        return rule_blocks_parse(reading, list, test, why);
    case VALUE_PORT:
        return rule_ports_parse(reading, list, test, why);
    case VALUE_OF_REQUEST:
        break;
    }
    return rule_requests_parse(list, why);
}
