# Helpers of the scripts in this directory; sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$root/target/tools
PATH=$tools/bin:$PATH

say() { printf '==> %s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Downloads fail for reasons that pass: three attempts, with a growing pause.
retry() {
    local attempt
    for attempt in 1 2 3; do
        "$@" </dev/null && return 0
        [ "$attempt" = 3 ] || { say "attempt $attempt failed, trying again: $*"; sleep $((attempt * 5)); }
    done
    return 1
}

# fresh NAME KEY_TEXT: was NAME installed from exactly this text?
fresh() { [ "$(cat "$tools/.stamp-$1" 2>/dev/null)" = "$(hash_of "$2")" ]; }

# stamp NAME KEY_TEXT: remember that it was. Called last, so that a broken installation starts anew.
stamp() { hash_of "$2" >"$tools/.stamp-$1"; }

hash_of() { printf '%s' "$1" | sha256sum | cut -d' ' -f1; }

# Flags of rustc that leave out of programs where sources and crates lie on this machine. (RUSTFLAGS cannot
# hold a path with a space: then they stay.)
without_paths() {
    local crates=${CARGO_HOME:-$HOME/.cargo}
    case $root$crates in
        *[[:space:]]*) ;;
        *) printf '%s' "--remap-path-prefix=$root=. --remap-path-prefix=$crates=cargo" ;;
    esac
}

have() { command -v "$1" >/dev/null 2>&1; }

can_apt() { [ "$(id -u)" = 0 ] && have apt-get; }

# What Debian has today, asked for once.
apt_update() {
    [ -n "${apt_updated:-}" ] && return
    retry apt-get -qq update >&2 || return 1
    apt_updated=1
}

# apt_install PACKAGE...: only where that needs nobody's password.
apt_install() {
    can_apt || return 1
    say "installing with apt-get: $*"
    apt_update || return 1
    DEBIAN_FRONTEND=noninteractive retry apt-get -qq -y --no-install-recommends install "$@" >&2
}

# version_at_least HAVE WANTED
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
