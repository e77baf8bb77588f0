/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/registry/entry_file.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "tests/support/suite.h"

SUITE(entry_file, .timeout = 30);

static void entry_file_registry(struct registry *registry)
{
    cr_assert_eq(registry_init(registry, NULL, "cluster.local", NULL), STATUS_OK);
    registry->life_floor_s = 120;
}

Test(entry_file, reads_both_ways_of_saying_an_identity)
{
    static const char text[] = "entries:\n"
                               "  - name: web\n"
                               "    spiffeId: spiffe://cluster.local/ns/shop/sa/web\n"
                               "    description: the shop's front\n"
                               "    maxLifeSeconds: 3600\n"
                               "    maxInstances: 4\n"
                               "  - name: api\n"
                               "    namespace: shop\n"
                               "    serviceAccount: api\n";
    CLEARED(entry_file) file = {0};
    struct registry registry;
    struct failure why = {0};

    entry_file_registry(&registry);
    cr_assert_eq(entry_file_parse(&registry, "entries.yaml", bytes_of(text), &file, &why),
                 STATUS_OK, "%s", why.detail);
    cr_assert_eq(file.count, 2);
    cr_assert_str_eq(file.entries[0].name, "web");
    cr_assert_str_eq(file.entries[0].description, "the shop's front");
    cr_assert_eq(file.entries[0].max_life_s, 3600);
    cr_assert_eq(file.entries[0].max_instances, 4);
    cr_assert_str_eq(file.entries[1].spiffe_id.text, "spiffe://cluster.local/ns/shop/sa/api");
}

struct entry_file_refusal {
    char text[224];
    char reason[32];
    char where[24]; /* how the detail begins */
};

ParameterizedTestParameters(entry_file, refuses)
{
    static struct entry_file_refusal cases[] = {
        {"", "entry-file/documents", "e.yaml:1:1"},
        {"entries: []\n---\nentries: []\n", "entry-file/documents", "e.yaml:1:1"},
        {"entrys: []\n", "yaml/unknown-key", "e.yaml:1"},
        {"entries: {}\n", "yaml/type", "e.yaml:1"},
        {"entries:\n  - name: web\n", "entry-file/identity", "e.yaml:2"},
        {"entries:\n  - name: web\n    namespace: shop\n", "entry-file/identity", "e.yaml:2"},
        {"entries:\n  - name: web\n    serviceAccount: w\n", "entry-file/identity", "e.yaml:2"},
        {"entries:\n  - name: web\n    spiffeId: spiffe://cluster.local/a\n    namespace: b\n"
         "    serviceAccount: c\n",
         "entry-file/identity", "e.yaml:2"},
        {"entries:\n  - spiffeId: spiffe://cluster.local/a\n", "yaml/missing-key", "e.yaml:2"},
        {"entries:\n  - name: Web\n    spiffeId: spiffe://cluster.local/a\n", "entry/name",
         "e.yaml:2"},
        {"entries:\n  - name: web\n    spiffeId: spiffe://other/a\n", "entry/trust-domain",
         "e.yaml:2"},
        {"entries:\n  - name: web\n    spiffeId: spiffe://cluster.local/a//b\n", "entry/id",
         "e.yaml:2"},
        {"entries:\n  - name: web\n    namespace: signet-system\n    serviceAccount: "
         "signet-control\n",
         "entry/reserved", "e.yaml:2"},
        {"entries:\n  - name: web\n    namespace: a/b\n    serviceAccount: c\n", "entry/id",
         "e.yaml:2"},
        {"entries:\n  - name: web\n    spiffeId: spiffe://cluster.local/a\n    maxInstances: 0\n",
         "yaml/number", "e.yaml:4"},
        {"entries:\n  - name: a\n    spiffeId: spiffe://cluster.local/a\n    maxLifeSeconds: 119\n",
         "entry/life", "e.yaml:4"},
        {"entries:\n  - name: web\n    namespace: signet-system\n    serviceAccount: web\n",
         "entry/reserved", "e.yaml:2"},
        {"entries:\n  - name: web\n    spiffeId: spiffe://cluster.local/a\n    maxLife: 5\n",
         "yaml/unknown-key", "e.yaml:4"},
        {"entries:\n  - name: a\n    spiffeId: spiffe://cluster.local/a\n  - name: a\n"
         "    spiffeId: spiffe://cluster.local/b\n",
         "entry-file/twice", "e.yaml:4"},
        {"entries:\n  - name: a\n    spiffeId: spiffe://cluster.local/a\n  - name: b\n"
         "    spiffeId: spiffe://cluster.local/a\n",
         "entry-file/twice", "e.yaml:4"},
    };
    return cr_make_param_array(struct entry_file_refusal, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct entry_file_refusal *given, entry_file, refuses)
{
    struct entry_file file = {0};
    struct registry registry;
    struct failure why = {0};

    entry_file_registry(&registry);
    cr_assert_neq(entry_file_parse(&registry, "e.yaml", bytes_of(given->text), &file, &why),
                  STATUS_OK, "%s", given->text);
    cr_assert_str_eq(why.reason, given->reason, "%s: %s (%s)", given->reason, why.reason,
                     why.detail);
    cr_assert_eq(strncmp(why.detail, given->where, strlen(given->where)), 0, "%s", why.detail);
    cr_assert_null(file.entries);
}
