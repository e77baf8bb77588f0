#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Explicit mode by the samples of deploy/dev/samples, as an ordinary user: mutual TLS with certificates of openssl,
# taken up anew when the files change; a wrong file changes nothing; a wrong identity gets nothing.
# usage: explicit_test.sh SIGNET LIB_SH PEER_PY SAMPLE...
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
samples=$(dirname "$(readlink -f "$4")")
make_ns solo
mkdir -m 755 "$WORK/samples"
cp "$samples"/*.conf "$samples/certificates" "$WORK/samples"
chmod -R a+rX "$WORK/samples"
mkdir "$WORK/home"
chown 65534:65534 "$WORK/home"
cd "$WORK/home" || exit 1

certificates() {
    run_as 65534 solo "$WORK/samples/certificates" sample-certs >"$WORK/certificates.log" 2>&1
}

# side WHAT NAME [FLAG...]: starts it; not within `holds`, whose processes are forgotten.
side() {
    rm -f "$WORK/$2.log"
    mesh_start "$2" solo 65534 "$proxy" --config "$WORK/samples/$2.conf" "${@:3}"
    holds "$1" log_has "$2" proxy.started
}

serial() {
    in_ns solo curl -s "http://127.0.0.1:$1/certs" | jq -r '.chain[0].serial'
}

answers() {
    [ "$(call solo http://127.0.0.1:9000/)" = "$1" ]
}

holds "the script makes certificates" certificates
for conf in inbound outbound; do
    is "$conf.conf is in order" 0 "$(run_as 65534 solo "$proxy" --config "$WORK/samples/$conf.conf" --check >/dev/null 2>&1; echo $?)"
done
mesh_app solo 8080
side "the callee's side starts as an ordinary user" inbound
side "the caller's side too" outbound
holds "it works" holds_soon answers 200
is "the answer is the application's" "$WORD" "$(cat "$WORK/answer")"
holds "in mutual TLS, from web to api" log_has inbound 'peer_identity.*spiffe://cluster.local/ns/shop/sa/web'
is "plaintext to the listener gets nothing" 000 "$(call solo http://127.0.0.1:8443/)"
is "TLS without a certificate gets nothing" 000 "$(call solo -k https://127.0.0.1:8443/)"

echo "# new files"
before="$(serial 15000) $(serial 15010)"
holds "new certificates" certificates

renewed() {
    [ "$(serial 15000)" != "${before% *}" ] && [ "$(serial 15010)" != "${before#* }" ]
}

holds "are taken up without a restart" holds_soon renewed
holds "and it still works" holds_soon answers 200

echo "# wrong files"
before="$(serial 15000) $(serial 15010)"
cp sample-certs/web.key good.key
cp sample-certs/api.key sample-certs/web.key.new
chown 65534 sample-certs/web.key.new
mv sample-certs/web.key.new sample-certs/web.key
holds "a key that does not fit is refused, with its name" log_has outbound 'files/key-mismatch'
is "the old set stays" "$before" "$(serial 15000) $(serial 15010)"
is "and works" 200 "$(call solo http://127.0.0.1:9000/)"
mv good.key sample-certs/web.key
rm sample-certs/web.pem
sleep 0.5
is "a file that is gone changes nothing" 200 "$(call solo http://127.0.0.1:9000/)"
holds "certificates once more" certificates
holds "are taken up" holds_soon renewed

echo "# wrong identities"
mesh_stop outbound
side "a caller that expects somebody else" outbound \
    --outbound 127.0.0.1:9000=127.0.0.1:8443,peer=spiffe://cluster.local/ns/shop/sa/payments
is "sends nothing" 000 "$(call solo http://127.0.0.1:9000/)"
holds "and says why" log_has outbound 'sa/payments'
mesh_stop outbound
side "a caller who is not let in" outbound --chain-file sample-certs/api.pem --key-file sample-certs/api.key
taken=$(grep -c '^accept' "$WORK/app-solo.log")
is "gets nothing" 000 "$(call solo http://127.0.0.1:9000/)"
is "and the application saw nothing" "$taken" "$(grep -c '^accept' "$WORK/app-solo.log")"
mesh_stop outbound
is "files that cannot be used at the start: exit code" 3 \
    "$(run_as 65534 solo "$proxy" --config "$WORK/samples/outbound.conf" --key-file sample-certs/api.key >/dev/null 2>&1; echo $?)"
is "a listener that is taken: exit code" 4 \
    "$(run_as 65534 solo "$proxy" --config "$WORK/samples/outbound.conf" --outbound 127.0.0.1:8443=127.0.0.1:1,peer=spiffe://cluster.local/ns/shop/sa/api >/dev/null 2>&1; echo $?)"

echo "# what cannot work is said at the start"
is "a mistake in peer= names setting and place" "--outbound: peer=" \
    "$(run_as 65534 solo "$proxy" --config "$WORK/samples/outbound.conf" --check \
        --outbound 127.0.0.1:9000=127.0.0.1:8443,peer=spiffe://X/a 2>&1 | grep -o -- '--outbound: peer=')"
side "a peer of a trust domain without roots" outbound \
    --outbound 127.0.0.1:9000=127.0.0.1:8443,peer=spiffe://other.org/ns/shop/sa/api
holds "is named" log_has outbound 'identity/peer-domain.*other.org'
mesh_stop outbound
mesh_stop inbound
openssl req -new -key sample-certs/api.key -subj /O=client -out client.csr 2>/dev/null
openssl x509 -req -in client.csr -days 1 -CA sample-certs/bundle.pem -CAkey sample-certs/root.key -CAcreateserial \
    -CAserial client.serial -out client.pem 2>/dev/null -extfile <(
    echo "subjectAltName=URI:spiffe://cluster.local/ns/shop/sa/api"
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=clientAuth"
)
chmod 644 client.pem
side "a certificate for clients on an inbound listener" inbound --chain-file client.pem
holds "is named" log_has inbound 'identity/no-server-auth'
is "and it is not ready" 503 "$(in_ns solo curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:15021/readyz)"
mesh_stop inbound

echo "# a bundle without our own root"
side "the callee's side again" inbound
side "the caller's side again" outbound
holds "they work" holds_soon answers 200
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -subj /O=other -days 1 \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -out bundle.new 2>/dev/null
chmod 644 bundle.new
mv bundle.new sample-certs/bundle.pem
holds "our own certificate is what is wrong, loudly" log_has inbound 'identity/not-vouched-for'
is "peers of the root that is gone are refused at once" 000 "$(call solo http://127.0.0.1:9000/)"
holds "for that reason" log_has outbound 'verify/(untrusted-root|signature)'
mesh_end
