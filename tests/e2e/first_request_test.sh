#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The first request of a new connection waits for nobody's delayed acknowledgement. A client with Nagle's algorithm
# holds its request back until its Finished is acknowledged, and the callee has no answer that could carry that: so
# the callee's kernel counts a delayed acknowledgement (TcpExt DelayedACKs), and the client waits 40 ms.
#
# Judged by Python's ssl, and by that count, in a namespace where nothing else happens. Java, Node, Go and curl are
# measured where they are installed.
# usage: first_request_test.sh SIGNET LIB_SH PEER_PY SAMPLE...
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
readonly CONNECTIONS=40
clients=$WORK/clients
mkdir "$clients"
cp "$(dirname "$0")/first_request/"* "$clients"
cp "$(dirname "$(readlink -f "$4")")/certificates" "$WORK/certificates"
make_ns caller
make_ns callee
link_ns caller callee 7
(cd "$WORK" && ./certificates certs >/dev/null 2>&1 && openssl pkcs12 -export -in certs/web.pem -inkey certs/web.key \
    -out certs/web.p12 -passout pass:sample 2>/dev/null) || exit 1
mesh_start app callee 0 python3 "$clients/app.py" 8080
holds_soon grep -q ready "$WORK/app.log" || exit 1
mesh_start api callee 0 "$proxy" --capture explicit --chain-file "$WORK/certs/api.pem" --key-file "$WORK/certs/api.key" \
    --bundle-file "$WORK/certs/bundle.pem" --inbound 10.77.7.2:8443=127.0.0.1:8080 --access-log off \
    --admin-address off --metrics-address off --health-address off
holds_soon grep -q proxy.started "$WORK/api.log" || exit 1

# How many acknowledgements the callee's kernel has sent because its timer fired.
delayed() {
    in_ns callee awk '$1 == "TcpExt:" { if (!names) { names = split($0, name) } else { split($0, value)
        for (i = 1; i <= names; i++) if (name[i] == "DelayedACKs") print value[i] } }' /proc/net/netstat
}

# measure NAME COMMAND...: the client prints its median in ms; $count is what the callee's kernel counted meanwhile.
measure() {
    local name=$1 before after

    shift
    before=$(delayed)
    median=$(cd "$clients" && in_ns caller timeout 120 "$@" 2>"$WORK/$name.errors") || median="failed"
    after=$(delayed)
    count=$((after - before))
    printf '%-8s %s connections: median %s ms, %s delayed acknowledgements\n' "$name" "$CONNECTIONS" "$median" "$count"
}

arguments=(10.77.7.2 8443 "$WORK/certs" "$CONNECTIONS")
measure python python3 client.py "${arguments[@]}"
holds "Python's requests are answered" [ "$median" != failed ]
holds "and hardly one of $CONNECTIONS waits: $count do" [ "$count" -le $((CONNECTIONS / 4)) ]

echo "# others"
command -v java >/dev/null && measure java java client.java "${arguments[@]}"
command -v node >/dev/null && measure node node client.js "${arguments[@]}"
for go in go /usr/local/go/bin/go; do
    command -v "$go" >/dev/null || continue
    (cd "$clients" && HOME=$WORK "$go" build -o client-go client.go 2>"$WORK/go-build.errors") &&
        measure go ./client-go "${arguments[@]}"
    break
done
measure curl bash client-curl.sh "${arguments[@]}"
mesh_end
