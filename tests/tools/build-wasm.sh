#!/usr/bin/env bash
# Builds the filter: target/kafka_partition_remapper.wasm. Cargo knows what is fresh.
set -eu -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/wasm-toolchain.sh"

cd "$root"
wasm_cargo build --release --package kafka-partition-remapper </dev/null

built=$CARGO_TARGET_DIR/$target/release/kafka_partition_remapper.wasm
artifact=target/kafka_partition_remapper.wasm
# Renamed into place, and only when it changed: an Envoy may be reading it.
if ! cmp -s "$built" "$artifact"; then
    cp "$built" "$artifact.new"
    mv "$artifact.new" "$artifact"
fi
# memory.copy is FC 0A 00 00; grep reads lines, so newlines (0A) change places with 01.
LC_ALL=C tr '\n\001' '\001\n' <"$artifact" | LC_ALL=C grep -caP '\xfc\x01\x00\x00' >/dev/null \
    || fail "$artifact has no memory.copy: bulk-memory got lost in the build"
say "$artifact: $(($(wc -c <"$artifact") / 1024)) KiB"
