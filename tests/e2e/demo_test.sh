#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `signet demo --once --json`: a whole mesh, judged by what it measured; and nothing is left of it, not even
# after a kill -9.
# usage: demo_test.sh SIGNET LIB_SH
. "$2" # lib.sh of tests/netns
signet=$(readlink -f "$1")
for tool in curl jq nginx wrk; do
    command -v "$tool" >/dev/null || skip "needs the program $tool"
done
netns_begin

traces() {
    ip netns list | grep -o '^sgd[0-9]*-[a-z]*'
    ip -o link | grep -o ' sgd[^@:]*'
    ls -d /run/signet-demo* 2>/dev/null
    pgrep -f "$(dirname "$signet")/../signet-" || true
}

field() {
    tail -n 1 "$WORK/demo" | jq -r "$1"
}

is "no demo runs here" "" "$(traces)"

echo "# killed in the midst of it"
"$signet" demo --once >"$WORK/killed" 2>&1 &
demo=$!
holds "it sets the mesh up" holds_soon grep -q "web → api: HTTP 200" "$WORK/killed"
{ kill -9 "$demo" && wait "$demo"; } 2>/dev/null
holds_soon eval '[ -z "$(ip netns pids sgd-web)" ]'
is "its processes died with it" "" "$(for name in control web api rogue; do ip netns pids "sgd-$name"; done)"

echo "# the next run cleans up, and shows everything"
"$signet" demo --once --json --seconds 15 --keep-logs "$WORK/logs" >"$WORK/demo" 2>"$WORK/errors"
is "exit code" 0 $?
cat "$WORK/demo" "$WORK/errors"
holds "it took away what the killed one left" grep -q "took away [0-9]* objects" "$WORK/demo"
is "ok" true "$(field .ok)"
is "wire_tls13" true "$(field .wire_tls13)"
is "plaintext_bytes_seen" 0 "$(field .plaintext_bytes_seen)"
holds "the same search finds plaintext where there is some" [ "$(field .plaintext_bytes_control)" -gt 0 ]
holds "requests" [ "$(field .requests)" -gt 1000 ]
holds "requests on new connections" [ "$(field .new_connection_requests)" -gt 100 ]
is "failed_requests" 0 "$(field .failed_requests)"
holds "rotations" [ "$(field .rotations)" -ge 4 ]
is "denied_connections" 1 "$(field .denied_connections)"
is "denied_app_accepts" 0 "$(field .denied_app_accepts)"
is "allowed_app_accepts" 1 "$(field .allowed_app_accepts)"
is "the callee's log says why" deny/no-match "$(field .denied_reason)"
is "the caller's log says why" peer/access-denied "$(field .denied_reason_at_caller)"
is "control_plane_restarts" 1 "$(field .control_plane_restarts)"
holds "requests while it was away" [ "$(field .requests_during_outage)" -gt 100 ]
holds "renewals fell due while it was away" [ "$(field .sidecars_waiting_during_outage)" -ge 1 ]
holds "and were tried in vain" [ "$(field .failed_renewals_during_outage)" -ge 1 ]
is "all renewed when it was back" 3 "$(field .renewed_after_restart)"
is "nothing died" 0 "$(field .processes_died)"
if command -v tshark >/dev/null; then
    holds "tshark was asked" [ "$(field .tshark)" != null ]
    is "tshark sees TLS 1.3, and only that" 0x0304 \
        "$(tshark -r "$WORK/logs/wire.pcap" -d tcp.port==8080,tls -Y tls.handshake.type==2 \
            -T fields -e tls.handshake.extensions.supported_version 2>/dev/null | sort -u)"
fi
holds "the application served one page to web, and none to rogue" \
    [ "$(grep -c 'GET / ' "$WORK/logs/app-access.log")" = 1 ]
is "nothing is left of it" "" "$(traces)"

echo "# interrupted"
"$signet" demo --once >"$WORK/interrupted" 2>&1 &
demo=$!
holds_soon grep -q "signet-control runs" "$WORK/interrupted"
kill -TERM "$demo"
wait "$demo"
is "exit code" 143 $?
is "nothing is left of it" "" "$(traces)"

echo "# what it says where it cannot run"
cp "$signet" "$WORK/signet"
for program in proxy control init; do
    install -D "$(dirname "$signet")/../signet-$program/signet-$program" "$WORK/signet-$program"
done
setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$WORK/signet" demo >"$WORK/user" 2>&1
is "an ordinary user: exit code" 3 $?
holds "an ordinary user: the remedy" grep -q "sudo signet demo" "$WORK/user"
setpriv --bounding-set=-net_admin --inh-caps=-all "$WORK/signet" demo >"$WORK/admin" 2>&1
is "no CAP_NET_ADMIN: exit code" 3 $?
holds "no CAP_NET_ADMIN: it says so" grep -q CAP_NET_ADMIN "$WORK/admin"
rm "$WORK/signet-init"
"$WORK/signet" demo >"$WORK/alone" 2>&1
is "without its sisters: exit code" 3 $?
holds "without its sisters: it says so" grep -q "signet-init is missing" "$WORK/alone"
netns_end
