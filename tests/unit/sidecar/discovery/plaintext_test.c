/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of mesh.yaml decides about plaintext: the mesh's default, who has a sidecar, who asks for no
 * client certificate.
 */
#include <stdio.h>
#include <string.h>

#include "core/sidecar/discovery/decode.h"
#include "tests/support/suite.h"

SUITE(plaintext);

static struct snapshot *plaintext_parsed(const char *text)
{
    const struct snapshot_file file = {"mesh.yaml", bytes_of(text)};
    struct snapshot *snapshot = NULL;
    struct failure why = {0};

    cr_assert_eq(snapshot_parse(&file, 1, NULL, &snapshot, &why), STATUS_OK, "%s", why.detail);
    return snapshot;
}

#define WORKLOADS                                                                                  \
    "workloads:\n"                                                                                 \
    "  - {name: a, namespace: s, serviceAccount: x, addresses: [10.0.0.1]}\n"

static void plaintext_expect(const char *text, enum mtls_mode mode, const char *says)
{
    OWNED(snapshot) *mesh = plaintext_parsed(text);
    const struct snapshot_workload *a = snapshot_workload_find(mesh, bytes_of("s/a"));
    CLEARED(buffer) sentence = {.max = 4096};

    cr_expect_eq(policy_mtls(a->policy, 80), mode, "%s", text);
    cr_assert_eq(snapshot_describe_access(a, &sentence), STATUS_OK);
    cr_expect(bytes_ends(buffer_bytes(&sentence), bytes_of(says)), "%s: %.*s", text,
              (int)sentence.len, sentence.at);
}

#define PEER(where, mode)                                                                          \
    "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"                           \
    "metadata: {name: p, namespace: " where "}\nspec: {mtls: {mode: " mode "}}\n"

Test(plaintext, I23_it_is_taken_only_where_the_mesh_or_a_policy_says_so)
{
    plaintext_expect(WORKLOADS, MTLS_STRICT, "; plaintext is refused by default\n");
    plaintext_expect("defaultMtls: strict\n" WORKLOADS, MTLS_STRICT,
                     "; plaintext is refused by defaultMtls\n");
    plaintext_expect("defaultMtls: permissive\n" WORKLOADS, MTLS_PERMISSIVE,
                     ", and anyone in plaintext by defaultMtls\n");
    plaintext_expect("defaultMtls: permissive\n" WORKLOADS PEER("signet-system", "STRICT"),
                     MTLS_STRICT, "; plaintext is refused by signet-system/p\n");
    plaintext_expect(WORKLOADS PEER("s", "PERMISSIVE"), MTLS_PERMISSIVE,
                     ", and anyone in plaintext by s/p\n");
    plaintext_expect(WORKLOADS PEER("signet-system", "UNSET"), MTLS_STRICT,
                     "; plaintext is refused by default\n");
    plaintext_expect("defaultMtls: permissive\n" WORKLOADS PEER("signet-system", "UNSET"),
                     MTLS_PERMISSIVE, ", and anyone in plaintext by defaultMtls\n");
}

static const char plaintext_mesh[] =
    "workloads:\n"
    "  - {name: a, namespace: s, serviceAccount: x, addresses: [10.0.0.1]}\n"
    "  - {name: b, namespace: s, serviceAccount: x, addresses: [10.0.0.2], transport: direct}\n"
    "  - {name: c, namespace: s, serviceAccount: x, addresses: [10.0.0.3], transport: none}\n"
    "  - {name: d, namespace: s, serviceAccount: x, addresses: [10.0.0.4], tls: one-way}\n"
    "  - {name: e, namespace: s, serviceAccount: x, addresses: [10.0.0.5], transport: none,\n"
    "     ports: [{port: 80, mtls: disable}]}\n"
    "services:\n"
    "  - {name: all, namespace: s, addresses: [10.9.0.1], ports: [{port: 80}],\n"
    "     workloads: [a, b, c, d]}\n";

static const struct snapshot_endpoint *plaintext_at(const struct snapshot *mesh, const char *text,
                                                    struct snapshot_target *target, size_t index)
{
    struct ip ip;

    cr_assert(ip_parse(bytes_of(text), &ip));
    snapshot_endpoint_at(mesh, &ip, 80, target);
    return snapshot_target_endpoint(target, index);
}

Test(plaintext, who_has_no_sidecar_is_reached_in_plaintext_and_nobody_else_is)
{
    OWNED(snapshot) *mesh = plaintext_parsed(plaintext_mesh);
    static const struct {
        const char *address;
        bool sidecar;
        bool one_way;
    } rows[] = {
        {"10.0.0.1", true, false},  {"10.0.0.2", true, false}, {"10.0.0.3", false, false},
        {"10.0.0.4", true, true},   {"10.0.0.5", false, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct snapshot_target target;
        const struct snapshot_endpoint *own = plaintext_at(mesh, rows[i].address, &target, 0);

        cr_expect_eq(own->workload->has_sidecar, rows[i].sidecar, "%s", rows[i].address);
        cr_expect_eq(own->workload->one_way, rows[i].one_way, "%s", rows[i].address);
        cr_expect_eq(own->mtls, rows[i].sidecar ? MTLS_STRICT : MTLS_DISABLE, "%s",
                     rows[i].address);
        if (i < 4) { /* and the same behind a service */
            cr_expect_eq(plaintext_at(mesh, "10.9.0.1", &target, i)->mtls,
                         rows[i].sidecar ? MTLS_STRICT : MTLS_DISABLE, "%zu", i);
        }
    }
}

#define W(more) "workloads:\n  - {name: a, namespace: s, serviceAccount: x" more "}\n"

Test(plaintext, contradictions_and_unknown_words_are_refused_with_line_and_choice)
{
    static const struct {
        const char *text;
        const char *reason;
        const char *says;
    } rows[] = {
        {"defaultMtls: disable\n" W(""), "yaml/value", "strict, permissive"},
        {"defaultMtls: STRICT\n" W(""), "yaml/value", "mesh.yaml:1"},
        {"defaultMtls: [strict]\n" W(""), "yaml/type", "defaultMtls"},
        {"defaultMtl: strict\n" W(""), "yaml/unknown-key", "did you mean \"defaultMtls\""},
        {"defaultMtls: strict\n---\ndefaultMtls: strict\n" W(""), "mesh/duplicate", "mesh.yaml:1"},
        {W(", transport: hbone"), "yaml/value", "direct, none"},
        {W(", transport: "), "yaml/value", "mesh.yaml:2"},
        {W(", tls: strict"), "yaml/value", "mutual, one-way"},
        {W(", transport: none, tls: mutual"), "mesh/transport", "mesh.yaml:2"},
        {W(", transport: none, tls: one-way"), "mesh/transport", "tls"},
        {W(", transport: none, ports: [{port: 80, mtls: strict}]"), "mesh/transport", "port 80"},
        {W(", transport: none, ports: [{port: 80}, {port: 81, mtls: permissive}]"),
         "mesh/transport", "port 81"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct snapshot_file file = {"mesh.yaml", bytes_of(rows[i].text)};
        struct snapshot *mesh = NULL;
        struct failure why = {.reason = "accepted"};

        cr_expect_eq(snapshot_parse(&file, 1, NULL, &mesh, &why), STATUS_CONFIG, "%s",
                     rows[i].text);
        cr_expect_str_eq(why.reason, rows[i].reason, "%s: %s", rows[i].text, why.detail);
        cr_expect_not_null(strstr(why.detail, rows[i].says), "%s: %s", rows[i].text, why.detail);
        snapshot_drop(&mesh);
    }
}
