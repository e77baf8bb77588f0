# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A mesh for an end-to-end test, in namespaces of its own. A test is called with SIGNET LIB_SH... and begins so:
#
#     . "$2"                            lib.sh of tests/netns: namespaces, checks, skipping, cleaning up
#     . "$(dirname "$0")/mesh.sh"
#     mesh_begin "$1"                   skip where it cannot run; the programs as $proxy, $control, $init, $signet
#     mesh_control [FLAG...]            a control plane at 10.78.0.2; again after mesh_stop control
#     mesh_place web 3                  namespace web at 10.78.0.3 and fd78::3, TCP redirected
#     mesh_join web                     entry and token for it
#     mesh_file <<'EOF'                 the mesh, replaced by rename
#     mesh_sidecar web [FLAG...]        its sidecar, as user 1337
#     mesh_ready web                    wait until it is ready
#     mesh_app api 8080                 an HTTP server that answers with the word in $WORD
#     mesh_soon 20 COMMAND...           wait until it holds, so many seconds at most
#     call web http://…                 prints the HTTP status, 000 when there was none
#     mesh_end                          the count; after a failure the ends of all logs too
#
# Logs are $WORK/NAME.log; admin sockets $WORK/run/NAME/admin.sock; nothing is put outside of $WORK.
declare -A mesh_pid mesh_address

mesh_begin() {
    local tool folder

    for tool in curl jq openssl; do
        command -v "$tool" >/dev/null || skip "needs the program $tool"
    done
    netns_begin
    folder=$(dirname "$(readlink -f "$1")")/..
    # Copies: an ordinary user may not walk to where they were built.
    signet=$(give "$folder/signet/signet")
    proxy=$(give "$folder/signet-proxy/signet-proxy")
    control=$(give "$folder/signet-control/signet-control")
    init=$(give "$folder/signet-init/signet-init")
    cp "$(dirname "$0")/"{wire,app,stopping}.py "$WORK"
    chmod 644 "$WORK/"*.py
    mkdir -p "$WORK/run/control" "$WORK/mesh"
    WORD=word-$(head -c 9 /dev/urandom | od -An -tx1 | tr -d ' \n')
    PASSPHRASE=passphrase-$(head -c 9 /dev/urandom | od -An -tx1 | tr -d ' \n')
    (umask 077 && echo "$PASSPHRASE" >"$WORK/passphrase")
    : >"$WORK/answer"
    chmod 666 "$WORK/answer"
    make_hub
}

# mesh_start NAME NAMESPACE UID COMMAND...: its process number is ${mesh_pid[NAME]}.
mesh_start() {
    local name=$1 where=$2 uid=$3

    shift 3
    ip netns exec "$(ns "$where")" setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all "$@" \
        >>"$WORK/$name.log" 2>&1 </dev/null &
    mesh_pid[$name]=$!
    netns_started+=("$!")
    disown
}

mesh_lives() {
    kill -0 "${mesh_pid[$1]}" 2>/dev/null
}

# mesh_stop NAME [SIGNAL]: and wait until it has ended.
mesh_stop() {
    local try

    kill -"${2:-KILL}" "${mesh_pid[$1]}" 2>/dev/null
    for try in $(seq 200); do
        mesh_lives "$1" || return 0
        sleep 0.05
    done
    echo "$1 does not end"
    return 1
}

mesh_control() {
    if ! ip netns list | grep -q "^$(ns control)\b"; then
        make_ns control
        join_hub control 2
    fi
    mesh_start control control 0 "$control" --data-dir "$WORK/data" --ca-passphrase-file "$WORK/passphrase" \
        --listen-address 10.78.0.2:15012 --metrics-address 10.78.0.2:15014 --bundle-out "$WORK/bundle.pem" \
        --admin-address "unix:$WORK/run/control/admin.sock" "$@"
    if ! holds_soon admin control /status; then
        echo "the control plane does not start:"
        tail -n 5 "$WORK/control.log"
        exit 1
    fi
}

mesh_place() {
    mesh_address[$1]=10.78.0.$2
    make_ns "$1"
    join_hub "$1" "$2"
    in_ns "$1" "$init" set >/dev/null || exit 1
    mkdir -p "$WORK/run/$1"
    chown 1337 "$WORK/run/$1"
}

mesh_token() {
    "$signet" token create --entry "$1" --out "$WORK/$1.token" --owner 1337 --ttl "${2:-10m}" \
        --admin "unix:$WORK/run/control/admin.sock" >/dev/null || exit 1
}

mesh_join() {
    "$signet" entry add "$1" --id "spiffe://cluster.local/ns/shop/sa/$1" \
        --admin "unix:$WORK/run/control/admin.sock" >/dev/null || exit 1
    mesh_token "$1"
}

mesh_file() {
    cat >"$WORK/mesh.new"
    mv "$WORK/mesh.new" "$WORK/mesh/mesh.yaml"
}

mesh_sidecar() {
    local name=$1

    shift
    mesh_start "$name" "$name" 1337 "$proxy" --name "$name" --workload "shop/$name" --mesh "$WORK/mesh/mesh.yaml" \
        --admin-address "unix:$WORK/run/$name/admin.sock" --control-address 10.78.0.2:15012 \
        --token-file "$WORK/$name.token" --bootstrap-bundle "$WORK/bundle.pem" "$@"
}

mesh_ready() {
    if ! holds_soon mesh_is_ready "$1"; then
        echo "$1 does not become ready:"
        tail -n 5 "$WORK/$1.log"
        exit 1
    fi
}

# mesh_soon SECONDS COMMAND...: true as soon as it is, within so many seconds.
mesh_soon() {
    local until=$((SECONDS + $1))

    shift
    while ! "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.05
    done
}

mesh_is_ready() {
    [ "$(admin "$1" /status | jq .ready)" = true ]
}

# admin NAME PAGE: of a sidecar, or of `control`.
admin() {
    curl -sS --max-time 5 --unix-socket "$WORK/run/$1/admin.sock" "http://localhost$2"
}

metrics() {
    case $1 in
    control) in_ns control curl -sS --max-time 5 http://10.78.0.2:15014/metrics ;;
    *) in_ns "$1" curl -sS --max-time 5 "http://${mesh_address[$1]}:15020/metrics" ;;
    esac
}

# metric PLACE NAME [LABEL]: the sum of all lines of that name that hold the label.
metric() {
    metrics "$1" | awk -v name="$2" -v label="${3-}" '
        substr($0, 1, length(name)) == name && substr($0, length(name) + 1) ~ /^[{ ]/ && index($0, label) { sum += $NF }
        END { print sum + 0 }'
}

# mesh_app NAMESPACE PORT: HTTP on both families. Every request is a line of $WORK/app-NAMESPACE.log.
mesh_app() {
    mesh_start "app-$1" "$1" 65534 python3 "$WORK/app.py" "$2" "$WORD"
    holds_soon grep -q '^ready' "$WORK/app-$1.log" || exit 1
}

call() {
    local from=$1

    shift
    run_as 65534 "$from" curl -sS --noproxy '*' --max-time "${LIMIT_S:-5}" -H "X-Word: $WORD" -o "$WORK/answer" \
        -w '%{http_code}' "$@" 2>"$WORK/call.errors"
}

# log_has NAME PATTERN: soon, a line of the log matches.
log_has() {
    holds_soon grep -qE "$2" "$WORK/$1.log"
}

# reason NAME FILTER: the "reason" of the newest JSON line of the log that the jq filter lets through.
reason() {
    grep '^{' "$WORK/$1.log" | jq -r "select($2) | .reason" | tail -n 1
}

# watch_wire NAMESPACE: what passes its eth link from now on; wire_words counts the application's word in it.
watch_wire() {
    mesh_start "wire-$1" "$1" 0 python3 "$WORK/wire.py" e0 "$WORK/wire-$1"
    holds_soon grep -q '^ready' "$WORK/wire-$1.log" || exit 1
}

# wire_words NAMESPACE [WORD]: how often the word was readable.
wire_words() {
    sleep 0.3
    grep -a -o -F "${2:-$WORD}" "$WORK/wire-$1" | wc -l
}

wire_bytes() {
    stat -c %s "$WORK/wire-$1"
}

mesh_end() {
    local log

    if [ "$netns_failed" != 0 ]; then
        for log in "$WORK/"*.log; do
            echo "## the end of $(basename "$log")"
            tail -n "${LOG_LINES:-8}" "$log" | cut -c1-1000
        done
    fi
    netns_end
}
