#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# STRICT, PERMISSIVE and DISABLE ports, a protocol whose server speaks first, and IPv6: who gets through, and what
# can be read on the wire.
# usage: modes_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
mesh_control
mesh_place web 3
mesh_place api 4
make_ns stranger
join_hub stranger 9
mesh_file <<'EOF'
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3, "fd78::3"]}
  - name: api
    namespace: shop
    serviceAccount: api
    addresses: [10.78.0.4, "fd78::4"]
    ports:
      - {port: 8080, mtls: strict}
      - {port: 8081, mtls: permissive}
      - {port: 8082, mtls: disable}
      - {port: 2525, protocol: tcp, mtls: strict}
      - {port: 2526, protocol: tcp, mtls: permissive}
EOF
mesh_join web
mesh_join api
for port in 8080 8081 8082; do
    mesh_start "app-$port" api 65534 python3 "$WORK/app.py" "$port" "$WORD"
    log_has "app-$port" '^ready' || exit 1
done
LISTEN_UID=65534 listen mail api 2525 2526
mesh_sidecar web
mesh_sidecar api
mesh_ready web
mesh_ready api
watch_wire api

# expect FROM URL STATUS READABLE: the status, and whether the word could be read on the wire.
expect() {
    local before status readable=no

    before=$(wire_words api)
    status=$(call "$1" "$2")
    [ "$(wire_words api)" = "$before" ] || readable=yes
    is "$1 to $2: status, readable" "$3 $4" "$status $readable"
}

echo "# a caller of the mesh"
expect web http://10.78.0.4:8080/ 200 no
expect web http://10.78.0.4:8081/ 200 no
expect web http://10.78.0.4:8082/ 200 yes
expect web 'http://[fd78::4]:8080/' 200 no
expect web 'http://[fd78::4]:8081/' 200 no

echo "# a caller without a sidecar, in plaintext"
expect stranger http://10.78.0.4:8080/ 000 yes
is "strict: the reason" tls/not-tls "$(reason api '.verdict == "deny" or .event == "refused"')"
expect stranger http://10.78.0.4:8081/ 200 yes
expect stranger http://10.78.0.4:8082/ 200 yes
expect stranger 'http://[fd78::4]:8080/' 000 yes
expect stranger 'http://[fd78::4]:8081/' 200 yes
is "the strict application took only web's two connections" 2 "$(grep -c '^accept' "$WORK/app-8080.log")"

echo "# the server speaks first"
is "mTLS, strict" "mail 2525 meant 10.78.0.4 2525 from" "$(dial web 10.78.0.4 2525 | cut -d' ' -f1-6)"
is "mTLS, permissive" "mail 2526 meant 10.78.0.4 2526 from" "$(dial web 10.78.0.4 2526 | cut -d' ' -f1-6)"
is "mTLS, IPv6" "mail 2525 meant fd78::4 2525 from" "$(dial web fd78::4 2525 | cut -d' ' -f1-6)"
is "plaintext, permissive: it is not kept waiting for a first byte" "mail 2526 meant 10.78.0.4 2526 from" \
    "$(dial stranger 10.78.0.4 2526 | cut -d' ' -f1-6)"
holds "plaintext, strict: nothing comes" [ -z "$(dial stranger 10.78.0.4 2525 | grep meant)" ]

echo "# what is seen from the callee"
is "the caller's identity, in both families" "spiffe://cluster.local/ns/shop/sa/web" \
    "$(grep '"event":"open"' "$WORK/api.log" | jq -r 'select(.transport == "mtls") | .peer_identity' | sort -u)"
is "every handshake is TLS 1.3" TLSv1.3 \
    "$(grep '"event":"open"' "$WORK/api.log" | jq -r 'select(.transport == "mtls") | .tls_version' | sort -u)"
mesh_end
