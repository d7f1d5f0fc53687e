#!/usr/bin/env bash
# Loads every configuration of envoy/, and those of examples/ with TLS, into Envoy, with the filter built
# here: what does not load is an error.
#
#   validate-envoy.sh [FILE.wasm]
set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

wasm=$(realpath "${1:-$root/target/kafka_partition_remapper.wasm}")
envoy=$(cd "$root" && "$tools/venv/bin/python" -c 'from tests.harness.paths import ENVOY_BINARY; print(ENVOY_BINARY)')
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

# What the files name beside the filter: one certificate serves all purposes, and any value does for a secret.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=validate \
    -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null
for name in client-ca broker-ca gateway; do cp "$work/certificate.pem" "$work/$name.pem"; done
cp "$work/key.pem" "$work/gateway-key.pem"
export ALICE_PASSWORD=alice BOB_PASSWORD=bob GATEWAY_PASSWORD=gateway SALT_SECRET='of this test only'

# The same files with paths of this machine, and with ports that are surely free.
prepare() {
    sed -e "s#/etc/envoy/kafka_partition_remapper.wasm#$wasm#" -e "s#/etc/envoy/#$work/#" \
        -e 's#socket_address: {address: \(0.0.0.0\|127.0.0.1\), port_value: [0-9]*}#socket_address: {address: 127.0.0.1, port_value: 0}#' \
        "$1" >"$work/$2"
}
for file in "$root"/envoy/*.yaml; do prepare "$file" "$(basename "$file")"; done

# Compiles the filter and lets it judge its configuration, where that is part of the bootstrap.
validate() {
    "$envoy" --mode validate --config-path "$1" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "Envoy refuses ${1##*/}"; }
}

# Validation does not read watched files, so here an Envoy starts: its workers start when each file is loaded
# or rejected.
start() {
    "$envoy" --disable-hot-restart --concurrency 1 --config-path "$1" >"$work/log" 2>&1 &
    server=$!
    local tenth
    for tenth in $(seq 300); do
        if ! kill -0 "$server" 2>/dev/null || grep -q 'starting workers' "$work/log"; then break; fi
        sleep 0.1
    done
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
    if ! grep -q 'starting workers' "$work/log" || grep -qi 'rejected\|failed to load' "$work/log"; then
        cat "$work/log" >&2
        fail "Envoy refuses ${1##*/}, or its filter's file"
    fi
}

for name in dynamic routed secured mutual-tls; do
    validate "$work/$name.yaml"
    say "envoy/$name.yaml loads"
done
for name in dynamic routed; do
    validate "$work/$name-live.yaml"
    start "$work/$name-live.yaml"
    say "envoy/$name-live.yaml loads, with its filter from a file"
done
for name in sni tls-scram oauth; do
    prepare "$root/examples/$name/envoy.yaml" "$name.yaml"
    validate "$work/$name.yaml"
    say "examples/$name/envoy.yaml loads"
done
