#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two signet-proxy in explicit mode, three workers each, under load while certificates are swapped and admin
# pages and metrics are read: under --config=tsan a data race ends them with code 66. No root needed.
set -euo pipefail

for tool in openssl curl python3; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 0; }
done
root=$PWD
work=$(mktemp -d /tmp/signet-races-XXXXXX) # short: a unix socket's path has 107 bytes at most
pids=()
trap '[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
app=$(free_port) inner=$(free_port) outer=$(free_port) metrics=$(free_port)

"$root/deploy/dev/samples/certificates" certs >/dev/null
python3 -m http.server --bind 127.0.0.1 "$app" >app.log 2>&1 &
pids+=($!)

export TSAN_OPTIONS="exitcode=66"
proxy() { # NAME, then flags
    local name=$1
    shift
    "$root/cmd/signet-proxy/signet-proxy" --capture explicit --bundle-file certs/bundle.pem --workers 3 \
        --chain-file "certs/$name.pem" --key-file "certs/$name.key" --access-log "$name.access" \
        --admin-address "unix:$work/$name.sock" --health-address off "$@" >"$name.log" 2>&1 &
    pids+=($!)
}
ids=spiffe://cluster.local/ns/shop/sa
proxy api --inbound "127.0.0.1:$inner=127.0.0.1:$app,peer=$ids/web" --metrics-address "127.0.0.1:$metrics"
api=${pids[-1]}
proxy web --outbound "127.0.0.1:$outer=127.0.0.1:$inner,peer=$ids/api" --metrics-address off
web=${pids[-1]}

passed=0 failed=0
is() { # WHAT, then a test
    local what=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL: $what"; fi
}
for _ in $(seq 100); do
    curl -s -o page "http://127.0.0.1:$outer/" && break
    sleep 0.1
done
is "a request comes through" test -s page
[ "$failed" -eq 0 ] || { cat api.log web.log; echo "$passed passed, $failed failed"; exit 1; }

(
    for _ in $(seq 60); do
        curl -s -w '%{http_code}\n' -o /dev/null "http://127.0.0.1:$outer/" -o /dev/null "http://127.0.0.1:$outer/"
    done >codes
) &
load=$!
for _ in 1 2 3; do
    "$root/deploy/dev/samples/certificates" certs >/dev/null
    curl -s --unix-socket api.sock http://localhost/connections >>pages
    curl -s --unix-socket web.sock http://localhost/status >>pages
    curl -s "http://127.0.0.1:$metrics/metrics" >>pages
    sleep 0.4
done
wait "$load"
is "every request of the load is answered" test "$(sort -u codes)" = 200
is "admin pages and metrics answer meanwhile" grep -q signet_handshakes_total pages

kill -TERM "$api" "$web"
code=0; wait "$api" || code=$?
is "the callee's proxy ends in order (66: a race)" test "$code" = 0
code=0; wait "$web" || code=$?
is "the caller's proxy ends in order (66: a race)" test "$code" = 0
[ "$failed" -eq 0 ] || cat api.log web.log
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
