#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a flood took is given back to the system within ten seconds: a thousand half-sent ClientHellos of 15 KB, and
# a thousand clients who are refused. usage: given_back_test.sh SIGNET LIB_SH PEER_PY SAMPLE...
. "$2"
. "$(dirname "$0")/mesh.sh"
mesh_begin "$1"
samples=$(dirname "$(readlink -f "$4")")
make_ns solo
mkdir -m 755 "$WORK/samples"
cp "$samples/certificates" "$WORK/samples"
chmod -R a+rX "$WORK/samples"
mkdir "$WORK/home"
chown 65534:65534 "$WORK/home"
cd "$WORK/home" || exit 1

cat >"$WORK/flood.py" <<'END'
import socket
import ssl
import sys
import time

kind, count = sys.argv[1], int(sys.argv[2])
whom = ("127.0.0.1", 8443)
if kind == "half":
    # The head of a record of 16,000 bytes with a ClientHello of 15,996 in it; then 15,000 of them.
    hello = b"\x16\x03\x01\x3e\x80\x01\x00\x3e\x7c\x03\x03" + bytes(15000)
    held = []
    for number in range(count):
        one = socket.socket()
        one.bind((f"127.0.{1 + number // 250}.{1 + number % 250}", 0))
        one.connect(whom)
        one.sendall(hello)
        held.append(one)
    time.sleep(3)
else:
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    refused = 0
    for number in range(count):
        try:
            with nobody.wrap_socket(socket.create_connection(whom)) as one:
                one.sendall(b"hello")
                refused += one.recv(1) == b""
        except OSError:
            refused += 1
    assert refused == count
print("done")
END

# In KiB, without the program's own pages.
anonymous() {
    awk '/^RssAnon/ { print $2 }' "/proc/$(pgrep -P "${mesh_pid[inbound]}" || echo "${mesh_pid[inbound]}")/status"
}

# What the ledger says: 0 as soon as nobody is left.
held() {
    in_ns solo curl -s http://127.0.0.1:15020/metrics | awk '$1 == "signet_memory_held_bytes" { print $2 }'
}

nobody_is_left() {
    [ "$(in_ns solo curl -s http://127.0.0.1:15020/metrics | awk '/^signet_handshakes_half_open/ { sum += $2 } END { print sum + 0 }')" = 0 ]
}

# given_back KIND: within ten seconds of the end, as long as this test needs to see it.
given_back() {
    local try now

    for try in $(seq 20); do
        now=$(anonymous)
        [ "$now" -le $((before + 4096)) ] && return 0
        sleep 0.5
    done
    echo "before $before KiB, now $now KiB"
    return 1
}

holds "the script makes certificates" run_as 65534 solo "$WORK/samples/certificates" sample-certs
mesh_start inbound solo 65534 "$proxy" --capture explicit --inbound 127.0.0.1:8443=127.0.0.1:8080 \
    --chain-file sample-certs/api.pem --key-file sample-certs/api.key --bundle-file sample-certs/bundle.pem \
    --admin-address off --health-address off --metrics-address 127.0.0.1:15020 --access-log off \
    --half-open-limit 4096 --half-open-source-limit 4096 --memory-budget 256
holds "it starts" log_has inbound proxy.started
sleep 5 # it gives back what the start took
for kind in half refused; do
    before=$(anonymous)
    in_ns solo python3 "$WORK/flood.py" "$kind" 1000 >"$WORK/flood-$kind.log" 2>&1
    holds "$kind: a thousand came" grep -q done "$WORK/flood-$kind.log"
    holds "$kind: nobody is left" holds_soon nobody_is_left
    holds "$kind: what they took is given back" given_back
    echo "# $kind: anonymous $before KiB before, $(anonymous) KiB after; the ledger says $(held) bytes"
done
mesh_end
