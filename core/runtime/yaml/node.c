/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed getters of yaml.h: what is asked of a node, and the words when it is something else.
 */
#include <stdio.h>
#include <string.h>

#include "core/runtime/yaml/yaml.h"

enum { NODE_SHOWN = 40, NODE_NEAR = 2, NODE_KEY_MAX = 48, NODE_WORDS_MAX = 160 };

static const char *const node_kind_words[] = {
    [YAML_SCALAR] = "a single value",
    [YAML_SEQUENCE] = "a list",
    [YAML_MAPPING] = "a mapping",
};

static int node_shown(struct bytes text)
{
    return (int)(text.len < NODE_SHOWN ? text.len : NODE_SHOWN);
}

const struct yaml_node *yaml_node_get(const struct yaml_node *node, const char *key)
{
    if (node == NULL || node->kind != YAML_MAPPING) {
        return NULL;
    }
    YAML_EACH(node, child) {
        if (bytes_equal_text(child->key, key)) {
            return child;
        }
    }
    return NULL;
}

bool yaml_node_is_nothing(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !node->quoted &&
           (node->text.len == 0 || bytes_equal_text(node->text, "~") ||
            bytes_equal_text(node->text, "null") || bytes_equal_text(node->text, "Null") ||
            bytes_equal_text(node->text, "NULL"));
}

enum status yaml_node_fail(struct failure *why, const struct yaml_node *node, const char *reason,
                           const char *format, ...)
{
    char what[FAILURE_DETAIL_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (node->key.len > 0) {
        return fail(why, STATUS_CONFIG, reason, "%s:%u:%u: %.*s: %s", yaml_file_name(node->file),
                    node->line, node->column, node_shown(node->key), (const char *)node->key.at,
                    what);
    }
    return fail(why, STATUS_CONFIG, reason, "%s:%u:%u: %s", yaml_file_name(node->file), node->line,
                node->column, what);
}

enum status yaml_node_check_kind(const struct yaml_node *node, enum yaml_kind kind,
                                 struct failure *why)
{
    if (node->kind != kind) {
        return yaml_node_fail(why, node, "yaml/type", "expected %s, found %s",
                              node_kind_words[kind],
                              yaml_node_is_nothing(node) ? "nothing" : node_kind_words[node->kind]);
    }
    return STATUS_OK;
}

static size_t node_least(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* node_distance is Levenshtein's; far apart (over NODE_KEY_MAX) when one of them is long. */
static size_t node_distance(struct bytes a, struct bytes b)
{
    size_t row[NODE_KEY_MAX + 1];

    if (a.len > NODE_KEY_MAX || b.len > NODE_KEY_MAX) {
        return NODE_KEY_MAX + 1;
    }
    for (size_t j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b.len; j++) {
            size_t above = row[j + 1];

            row[j + 1] = node_least(above + 1, row[j] + 1, diagonal + (a.at[i] != b.at[j]));
            diagonal = above;
        }
    }
    return row[b.len];
}

/* node_join writes "a, b, c", cut to what fits. */
static void node_join(const char *const *words, char out[NODE_WORDS_MAX])
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL; i++) {
        int more = snprintf(out + len, NODE_WORDS_MAX - len, "%s%s", i > 0 ? ", " : "", words[i]);

        if (more < 0 || (size_t)more >= NODE_WORDS_MAX - len) {
            return;
        }
        len += (size_t)more;
    }
}

static enum status node_unknown_key(const struct yaml_node *child, const char *const *allowed,
                                    struct failure *why)
{
    const char *nearest = NULL;
    size_t nearest_distance = NODE_NEAR + 1;
    char words[NODE_WORDS_MAX];

    for (size_t i = 0; allowed[i] != NULL; i++) {
        size_t distance = node_distance(child->key, bytes_of(allowed[i]));

        if (distance < nearest_distance && distance < child->key.len) {
            nearest = allowed[i];
            nearest_distance = distance;
        }
    }
    if (nearest != NULL) {
        return fail(why, STATUS_CONFIG, "yaml/unknown-key",
                    "%s:%u: unknown key \"%.*s\": did you mean \"%s\"?",
                    yaml_file_name(child->file), child->key_line, node_shown(child->key),
                    (const char *)child->key.at, nearest);
    }
    node_join(allowed, words);
    return fail(why, STATUS_CONFIG, "yaml/unknown-key",
                "%s:%u: unknown key \"%.*s\": allowed are %s", yaml_file_name(child->file),
                child->key_line, node_shown(child->key), (const char *)child->key.at, words);
}

static bool node_is_word(struct bytes text, const char *const *words, unsigned *out_index)
{
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (bytes_equal_text(text, words[i])) {
            *out_index = i;
            return true;
        }
    }
    return false;
}

enum status yaml_node_check_keys(const struct yaml_node *node, const char *const *allowed,
                                 struct failure *why)
{
    TRY(yaml_node_check_kind(node, YAML_MAPPING, why));
    YAML_EACH(node, child) {
        unsigned index;

        if (!node_is_word(child->key, allowed, &index)) {
            return node_unknown_key(child, allowed, why);
        }
    }
    return STATUS_OK;
}

enum status yaml_node_need(const struct yaml_node *node, const char *key,
                           const struct yaml_node **out_value, struct failure *why)
{
    const struct yaml_node *value;

    TRY(yaml_node_check_kind(node, YAML_MAPPING, why));
    value = yaml_node_get(node, key);
    if (value == NULL) {
        return yaml_node_fail(why, node, "yaml/missing-key", "the key \"%s\" is missing", key);
    }
    *out_value = value;
    return STATUS_OK;
}

enum status yaml_node_text(const struct yaml_node *node, size_t max, struct bytes *out_text,
                           struct failure *why)
{
    TRY(yaml_node_check_kind(node, YAML_SCALAR, why));
    if (yaml_node_is_nothing(node) || node->text.len == 0) {
        return yaml_node_fail(why, node, "yaml/value", "a text is missing");
    }
    if (node->text.len > max) {
        return yaml_node_fail(why, node, "yaml/value", "longer than %zu bytes", max);
    }
    *out_text = node->text;
    return STATUS_OK;
}

enum status yaml_node_number(const struct yaml_node *node, uint64_t min, uint64_t max,
                             uint64_t *out_number, struct failure *why)
{
    uint64_t number;

    TRY(yaml_node_check_kind(node, YAML_SCALAR, why));
    if (!bytes_to_number(node->text, max, &number) || number < min) {
        return yaml_node_fail(why, node, "yaml/number", "\"%.*s\" is no number from %llu to %llu",
                              node_shown(node->text), (const char *)node->text.at,
                              (unsigned long long)min, (unsigned long long)max);
    }
    *out_number = number;
    return STATUS_OK;
}

enum status yaml_node_choice(const struct yaml_node *node, const char *const *words,
                             unsigned *out_index, struct failure *why)
{
    char joined[NODE_WORDS_MAX];

    TRY(yaml_node_check_kind(node, YAML_SCALAR, why));
    if (!node_is_word(node->text, words, out_index)) {
        node_join(words, joined);
        return yaml_node_fail(why, node, "yaml/value", "\"%.*s\" is not allowed here: one of %s",
                              node_shown(node->text), (const char *)node->text.at, joined);
    }
    return STATUS_OK;
}
