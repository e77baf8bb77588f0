/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies from text and callers in one line, for the tests of this folder.
 */
#ifndef SIGNET_TESTS_UNIT_TRUST_AUTHZ_POLICIES_H
#define SIGNET_TESTS_UNIT_TRUST_AUTHZ_POLICIES_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/trust/authz/evaluate.h"

#define WEB "spiffe://cluster.local/ns/shop/sa/web"
#define DEV "spiffe://cluster.local/ns/dev/sa/web"
#define FOREIGN "spiffe://other.org/ns/shop/sa/web"

/* The workload that all tests ask for: shop, app=api, tier=back. */
static const struct policy_label policies_labels[] = {{"app", "api"}, {"tier", "back"}};

/*
 * policies_read reads all documents of `text` for a mesh with the given aliases (NULL: none), whose
 * default takes plaintext: so callers without an identity get as far as the rules.
 */
static inline enum status policies_read(const char *text, const char *trust_domain,
                                        const char *const *aliases, struct warnings *warnings,
                                        struct policy_set **out_set, struct failure *why)
{
    const struct policy_mesh mesh = {
        .trust_domain = trust_domain,
        .root_namespace = "signet-system",
        .aliases = aliases,
        .default_mtls = POLICY_DEFAULT_PERMISSIVE};
    OWNED(policy_set) *set = policy_set_make(&mesh);
    OWNED(yaml_file) *file = NULL;

    TRY(yaml_file_parse("deploy/mesh.yaml", bytes_of(text), &file, why));
    for (const struct yaml_node *document = yaml_file_document(file, 0); document != NULL;
         document = document->next) {
        TRY(policy_set_add(set, document, warnings, why));
    }
    *out_set = TAKE(set);
    return STATUS_OK;
}

/* policies_for chooses the policies of the tests' workload; it must all be right. */
static inline struct policy *policies_for(const char *text, const char *trust_domain,
                                          const char *const *aliases)
{
    const struct policy_subject subject = {
        .namespace = "shop", .labels = policies_labels, .num_labels = 2};
    OWNED(policy_set) *set = NULL;
    struct failure why = {0};

    cr_assert_eq(policies_read(text, trust_domain, aliases, NULL, &set, &why), STATUS_OK, "%s\n%s",
                 why.detail, text);
    return policy_select(set, &subject);
}

static inline struct policy *policies_of(const char *text)
{
    return policies_for(text, "cluster.local", NULL);
}

/* policies_document writes one AuthorizationPolicy "shop/NAME" with a spec in flow style. */
static inline const char *policies_document(char *out, size_t room, const char *group,
                                            const char *name, const char *spec)
{
    (void)snprintf(out, room,
                   "---\napiVersion: %s\nkind: AuthorizationPolicy\n"
                   "metadata: {name: %s, namespace: shop}\nspec: %s\n",
                   group, name, spec);
    return out;
}

/* policies_facts is a caller (NULL: anonymous) from an address to a port at 10.77.0.2. */
static inline struct facts policies_facts(const char *caller, const char *address, uint16_t port)
{
    struct facts facts = {.destination_port = port};

    if (caller != NULL) {
        cr_assert(facts_set_peer(&facts, bytes_of(caller)));
    }
    cr_assert(ip_parse(bytes_of(address), &facts.source_ip));
    cr_assert(ip_parse(bytes_of("10.77.0.2"), &facts.destination_ip));
    return facts;
}

#endif
