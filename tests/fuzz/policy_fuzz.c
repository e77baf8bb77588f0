/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as policies: what is accepted can be chosen for a workload, decides about every caller
 * without harm, and its explanation agrees with its decision.
 */
#include <stdlib.h>
#include <string.h>

#include "core/trust/authz/explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

enum { POLICY_FUZZ_WORDS_MAX = 1 << 20 };

static void policy_fuzz_decide(const struct policy *policy, const char *caller, uint16_t port)
{
    struct facts facts = {.destination_port = port};
    struct decision decision;
    CLEARED(buffer) words;
    char rule[DECIDING_RULE_TEXT_MAX];

    buffer_init(&words, POLICY_FUZZ_WORDS_MAX);
    if ((caller != NULL && !facts_set_peer(&facts, bytes_of(caller))) ||
        !ip_parse(bytes_of("10.0.0.1"), &facts.source_ip)) {
        abort();
    }
    evaluate(policy, &facts, &decision);
    deciding_rule_print(&decision.rule, rule);
    if (decision.allowed != (strncmp(decision.reason, "allow/", 6) == 0) ||
        (caller == NULL && policy_mtls(policy, port) == MTLS_STRICT && decision.allowed)) {
        abort();
    }
    if (explain(policy, &facts, &words) == STATUS_OK && words.len == 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const char *const aliases[] = {"old.example", NULL};
    static const struct policy_label labels[] = {{"app", "api"}};
    const struct policy_mesh mesh = {
        .trust_domain = "our.example", .root_namespace = "signet-system", .aliases = aliases};
    const struct policy_subject subject = {.namespace = "shop", .labels = labels, .num_labels = 1};
    OWNED(policy_set) *set = policy_set_make(&mesh);
    OWNED(yaml_file) *file = NULL;
    CLEARED(warnings) warnings = {0};
    struct policy *policy;
    struct failure why = {0};

    if (yaml_file_parse("fuzz.yaml", bytes_make(at, len), &file, NULL) != STATUS_OK) {
        return 0;
    }
    for (size_t i = 0; i < yaml_file_count(file); i++) {
        if (policy_set_add(set, yaml_file_document(file, i), &warnings, &why) != STATUS_OK) {
            if (why.reason == NULL || why.detail[0] == '\0') {
                abort();
            }
            return 0;
        }
    }
    policy = policy_select(set, &subject);
    policy_fuzz_decide(policy, NULL, 8080);
    policy_fuzz_decide(policy, "spiffe://our.example/ns/shop/sa/web", 8080);
    policy_fuzz_decide(policy, "spiffe://old.example/x", 80);
    policy_drop(&policy);
    return 0;
}
