#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# I8: a token leaves only for the control plane: not for another identity of the same authority, not for a server
# with a name instead of an identity, not for another authority. And --bundle-sha256: the right pin is enough,
# with a wrong one nothing leaves.
# usage: impostor_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
cp "$(dirname "$0")/impostor.py" "$WORK"
chmod 644 "$WORK/impostor.py"
make_ns control
join_hub control 2
mesh_place web 3
mesh_file <<'EOF'
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3]}
EOF
TOKEN=token-$(head -c 18 /dev/urandom | od -An -tx1 | tr -d ' \n')
(umask 077 && echo "$TOKEN" >"$WORK/web.token")
chown 1337 "$WORK/web.token"
ours=spiffe://cluster.local/ns/signet-system/sa/signet-control

# authority NAME: a root of its own.
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/$1.key" -out "$WORK/$1.pem" \
        -days 2 -subj "/O=$1" -addext "subjectAltName=URI:spiffe://cluster.local" \
        -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# leaf NAME AUTHORITY SAN
leaf() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/$1.key" -out "$WORK/$1.csr" \
        -subj / 2>/dev/null
    openssl x509 -req -in "$WORK/$1.csr" -CA "$WORK/$2.pem" -CAkey "$WORK/$2.key" -CAcreateserial -days 1 \
        -out "$WORK/$1.pem" -extfile <(
            echo "subjectAltName=critical,$3"
            echo "keyUsage=critical,digitalSignature"
            echo "extendedKeyUsage=serverAuth,clientAuth"
            echo "basicConstraints=critical,CA:FALSE"
        ) 2>/dev/null
}

# faced NAME: a server with that certificate stands where the control plane should; what did it hear?
faced() {
    mesh_start "server-$1" control 0 python3 "$WORK/impostor.py" 10.78.0.2 15012 "$WORK/$1.pem" "$WORK/$1.key" \
        "$WORK/$1.heard"
    holds_soon grep -q '^ready' "$WORK/server-$1.log"
    rm -f "$WORK/web.log"
    cp "$WORK/good.pem" "$WORK/bundle.pem"
    mesh_sidecar web
    log_has web '"event":"identity.refused"'
    sleep 1 # more attempts than one
    cp "$WORK/web.log" "$WORK/web-$1.log"
    mesh_stop web
    mesh_stop "server-$1"
    if grep -a -q -F "$TOKEN" "$WORK/$1.heard"; then
        echo "the token"
    elif [ -s "$WORK/$1.heard" ]; then
        echo "something"
    else
        echo "nothing"
    fi
}

authority good
authority other
leaf real good "URI:$ours"
leaf sibling good "URI:spiffe://cluster.local/ns/shop/sa/web"
leaf elsewhere good "URI:spiffe://example.org/ns/signet-system/sa/signet-control"
leaf named good "DNS:signet-control.signet-system.svc"
leaf stolen other "URI:$ours"

is "the control plane itself hears the token (so the test can fail)" "the token" "$(faced real)"
for impostor in sibling elsewhere named stolen; do
    is "I8: what a server with the certificate '$impostor' hears" nothing "$(faced "$impostor")"
    holds "I8: it was connected to ($impostor)" grep -q '^accept' "$WORK/server-$impostor.log"
    holds "and the log says why: $(reason web '.event == "identity.refused"')" \
        [ -n "$(reason web '.event == "identity.refused"')" ]
done

echo "# the pin"
rm "$WORK/bundle.pem"
mesh_control
mesh_join web
pin=$(openssl x509 -in "$WORK/bundle.pem" -outform DER | sha256sum | cut -d' ' -f1)

mesh_pinned() {
    mesh_start web web 1337 "$proxy" --name web --workload shop/web --mesh "$WORK/mesh/mesh.yaml" \
        --admin-address "unix:$WORK/run/web/admin.sock" --control-address 10.78.0.2:15012 \
        --token-file "$WORK/web.token" --bundle-sha256 "$1"
}

rm -f "$WORK/web.log"
mesh_pinned "$(echo "$pin" | tr 0-9a-f 1-9a-f0)"
holds "a wrong pin: refused" log_has web '"event":"identity.refused"'
echo "       $(reason web '.event == "identity.refused"')"
sleep 1
is "a wrong pin: not ready" false "$(admin web /status | jq .ready)"
is "I8: and no token was shown" 0 "$(metric control signet_join_tokens_redeemed_total)"
mesh_stop web
mesh_pinned "$pin"
mesh_ready web
is "the right pin: the identity" spiffe://cluster.local/ns/shop/sa/web "$(admin web /status | jq -r .identity)"
mesh_end
