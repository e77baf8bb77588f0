# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests that need a real kernel: network namespaces, real redirection, real sockets. Source it, then
#
#     netns_begin                      skip unless root with namespaces; clean up however the test ends
#     make_ns web                      a namespace, loopback up; `ns web` is its full name (sgt-PID-web)
#     link_ns web api 7                a veth pair: web 10.77.7.1 fd77:7::1, api 10.77.7.2 fd77:7::2
#     make_hub; join_hub web 3         or a bridge in a namespace of its own: web 10.78.0.3 fd78::3
#     in_ns web COMMAND...             run there as root
#     run_as 1337 web COMMAND...       run there as that user, without capabilities
#     start NAME COMMAND...            run in the background until the test ends; output in $WORK/NAME.log
#     listen NAME web PORT...          a listener that says where each connection was meant to go
#     dial web ADDRESS PORT            connect, print what the listener said; DIAL_UID=1337 as that user
#     is "what" WANTED SEEN            one check;  holds "what" COMMAND...  another
#     skip "reason"                    end the test as skipped: prints SKIP: reason, exit 0
#     netns_end                        last line: prints the count, exits 0 or 1
#
# Every object made is named sgt-PID-..., so that two tests cannot meet and a dead one can be recognised.
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C

NETNS_RUN=sgt-$$
NETNS_FOLDER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=
netns_made=()
netns_started=()
netns_passed=0
netns_failed=0

skip() {
    echo "SKIP: $*"
    exit 0
}

# Takes away all that this test made. Runs on every way out, so it must not fail half way.
netns_clean() {
    local pid name

    for pid in "${netns_started[@]-}"; do
        [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null
    done
    for name in "${netns_made[@]-}"; do
        [ -n "$name" ] || continue
        for pid in $(ip netns pids "$name" 2>/dev/null); do
            kill -9 "$pid" 2>/dev/null
        done
        ip netns del "$name" 2>/dev/null
    done
    [ -n "$WORK" ] && rm -rf "$WORK"
}

# Namespaces whose test was killed: the PID in the name lives no more.
netns_sweep() {
    local name pid

    for name in $(ip netns list 2>/dev/null | awk '/^sgt-[0-9]+-/ { print $1 }'); do
        pid=${name#sgt-}
        pid=${pid%%-*}
        [ -d "/proc/$pid" ] || ip netns del "$name" 2>/dev/null
    done
    for name in /tmp/sgt-*-*; do
        pid=${name#/tmp/sgt-}
        pid=${pid%%-*}
        [ -d "/proc/$pid" ] || rm -rf "$name"
    done
}

netns_begin() {
    local tool

    [ "$(id -u)" = 0 ] || skip "needs root"
    for tool in ip nft iptables-restore ip6tables-restore python3 setpriv unshare; do
        command -v "$tool" >/dev/null || skip "needs the program $tool"
    done
    unshare --net true 2>/dev/null || skip "needs CAP_SYS_ADMIN (network namespaces)"
    unshare --net ip link add type veth 2>/dev/null || skip "needs CAP_NET_ADMIN and veth"
    unshare --net nft -f - 2>/dev/null <<<'table inet t { chain c { type nat hook output priority -100; meta l4proto tcp redirect to :1; }; }' ||
        skip "needs netfilter with NAT (nf_tables, nft_chain_nat, nft_redir, nf_conntrack)"
    netns_sweep
    trap netns_clean EXIT
    trap 'exit 1' INT TERM HUP
    # Readable by every user, unlike a test's own folder: listeners and dialers run as others too.
    WORK=$(mktemp -d "/tmp/$NETNS_RUN-XXXXXX")
    chmod 755 "$WORK"
    cp "$NETNS_FOLDER/peer.py" "$WORK/peer.py"
    chmod 644 "$WORK/peer.py"
}

netns_end() {
    echo "$netns_passed passed, $netns_failed failed"
    [ "$netns_failed" = 0 ] && [ "$netns_passed" != 0 ]
    exit
}

# give PROGRAM [NAME]: a copy in $WORK that every user may run; prints its path.
give() {
    local to=$WORK/${2:-$(basename "$1")}

    install -m 755 "$1" "$to"
    echo "$to"
}

ns() {
    echo "$NETNS_RUN-$1"
}

make_ns() {
    ip netns add "$(ns "$1")" || exit 1
    netns_made+=("$(ns "$1")")
    in_ns "$1" ip link set lo up
}

in_ns() {
    local name=$1

    shift
    ip netns exec "$(ns "$name")" "$@"
}

run_as() {
    local uid=$1 name=$2

    shift 2
    ip netns exec "$(ns "$name")" setpriv --reuid "$uid" --regid "$uid" --clear-groups \
        --inh-caps=-all "$@"
}

# netns_address NAMESPACE LINK V4 V6: addresses, no duplicate detection, link up.
netns_address() {
    in_ns "$1" ip address add "$3" dev "$2"
    in_ns "$1" ip address add "$4" dev "$2" nodad
    in_ns "$1" ip link set "$2" up
}

# A veth that is up carries packets only when the kernel has noticed its carrier.
netns_wait_link() {
    holds_soon netns_link_runs "$1" "$2" || echo "warning: $2 in $1 has no carrier"
}

netns_link_runs() {
    in_ns "$1" ip -o link show "$2" | grep -q "state UP"
}

link_ns() {
    ip link add "e$3" netns "$(ns "$1")" type veth peer name "e$3" netns "$(ns "$2")" || exit 1
    netns_address "$1" "e$3" "10.77.$3.1/24" "fd77:$3::1/64"
    netns_address "$2" "e$3" "10.77.$3.2/24" "fd77:$3::2/64"
    netns_wait_link "$1" "e$3"
    netns_wait_link "$2" "e$3"
}

make_hub() {
    make_ns hub
    in_ns hub ip link add br0 type bridge
    netns_address hub br0 10.78.0.1/24 fd78::1/64
}

# join_hub NAMESPACE N: 10.78.0.N and fd78::N, default route by the hub.
join_hub() {
    ip link add e0 netns "$(ns "$1")" type veth peer name "p$2" netns "$(ns hub)" || exit 1
    in_ns hub ip link set "p$2" master br0 up
    netns_address "$1" e0 "10.78.0.$2/24" "fd78::$2/64"
    in_ns "$1" ip route add default via 10.78.0.1
    in_ns "$1" ip -6 route add default via fd78::1
    netns_wait_link "$1" e0
    netns_wait_link hub "p$2"
}

# holds_soon COMMAND...: true as soon as it is, within five seconds. Silent.
holds_soon() {
    local try

    for try in $(seq 50); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}

start() {
    local name=$1

    shift
    # Said of standard input too: without it, the shell gives a job /dev/null.
    "$@" <&0 >"$WORK/$name.log" 2>&1 &
    netns_started+=("$!")
    disown
}

# LISTEN_UID=1337 listen NAME NAMESPACE PORT...
listen() {
    local name=$1 where=$2

    shift 2
    start "$name" run_as "${LISTEN_UID:-0}" "$where" python3 "$WORK/peer.py" listen "$name" "$@"
    if ! holds_soon grep -q '^ready' "$WORK/$name.log"; then
        echo "listener $name did not start:"
        cat "$WORK/$name.log"
        exit 1
    fi
}

dial() {
    run_as "${DIAL_UID:-0}" "$1" python3 "$WORK/peer.py" dial "$2" "$3" 2>&1
}

is() {
    if [ "$2" = "$3" ]; then
        netns_passed=$((netns_passed + 1))
        echo "ok     $1"
    else
        netns_failed=$((netns_failed + 1))
        echo "FAILED $1"
        diff <(echo "$2") <(echo "$3") | sed 's/^</  wanted:/; s/^>/  seen:  /; /^[0-9-]/d'
    fi
}

holds() {
    local what=$1 output

    shift
    if output=$("$@" 2>&1); then
        netns_passed=$((netns_passed + 1))
        echo "ok     $what"
    else
        netns_failed=$((netns_failed + 1))
        echo "FAILED $what: $*"
        printf '  %s\n' "$output"
    fi
}
