#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# TERM: what is under way finishes, who still comes is served, readiness goes off, and then the process ends; what
# outlasts the limit is cut, and counted.
# usage: drain_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
mesh_control
mesh_place web 3
mesh_place api 4
mesh_file <<'EOF'
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3]}
  - {name: api, namespace: shop, serviceAccount: api, addresses: [10.78.0.4], ports: [{port: 8080, mtls: strict}]}
EOF
mesh_app api 8080
for name in web api; do
    mesh_join "$name"
    mesh_sidecar "$name" --drain-limit-ms 20s
    mesh_ready "$name"
done

readyz() {
    in_ns "${2-$1}" curl -s -o /dev/null -w '%{http_code}' "http://${3-${mesh_address[$1]}}:15021/readyz"
}

# download SECONDS: a slow answer, begun in the background; its status and size come into $WORK/download.
download() {
    run_as 65534 web curl -sS --max-time 40 -o /dev/null -w '%{http_code} %{size_download}' \
        "http://10.78.0.4:8080/slow/$1" >"$WORK/download" 2>"$WORK/download.errors" &
    caller=$!
    holds_soon grep -q "GET /slow/$1" "$WORK/app-api.log"
}

echo "# health is asked where the workload is reached"
is "from its own namespace" 200 "$(readyz api)"
is "from elsewhere, as a kubelet does" 200 "$(readyz api control)"
is "and not on loopback" 000 "$(readyz api api 127.0.0.1)"

echo "# the callee drains"
is "ready before" 200 "$(readyz api)"
download 4
kill -TERM "${mesh_pid[api]}"
holds "it says so" log_has api '"event":"proxy.draining"'
is "it is not ready" 503 "$(readyz api)"
is "who still comes is served" 200 "$(call web http://10.78.0.4:8080/)"
holds "it lives as long as somebody needs it" mesh_lives api
wait "$caller"
is "what was under way came to its end, whole" "200 $((40 * (${#WORD} + 1)))" "$(cat "$WORK/download")"
holds "then it ends" holds_soon eval '! mesh_lives api'
holds "in order" log_has api '"event":"proxy.drained","connections_cut":0'
holds "and says so last" grep -q proxy.stopped <(tail -n 1 "$WORK/api.log")

echo "# the caller drains; a limit is a limit"
mesh_token api
mesh_sidecar api
mesh_ready api
mesh_stop web
mesh_token web
mesh_sidecar web --drain-limit-ms 2s
mesh_ready web
download 30
began=$SECONDS
kill -TERM "${mesh_pid[web]}"
is "who still calls out is served" 200 "$(call web http://10.78.0.4:8080/)"
wait "$caller"
took=$((SECONDS - began))
holds "what outlasts the limit is cut: after $took s" [ "$took" -ge 1 -a "$took" -le 6 ]
holds "then it ends" holds_soon eval '! mesh_lives web'
holds "it says how many it cut" log_has web '"event":"proxy.drained","connections_cut":1'

echo "# twice is now"
mesh_token web
mesh_sidecar web --drain-limit-ms 60s
mesh_ready web
download 29
kill -TERM "${mesh_pid[web]}"
log_has web '"event":"proxy.draining".*"limit_ms":60000'
kill -TERM "${mesh_pid[web]}"
holds "a second TERM ends it at once" holds_soon eval '! mesh_lives web'
mesh_end
