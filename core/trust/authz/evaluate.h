/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision: may this caller reach this port? Deny first, then allow, else the default.
 *
 *   1. no identity on a STRICT port: denied
 *   2. a DENY rule matches: denied
 *   3. no ALLOW policy is in force: allowed
 *   4. an ALLOW rule matches: allowed          5. otherwise: denied
 *
 * AUDIT policies mark and never change the answer. Dry-run policies do not count; what they would
 * have changed is in the decision too. Allocates nothing, takes no lock, asks no clock.
 */
#ifndef SIGNET_CORE_TRUST_AUTHZ_EVALUATE_H
#define SIGNET_CORE_TRUST_AUTHZ_EVALUATE_H

#include "core/trust/authz/facts.h"
#include "core/trust/authz/policy.h"

/* Which rule decided. Borrowed from the policy: valid as long as a reference to it is held. */
struct deciding_rule {
    const char *policy; /* "namespace/name"; NULL when no rule decided */
    const char *file;   /* base name of the file it stands in */
    unsigned rule;      /* its number in the policy, from 1 */
    unsigned line;      /* of the rule, from 1 */
};

struct decision {
    bool allowed;
    bool audited;               /* an AUDIT rule matched */
    const char *reason;         /* a literal: see below */
    struct deciding_rule rule;  /* the one that matched, where one did */
    struct deciding_rule audit; /* the AUDIT rule that matched */

    bool dry_run_differs;         /* enforcing the dry-run policies too would turn the answer */
    struct deciding_rule dry_run; /* the dry-run rule that would turn it; policy NULL when an ALLOW
                                     policy in dry run would deny because none of its rules match */
};

/*
 * evaluate decides. `out_decision` is filled whole. The reason is one of
 *   "allow/rule"       an ALLOW rule matched: `rule` says which
 *   "allow/no-policy"  no ALLOW policy holds here
 *   "deny/rule"        a DENY rule matched: `rule` says which
 *   "deny/no-match"    ALLOW policies hold here and none of their rules matches
 *   "deny/anonymous"   no identity, and the port is STRICT
 * Any thread.
 */
void evaluate(const struct policy *policy, const struct facts *facts,
              struct decision *out_decision);

#define DECIDING_RULE_TEXT_MAX 640

/*
 * deciding_rule_print writes "shop/api-allow rule 2, mesh.yaml:41" and a NUL, or "none"; cut to what
 * fits. For logs.
 */
void deciding_rule_print(const struct deciding_rule *rule, char out[DECIDING_RULE_TEXT_MAX]);

#endif
