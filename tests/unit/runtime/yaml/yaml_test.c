/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/yaml/warnings.h"
#include "core/runtime/yaml/yaml.h"
#include "tests/support/suite.h"

SUITE(yaml);

static struct yaml_file *parsed(const char *text)
{
    struct yaml_file *file = NULL;
    struct failure why = {0};

    cr_assert_eq(yaml_file_parse("mesh.yaml", bytes_of(text), &file, &why), STATUS_OK, "%s",
                 why.detail);
    return file;
}

struct refusal {
    const char *text;
    enum status status;
    const char *reason;
    const char *says; /* part of the detail: where it is */
};

static const struct refusal refusals[] = {
    {"a: &x 1\n", STATUS_CONFIG, "yaml/anchor", "mesh.yaml:1:4"},
    {"a: 1\nb: &x [1]\n", STATUS_CONFIG, "yaml/anchor", "mesh.yaml:2:4"},
    {"b: &x {c: 1}\n", STATUS_CONFIG, "yaml/anchor", "mesh.yaml:1:4"},
    {"a: *x\n", STATUS_CONFIG, "yaml/alias", "mesh.yaml:1:4"},
    {"a: *\n", STATUS_CONFIG, "yaml/syntax", "mesh.yaml:1"},
    {"a: {<<: {b: 1}}\n", STATUS_CONFIG, "yaml/merge-key", "mesh.yaml:1:5"},
    {"a: !secret b\n", STATUS_CONFIG, "yaml/tag", "mesh.yaml:1:4"},
    {"a: !!int 5\n", STATUS_CONFIG, "yaml/tag", "mesh.yaml:1:4"},
    {"a: ! 5\n", STATUS_CONFIG, "yaml/tag", "mesh.yaml:1:4"},
    {"a: !!map {b: 1}\n", STATUS_CONFIG, "yaml/tag", "mesh.yaml:1:4"},
    {"%TAG !e! tag:example.org,2000:\n---\na: 1\n", STATUS_CONFIG, "yaml/directive", "mesh.yaml:1"},
    {"a: 1\nb: 2\na: 3\n", STATUS_CONFIG, "yaml/duplicate-key", "mesh.yaml:3"},
    {"x:\n  - {a: 1, a: 2}\n", STATUS_CONFIG, "yaml/duplicate-key", "first in line 2"},
    {"? [a, b]\n: c\n", STATUS_CONFIG, "yaml/key", "mesh.yaml:1:3"},
    {"{a: 1}: 2\n", STATUS_CONFIG, "yaml/key", "mesh.yaml:1:1"},
    {": 2\n", STATUS_CONFIG, "yaml/syntax", "mesh.yaml:1:1"},
    {"\"\": 2\n", STATUS_CONFIG, "yaml/key", "mesh.yaml:1:1"},
    {"a: \"x\\0y\"\n", STATUS_CONFIG, "yaml/nul", "mesh.yaml:1:4"},
    {"a: [1, 2\n", STATUS_CONFIG, "yaml/syntax", "mesh.yaml:2"},
    {"a:\n\t- 1\n", STATUS_CONFIG, "yaml/syntax", "mesh.yaml:2"},
    {"a: \x01\n", STATUS_CONFIG, "yaml/syntax", "mesh.yaml:1"},
    {"a: \xff\xfe\n", STATUS_CONFIG, "yaml/syntax", "mesh.yaml:1"},
    {"%YAML 3.0\n---\na: 1\n", STATUS_CONFIG, "yaml/syntax", "mesh.yaml:1"},
    {"a: 1\n--- b: 1\n", STATUS_CONFIG, "yaml/syntax", "mesh.yaml:2"},
};

Test(yaml, refuses_what_a_reader_could_misunderstand_and_says_where)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *given = &refusals[i];
        struct yaml_file *file = NULL;
        struct failure why = {0};

        cr_expect_eq(yaml_file_parse("mesh.yaml", bytes_of(given->text), &file, &why),
                     given->status, "%s", given->text);
        cr_assert_not_null(why.reason, "%s", given->text);
        cr_expect_str_eq(why.reason, given->reason, "%s: %s", given->text, why.detail);
        cr_expect_not_null(strstr(why.detail, given->says), "%s: %s", given->text, why.detail);
        cr_expect_null(file);
        yaml_file_drop(&file);
    }
}

Test(yaml, accepts_depth_32_and_refuses_33)
{
    char text[128] = {0};
    struct failure why = {0};
    struct yaml_file *file = NULL;

    memset(text, '[', YAML_MAX_DEPTH);
    memset(text + YAML_MAX_DEPTH, ']', YAML_MAX_DEPTH);
    cr_assert_eq(yaml_file_parse("deep", bytes_of(text), &file, &why), STATUS_OK);
    yaml_file_drop(&file);
    memset(text, '[', YAML_MAX_DEPTH + 1);
    memset(text + YAML_MAX_DEPTH + 1, ']', YAML_MAX_DEPTH + 1);
    cr_assert_eq(yaml_file_parse("deep", bytes_of(text), &file, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "yaml/too-deep");
}

Test(yaml, refuses_a_hundred_thousand_open_brackets_at_once)
{
    const size_t len = 100000;
    char *text = memory_make(len);
    struct failure why = {0};
    struct yaml_file *file = NULL;

    memset(text, '[', len);
    cr_assert_eq(yaml_file_parse("deep", bytes_make(text, len), &file, &why), STATUS_LIMIT);
    free(text);
}

Test(yaml, refuses_more_than_16_mib)
{
    char *text = memory_make(YAML_MAX_SIZE + 1);
    struct failure why = {0};
    struct yaml_file *file = NULL;

    memset(text, '#', YAML_MAX_SIZE + 1);
    cr_assert_eq(yaml_file_parse("big", bytes_make(text, YAML_MAX_SIZE + 1), &file, &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "yaml/too-large");
    free(text);
}

Test(yaml, refuses_more_parts_than_its_bound)
{
    const size_t len = (YAML_MAX_NODES + 2) * 2 + 1;
    char *text = memory_make(len);
    struct failure why = {0};
    struct yaml_file *file = NULL;

    text[0] = '[';
    for (size_t i = 1; i + 1 < len; i += 2) {
        text[i] = 'a';
        text[i + 1] = ',';
    }
    cr_assert_eq(yaml_file_parse("many", bytes_make(text, len), &file, &why), STATUS_LIMIT, "%s",
                 why.detail);
    cr_assert_str_eq(why.reason, "yaml/too-many");
    free(text);
}

Test(yaml, finds_a_repeated_key_among_many)
{
    char text[4096];
    size_t len = 0;
    struct failure why = {0};
    struct yaml_file *file = NULL;

    for (int i = 0; i < 200; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "key%d: 1\n", i);
    }
    file = parsed(text);
    yaml_file_drop(&file);
    len += (size_t)snprintf(text + len, sizeof text - len, "key7: 1\n");
    cr_assert_eq(yaml_file_parse("many", bytes_of(text), &file, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "yaml/duplicate-key");
    cr_assert_not_null(strstr(why.detail, "many:201"), "%s", why.detail);
    cr_assert_not_null(strstr(why.detail, "first in line 8"), "%s", why.detail);
}

Test(yaml, keeps_order_lines_and_columns)
{
    struct yaml_file *file = parsed("# head\nb: 1\na:\n  - x\n  - \"y\"\n---\n---\nc: {d: e}\n");
    const struct yaml_node *first = yaml_file_document(file, 0);
    const struct yaml_node *list = yaml_node_get(first, "a");

    cr_assert_eq(yaml_file_count(file), 2, "an empty document counts for nothing");
    cr_assert(bytes_equal_text(first->first->key, "b"));
    cr_assert_eq(first->first->line, 2);
    cr_assert_eq(first->first->column, 4);
    cr_assert_eq(list->kind, YAML_SEQUENCE);
    cr_assert_eq(list->key_line, 3);
    cr_assert_eq(list->count, 2);
    cr_assert_eq(list->first->line, 4);
    cr_assert_not(list->first->quoted);
    cr_assert(list->first->next->quoted);
    cr_assert(bytes_equal_text(list->first->next->text, "y"));
    cr_assert_null(list->first->next->next);
    cr_assert(bytes_equal_text(
        yaml_node_get(yaml_node_get(yaml_file_document(file, 1), "c"), "d")->text, "e"));
    cr_assert_null(yaml_file_document(file, 2));
    yaml_file_drop(&file);
    cr_assert_null(file);
}

Test(yaml, an_empty_file_has_no_document)
{
    const char *const empty[] = {"", "# nothing\n", "---\n", "~\n", "--- null\n---\n"};

    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        struct yaml_file *file = parsed(empty[i]);

        cr_expect_eq(yaml_file_count(file), 0, "%s", empty[i]);
        yaml_file_drop(&file);
    }
}

Test(yaml, shows_the_end_of_a_long_name)
{
    char name[300];
    struct yaml_file *file = NULL;
    struct failure why = {0};

    memset(name, 'd', sizeof name);
    memcpy(name + sizeof name - 11, "/mesh.yaml", 11);
    cr_assert_eq(yaml_file_parse(name, bytes_of("[x"), &file, &why), STATUS_CONFIG);
    cr_assert_not_null(strstr(why.detail, "/mesh.yaml:"), "%s", why.detail);
    cr_assert(strncmp(why.detail, "...", 3) == 0);
}

Test(yaml, an_unknown_key_is_answered_with_the_nearest_name)
{
    static const char *const allowed[] = {"addresses", "name", "namespace", NULL};
    struct yaml_file *file = parsed("name: x\nadresses: [a]\n");
    struct failure why = {0};

    cr_assert_eq(yaml_node_check_keys(yaml_file_document(file, 0), allowed, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "yaml/unknown-key");
    cr_assert_not_null(strstr(why.detail, "mesh.yaml:2"), "%s", why.detail);
    cr_assert_not_null(strstr(why.detail, "did you mean \"addresses\""), "%s", why.detail);
    yaml_file_drop(&file);

    file = parsed("zebra: x\n");
    cr_assert_eq(yaml_node_check_keys(yaml_file_document(file, 0), allowed, &why), STATUS_CONFIG);
    cr_assert_not_null(strstr(why.detail, "allowed are addresses, name, namespace"), "%s",
                       why.detail);
    yaml_file_drop(&file);
}

Test(yaml, getters_name_key_line_and_what_is_allowed)
{
    static const char *const words[] = {"strict", "permissive", NULL};
    struct yaml_file *file =
        parsed("mode: strct\nport: 70000\nneg: -1\nhex: 0x10\nlist: [1]\nnone:\nempty: \"\"\n"
               "long: abcdef\nok: strict\nnum: \"0080\"\n");
    const struct yaml_node *root = yaml_file_document(file, 0);
    const struct yaml_node *value;
    struct failure why = {0};
    struct bytes text;
    uint64_t number = 7;
    unsigned index = 7;

    cr_assert_eq(yaml_node_choice(yaml_node_get(root, "mode"), words, &index, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "yaml/value");
    cr_assert_not_null(strstr(why.detail, "mesh.yaml:1:7: mode:"), "%s", why.detail);
    cr_assert_not_null(strstr(why.detail, "strict, permissive"), "%s", why.detail);
    cr_assert_eq(index, 7, "outputs are untouched");
    cr_assert_eq(yaml_node_choice(yaml_node_get(root, "ok"), words, &index, &why), STATUS_OK);
    cr_assert_eq(index, 0);

    cr_assert_eq(yaml_node_number(yaml_node_get(root, "port"), 1, 65535, &number, &why),
                 STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "yaml/number");
    cr_assert_not_null(strstr(why.detail, "from 1 to 65535"), "%s", why.detail);
    cr_assert_eq(yaml_node_number(yaml_node_get(root, "neg"), 0, 9, &number, &why), STATUS_CONFIG);
    cr_assert_eq(yaml_node_number(yaml_node_get(root, "hex"), 0, 99, &number, &why), STATUS_CONFIG);
    cr_assert_eq(yaml_node_number(yaml_node_get(root, "list"), 0, 9, &number, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "yaml/type");
    cr_assert_eq(number, 7);
    cr_assert_eq(yaml_node_number(yaml_node_get(root, "num"), 1, 99, &number, &why), STATUS_OK);
    cr_assert_eq(number, 80);

    cr_assert_eq(yaml_node_text(yaml_node_get(root, "none"), 9, &text, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "yaml/value");
    cr_assert_eq(yaml_node_text(yaml_node_get(root, "empty"), 9, &text, &why), STATUS_CONFIG);
    cr_assert_eq(yaml_node_text(yaml_node_get(root, "long"), 5, &text, &why), STATUS_CONFIG);
    cr_assert_eq(yaml_node_text(yaml_node_get(root, "long"), 6, &text, &why), STATUS_OK);
    cr_assert_eq(yaml_node_check_kind(yaml_node_get(root, "none"), YAML_MAPPING, &why),
                 STATUS_CONFIG);
    cr_assert_not_null(strstr(why.detail, "expected a mapping, found nothing"), "%s", why.detail);
    cr_assert_eq(yaml_node_need(root, "absent", &value, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "yaml/missing-key");
    yaml_file_drop(&file);
}

Test(yaml, warnings_are_bounded_and_printable)
{
    struct yaml_file *file = parsed("a: 1\n");
    struct warnings warnings = {0};

    warnings_add(NULL, yaml_file_document(file, 0), "nobody listens");
    for (int i = 0; i < WARNINGS_MAX + 3; i++) {
        warnings_add(&warnings, yaml_file_document(file, 0), "number %d\n", i);
    }
    cr_assert_eq(warnings.count, WARNINGS_MAX);
    cr_assert_eq(warnings.left_out, 3);
    cr_assert_str_eq(warnings.lines[0], "mesh.yaml:1: number 0?");
    warnings_clear(&warnings);
    yaml_file_drop(&file);
}
