/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All policies of a mesh as they were written, compiled but not yet chosen for anyone.
 *
 * Reads Istio's AuthorizationPolicy and PeerAuthentication (security.istio.io/v1 and v1beta1) as they
 * are, and the same kinds under security.signet.mesh/v1, where `*` stops at `/`. Each is judged whole
 * before any of it counts: an unknown key, action, mode or `when` key is an error that names the line.
 * What a proxy of connections cannot know (methods, paths, headers, JWT) is read, checked for its
 * form, and warned about: it makes an ALLOW rule match nothing and is left out of a DENY rule, which
 * widens it. Neither ever lets more through than its author wrote. CUSTOM is refused.
 *
 * Elsewhere: the policies of one workload (policy.h), the decision (evaluate.h).
 * Source: Istio security/v1beta1 as noted in the mesh's documents, "sidecar" behaviour on TCP.
 */
#ifndef SIGNET_CORE_TRUST_AUTHZ_POLICY_SET_H
#define SIGNET_CORE_TRUST_AUTHZ_POLICY_SET_H

#include "core/runtime/yaml/warnings.h"
#include "core/runtime/yaml/yaml.h"

/* Values in one rule, and rules in one policy: more is a mistake or an attack. */
#define POLICY_MAX_RULES 4096
#define POLICY_MAX_VALUES 4096

/* What the mesh asks of TLS where no port and no PeerAuthentication says it. */
enum policy_default {
    POLICY_DEFAULT_UNSAID, /* strict: plaintext needs somebody's word */
    POLICY_DEFAULT_STRICT,
    POLICY_DEFAULT_PERMISSIVE,
};

/* What policies are read against: the mesh they are for. All borrowed for policy_set_make(). */
struct policy_mesh {
    const char *trust_domain;   /* our own */
    const char *root_namespace; /* policies there hold for the whole mesh */
    const char *const *aliases; /* other names of our trust domain, ends with NULL; may be NULL */
    enum policy_default default_mtls;
};

struct policy_set;

/* policy_set_make makes an empty set for a mesh. Give the reference back with policy_set_drop(). */
struct policy_set *policy_set_make(const struct policy_mesh *mesh);

/* policy_set_is_policy: does this document claim to be of a policy group (by its apiVersion)? */
bool policy_set_is_policy(const struct yaml_node *document);

/*
 * policy_set_add reads one policy document into a set that has not been used for a policy yet. On a
 * failure the set must be dropped, not used.
 *
 *   warnings  what was read but has no, or another, effect here; may be NULL
 *
 * STATUS_CONFIG, always with file, line and key: those of yaml.h, and "policy/kind",
 *   "policy/name", "policy/duplicate", "policy/custom" (no external authorizer here),
 *   "policy/no-rules" (a DENY that can never match), "policy/empty" (an empty from, to, when,
 *   source, operation or list), "policy/value", "policy/when-key", "policy/conflict" (selector with
 *   targetRefs, serviceAccounts with principals or namespaces), "policy/selector"
 * STATUS_LIMIT "policy/too-many"
 */
enum status policy_set_add(struct policy_set *set, const struct yaml_node *document,
                           struct warnings *warnings, struct failure *why) MUST_USE;

/* policy_set_count is the number of AuthorizationPolicies, dry-run ones included. */
size_t policy_set_count(const struct policy_set *set);

/* policy_set_ref adds a reference; policy_set_drop gives one back and sets *set to NULL. Any thread. */
struct policy_set *policy_set_ref(struct policy_set *set);
void policy_set_drop(struct policy_set **set);

#endif
