#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What is captured, what is left alone, and where a captured connection was meant to go.
# usage: redirect_test.sh SIGNET_INIT nft|iptables
. "$(dirname "$0")/lib.sh"
netns_begin
signet_init=$(give "$1")
backend=$2

# Everything that netfilter holds in a namespace, without counters.
rules() {
    in_ns "$1" nft list ruleset 2>/dev/null | sed 's/ counter packets [0-9]* bytes [0-9]*//'
    in_ns "$1" iptables-save | sed '/^#/d; s/\[[0-9:]*\]//'
    in_ns "$1" ip6tables-save | sed '/^#/d; s/\[[0-9:]*\]//'
}

set_rules() {
    holds "set $*" in_ns web "$signet_init" --backend "$backend" "$@"
}

make_ns web
make_ns api
link_ns web api 7
untouched=$(in_ns web nft list ruleset)
LISTEN_UID=1337 listen out web 15001
LISTEN_UID=1337 listen in web 15006
listen local web 8080 22
listen far api 80 25 9005 9011

echo "# before: nothing is captured"
is "outbound" "far 80 meant 10.77.7.2 80 from 10.77.7.1" "$(dial web 10.77.7.2 80)"
is "inbound" "local 8080 meant 10.77.7.1 8080 from 10.77.7.2" "$(dial api 10.77.7.1 8080)"

echo "# a connection that is open before the rules stand is left alone and survives them"
mkfifo "$WORK/words"
exec 5<>"$WORK/words"
start held in_ns web python3 "$WORK/peer.py" hold 10.77.7.2 80 <&5
holds "it is open" holds_soon grep -q "far 80" "$WORK/held.log"
set_rules
echo "still here" >&5
holds "it lives after set" holds_soon grep -q "still here" "$WORK/held.log"

echo "# outbound"
is "IPv4" "out 15001 meant 10.77.7.2 80 from 10.77.7.1" "$(dial web 10.77.7.2 80)"
is "IPv6" "out 15001 meant fd77:7::2 80 from fd77:7::1" "$(dial web fd77:7::2 80)"
is "a port where nobody listens" "out 15001 meant 10.77.7.2 4242 from 10.77.7.1" \
    "$(dial web 10.77.7.2 4242)"
is "another user" "out 15001 meant 10.77.7.2 80 from 10.77.7.1" \
    "$(DIAL_UID=1000 dial web 10.77.7.2 80)"
is "the proxy's user, IPv4" "far 80 meant 10.77.7.2 80 from 10.77.7.1" \
    "$(DIAL_UID=1337 dial web 10.77.7.2 80)"
is "the proxy's user, IPv6" "far 80 meant fd77:7::2 80 from fd77:7::1" \
    "$(DIAL_UID=1337 dial web fd77:7::2 80)"
in_ns web ip route add default via 10.77.7.2
in_ns web ip -6 route add default via fd77:7::2
for uid in 0 1337; do
    is "canary of user $uid, IPv4" "out 15001 meant 192.0.2.1 15099 from 10.77.7.1" \
        "$(DIAL_UID=$uid dial web 192.0.2.1 15099)"
    is "canary of user $uid, IPv6" "out 15001 meant 2001:db8::1 15099 from fd77:7::1" \
        "$(DIAL_UID=$uid dial web 2001:db8::1 15099)"
done

echo "# loopback"
is "127.0.0.1" "local 8080 meant 127.0.0.1 8080 from 127.0.0.1" "$(dial web 127.0.0.1 8080)"
is "::1" "local 8080 meant ::1 8080 from ::1" "$(dial web ::1 8080)"
is "the pod's own address" "local 8080 meant 10.77.7.1 8080 from 10.77.7.1" \
    "$(dial web 10.77.7.1 8080)"

echo "# inbound"
is "IPv4" "in 15006 meant 10.77.7.1 8080 from 10.77.7.2" "$(dial api 10.77.7.1 8080)"
is "IPv6" "in 15006 meant fd77:7::1 8080 from fd77:7::2" "$(dial api fd77:7::1 8080)"
is "the proxy's own port is not redirected to itself" \
    "in 15006 meant 10.77.7.1 15006 from 10.77.7.2" "$(dial api 10.77.7.1 15006)"
is "health is not captured" "ECONNREFUSED" "$(dial api 10.77.7.1 15021)"

echo "# running twice changes nothing"
before=$(rules web)
set_rules
is "the rules are the same" "$before" "$(rules web)"
holds "dry run of something else" in_ns web "$signet_init" --backend "$backend" --dry-run \
    --outbound-port 7777
is "a dry run changes nothing" "$before" "$(rules web)"

echo "# exclusions"
set_rules --exclude-outbound-ports 25,9000-9010 --exclude-inbound-ports 22
is "an excluded port" "far 25 meant 10.77.7.2 25 from 10.77.7.1" "$(dial web 10.77.7.2 25)"
is "in an excluded range" "far 9005 meant fd77:7::2 9005 from fd77:7::1" "$(dial web fd77:7::2 9005)"
is "just outside of it" "out 15001 meant 10.77.7.2 9011 from 10.77.7.1" "$(dial web 10.77.7.2 9011)"
is "an excluded port inbound" "local 22 meant 10.77.7.1 22 from 10.77.7.2" "$(dial api 10.77.7.1 22)"
is "another one inbound" "in 15006 meant 10.77.7.1 8080 from 10.77.7.2" "$(dial api 10.77.7.1 8080)"
set_rules --exclude-cidrs 10.77.0.0/16
is "an excluded block" "far 80 meant 10.77.7.2 80 from 10.77.7.1" "$(dial web 10.77.7.2 80)"
is "the old exclusions are gone" "in 15006 meant 10.77.7.1 22 from 10.77.7.2" \
    "$(dial api 10.77.7.1 22)"
is "an excluded block does not touch IPv6" "out 15001 meant fd77:7::2 80 from fd77:7::1" \
    "$(dial web fd77:7::2 80)"
is "the canary is captured whatever is excluded" "out 15001 meant 192.0.2.1 15099 from 10.77.7.1" \
    "$(dial web 192.0.2.1 15099)"
set_rules --exclude-cidrs 0.0.0.0/0,fd77:7::2
is "all of IPv4 excluded" "far 80 meant 10.77.7.2 80 from 10.77.7.1" "$(dial web 10.77.7.2 80)"
is "one IPv6 address excluded" "far 80 meant fd77:7::2 80 from fd77:7::1" "$(dial web fd77:7::2 80)"
is "another one not" "out 15001 meant fd77:7::3 80 from fd77:7::1" "$(dial web fd77:7::3 80)"
set_rules --exclude-interfaces e7
is "an excluded interface, outbound" "far 80 meant 10.77.7.2 80 from 10.77.7.1" \
    "$(dial web 10.77.7.2 80)"
is "an excluded interface, inbound" "local 8080 meant 10.77.7.1 8080 from 10.77.7.2" \
    "$(dial api 10.77.7.1 8080)"
set_rules --proxy-uid 1337 --proxy-uid 1000
is "a second user" "far 80 meant 10.77.7.2 80 from 10.77.7.1" "$(DIAL_UID=1000 dial web 10.77.7.2 80)"
is "the first one" "far 80 meant 10.77.7.2 80 from 10.77.7.1" "$(DIAL_UID=1337 dial web 10.77.7.2 80)"
is "a third is captured" "out 15001 meant 10.77.7.2 80 from 10.77.7.1" \
    "$(DIAL_UID=1001 dial web 10.77.7.2 80)"

echo "# remove"
set_rules
mkfifo "$WORK/captured"
exec 6<>"$WORK/captured"
start captured in_ns web python3 "$WORK/peer.py" hold 10.77.7.2 80 <&6
holds "a captured connection is open" holds_soon grep -q "out 15001" "$WORK/captured.log"
set_rules
echo "after set" >&6
holds "it lives on when the rules are set again" holds_soon grep -q "after set" "$WORK/captured.log"
holds "remove" in_ns web "$signet_init" remove
is "the ruleset is what it was" "$untouched" "$(in_ns web nft list ruleset)"
is "iptables hold nothing of ours" "" "$(rules web | grep -i signet)"
is "outbound is free again" "far 80 meant 10.77.7.2 80 from 10.77.7.1" "$(dial web 10.77.7.2 80)"
is "inbound is free again" "local 8080 meant 10.77.7.1 8080 from 10.77.7.2" \
    "$(dial api 10.77.7.1 8080)"
echo "after remove" >&6
# Nothing else uses connection tracking here, so the kernel forgets where captured connections went.
holds "the captured connection ends, and says so" holds_soon grep -q ECONNRESET "$WORK/captured.log"
holds "remove when nothing is there" in_ns web "$signet_init" remove
is "still nothing" "$untouched" "$(in_ns web nft list ruleset)"
is "the connection from before all lives on" "still here" "$(tail -1 "$WORK/held.log")"

echo "# set and check say what is left alone"
seen=$(in_ns web "$signet_init" set --backend "$backend" --exclude-outbound-ports 25,9000-9010 \
    --exclude-inbound-ports 22 --exclude-cidrs 169.254.0.0/16 --exclude-interfaces wg0)
for line in "loopback" "connections of user 1337" "outbound to ports 25, 9000-9010" "inbound to ports 22" \
    "outbound to 169.254.0.0/16" "both directions on wg0"; do
    holds "set: $line" grep -qF "signet-init: left alone: $line" <<<"$seen"
done
seen=$(in_ns web "$signet_init" check --exclude-inbound-ports 22)
holds "check: excludes" grep -qxF "left alone: inbound to ports 22" <<<"$seen"
in_ns web "$signet_init" remove >/dev/null

echo "# remove beside the rules of others leaves no chain that we made"
make_ns shared
in_ns shared iptables -t nat -A POSTROUTING -j MASQUERADE
in_ns shared ip6tables -t nat -N THEIRS
others=$(rules shared)
holds "set beside them" in_ns shared "$signet_init" set --backend "$backend"
holds "remove" in_ns shared "$signet_init" remove
is "their rules and chains stand, and nothing else" "$others" "$(rules shared)"
netns_end
