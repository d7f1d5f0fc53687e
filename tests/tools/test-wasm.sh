#!/usr/bin/env bash
# Runs the core's unit tests on wasm32 under Node.
#
# Their functions carry plain #[test]; tests/tools/wasm-test makes the runner see them.
set -eu -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/wasm-toolchain.sh"

cd "$root"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$tools/bin/wasm-bindgen-test-runner
# Without debug information the runner loads the tests in a moment; panics name file and line all the same.
export CARGO_PROFILE_TEST_DEBUG=false CARGO_PROFILE_DEV_DEBUG=false
log=$(mktemp)
trap 'rm -f "$log"' EXIT
wasm_cargo test --package kafka-partition-remapper-core --lib </dev/null 2>&1 | tee "$log" \
    | grep --line-buffered -v '^test .* ok$'
# The runner calls it a success when it finds no test at all.
grep -q '^test result: ok' "$log" || fail "no test ran on wasm32"
