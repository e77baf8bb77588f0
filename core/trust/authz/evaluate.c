/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of judging, and nothing else. See evaluate.h.
 */
#include "core/trust/authz/evaluate.h"

#include <stdio.h>

#include "core/trust/authz/rule.h"

/* Which policies count: those in force, or those in dry run as well. */
enum evaluate_scope {
    EVALUATE_ENFORCED,
    EVALUATE_WITH_DRY_RUN,
};

struct evaluate_hit {
    const struct authorization *policy; /* NULL: no rule matched */
    const struct rule *rule;
};

/* evaluate_find is the first rule of an action that matches, in the order of reading. */
static struct evaluate_hit evaluate_find(const struct policy *policy, enum rule_action action,
                                         enum evaluate_scope scope, const struct facts *facts)
{
    for (size_t i = 0; i < policy->num_by_action[action]; i++) {
        const struct authorization *one = policy->by_action[action][i];

        if (one->dry_run && scope == EVALUATE_ENFORCED) {
            continue;
        }
        for (size_t j = 0; j < one->num_rules; j++) {
            if (rule_has(&one->rules[j], facts)) {
                return (struct evaluate_hit){one, &one->rules[j]};
            }
        }
    }
    return (struct evaluate_hit){0};
}

static struct deciding_rule evaluate_rule_of(struct evaluate_hit hit)
{
    if (hit.policy == NULL) {
        return (struct deciding_rule){0};
    }
    return (struct deciding_rule){hit.policy->id, hit.policy->file, hit.rule->number,
                                  hit.rule->line};
}

static bool evaluate_is_anonymous_on_strict(const struct policy *policy, const struct facts *facts)
{
    return !facts->has_peer && policy_mtls(policy, facts->destination_port) == MTLS_STRICT;
}

/* evaluate_in answers with the policies of one scope; it leaves audit and dry run alone. */
static void evaluate_in(const struct policy *policy, enum evaluate_scope scope,
                        const struct facts *facts, struct decision *decision)
{
    size_t num_allow = scope == EVALUATE_ENFORCED ? policy->num_enforced[RULE_ALLOW]
                                                  : policy->num_by_action[RULE_ALLOW];
    struct evaluate_hit hit;

    decision->allowed = false;
    if (evaluate_is_anonymous_on_strict(policy, facts)) {
        decision->reason = "deny/anonymous";
        return;
    }
    hit = evaluate_find(policy, RULE_DENY, scope, facts);
    if (hit.policy != NULL) {
        decision->reason = "deny/rule";
        decision->rule = evaluate_rule_of(hit);
        return;
    }
    if (num_allow == 0) {
        decision->allowed = true;
        decision->reason = "allow/no-policy";
        return;
    }
    hit = evaluate_find(policy, RULE_ALLOW, scope, facts);
    decision->allowed = hit.policy != NULL;
    decision->reason = hit.policy != NULL ? "allow/rule" : "deny/no-match";
    decision->rule = evaluate_rule_of(hit);
}

void evaluate(const struct policy *policy, const struct facts *facts, struct decision *out_decision)
{
    struct evaluate_hit audit = evaluate_find(policy, RULE_AUDIT, EVALUATE_ENFORCED, facts);

    *out_decision = (struct decision){0};
    evaluate_in(policy, EVALUATE_ENFORCED, facts, out_decision);
    out_decision->audited = audit.policy != NULL;
    out_decision->audit = evaluate_rule_of(audit);
    if (policy->has_dry_run) {
        struct decision candidate = {0};

        evaluate_in(policy, EVALUATE_WITH_DRY_RUN, facts, &candidate);
        out_decision->dry_run_differs = candidate.allowed != out_decision->allowed;
        if (out_decision->dry_run_differs) {
            out_decision->dry_run = candidate.rule;
        }
    }
}

void deciding_rule_print(const struct deciding_rule *rule, char out[DECIDING_RULE_TEXT_MAX])
{
    if (rule->policy == NULL) {
        (void)snprintf(out, DECIDING_RULE_TEXT_MAX, "none");
    } else {
        (void)snprintf(out, DECIDING_RULE_TEXT_MAX, "%s rule %u, %s:%u", rule->policy, rule->rule,
                       rule->file, rule->line);
    }
}
