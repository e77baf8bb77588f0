#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Policy from a file: it is followed, by rename; a wrong file keeps the last good policy, names the line, and is
# seen in the log, a metric and `signet status`. --check judges the same without starting.
# usage: policy_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
mesh_control
mesh_place web 3
mesh_place api 4

# mesh_with ACTION ACCOUNT: one rule about one caller.
mesh_with() {
    mesh_file <<EOF
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3]}
  - {name: api, namespace: shop, serviceAccount: api, addresses: [10.78.0.4], ports: [{port: 8080, mtls: strict}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: the-rule, namespace: shop}
spec:
  $1
  rules:
    - from: [{source: {principals: ["cluster.local/ns/shop/sa/$2"]}}]
EOF
}

answers() {
    [ "$(call web http://10.78.0.4:8080/)" = "$1" ]
}

mesh_with "action: ALLOW" web
mesh_app api 8080
for name in web api; do
    mesh_join "$name"
    mesh_sidecar "$name"
    mesh_ready "$name"
done
is "a file that --check takes" 0 "$("$proxy" --check "$WORK/mesh/mesh.yaml" >/dev/null 2>&1; echo $?)"
holds "web is let in" answers 200

echo "# the file changes"
mesh_with "action: DENY" web
holds "web is refused" holds_soon answers 000
is "the reason" deny/rule "$(reason api '.event == "refused"')"
is "the caller is told" peer/access-denied "$(reason web '.event == "close"')"
mesh_with "action: ALLOW" web
holds "web is let in again" holds_soon answers 200

echo "# a wrong file"
generation=$(metric api signet_policy_generation)
mesh_with "acton: DENY" web
is "--check refuses it" 2 "$("$proxy" --check "$WORK/mesh/mesh.yaml" >"$WORK/check" 2>&1; echo $?)"
holds "--check names file, line and key" grep -q 'mesh.yaml:9.*acton' "$WORK/check"
holds "the log names the line and the key" log_has api 'mesh.yaml:9.*acton'
holds "a metric says that the file is not in force" \
    holds_soon eval '[ "$(metric api signet_mesh_file_broken)" = 1 ]'
is "the generation stays" "$generation" "$(metric api signet_policy_generation)"
"$signet" status --admin "unix:$WORK/run/api/admin.sock" >"$WORK/status"
holds "signet status says so" grep -q 'the newest mesh is not in force.*acton' "$WORK/status"
is "the last good policy holds" 200 "$(call web http://10.78.0.4:8080/)"
rm "$WORK/mesh/mesh.yaml"
sleep 0.5
is "it holds when the file is gone, too" 200 "$(call web http://10.78.0.4:8080/)"

echo "# the file is mended"
mesh_with "action: ALLOW" somebody-else
holds "the new policy is in force: web is refused" holds_soon answers 000
is "the reason" deny/no-match "$(reason api '.event == "refused"')"
is "the metric is quiet" 0 "$(metric api signet_mesh_file_broken)"
holds "without policy, status says who may call" \
    grep -q 'no AuthorizationPolicy: every mesh identity may call' <(
        "$signet" status --admin "unix:$WORK/run/web/admin.sock"
        mesh_file <<'EOF'
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3]}
  - {name: api, namespace: shop, serviceAccount: api, addresses: [10.78.0.4], ports: [{port: 8080, mtls: strict}]}
EOF
        sleep 1
        "$signet" status --admin "unix:$WORK/run/api/admin.sock"
    )
holds "and everyone of the mesh is let in" holds_soon answers 200
mesh_end
