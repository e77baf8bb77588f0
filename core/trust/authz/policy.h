/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies in force for one workload: which rules deny, which allow, and what each port asks of
 * TLS. Immutable and counted; a connection may keep a reference while it lives.
 *
 * Elsewhere: reading them (policy_set.h), the decision (evaluate.h), its words (explain.h).
 */
#ifndef SIGNET_CORE_TRUST_AUTHZ_POLICY_H
#define SIGNET_CORE_TRUST_AUTHZ_POLICY_H

#include "core/trust/authz/policy_set.h"

/* What an inbound port asks of TLS. The order is that of strength. */
enum mtls_mode {
    MTLS_DISABLE,    /* plaintext only; TLS bytes are the application's own */
    MTLS_PERMISSIVE, /* the mesh's mTLS, or plaintext judged as an anonymous caller */
    MTLS_STRICT,     /* only mTLS with a valid mesh certificate */
};

/* mtls_mode_word is "disable", "permissive" or "strict". */
const char *mtls_mode_word(enum mtls_mode mode);

struct policy_label {
    const char *name;
    const char *value;
};

/* A port whose mode is given by the mesh itself: it beats every PeerAuthentication. */
struct policy_port {
    uint16_t port;
    enum mtls_mode mode;
};

/* Whose policies are wanted. All borrowed for the call. */
struct policy_subject {
    const char *namespace;
    const struct policy_label *labels;
    size_t num_labels;
    const struct policy_port *ports; /* modes given by the mesh; may be empty */
    size_t num_ports;
};

struct policy;

/*
 * policy_select chooses what holds for a workload: policies of its namespace and of the root
 * namespace whose selector its labels satisfy, and per port the mode: port, then workload, then
 * namespace, then mesh, then the mesh's defaultMtls, which is STRICT unless somebody says otherwise
 * (I23). At one level the oldest creationTimestamp wins, then the one read first. The result keeps a
 * reference to the set. Give it back with policy_drop(). Any thread.
 */
struct policy *policy_select(struct policy_set *set, const struct policy_subject *subject);

/* policy_mtls is what `port` (the workload's own) asks of TLS. Allocates nothing. Any thread. */
enum mtls_mode policy_mtls(const struct policy *policy, uint16_t port);

/*
 * policy_mtls_source says who decided that mode: "ns/name" of a PeerAuthentication, "mesh" for the
 * port's own setting, "defaultMtls" for the mesh's, or "default" when nobody did. Borrowed from the
 * policy. Any thread.
 */
const char *policy_mtls_source(const struct policy *policy, uint16_t port);

/*
 * policy_mtls_default is what a port without a mode of its own asks of TLS, and
 * policy_mtls_default_source who decided it. policy_mtls_port gives the index-th port that has one,
 * in ascending order; false when there are no more. Any thread.
 */
enum mtls_mode policy_mtls_default(const struct policy *policy);
const char *policy_mtls_default_source(const struct policy *policy);
bool policy_mtls_port(const struct policy *policy, size_t index, struct policy_port *out_port);

/* policy_is_empty: no AuthorizationPolicy is in force here, so every mesh identity may call. */
bool policy_is_empty(const struct policy *policy);

/* policy_num_allow and policy_num_deny count the enforced policies of each action. */
size_t policy_num_allow(const struct policy *policy);
size_t policy_num_deny(const struct policy *policy);

/* One AuthorizationPolicy that holds here. All borrowed from the policy. */
struct policy_description {
    const char *id;     /* "namespace/name" */
    const char *action; /* "DENY", "ALLOW" or "AUDIT" */
    const char *file;   /* base name */
    unsigned line;
    bool dry_run; /* judged for the log alone */
    size_t num_rules;
};

/* One of its rules. */
struct policy_rule_description {
    unsigned number; /* in its policy, from 1 */
    unsigned line;
    bool never; /* asks for what a connection does not show: it lets nobody in */
};

/*
 * policy_describe gives the index-th AuthorizationPolicy in the order of judging; policy_describe_rule
 * the rule-th, from 0, of its rules. False when there are no more. Any thread.
 */
bool policy_describe(const struct policy *policy, size_t index,
                     struct policy_description *out_description);
bool policy_describe_rule(const struct policy *policy, size_t index, size_t rule,
                          struct policy_rule_description *out_description);

/* policy_ref adds a reference; policy_drop gives one back and sets *policy to NULL. Any thread. */
struct policy *policy_ref(struct policy *policy);
void policy_drop(struct policy **policy);

#endif
