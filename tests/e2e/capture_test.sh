#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The redirection goes away under a running sidecar: it says so within seconds, and is not ready until it is back.
# usage: capture_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
mesh_control
mesh_place web 3
mesh_file <<'EOF'
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3, "fd78::3"]}
EOF
mesh_join web
mesh_sidecar web
mesh_ready web

times() {
    grep -c "\"event\":\"$1\"" "$WORK/web.log"
}

said() {
    [ "$(times "$1")" = "$2" ]
}

unready() {
    [ "$(admin web /status | jq .ready)" = false ]
}

# lost HOW COMMAND...: takes the redirection away, and looks at what the sidecar makes of it.
lost() {
    local how=$1 count began

    shift
    count=$(($(times capture.lost) + 1))
    began=$(date +%s%N)
    holds "$how" in_ns web "$@"
    holds "it is logged" mesh_soon 20 said capture.lost "$count"
    echo "  after $((($(date +%s%N) - began) / 1000000)) ms"
    holds "it is not ready" mesh_soon 5 unready
    holds "and says why" grep -q "the canary did not come back" <(admin web /status)
    is "nothing claims that inbound capture is proved" unproved \
        "$(admin web /status | jq -r '.conditions[] | select(.name == "inbound-capture") | .value')"
    holds "set again" in_ns web "$init" set
    mesh_ready web
}

holds "proved at first" said capture.outbound-proved 1
lost "signet-init remove" "$init" remove
lost "somebody flushes all rules" nft flush ruleset
holds "proved each time it came back" said capture.outbound-proved 3
mesh_end
