#!/usr/bin/env bash
# Builds the filter a second time, from a copy of the sources in another directory, and compares: whoever
# builds the same sources with the same compiler has the same filter.
set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cd "$root"
# The files as they are, also those that are not committed.
git ls-files -z --cached --others --exclude-standard | tar --null --create --ignore-failed-read --files-from=- \
    | tar --extract --directory="$copy"
"$copy/tests/tools/build-wasm.sh"
one=$(sha256sum <target/kafka_partition_remapper.wasm)
other=$(sha256sum <"$copy/target/kafka_partition_remapper.wasm")
[ "$one" = "$other" ] || fail "two builds differ: $one in $root, $other in $copy"
say "two builds are the same: sha256 ${one%% *}"
