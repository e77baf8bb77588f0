#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# I13, I23: the control plane is away for longer than a certificate lives. Until its end it works; then nothing
# passes, in plaintext neither; with the control plane and a fresh token back, it goes on, and no process was
# restarted.
# usage: expired_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
short=(--demo-lifetimes --leaf-life-s 6)
mesh_control "${short[@]}"
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
    mesh_sidecar "$name" --first-identity-limit-ms 2s
    mesh_ready "$name"
done
watch_wire api
processes="${mesh_pid[web]} ${mesh_pid[api]}"

# outlived NAME: its certificate has ended.
outlived() {
    [ "$(admin "$1" /certs | jq '.chain[0].not_after')" -lt "$(date +%s)" ]
}

works() {
    [ "$(call web http://10.78.0.4:8080/)" = 200 ]
}

# within SECONDS COMMAND...
within() {
    local until=$((SECONDS + $1))

    shift
    while ! "$@"; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.2
    done
}

is "it works" 200 "$(call web http://10.78.0.4:8080/)"
mesh_stop control
is "I13: it works without the control plane" 200 "$(call web http://10.78.0.4:8080/)"
within 15 outlived web
within 15 outlived api
taken=$(grep -c '^accept' "$WORK/app-api.log")

echo "# expired"
is "I23: a call fails" 000 "$(call web http://10.78.0.4:8080/)"
holds "the log says why" log_has web '"reason":"outbound/no-identity"'
is "I23: not a word on the wire" 0 "$(wire_words api)"
is "a caller past the sidecar (its user) is refused too" 000 \
    "$(run_as 1337 web curl -s --max-time 5 -H "X-Word: $WORD" -w '%{http_code}' http://10.78.0.4:8080/)"
holds "the search finds what was readable" [ "$(wire_words api)" -ge 1 ]
is "I23: the application took no connection" "$taken" "$(grep -c '^accept' "$WORK/app-api.log")"
is "it is not ready" false "$(admin web /status | jq .ready)"
holds "an outage budget of none" [ "$(metric web signet_outage_budget_seconds)" = 0 ]

echo "# the control plane is back, with fresh tokens"
mesh_control "${short[@]}"
mesh_token web
mesh_token api
holds "I13: it works again by itself" within 45 works
is "I13: and no process was restarted" "$processes" "${mesh_pid[web]} ${mesh_pid[api]}"
holds "web lives" mesh_lives web
holds "api lives" mesh_lives api
mesh_ready web
is "the identity is the same" spiffe://cluster.local/ns/shop/sa/web "$(admin web /status | jq -r .identity)"
mesh_end
