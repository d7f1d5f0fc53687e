#!/usr/bin/env bash
# Builds the command-line tool: target/kafka-remapper-check. Cargo knows what is fresh.
set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

cd "$root"
# Where sources and crates lie on this machine is nobody's business: panics name files.
RUSTFLAGS=$(without_paths)
export RUSTFLAGS
# Apart from other native builds, which have other flags.
export CARGO_TARGET_DIR=$root/target/checker-build
cargo build --quiet --release --locked --package kafka-remapper-check </dev/null
cp "$CARGO_TARGET_DIR/release/kafka-remapper-check" target/kafka-remapper-check.new
mv target/kafka-remapper-check.new target/kafka-remapper-check
say "target/kafka-remapper-check: $(($(wc -c <target/kafka-remapper-check) / 1024)) KiB"
