#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A permissive port of a server that greets, while packets are lost: a caller with a sidecar is served in mutual
# TLS or not at all, however long its first bytes take; one without is greeted at once.
# usage: permissive_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
mesh_control
mesh_place web 3
mesh_place api 4
make_ns stranger
join_hub stranger 9
mesh_file <<'EOF'
defaultMtls: permissive
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3, "fd78::3"]}
  - name: api
    namespace: shop
    serviceAccount: api
    labels: {app: api}
    addresses: [10.78.0.4, "fd78::4"]
services:
  - name: api
    namespace: shop
    addresses: [10.96.0.1]
    ports: [{port: 25, targetPort: 2526}]
    selector: {app: api}
EOF
mesh_join web
mesh_join api
LISTEN_UID=65534 listen mail api 2526
mesh_sidecar web
mesh_sidecar api
mesh_ready web
mesh_ready api
watch_wire api

greeting="mail 2526 meant 10.78.0.4 2526 from"
opened() {
    grep '"event":"open"' "$WORK/api.log" | jq -r 'select(.direction == "inbound") | .transport' | sort | uniq -c | xargs
}

echo "# by whose word"
holds "status says it" grep -q "plaintext by defaultMtls" <(admin api /status | jq -r .policy)

echo "# a caller with a sidecar, while its packets with data are lost"
for seconds in 0.25 1 3; do
    in_ns web iptables -I OUTPUT -p tcp -d 10.78.0.4 --dport 2526 -m length --length 100:65535 -j DROP
    (sleep "$seconds" && in_ns web iptables -D OUTPUT -p tcp -d 10.78.0.4 --dport 2526 -m length --length 100:65535 -j DROP) &
    is "lost for $seconds s: greeted all the same" "$greeting" "$(LIMIT_S=12 dial web 10.78.0.4 2526 | cut -d' ' -f1-6)"
    wait $!
done
is "and never in clear" "3 mtls" "$(opened)"
is "nor was the greeting readable on the wire" 0 "$(wire_words api "mail 2526")"
is "the server was dialled by nobody else" 3 "$(grep -c '^mail' "$WORK/mail.log")"

echo "# callers without a sidecar"
began=$(date +%s%N)
is "greeted at once" "$greeting" "$(dial stranger 10.78.0.4 2526 | cut -d' ' -f1-6)"
echo "  after $((($(date +%s%N) - began) / 1000000)) ms, with the start of the program that dials"
is "in clear" "3 mtls 1 plaintext" "$(opened)"

echo "# a silent caller at the address of a workload with a sidecar, beside that sidecar"
is "gets nothing" "" "$(LIMIT_S=25 DIAL_UID=1337 dial web 10.78.0.4 2526 | grep meant)"
holds "and is refused at the handshake's limit" mesh_soon 20 grep -q '"reason":"inbound/silent-sidecar"' "$WORK/api.log"
is "no further one was taken in" "3 mtls 1 plaintext" "$(opened)"

echo "# a service that contains its caller"
is "leads to its own application" "mail 2526 meant" "$(LIMIT_S=5 dial api 10.96.0.1 25 | cut -d' ' -f1-3)"
is "by that reason" outbound/own-application "$(reason api '.direction == "outbound" and .event == "open"')"
mesh_end
