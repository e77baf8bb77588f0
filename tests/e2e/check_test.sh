#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# --check judges settings, mesh, policy and entries without starting: what is right, and where exactly it is wrong.
# Needs no root.
# usage: check_test.sh SIGNET LIB_SH PEER_PY SAMPLE...
folder=$(dirname "$(readlink -f "$1")")/..
proxy=$folder/signet-proxy/signet-proxy
control=$folder/signet-control/signet-control
samples=$(dirname "$(readlink -f "$4")")
. "$2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# judged CODE WORDS COMMAND...: the exit code, and what it says.
judged() {
    local wanted=$1 words=$2 code

    shift 2
    timeout 20 "$@" >"$work/said" 2>&1
    code=$?
    is "$(basename "$1") ${*:2} says \"$words\"" "$wanted yes" \
        "$code $(grep -q -E -e "$words" "$work/said" && echo yes || cat "$work/said")"
}

cd "$work" || exit 1
cp "$samples"/*.yaml "$samples"/*.conf .
echo pass >passphrase
chmod 600 passphrase

echo "# what is right"
judged 0 "in order" "$proxy" --check mesh.yaml
mkdir folder
cp mesh.yaml folder
judged 0 "in order" "$proxy" --check folder
judged 0 "settings: in order" "$proxy" --config inbound.conf --check
judged 0 "in order" "$control" --check --entries entries.yaml --ca-passphrase-file passphrase --data-dir "$work/data"
is "nothing was made" "" "$(ls -d data 2>/dev/null)"

echo "# the sample of a unit file"
unit="$samples/signet-proxy@.service"
read -r -a words <<<"$(sed -n '/^ExecStart=/,/[^\\]$/p' "$unit" | sed 's/^ExecStart=//; s/\\$//; s/%i/web/g; s,/etc/signet/,,g' | tr '\n' ' ')"
is "it starts the sidecar" /usr/local/bin/signet-proxy "${words[0]}"
judged 0 "in order" "$proxy" "${words[@]:1}" --check
holds "it comes back by itself" grep -q '^Restart=always$' "$unit"

echo "# a mesh that is wrong"
sed 's/^    addresses: \[10.77.0.2, /    adresses: [10.77.0.2, /' mesh.yaml >bad.yaml
judged 2 'bad.yaml:[0-9]+.*adresses' "$proxy" --check bad.yaml
sed 's/mtls: strict/mtls: stict/' mesh.yaml >bad.yaml
judged 2 'bad.yaml:[0-9]+.*(strict|stict)' "$proxy" --check bad.yaml
sed 's/10.77.0.3/10.77.0.1/' mesh.yaml >bad.yaml
judged 2 'bad.yaml:[0-9]+.*10.77.0.1' "$proxy" --check bad.yaml
sed 's/action: ALLOW/action: PERMIT/' mesh.yaml >bad.yaml
judged 2 'bad.yaml:[0-9]+.*(PERMIT|ALLOW)' "$proxy" --check bad.yaml
printf 'workloads: [\n' >bad.yaml
judged 2 'bad.yaml' "$proxy" --check bad.yaml
judged 2 'missing.yaml' "$proxy" --check missing.yaml
sed 's/ports: \["8080"\]/methods: ["GET"]/' mesh.yaml >l7.yaml
judged 0 'warning: .*l7.yaml:[0-9]+' "$proxy" --check l7.yaml

echo "# settings that are wrong"
judged 2 'drain.limit' "$proxy" --drain-limit-ms never --check
judged 2 'unknown|not a setting|no such' "$proxy" --drian-limit-ms 1s --check
judged 2 'capture' "$proxy" --capture sideways --check
judged 2 'bootstrap_bundle' "$proxy" --mesh mesh.yaml --workload shop/web-1 --control-address 10.0.0.1:15012 --check
judged 2 'peer' "$proxy" --capture explicit --outbound 127.0.0.1:1=127.0.0.1:2 --chain-file a --key-file b \
    --bundle-file c --check
echo "no_such_thing: 1" >bad.conf
judged 2 'bad.conf:1.*no_such_thing' "$proxy" --config bad.conf --check
SIGNET_PROXY_WORKERS=many judged 2 'SIGNET_PROXY_WORKERS' "$proxy" --check

echo "# a control plane that is wrong"
sed 's/ns\/shop\/sa\/web/ns\/shop\/..\/web/' entries.yaml >bad-entries.yaml
judged 2 'bad-entries.yaml:[0-9]+' "$control" --check --entries bad-entries.yaml --ca-passphrase-file passphrase --data-dir data
judged 2 'leaf_life_s|leaf-life-s' "$control" --check --leaf-life-s 6 --ca-passphrase-file passphrase --data-dir data
chmod 644 passphrase
judged 2 '0600' "$control" --check --ca-passphrase-file passphrase --data-dir data
netns_end
