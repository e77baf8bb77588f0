#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `signet-init check` tells the truth: captured, not captured, half captured, not proved. It leaves no trace.
# usage: check_test.sh SIGNET_INIT nft|iptables
. "$(dirname "$0")/lib.sh"
netns_begin
signet_init=$(give "$1")
backend=$2

# check [OPTION...]: prints the exit code; the report lands in $WORK/report.
check() {
    in_ns web "$signet_init" check "$@" >"$WORK/report" 2>&1
    echo $?
}

# verdict PROOF FAMILY: what the report says.
verdict() {
    sed -n "s/^\(ok\|FAILED\|not proved\)  *$1  *$2 .*/\1/p" "$WORK/report"
}

all_verdicts() {
    local proof family

    for proof in "outbound canary" loopback application "proxy itself" inbound; do
        for family in IPv4 IPv6; do
            echo "$proof $family: $(verdict "$proof" "$family")"
        done
    done
}

set_rules() {
    holds "set $*" in_ns web "$signet_init" --backend "$backend" "$@"
}

all_ok=$(for proof in "outbound canary" loopback application "proxy itself" inbound; do
    echo "$proof IPv4: ok"
    echo "$proof IPv6: ok"
done)

make_ns web
make_ns api
link_ns web api 7
in_ns web ip route add default via 10.77.7.2
in_ns web ip -6 route add default via fd77:7::2
links=$(in_ns web ip -o link | cut -d: -f2)

echo "# nothing set"
is "exit code 1" 1 "$(check)"
is "canary" FAILED "$(verdict "outbound canary" IPv4)"
is "application" FAILED "$(verdict application IPv6)"
is "inbound" FAILED "$(verdict inbound IPv4)"
is "loopback is fine" ok "$(verdict loopback IPv4)"
is "no link is left behind" "$links" "$(in_ns web ip -o link | cut -d: -f2)"

echo "# set, nobody listens"
set_rules
before=$(in_ns web nft list ruleset 2>/dev/null | sed 's/ counter packets [0-9]* bytes [0-9]*//')
is "exit code 0" 0 "$(check)"
is "every proof" "$all_ok" "$(all_verdicts)"
holds "it says that nobody listened" grep -q "outbound port 15001: nobody listened" "$WORK/report"
holds "it says that UDP is not captured" grep -q "UDP is never captured" "$WORK/report"
is "no link is left behind" "$links" "$(in_ns web ip -o link | cut -d: -f2)"
is "the rules are the same" "$before" \
    "$(in_ns web nft list ruleset 2>/dev/null | sed 's/ counter packets [0-9]* bytes [0-9]*//')"

echo "# set, the proxy listens"
LISTEN_UID=1337 listen out web 15001
LISTEN_UID=1337 listen in web 15006
is "exit code 0" 0 "$(check)"
is "every proof" "$all_ok" "$(all_verdicts)"
holds "it says that a program listens" grep -q "outbound port 15001: a program listens" "$WORK/report"
is "the proxy saw the canary" "out 15001 meant 192.0.2.1 15099 from 10.77.7.1" \
    "$(grep 192.0.2.1 "$WORK/out.log" | tail -1)"
is "the proxy saw the neighbour" "in 15006 meant 198.51.100.1 15100 from 198.51.100.2" \
    "$(grep 198.51.100.2 "$WORK/in.log" | tail -1)"

echo "# without capabilities: the canary alone"
run_as 1000 web "$signet_init" check >"$WORK/report" 2>&1
is "an ordinary user: exit code" 0 $?
is "canary" ok "$(verdict "outbound canary" IPv4)"
is "inbound is not yet proved" "not proved" "$(verdict inbound both)"
run_as 1337 web "$signet_init" check >"$WORK/report" 2>&1
is "the proxy's user: exit code" 0 $?
is "canary" ok "$(verdict "outbound canary" IPv6)"

echo "# rules that are not those of the options"
set_rules --exclude-cidrs 198.51.100.0/24
is "an exclusion that check does not know: exit code 1" 1 "$(check)"
is "application IPv4" FAILED "$(verdict application IPv4)"
is "application IPv6" ok "$(verdict application IPv6)"
is "the same with the option: exit code 0" 0 "$(check --exclude-cidrs 198.51.100.0/24)"
is "application IPv4 cannot be told" "not proved" "$(verdict application IPv4)"
set_rules --exclude-outbound-ports 15100-15200 --exclude-inbound-ports 15100
is "excluded ports are avoided: exit code 0" 0 \
    "$(check --exclude-outbound-ports 15100-15200 --exclude-inbound-ports 15100)"
is "every proof" "$all_ok" "$(all_verdicts)"
set_rules --proxy-uid 2000
is "the proxy captures itself: exit code 1" 1 "$(check)"
is "proxy itself" FAILED "$(verdict "proxy itself" IPv4)"
set_rules --outbound-port 16001
is "another outbound port: exit code 1" 1 "$(check)"
is "canary" FAILED "$(verdict "outbound canary" IPv4)"
is "with the option: exit code 0" 0 "$(check --outbound-port 16001)"

echo "# half a capture is seen"
set_rules
if [ "$backend" = nft ]; then
    in_ns web nft flush chain inet signet prerouting
else
    in_ns web iptables -t nat -F SIGNET_PREROUTING
fi
is "no inbound: exit code 1" 1 "$(check)"
is "inbound" FAILED "$(verdict inbound IPv4)"
is "application" ok "$(verdict application IPv4)"

echo "# no route, no IPv6"
set_rules
make_ns bare
in_ns bare "$signet_init" --backend "$backend" >/dev/null
in_ns bare sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
in_ns bare "$signet_init" check >"$WORK/report" 2>&1
is "exit code 0" 0 $?
is "the canary needs no route" ok "$(verdict "outbound canary" IPv4)"
is "IPv6 has nothing to capture" "not proved" "$(verdict "outbound canary" IPv6)"
is "application" ok "$(verdict application IPv4)"
is "inbound" ok "$(verdict inbound IPv4)"
netns_end
