#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A restart needs nobody: a sidecar in a loop as a unit file with Restart=always makes one, with a token for five
# starts, is killed again and again. Removing its entry evicts it, also when the same entry is made again.
# usage: restart_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
mesh_control
mesh_place web 3
mesh_file <<'EOF'
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3]}
EOF

tool() {
    "$signet" "$@" --admin "unix:$WORK/run/control/admin.sock"
}

entry_web() {
    tool entry add web --id spiffe://cluster.local/ns/shop/sa/web >/dev/null
}

# token_of USES [FLAG...]: a new token in the sidecar's file.
token_of() {
    local uses=$1

    shift
    tool token create --entry web --out "$WORK/web.token" --owner 1337 --uses "$uses" "$@"
}

# uses_left: of the token in the sidecar's file, whose id is what its hash begins with.
uses_left() {
    local id

    id=$(tail -c +5 "$WORK/web.token" | tr -d '\n' | tr '_-' '/+' | sed 's/$/=/' | base64 -d | sha256sum | cut -c1-16)
    tool token list --json | jq ".tokens[] | select(.id == \"$id\") | .uses_left"
}

# the_child: the sidecar that the loop runs now.
the_child() {
    local child

    for child in $(cat "/proc/${mesh_pid[web]}/task/${mesh_pid[web]}/children"); do
        [ "$(cat "/proc/$child/comm")" = signet-proxy ] && echo "$child" && return 0
    done
    return 1
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

# another OLD: there is a sidecar that is not OLD, and it is ready.
another() {
    local now

    now=$(the_child) && [ "$now" != "$1" ] && [ "$(admin web /status | jq .ready)" = true ] &&
        [ "$(admin web /status | jq .pid)" = "$now" ]
}

entry_web
is "a token says how often it is good" "$WORK/web.token holds a token for entry web: good 5 times, its time ends in 30 d" \
    "$(token_of 5 --until 30d --from 10.78.0.0/24)"
mesh_start web web 1337 bash -c 'while :; do "$@"; sleep 0.3; done' loop \
    "$proxy" --name web --workload shop/web --mesh "$WORK/mesh/mesh.yaml" \
    --admin-address "unix:$WORK/run/web/admin.sock" --control-address 10.78.0.2:15012 \
    --token-file "$WORK/web.token" --bootstrap-bundle "$WORK/bundle.pem"
old=0
for start in 1 2 3 4 5; do
    holds "start $start is ready" within 60 another "$old"
    is "start $start has a certificate" spiffe://cluster.local/ns/shop/sa/web "$(admin web /status | jq -r .identity)"
    is "start $start: uses left" $((5 - start)) "$(uses_left)"
    holds "the log says how many are left" log_has control "\"token.used\".*\"uses_left\":$((5 - start))"
    old=$(the_child)
    kill -KILL "$old"
done
holds "the sixth is refused" within 60 log_has web 'this token was used by an earlier start of this workload|all 5 uses of this token were spent'
holds "the refusal says what to do" log_has web 'signet token create --entry web'
is "nothing more was spent" 0 "$(uses_left)"
holds "status says that no start is left" [ "$(admin control /status | jq .open_token_uses)" = 0 ]

echo "# a new token in the same file"
token_of 2 >/dev/null
holds "a sidecar takes it" within 90 another "$old"
is "it joined without a start by hand" 1 "$(uses_left)"

echo "# from other addresses"
spent=$(uses_left)
token_of 3 --from 10.99.0.0/16 >/dev/null
kill -KILL "$(the_child)"
holds "the log says from where" within 60 log_has control 'bootstrap/token-address'
is "no use was spent" 3 "$(uses_left)"
token_of 3 >/dev/null
holds "a token of this address is taken" within 90 another 0

echo "# removing an entry is eviction"
tool entry remove web >/dev/null
entry_web
kill -HUP "$(the_child)" # asks for a new certificate now
holds "the older certificate does not renew" within 60 log_has control 'renew/evicted'
holds "it serves with what it has" [ "$(admin web /status | jq .ready)" = true ]
serial=$(admin web /certs | jq -r '.chain[0].serial')
old=$(the_child)
token_of 1 >/dev/null
kill -KILL "$old"
holds "a new start joins" within 60 another "$old"
holds "with a token of the new entry it is back" [ "$(admin web /certs | jq -r '.chain[0].serial')" != "$serial" ]
kill -HUP "$(the_child)"
holds "and its certificate renews" within 60 log_has control 'certificate.issued.*"method":"renew"'
mesh_end
