#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A peer that vanishes with bytes on their way is found by its silence; one that does not read, and says so, may take
# for ever. The limit is a second here, not two minutes. usage: vanished_test.sh VANISHED
. "$(dirname "$0")/lib.sh"
netns_begin
command -v iptables >/dev/null || skip "needs the program iptables"
vanished=$(give "$1")
make_ns near
make_ns far
link_ns near far 7

cat >"$WORK/deaf.py" <<'END'
import socket
server = socket.create_server(("0.0.0.0", 9000))
held = []
print("ready", flush=True)
while True:
    held.append(server.accept()[0])
    print("accepted", flush=True)
END
start deaf ip netns exec "$(ns far)" python3 "$WORK/deaf.py"
holds "somebody listens who never reads" holds_soon grep -q ready "$WORK/deaf.log"

# relays NAME flood|drip
relays() {
    start "$1" ip netns exec "$(ns near)" "$vanished" 10.77.7.2:9000 1000 "$2"
    holds "$1: a relay runs" holds_soon grep -q relays "$WORK/$1.log"
}

# soon_says NAME TEXT: within two minutes, for a slow machine.
soon_says() {
    local try

    for try in $(seq 1200); do
        grep -q "$2" "$WORK/$1.log" && return 0
        sleep 0.1
    done
    tail -n 3 "$WORK/$1.log"
    return 1
}

relays flood flood
relays drip drip
is "the network's leg is kept alive" "keepalive 1" "$(head -n 1 "$WORK/flood.log")"
sleep 8
holds "a window that stays zero, and is acknowledged, is no silence" [ "$(grep -c done "$WORK/flood.log")" = 0 ]
holds "nor are bytes that arrive" [ "$(grep -c done "$WORK/drip.log")" = 0 ]
in_ns far iptables -A INPUT -p tcp -j DROP
holds "bytes that nobody acknowledges end it" soon_says drip "done io tcp/vanished"
holds "and so does a zero window that nobody acknowledges any more" soon_says flood "done io tcp/vanished"
netns_end
