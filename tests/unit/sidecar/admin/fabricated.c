/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sidecar/admin/fabricated.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/sidecar/discovery/decode.h"
#include "tests/support/test_ca.h"

static const char fabricated_mesh[] = "trustDomain: cluster.local\n"
                                      "defaultMtls: permissive\n"
                                      "workloads:\n"
                                      "  - name: web-1\n"
                                      "    namespace: shop\n"
                                      "    serviceAccount: web\n"
                                      "    labels: {app: web}\n"
                                      "    addresses: [10.77.0.2]\n"
                                      "    ports:\n"
                                      "      - {port: 8080, protocol: auto, mtls: strict}\n"
                                      "      - {port: 9090, protocol: tcp}\n"
                                      "  - name: rogue-1\n"
                                      "    namespace: shop\n"
                                      "    serviceAccount: rogue\n"
                                      "    addresses: [10.77.0.3]\n"
                                      "---\n"
                                      "apiVersion: security.istio.io/v1\n"
                                      "kind: AuthorizationPolicy\n"
                                      "metadata: {name: web-allow, namespace: shop}\n"
                                      "spec:\n"
                                      "  selector: {matchLabels: {app: web}}\n"
                                      "  action: ALLOW\n"
                                      "  rules:\n"
                                      "    - from:\n"
                                      "        - source:\n"
                                      "            principals: [cluster.local/ns/shop/sa/api]\n";

static const char *fabricated_drain(void *user)
{
    (void)user;
    return "running";
}

static bool fabricated_view(void *user, struct agent_view *out_view)
{
    const struct fabricated *fabricated = user;

    *out_view = fabricated->view;
    return fabricated->has_view;
}

static struct snapshot *fabricated_snapshot(void *user)
{
    return ((struct fabricated *)user)->snapshot;
}

static const struct failure *fabricated_mesh_failure(void *user)
{
    const struct fabricated *fabricated = user;

    return fabricated->mesh_failure.reason == NULL ? NULL : &fabricated->mesh_failure;
}

static unsigned fabricated_num_connections(void *user)
{
    return ((struct fabricated *)user)->num_connections;
}

static bool fabricated_connections(void *user, uint64_t from, size_t most,
                                   struct json_writer *json, uint64_t *out_next)
{
    const struct fabricated *fabricated = user;

    *out_next = from + most;
    for (uint64_t i = from; i < fabricated->num_connections && i < *out_next; i++) {
        json_open_object(json, NULL);
        json_put_uint(json, "id", i + 1);
        json_put_text(json, "direction", "inbound");
        json_put_text(json, "state", "relay");
        json_put_uint(json, "state_ms", 1000);
        json_put_uint(json, "age_ms", 1200);
        json_put_text(json, "transport", "mtls");
        json_put_text(json, "peer", "10.77.0.1:51000");
        json_put_text(json, "destination", "10.77.0.2:8080");
        json_put_text(json, "local_identity", "spiffe://cluster.local/ns/shop/sa/web");
        json_put_text(json, "peer_identity", "spiffe://cluster.local/ns/shop/sa/api");
        json_put_uint(json, "received_bytes", 10);
        json_put_uint(json, "sent_bytes", 20);
        json_put_text(json, "reason", "allow/rule");
        json_put_text(json, "rule", "shop/web-allow rule 1, mesh.yaml:23");
        json_close_object(json);
    }
    return *out_next < fabricated->num_connections;
}

static enum status fabricated_settings(void *user, struct buffer *out)
{
    (void)user;
    return buffer_add_text(out, "name: web\n"
                                "admin_address: unix:/run/signet/web/admin.sock\n"
                                "inbound: :1=127.0.0.1:2\n"
                                "inbound: :3=127.0.0.1:4,peer=spiffe://td/a\n");
}

static const char *fabricated_origin(void *user, struct bytes name)
{
    (void)user;
    if (bytes_equal_text(name, "name")) {
        return "flag";
    }
    return bytes_equal_text(name, "inbound") ? "file" : NULL;
}

static void fabricated_identity(struct fabricated *fabricated)
{
    OWNED(test_ca) *root = test_ca_root("cluster.local");
    OWNED(identity_set) *set =
        test_ca_identity_set(root, "spiffe://cluster.local/ns/shop/sa/web", 3);

    current_init(&fabricated->current);
    current_publish(&fabricated->current, set);
}

static void fabricated_load_mesh(struct fabricated *fabricated)
{
    const struct snapshot_file file = {"mesh.yaml", bytes_of(fabricated_mesh)};
    struct failure why = {0};

    cr_assert_eq(snapshot_parse(&file, 1, NULL, &fabricated->snapshot, &why), STATUS_OK, "%s",
                 why.detail);
}

struct fabricated *fabricated_make(void)
{
    struct fabricated *fabricated = memory_make(sizeof *fabricated);

    fabricated_identity(fabricated);
    fabricated_load_mesh(fabricated);
    health_set(&fabricated->health, "certificate", HEALTH_YES, "in force");
    health_set(&fabricated->health, "inbound", HEALTH_UNPROVED, "no captured connection yet");
    fabricated->warning_lines[0] = memory_text("mesh.yaml:9: paths match nothing here");
    fabricated->warnings = (struct warnings){.lines = fabricated->warning_lines, .count = 1};
    fabricated->has_view = true;
    fabricated->view = (struct agent_view){
        .state = "waiting",
        .method = "renew",
        .serial = "0a1b",
        .issued_at = clock_unix_s() - 10,
        .next_renewal = clock_unix_s() + 11520,
        .not_after = clock_unix_s() + 43200,
        .kept_serial = "0c1d",
        .kept_begins_at = clock_unix_s() + 3000,
        .outage_budget_s = 39600,
        .next_attempt_ms = 11520000,
        .attempts = 4,
        .issued = 3,
        .failures = 1,
        .last_error_reason = "agent/no-token",
        .last_error_detail = "no file \"token\"",
        .skew_known = true,
        .skew_ms = -1500,
        .bundle_sequence = 2,
    };
    fabricated->num_connections = 2;
    fabricated->sources = (struct admin_sources){
        .user = fabricated,
        .name = "web",
        .workload = "shop/web-1",
        .version = "0.1.0",
        .started_at = clock_unix_s() - 60,
        .started_mono_ms = clock_mono_ms() - 60000,
        .drain_state = fabricated_drain,
        .health = &fabricated->health,
        .current = &fabricated->current,
        .agent_view = fabricated_view,
        .snapshot = fabricated_snapshot,
        .mesh_failure = fabricated_mesh_failure,
        .mesh_warnings = &fabricated->warnings,
        .num_connections = fabricated_num_connections,
        .connections = fabricated_connections,
        .settings = fabricated_settings,
        .setting_origin = fabricated_origin,
    };
    return fabricated;
}

void fabricated_free(struct fabricated *fabricated)
{
    current_clear(&fabricated->current);
    snapshot_drop(&fabricated->snapshot);
    free(fabricated->warning_lines[0]);
    free(fabricated);
}
