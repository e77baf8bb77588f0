#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# TERM: readiness goes off, who still comes is served, the application's pre-stop hook still reaches out, what is
# under way finishes; and then, when nobody else has a socket left, the process ends. The grace is a limit.
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
    mesh_sidecar "$name" --drain-limit-ms 120s # more than a slow machine needs for what follows
    mesh_ready "$name"
done

readyz() {
    in_ns "${2-$1}" curl -s -o /dev/null -w '%{http_code}' "http://${3-${mesh_address[$1]}}:15021/readyz"
}

# holds_long COMMAND...: as holds_soon, but within thirty seconds.
holds_long() {
    local try

    for try in 1 2 3 4 5 6; do
        holds_soon "$@" && return 0
    done
    return 1
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

echo "# a pod stops: TERM to the application and to the sidecar at once, and no connection is alive"
mesh_stop app-api
mesh_app web 8080
mesh_start stopping api 65534 python3 "$WORK/stopping.py" 8080 "$WORD" http://10.78.0.3:8080/ 60
holds_soon grep -q '^ready' "$WORK/stopping.log" || exit 1
is "ready before" 200 "$(readyz api)"
kill -TERM "${mesh_pid[api]}" "${mesh_pid[stopping]}"
holds "it says so" log_has api '"event":"proxy.draining".*"until":"sockets"'
is "it is not ready" 503 "$(readyz api)"
is "who still comes is served" 200 "$(call web http://10.78.0.4:8080/)"
sleep 1.5 # no connection is alive now
is "who comes late, too" 200 "$(call web http://10.78.0.4:8080/)"
holds "it lives as long as the application does" mesh_lives api
kill -USR1 "${mesh_pid[stopping]}"
holds "the application's pre-stop hook reaches its callee" log_has stopping '^hook 200'
holds "and by mutual TLS" grep -q '"direction":"outbound","transport":"mtls"' "$WORK/api.log"
is "then still who comes is served" 200 "$(call web http://10.78.0.4:8080/)"
kill -USR1 "${mesh_pid[stopping]}"
holds "the application ends" holds_long eval '! mesh_lives stopping'
holds "and then the sidecar" holds_long eval '! mesh_lives api'
holds "in order" log_has api '"event":"proxy.drained","connections_cut":0.*nobody else had a TCP socket'

echo "# what is under way"
mesh_token api
mesh_sidecar api --drain-limit-ms 20s
mesh_ready api
rm "$WORK/app-api.log"
mesh_app api 8080
download 4
kill -TERM "${mesh_pid[api]}"
holds "it drains" log_has api '"event":"proxy.draining"'
wait "$caller"
is "came to its end, whole" "200 $((40 * (${#WORD} + 1)))" "$(cat "$WORK/download")"
mesh_stop app-api
holds "then it ends" holds_long eval '! mesh_lives api'
holds "and says so last" grep -q proxy.stopped <(tail -n 1 "$WORK/api.log")

echo "# the caller drains; a limit is a limit"
rm "$WORK/app-api.log"
mesh_app api 8080
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
holds "what outlasts the grace is cut: after $took s" [ "$took" -ge 1 -a "$took" -le 15 ]
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

echo "# the last quarter; until idle"
mesh_token web
mesh_sidecar web --drain-limit-ms 8s --drain-until idle
mesh_ready web
# A connection that is kept and does nothing: its client learns its end as an end, within the grace.
mesh_start idler web 65534 python3 -c '
import socket
s = socket.create_connection(("10.78.0.4", 8080))
print("open", flush=True)
try:
    print("end", s.recv(1), flush=True)
except OSError as error:
    print(error, flush=True)
'
holds "a connection is kept idle" log_has idler '^open'
kill -TERM "${mesh_pid[web]}"
holds "is ended in order in the last quarter" holds_long grep -q "^end b''" "$WORK/idler.log"
holds "the sidecar ends" holds_long eval '! mesh_lives web'
holds "and says so" log_has web '"event":"proxy.drained","connections_cut":0,"connections_idle_ended":1'
mesh_end
