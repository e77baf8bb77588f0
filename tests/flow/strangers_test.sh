#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The programs themselves, on loopback, among those who mean them no good: a log that nobody reads, and a flood of
# pipelined requests at every port that strangers reach. Certificates live twelve seconds, and go on being given and
# renewed all the while; shorter ones would end on a machine that is busy with other tests. No root needed.
# usage: strangers_test.sh FLOOD_PY
set -euo pipefail

for tool in curl python3; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 0; }
done
root=$PWD
flood=$root/$1
work=$(mktemp -d /tmp/signet-strangers-XXXXXX) # short: a unix socket's path has 107 bytes at most
declare -A pids
trap 'kill -KILL "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
grpc=$(free_port) control_web=$(free_port)
passed=0 failed=0
is() { # WHAT, then a test
    local what=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL: $what"; fi
}
soon() { # a test that becomes true within a minute
    local try
    for try in $(seq 240); do
        "$@" && return 0
        sleep 0.25
    done
    return 1
}

# A pipe that takes not one byte more: descriptor 3 holds both ends, and nobody reads.
mkfifo full
exec 3<>full
python3 -c '
import fcntl, os
flags = fcntl.fcntl(3, fcntl.F_GETFL)
fcntl.fcntl(3, fcntl.F_SETFL, flags | os.O_NONBLOCK)
try:
    while True:
        os.write(3, b"\n" * 4096)
except BlockingIOError:
    fcntl.fcntl(3, fcntl.F_SETFL, flags)'

control() { "$root/cmd/signet/signet" "$@" --admin "unix:$work/control.sock"; }
umask 077
echo strangers >passphrase
"$root/cmd/signet-control/signet-control" --demo-lifetimes --leaf-life-s 12 --data-dir "$work/data" \
    --ca-passphrase-file passphrase --bundle-out "$work/bundle.pem" --listen-address "127.0.0.1:$grpc" \
    --metrics-address "127.0.0.1:$control_web" --admin-address "unix:$work/control.sock" \
    --log-level debug >&3 2>&3 &
pids[control]=$!

sidecar() { # NAME METRICS_PORT HEALTH_PORT
    control entry add "$1" --id "spiffe://cluster.local/ns/shop/sa/$1" >/dev/null
    control token create --entry "$1" --out "$work/$1.token" >/dev/null
    "$root/cmd/signet-proxy/signet-proxy" --capture explicit --control-address "127.0.0.1:$grpc" \
        --token-file "$work/$1.token" --bootstrap-bundle "$work/bundle.pem" \
        --outbound "127.0.0.1:$(free_port)=127.0.0.1:9,peer=spiffe://cluster.local/ns/shop/sa/api" \
        --admin-address "unix:$work/$1.sock" --metrics-address "127.0.0.1:$2" --health-address "127.0.0.1:$3" \
        --log-level debug >&3 2>&3 &
    pids[$1]=$!
}
issued() { # NAME: how many certificates it has been given
    { curl -s --max-time 5 --unix-socket "$work/$1.sock" http://localhost/status || true; } |
        sed -n 's/.*"issued": *\([0-9]*\),.*/\1/p' | head -n 1
}
has_more_than() { # NAME CERTIFICATES
    local now
    now=$(issued "$1")
    [ "${now:-0}" -gt "$2" ]
}

is "a control plane whose log nobody reads starts" soon test -S control.sock
web_metrics=$(free_port) web_health=$(free_port)
sidecar web "$web_metrics" "$web_health"
is "I13: it gives a certificate to a sidecar whose log nobody reads" soon has_more_than web 0
is "I13: which is renewed, and renewed again" soon has_more_than web 2

python3 "$flood" 600 8 "127.0.0.1:$web_metrics/livez" "127.0.0.1:$web_health/livez" \
    "127.0.0.1:$control_web/livez" >flood.out &
pids[flood]=$!
before=$(issued web)
api_metrics=$(free_port) api_health=$(free_port)
sidecar api "$api_metrics" "$api_health"
is "I17: in a flood of requests a new sidecar gets its certificate" soon has_more_than api 0
is "I17: and the flooded one its renewals" soon has_more_than web $((before + 4))
is "I17: health still answers others" soon curl -sf --max-time 5 -o health "http://127.0.0.1:$web_health/livez"
is "the flood went on all the while" kill -0 "${pids[flood]}"
kill -TERM "${pids[flood]}" 2>/dev/null || true
unset 'pids[flood]'

timeout 20 cat <&3 >log &
sleep 1
is "when somebody reads, the lines are there" soon grep -q identity.issued log
for name in web api control; do
    kill -TERM "${pids[$name]}"
    code=0
    wait "${pids[$name]}" || code=$?
    is "$name ends in order" test "$code" = 0
    unset "pids[$name]"
done
[ "$failed" -eq 0 ] || { tail -n 30 log; cat flood.out; }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
