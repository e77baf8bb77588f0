/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as YAML: the tree holds its bounds, its links and counts agree, and a refusal has words.
 */
#include <stdlib.h>

#include "core/runtime/yaml/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void yaml_fuzz_check(const struct yaml_node *node, unsigned depth)
{
    size_t count = 0;

    if (depth > YAML_MAX_DEPTH || (node->kind == YAML_SCALAR && node->first != NULL)) {
        abort();
    }
    YAML_EACH(node, child) {
        if (child->line < node->line || (node->kind == YAML_MAPPING) != (child->key.len > 0)) {
            abort();
        }
        yaml_fuzz_check(child, depth + 1);
        count++;
    }
    if (count != node->count || node->line == 0 || node->column == 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const char *const allowed[] = {"workloads", "services", "spec", NULL};
    struct yaml_file *file = NULL;
    struct failure why = {0};

    if (yaml_file_parse("fuzz.yaml", bytes_make(at, len), &file, &why) != STATUS_OK) {
        if (file != NULL || why.reason == NULL || why.detail[0] == '\0') {
            abort();
        }
        return 0;
    }
    for (size_t i = 0; i < yaml_file_count(file); i++) {
        const struct yaml_node *document = yaml_file_document(file, i);

        yaml_fuzz_check(document, 0);
        (void)!yaml_node_check_keys(document, allowed, &why);
    }
    yaml_file_drop(&file);
    return 0;
}
