#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# All or nothing: a refusal leaves what stood before, in both backends, and other people's rules stay.
# usage: atomic_test.sh SIGNET_INIT
. "$(dirname "$0")/lib.sh"
netns_begin
signet_init=$(give "$1")

rules() {
    in_ns web nft list ruleset 2>/dev/null | sed 's/ counter packets [0-9]* bytes [0-9]*//'
    in_ns web iptables-save | sed '/^#/d; s/\[[0-9:]*\]//'
    in_ns web ip6tables-save | sed '/^#/d; s/\[[0-9:]*\]//'
}

# with_programs FOLDER COMMAND...: run it where /usr/sbin is FOLDER, seen by this command alone.
with_programs() {
    local folder=$1

    shift
    in_ns web unshare --mount sh -c 'mount --bind "$0" /usr/sbin && exec "$@"' "$folder" "$@"
}

# make_programs NAME: a folder with links to every program of /usr/sbin; prints its path.
make_programs() {
    local folder=$WORK/$1 program

    mkdir -p "$folder"
    for program in /usr/sbin/*; do
        # The copy of the link's end, because /usr/sbin itself will be hidden.
        case $(readlink -f "$program") in
        */xtables-nft-multi | */nft) ln -f -s "$WORK/real/$(basename "$(readlink -f "$program")")" "$folder/$(basename "$program")" ;;
        esac
    done
    echo "$folder"
}

# Runs a command and prints its exit code; its words land in $WORK/said.
code() {
    "$@" >"$WORK/said" 2>&1
    echo $?
}

make_ns web
mkdir "$WORK/real"
cp "$(readlink -f /usr/sbin/nft)" "$WORK/real/nft"
cp "$(readlink -f /usr/sbin/iptables-restore)" "$WORK/real/xtables-nft-multi"
[ "$(basename "$(readlink -f /usr/sbin/iptables-restore)")" = xtables-nft-multi ] ||
    skip "needs iptables with the nft back end"

echo "# nft: one bad line changes nothing"
holds "set" in_ns web "$signet_init" --backend nft
before=$(rules)
"$signet_init" --print --outbound-port 7777 >"$WORK/bad.nft"
echo "add rule inet signet output oifname e7 jump no_such_chain" >>"$WORK/bad.nft"
is "nft refuses it" 1 "$(code in_ns web nft -f "$WORK/bad.nft")"
is "the rules are the same" "$before" "$(rules)"

echo "# nft: a failing nft changes nothing and is reported"
broken=$(make_programs broken-nft)
rm "$broken/nft"
printf '#!/bin/sh\ncase "$*" in *-f*) sed "s/:15001/:0x/" | %s "$@" ;; *) exec %s "$@" ;; esac\n' \
    "$WORK/real/nft" "$WORK/real/nft" >"$broken/nft"
chmod 755 "$broken/nft"
is "exit code 4" 4 "$(code with_programs "$broken" "$signet_init" --backend nft --outbound-port 15001 --inbound-port 7777)"
is "the rules are the same" "$before" "$(rules)"
holds "remove" in_ns web "$signet_init" remove

echo "# iptables: when IPv6 is refused, IPv4 is as it was"
nothing=$(rules)
broken=$(make_programs broken-ip6tables)
rm "$broken/ip6tables-restore"
cat >"$broken/ip6tables-restore" <<EOF
#!/bin/bash
case "\$*" in
*--test*) exec -a ip6tables-restore $WORK/real/xtables-nft-multi "\$@" ;;
*) echo "ip6tables-restore: line 9 failed" >&2; exit 1 ;;
esac
EOF
chmod 755 "$broken/ip6tables-restore"
is "set from nothing: exit code 4" 4 "$(code with_programs "$broken" "$signet_init" --backend iptables)"
is "its reason" "signet-init: ip6tables-restore says: ip6tables-restore: line 9 failed (redirect/refused)" \
    "$(cat "$WORK/said")"
is "nothing of ours is there" "" "$(rules | grep -i signet)"
holds "set" in_ns web "$signet_init" --backend iptables --exclude-outbound-ports 25
before=$(rules)
is "set over old rules: exit code 4" 4 "$(code with_programs "$broken" "$signet_init" --backend iptables --inbound-port 7777)"
is "the old rules are back" "$before" "$(rules)"
sed -i 's/\*--test\*) .*/*--test*) echo "ip6tables-restore: line 3 failed" >\&2; exit 1 ;;/' "$broken/ip6tables-restore"
is "refused when judged: exit code 4" 4 "$(code with_programs "$broken" "$signet_init" --backend iptables --inbound-port 7777)"
is "the old rules still stand" "$before" "$(rules)"

echo "# iptables: rules of others stay"
in_ns web iptables -t nat -N THEIRS
in_ns web iptables -t nat -A OUTPUT -d 127.0.0.11/32 -j THEIRS
holds "remove" in_ns web "$signet_init" remove
is "ours are gone, theirs are there" "-A OUTPUT -d 127.0.0.11/32 -j THEIRS" \
    "$(in_ns web iptables-save | grep -e ^-A -e SIGNET)"
in_ns web iptables -t nat -F
in_ns web iptables -t nat -X THEIRS

echo "# the other backend's rules go"
holds "set by iptables" in_ns web "$signet_init" --backend iptables
holds "set by nft" in_ns web "$signet_init" --backend nft
is "iptables hold nothing of ours" "" "$(in_ns web iptables-save | grep SIGNET; in_ns web ip6tables-save | grep SIGNET)"
holds "set by iptables again" in_ns web "$signet_init" --backend iptables
is "nft holds no table of ours" 1 "$(code in_ns web nft list table inet signet)"
holds "remove" in_ns web "$signet_init" remove

echo "# what is installed decides"
without=$(make_programs without-nft)
rm "$without/nft"
is "auto without nft" 0 "$(code with_programs "$without" "$signet_init")"
holds "it was iptables" grep -q "by iptables" "$WORK/said"
is "nft asked for and missing: exit code 4" 4 "$(code with_programs "$without" "$signet_init" --backend nft)"
holds "it names the package" grep -q "install the package nftables" "$WORK/said"
rm "$without/ip6tables-restore"
is "IPv6 would leak: exit code 4" 4 "$(code with_programs "$without" "$signet_init")"
holds "it says so" grep -q "IPv6 would pass beside the mesh" "$WORK/said"
holds "remove" in_ns web "$signet_init" remove
mkdir "$WORK/empty"
is "neither is there: exit code 4" 4 "$(code with_programs "$WORK/empty" "$signet_init")"
holds "it names both" grep -q "neither nft nor iptables-restore" "$WORK/said"
is "nobody can look: exit code 4" 4 "$(code with_programs "$WORK/empty" "$signet_init" remove)"

echo "# who may"
is "set without capability: exit code 3" 3 "$(code run_as 1000 web "$signet_init")"
holds "it names the capability" grep -q NET_ADMIN "$WORK/said"
is "remove without capability: exit code 3" 3 "$(code run_as 1000 web "$signet_init" remove)"
is "nothing of ours is there" "" "$(rules | grep -i signet)"
is "wrong usage: exit code 2" 2 "$(code in_ns web "$signet_init" --outbound-port 70000)"
is "unknown command: exit code 2" 2 "$(code in_ns web "$signet_init" install)"
netns_end
