#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# I21: a token, the passphrase and private keys are in no log, metric, admin page, command line or environment of a
# whole run at the most talkative log level. I3: a sidecar writes no key. I6: a token is good once.
# usage: secrets_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
mesh_control --log-level debug --demo-lifetimes --leaf-life-s 6
mesh_place web 3
mesh_place api 4
mesh_file <<'EOF'
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3]}
  - {name: api, namespace: shop, serviceAccount: api, addresses: [10.78.0.4], ports: [{port: 8080, mtls: strict}]}
EOF
mesh_app api 8080
secrets=("$PASSPHRASE")
for name in web api; do
    mesh_join "$name" >"$WORK/join-$name.log" 2>&1
    is "$name.token is its owner's alone" "600 1337" "$(stat -c '%a %u' "$WORK/$name.token")"
    secrets+=("$(cat "$WORK/$name.token")")
    mesh_sidecar "$name" --log-level debug
    mesh_ready "$name"
done
is "it works" 200 "$(call web http://10.78.0.4:8080/)"
first=$(admin web /certs | jq -r '.chain[0].serial')
holds_soon eval '[ "$(admin web /certs | jq -r ".chain[0].serial")" != "$first" ]'

echo "# refusals talk most"
cp "$WORK/web.token" "$WORK/used.token"
chown 1337 "$WORK/used.token"
mesh_start used web 1337 "$proxy" --name used --workload shop/web --mesh "$WORK/mesh/mesh.yaml" \
    --capture explicit --outbound 127.0.0.1:9000=10.78.0.4:8080,peer=spiffe://cluster.local/ns/shop/sa/api \
    --admin-address off --metrics-address off --health-address off --log-level debug \
    --control-address 10.78.0.2:15012 --token-file "$WORK/used.token" --bootstrap-bundle "$WORK/bundle.pem"
holds "I6: a token that was used is refused" log_has used 'bootstrap/token-used'
mesh_stop used
echo "tok-$WORD" >"$WORK/wrong.token"
secrets+=("tok-$WORD")
chown 1337 "$WORK/wrong.token"
mesh_start used web 1337 "$proxy" --name used --workload shop/web --mesh "$WORK/mesh/mesh.yaml" \
    --capture explicit --outbound 127.0.0.1:9000=10.78.0.4:8080,peer=spiffe://cluster.local/ns/shop/sa/api \
    --admin-address off --metrics-address off --health-address off --log-level debug \
    --control-address 10.78.0.2:15012 --token-file "$WORK/wrong.token" --bootstrap-bundle "$WORK/bundle.pem"
holds "a wrong token is refused" log_has used 'bootstrap/token-(form|unknown|invalid)|token'
mesh_stop used
echo "wrong-$WORD" >"$WORK/wrong-passphrase"
chmod 600 "$WORK/wrong-passphrase"
secrets+=("wrong-$WORD")
mkdir "$WORK/copy"
mesh_stop control TERM
cp -a "$WORK/data" "$WORK/copy/data"
run_as 0 control "$control" --data-dir "$WORK/copy/data" --ca-passphrase-file "$WORK/wrong-passphrase" \
    --listen-address 127.0.0.1:15012 --metrics-address 127.0.0.1:15014 \
    --admin-address "unix:$WORK/copy/admin.sock" --log-level debug >"$WORK/wrong-passphrase.log" 2>&1
holds "a wrong passphrase is refused" [ $? != 0 ]
cp "$WORK/passphrase" "$WORK/open-passphrase"
chmod 644 "$WORK/open-passphrase"
run_as 0 control "$control" --data-dir "$WORK/copy/data" --ca-passphrase-file "$WORK/open-passphrase" \
    --admin-address "unix:$WORK/copy/admin.sock" >"$WORK/open-passphrase.log" 2>&1
is "a passphrase file that others can read is refused: exit code" 2 $?
rm "$WORK/open-passphrase"
mesh_control --log-level debug --demo-lifetimes --leaf-life-s 6

echo "# all that can be seen from outside"
mkdir "$WORK/seen"
for name in web api; do
    for page in status certs connections config policy loglevel; do
        admin "$name" "/$page" >"$WORK/seen/$name-$page"
    done
    metrics "$name" >"$WORK/seen/$name-metrics"
    "$signet" certs --admin "unix:$WORK/run/$name/admin.sock" >"$WORK/seen/$name-tool" 2>&1
done
for page in status entries tokens; do
    admin control "/$page" >"$WORK/seen/control-$page"
done
metrics control >"$WORK/seen/control-metrics"
"$signet" entry list --admin "unix:$WORK/run/control/admin.sock" >"$WORK/seen/entries" 2>&1
for name in web api control; do
    tr '\0' '\n' <"/proc/${mesh_pid[$name]}/cmdline" >"$WORK/seen/$name-cmdline"
    tr '\0' '\n' <"/proc/${mesh_pid[$name]}/environ" >"$WORK/seen/$name-environ"
done
cp "$WORK/"*.log "$WORK/seen"
holds "there is much to be seen" [ "$(cat "$WORK/seen/"* | wc -c)" -gt 20000 ]
holds "the search can find" grep -q -r -F "spiffe://cluster.local/ns/shop/sa/web" "$WORK/seen"
for secret in "${secrets[@]}"; do
    is "I21: ${secret%%[-.]*}… (${#secret} bytes) is nowhere" "" "$(grep -r -l -F -e "$secret" "$WORK/seen")"
done
is "I21: no private key is anywhere" "" "$(grep -r -l -e 'PRIVATE KEY' "$WORK/seen")"

echo "# I3: what stands on disk"
is "a sidecar has written nothing but its socket" "admin.sock" "$(ls -A "$WORK/run/web")"
is "the control plane's files are its own" "" "$(find "$WORK/data" -type f -perm /077)"
is "the authority's keys are sealed" "" "$(grep -r -l -a -e 'PRIVATE KEY' "$WORK/data")"
is "the passphrase stands in its file alone" "$WORK/passphrase" "$(grep -r -l -F "$PASSPHRASE" "$WORK")"
for name in web api; do
    is "the token of $name is not in the store" "" "$(grep -r -l -a -F "$(cat "$WORK/$name.token")" "$WORK/data")"
done
is "nobody else may read a sidecar's memory" "0" \
    "$(run_as 65534 web head -c 1 "/proc/${mesh_pid[web]}/mem" 2>/dev/null | wc -c)"
mesh_end
