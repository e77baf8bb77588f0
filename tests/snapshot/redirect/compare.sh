#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Compares what `signet-init --print` says with the golden files beside this script.
# Write them anew after a wanted change, then review the diff:
#     tests/snapshot/redirect/compare.sh PATH/TO/signet-init --write
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

signet_init=$1
mode=${2:-compare}
here=$(dirname "$0")
failed=0

all=(
    --outbound-port 16001 --inbound-port 16006 --proxy-uid 1337 --proxy-uid 2000
    --exclude-outbound-ports 25,9000-9010 --exclude-outbound-ports 3306
    --exclude-inbound-ports 22,8000-8999 --exclude-interfaces docker0,wg-0.1
    --exclude-cidrs 10.0.0.0/8,169.254.169.254,0.0.0.0/0,fd00::/8,2001:db8::7,::/0
)

# golden NAME ARGUMENTS...: compare (or write) one file.
golden() {
    local file=$here/$1
    shift
    if [ "$mode" = --write ]; then
        "$signet_init" --print "$@" >"$file" || failed=1
    elif ! "$signet_init" --print "$@" | diff -u "$file" -; then
        echo "differs: $file (signet-init --print $*)"
        failed=1
    fi
}

golden default.nft
golden default.iptables --backend iptables
golden all.nft "${all[@]}"
golden all.iptables --backend iptables "${all[@]}"
exit $failed
