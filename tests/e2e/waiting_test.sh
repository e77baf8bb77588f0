#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Before the first certificate: a captured connection waits and then works, or fails after its limit with its
# reason. I23: without an identity nothing passes, and no application byte leaves in plaintext.
# usage: waiting_test.sh SIGNET LIB_SH
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
watch_wire api

echo "# I23: nobody has a certificate, and the control plane is away"
mesh_stop control
mesh_sidecar web --first-identity-limit-ms 1s
mesh_sidecar api --first-identity-limit-ms 1s
holds "the sidecar runs all the same" holds_soon admin web /status
is "it is not ready" false "$(admin web /status | jq .ready)"
began=$(date +%s%N)
is "I23: a call fails" 000 "$(call web http://10.78.0.4:8080/)"
took=$((($(date +%s%N) - began) / 1000000))
holds "after its limit of 1 s, not before, and not much later: $took ms" [ "$took" -ge 900 -a "$took" -le 3000 ]
is "the reason" outbound/no-identity "$(reason web '.direction == "outbound"')"
holds "and it is counted" [ "$(metric web signet_identity_waits_total 'outcome="failed"')" -ge 1 ]
is "I23: not a word on the wire" 0 "$(wire_words api)"
is "a caller past the sidecar (its user) is refused too" 000 \
    "$(run_as 1337 web curl -s --max-time 5 -H "X-Word: $WORD" -w '%{http_code}' http://10.78.0.4:8080/)"
holds "the search finds what was readable" [ "$(wire_words api)" -ge 1 ]
is "I23: the application saw no connection" 0 "$(grep -c '^accept' "$WORK/app-api.log")"
mesh_stop web
mesh_stop api

echo "# a connection that comes before the certificate"
mesh_control
mesh_join api
"$signet" entry add web --id spiffe://cluster.local/ns/shop/sa/web --admin "unix:$WORK/run/control/admin.sock" >/dev/null
mesh_sidecar api
mesh_ready api
mesh_sidecar web --first-identity-limit-ms 20s
holds_soon admin web /status
LIMIT_S=20 call web http://10.78.0.4:8080/ >"$WORK/status" &
caller=$!
sleep 1
holds "it waits" kill -0 "$caller"
holds "and is counted as waiting" [ "$(metric web signet_identity_waiting_connections)" -ge 1 ]
mesh_token web
kill -HUP "${mesh_pid[web]}" # a token came: look now, not at the next attempt
wait "$caller"
is "when the token is there, it goes on" 200 "$(cat "$WORK/status")"
holds "in mutual TLS" log_has api '"event":"open".*"transport":"mtls".*"peer_identity":"spiffe://cluster.local/ns/shop/sa/web"'
holds "and is counted" [ "$(metric web signet_identity_waits_total 'outcome="ok"')" -ge 1 ]
mesh_end
