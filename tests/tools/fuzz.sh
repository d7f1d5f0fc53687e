#!/usr/bin/env bash
# Runs fuzz targets under libFuzzer: FUZZ_TARGETS (all), each for FUZZ_S seconds (60).
set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

cd "$root"
cargo +nightly --version >/dev/null 2>&1 || fail "fuzzing needs a nightly toolchain: rustup toolchain install nightly"
cargo fuzz --version >/dev/null 2>&1 || fail "fuzzing needs cargo-fuzz: cargo install cargo-fuzz"
# The profile of a release is for the filter: libFuzzer's counters do not survive its link-time optimisation.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_STRIP=none
options=(--fuzz-dir filter/fuzz --features libfuzzer --sanitizer none)
# There is no unsafe code but the counting allocator's, so no sanitizer: it runs several times as fast.
cargo +nightly fuzz build "${options[@]}"
for target in ${FUZZ_TARGETS:-$(cd filter/fuzz/seeds && echo *)}; do
    say "$target"
    mkdir -p "filter/fuzz/corpus/$target"
    cargo +nightly fuzz run "${options[@]}" "$target" "filter/fuzz/corpus/$target" "filter/fuzz/seeds/$target" -- \
        -dict=filter/fuzz/dictionary.txt -max_total_time="${FUZZ_S:-60}" -timeout=10
done
