# Chooses how wasm32 is compiled; sourced, never run. Sets wasm_cargo, a command that takes cargo's arguments:
# the rustup toolchain where it has the target (or can fetch it), else Debian's rustc, which builds std from
# its sources.
# WASM_TOOLCHAIN=rustup or =debian picks one by hand.

target=wasm32-unknown-unknown

has_target() { [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target/lib" ]; }

# A mirrored or offline machine may hang here rather than fail, so the wait is short.
add_target() {
    have rustup || return 1
    say "rustup target add $target"
    timeout 60 rustup --quiet target add "$target" >/dev/null 2>&1 </dev/null && has_target
}

has_debian() { [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && [ -f /usr/lib/rustlib/src/rust/library/std/Cargo.toml ]; }

# std's sources must be those of the compiler, so the three packages go together.
add_debian() {
    say "rustup has no $target: falling back to Debian's rustc with std from source"
    apt_install rustc-web cargo-web rust-web-src && has_debian
}

# LLVM's linker for wasm, version 15 or later: rustup's toolchains bring one, Debian 12's own is too old.
wasm_linker() {
    local candidate version
    for candidate in "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/*/lib/rustlib/*/bin/rust-lld \
        /usr/bin/rust-lld /usr/lib/rustlib/*/bin/rust-lld /usr/bin/wasm-ld /usr/bin/wasm-ld-* /usr/bin/lld; do
        [ -x "$candidate" ] || continue
        version=$("$candidate" -flavor wasm --version 2>/dev/null || "$candidate" --version 2>/dev/null || true)
        version=$(grep -oE '[0-9]+\.[0-9]+' <<<"$version" | head -n 1)
        if [ -n "$version" ] && version_at_least "$version" 15; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# memcpy as one memory.copy instruction: without it every copy of a frame is a loop of the sandbox.
export RUSTFLAGS="-C target-feature=+bulk-memory"
# Panics name files: where these lie on this machine is nobody's business, and would be another filter
# elsewhere.
RUSTFLAGS="$RUSTFLAGS $(without_paths)"
# Apart from native builds, whose lock and whose flags would get in the way.
export CARGO_TARGET_DIR=$root/target/wasm-build

case ${WASM_TOOLCHAIN:-} in
    rustup) has_target || add_target || fail "rustup cannot add $target" ;;
    debian) has_debian || add_debian || fail "rustc-web, cargo-web and rust-web-src are not installed" ;;
    *) has_target || has_debian || add_target || add_debian \
        || fail "no compiler for wasm: run 'rustup target add $target' (or, on Debian: rustc-web cargo-web rust-web-src)" ;;
esac

if [ "${WASM_TOOLCHAIN:-}" != debian ] && has_target; then
    wasm_cargo() { cargo "$@" --target "$target"; }
else
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(wasm_linker) || fail "no wasm linker: install rustup's toolchain or lld 15"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    export RUSTFLAGS="$RUSTFLAGS -C linker-flavor=wasm-ld"
    wasm_cargo() { /usr/bin/cargo "$@" -Z build-std=std,panic_abort --target "$target"; }
fi
