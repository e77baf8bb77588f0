/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled form of a policy, for this package only: who reads YAML fills it (rule_parse.c,
 * peer_parse.c), who decides walks it (rule.c, evaluate.c, explain.c). All of it lies in its set's
 * arena and never changes after policy_set_add().
 */
#ifndef SIGNET_CORE_TRUST_AUTHZ_RULE_H
#define SIGNET_CORE_TRUST_AUTHZ_RULE_H

#include <stdatomic.h>

#include "core/runtime/base/arena.h"
#include "core/runtime/base/map.h"
#include "core/trust/authz/facts.h"
#include "core/trust/authz/match.h"
#include "core/trust/authz/policy.h"

enum rule_field {
    RULE_PRINCIPAL,
    RULE_NAMESPACE,
    RULE_SERVICE_ACCOUNT,
    RULE_TRUST_DOMAIN,
    RULE_SOURCE_IP,
    RULE_DESTINATION_IP,
    RULE_DESTINATION_PORT,
};

/* A service account of any trust domain. */
struct rule_account {
    struct bytes namespace;
    struct bytes name;
};

/* One field and the values that are listed for it: true when any matches; negated: when none does. */
struct rule_test {
    enum rule_field field;
    bool negated;
    size_t num_values;
    union {
        const struct match *texts;
        const struct rule_account *accounts;
        const struct ip_block *blocks;
        const uint16_t *ports;
    } values;
};

/* Tests joined by AND: one source, one operation, or all of `when`. Without tests always true. */
struct rule_clause {
    const struct rule_test *tests;
    size_t num_tests;
};

struct rule {
    unsigned number; /* in its policy, from 1 */
    unsigned line;
    bool never; /* an ALLOW rule that asks for what a connection does not show */
    const struct rule_clause *from; /* joined by OR; none: anyone */
    size_t num_from;
    const struct rule_clause *to; /* joined by OR; none: anywhere */
    size_t num_to;
    struct rule_clause when;
};

enum rule_action {
    RULE_ALLOW,
    RULE_DENY,
    RULE_AUDIT,
};

struct rule_selector {
    const struct policy_label *labels;
    size_t num_labels; /* 0: every workload */
};

/* An AuthorizationPolicy. */
struct authorization {
    struct authorization *next; /* in the order of reading */
    const char *id;             /* "namespace/name" */
    const char *namespace;
    const char *file; /* base name */
    unsigned line;
    enum rule_action action;
    bool dry_run;
    bool elsewhere; /* attached by targetRefs to something that is no sidecar */
    struct rule_selector selector;
    const struct rule *rules;
    size_t num_rules;
};

enum peer_mode {
    PEER_UNSET,
    PEER_DISABLE,
    PEER_PERMISSIVE,
    PEER_STRICT,
};

struct peer_port {
    uint16_t port;
    enum peer_mode mode;
};

/* A PeerAuthentication. */
struct peer_authentication {
    struct peer_authentication *next; /* in the order of reading */
    const char *id;
    const char *namespace;
    const char *created; /* RFC 3339 in UTC, "" when not given: compares as text */
    enum peer_mode mode;
    struct rule_selector selector;
    const struct peer_port *ports;
    size_t num_ports;
};

struct policy_set {
    atomic_uint refs;
    struct arena arena;
    const char *trust_domain;
    const char *root_namespace;
    const char **aliases; /* ends with NULL */
    size_t num_aliases;
    enum policy_default default_mtls;
    struct authorization *first;
    struct authorization **last;
    size_t count;
    struct peer_authentication *first_peer;
    struct peer_authentication **last_peer;
    struct map names; /* what was read already: "kind/namespace/name", and namespaces with a mode */
};

/* What is known while one document is read. */
struct rule_reading {
    struct policy_set *set;
    struct warnings *warnings;
    const char *id;
    const char *namespace;
    const char *created;
    bool is_ours; /* apiVersion of our own group: `*` stops at `/` */
    bool dry_run;
    enum rule_action action;
    size_t num_values; /* of the rule being read */
};

/* What the values of a field must look like. */
enum rule_value {
    VALUE_PRINCIPAL,
    VALUE_NAMESPACE,
    VALUE_ACCOUNT,
    VALUE_TRUST_DOMAIN,
    VALUE_BLOCK,
    VALUE_PORT,
    VALUE_OF_REQUEST, /* L7: a connection does not show it */
};

#define RULE_TEXT_MAX 2048 /* bytes of one value */

/*
 * rule_values_parse reads a field's list, not empty, into `test`; what is of requests is checked for
 * its form and not kept. Refusals: policy_set.h.
 */
enum status rule_values_parse(struct rule_reading *reading, const struct yaml_node *list,
                              enum rule_value value, struct rule_test *test,
                              struct failure *why) MUST_USE;

/* rule_parse_all reads `rules` (NULL: none) into `policy`. Refusals: policy_set.h. */
enum status rule_parse_all(struct rule_reading *reading, const struct yaml_node *rules,
                           struct authorization *policy, struct failure *why) MUST_USE;

/* peer_parse reads the spec (NULL: empty) of a PeerAuthentication into `peer`. */
enum status peer_parse(struct rule_reading *reading, const struct yaml_node *spec,
                       struct peer_authentication *peer, struct failure *why) MUST_USE;

/* rule_selector_parse reads `selector` (NULL: every workload). */
enum status rule_selector_parse(struct rule_reading *reading, const struct yaml_node *node,
                                struct rule_selector *out_selector, struct failure *why) MUST_USE;

/* rule_test_has, rule_clause_has and rule_has: does it hold for these facts? Allocate nothing. */
bool rule_test_has(const struct rule_test *test, const struct facts *facts);
bool rule_clause_has(const struct rule_clause *clause, const struct facts *facts);
bool rule_has(const struct rule *rule, const struct facts *facts);

/* What policy_select() chose, for evaluate.c and explain.c. */
struct policy {
    atomic_uint refs;
    struct policy_set *set; /* a reference */
    struct arena arena;
    const struct authorization **by_action[3]; /* indexed by rule_action */
    size_t num_by_action[3];
    size_t num_enforced[3];
    bool has_dry_run;
    enum mtls_mode mode; /* of ports that are not below */
    const char *mode_source;
    const struct policy_port *ports; /* in ascending order */
    const char *const *port_sources; /* one for each of them */
    size_t num_ports;
};

#endif
