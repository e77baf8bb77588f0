#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The control plane's clock jumps a month ahead and back while sidecars renew; and it is stopped for longer than its
# own certificate lives. Its clock is moved with libfaketime, its boot clock is not.
# usage: clock_test.sh SIGNET LIB_SH
. "$2"
. "$(dirname "$0")/mesh.sh"
faketime=$(ls /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null | head -n 1)
[ -n "$faketime" ] || skip "needs libfaketime"
mesh_begin "$1"
if nm -D "$control" 2>/dev/null | grep -q __asan_init; then
    skip "a program with AddressSanitizer takes no other library before its own"
fi
real=$control
control=$WORK/control-of-another-time
cat >"$control" <<EOF
#!/bin/sh
export LD_PRELOAD=$faketime FAKETIME_TIMESTAMP_FILE=$WORK/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
exec "$real" "\$@"
EOF
chmod 755 "$control"

# clock OFFSET: the control plane's clock from now on, against the true one.
clock() {
    echo "$1" >"$WORK/clock.new"
    mv "$WORK/clock.new" "$WORK/clock"
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

serial() {
    admin web /certs | jq -r '.chain[0].serial'
}

renewed_since() {
    [ "$(serial)" != "$1" ]
}

readyz() {
    in_ns control curl -sS --max-time 5 http://10.78.0.2:15014/readyz
}

own_identity_is() {
    readyz | grep -qF "[$1] own-identity"
}

# Connects four times to ADDRESS, greets when FILE is there, and connects once more, again and again for half a
# minute. The leaves that it is shown go to FOLDER, with the moment before it greeted.
cat >"$WORK/late.py" <<'EOF'
import os, socket, ssl, sys, time
address, signal, folder = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_alpn_protocols(["h2"])
host, port = address.split(":")


def connect():
    return socket.create_connection((host, int(port)), 10)


def greet(number, link):
    at = time.time()
    try:
        shown = context.wrap_socket(link).getpeercert(binary_form=True)
    except OSError as error:
        print(number, "was shown nothing:", error)
        return False
    with open(f"{folder}/shown-{number}.at", "w") as file:
        print(int(at), file=file)
    with open(f"{folder}/shown-{number}.der", "wb") as file:
        file.write(shown)
    return True


links = [connect() for _ in range(4)]
print("ready", flush=True)
while not os.path.exists(signal):
    time.sleep(0.01)
for number, link in enumerate(links):
    greet(number, link)
until = time.time() + 30
while not greet("after", connect()) and time.time() < until:
    time.sleep(0.5)
EOF

# lived_at LEAF: its end is later than the moment before the greeting that it answered.
lived_at() {
    local ends

    ends=$(openssl x509 -inform DER -in "$1" -noout -enddate)
    [ "$(date -d "${ends#notAfter=}" +%s)" -gt "$(cat "${1%.der}.at")" ]
}

# The control plane's own leaf is about to be renewed, and lives four seconds more at most.
is_old() {
    [ $(($(admin control /certs | jq .not_after) - $(date +%s))) -le 4 ]
}

clock +0
short=(--demo-lifetimes --leaf-life-s 40)
mesh_control "${short[@]}"
mesh_place web 3
mesh_place api 4
mesh_file <<'EOF'
workloads:
  - {name: web, namespace: shop, serviceAccount: web, addresses: [10.78.0.3]}
  - {name: api, namespace: shop, serviceAccount: api, addresses: [10.78.0.4], ports: [{port: 8080, mtls: strict}]}
EOF
mesh_app api 8080
for name in web api; do
    mesh_join "$name"
    mesh_sidecar "$name"
    mesh_ready "$name"
done
is "it works" 200 "$(call web http://10.78.0.4:8080/)"

echo "# a month ahead"
clock +30d
holds "the jump is logged" log_has control '"event":"clock.stepped","by_ms":259[12]'
holds "an intermediate for that time is made, and logged" \
    log_has control '"event":"authority.renewed","file":"intermediate-2.pem","cause":"none-valid"'
holds "our own leaf is valid at that time" within 20 own_identity_is yes
holds "and readiness tells of the jump" grep -qE '\[unproved\] clock: the wall clock jumped by \+259[12]' <<<"$(readyz)"
is "traffic goes on" 200 "$(call web http://10.78.0.4:8080/)"

echo "# and back"
before=$(serial)
clock +0
holds "the jump is logged" log_has control '"event":"clock.stepped","by_ms":-259[12]'
holds "a sidecar gets its next certificate" within 60 renewed_since "$before"
is "no link was overwritten" "intermediate-2.pem intermediate.pem root.pem" \
    "$(cd "$WORK/data/ca" && echo *.pem)"
is "signet says so" 1 "$("$signet" status --admin "unix:$WORK/run/control/admin.sock" | grep -c 'its clock jumped back by')"
is "traffic goes on" 200 "$(call web http://10.78.0.4:8080/)"

echo "# a restart"
mesh_stop control TERM
is "--check says what the jump left behind" 1 \
    "$("$real" --check --data-dir "$WORK/data" --ca-passphrase-file "$WORK/passphrase" 2>&1 |
        grep -c 'warning: authority/link-ahead: intermediate-2.pem begins at ')"
before=$(serial)
mesh_control "${short[@]}"
holds "a sidecar gets its next certificate" within 60 renewed_since "$before"
is "traffic goes on" 200 "$(call web http://10.78.0.4:8080/)"

echo "# a stop for longer than the control plane's own certificate lives"
mesh_stop control TERM
mesh_control --demo-lifetimes --leaf-life-s 6
for round in 1 2 3; do
    rm -f "$WORK/go" "$WORK/late.log" "$WORK"/shown-*
    holds "its leaf grows old" within 30 is_old
    mesh_start late control 0 python3 "$WORK/late.py" 10.78.0.2:15012 "$WORK/go" "$WORK"
    holds_soon grep -q '^ready' "$WORK/late.log"
    kill -STOP "${mesh_pid[control]}"
    ended=$(($(date +%s) + 5))
    while [ "$(date +%s)" -lt "$ended" ]; do sleep 0.1; done
    : >"$WORK/go"
    kill -CONT "${mesh_pid[control]}"
    while mesh_lives late; do sleep 0.1; done
    # A connection from before the stop may have been given up meanwhile; the one from after it is served.
    holds "a leaf is shown after the stop" [ -s "$WORK/shown-after.der" ]
    for leaf in "$WORK"/shown-*.der; do
        holds "no leaf is shown that has ended" lived_at "$leaf"
    done
done
mesh_end
