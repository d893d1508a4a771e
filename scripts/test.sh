#!/usr/bin/env bash
# All tests of Larder, on a machine that has Rust and Debian's packages: formatting, lints, then
# every test. Installs the few programs that the tests run against where they are missing.
# Ends at the first failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

heading() { printf '\n== %s\n' "$*"; }

# The Debian packages of the programs that are missing.
missing() {
    local program package module
    while read -r program package; do
        PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || echo "$package"
    done <<'LIST'
brotli brotli
cc build-essential
chromium chromium
curl curl
dpkg-shlibdeps dpkg-dev
jq jq
nginx nginx-light
node nodejs
npm npm
openssl openssl
promtool prometheus
python3 python3
zstd zstd
redis-server redis-server
valgrind valgrind
LIST
    # Modules of Python. Some other one may come first in PATH; Debian's packages are for Debian's.
    for module in jsonschema requests; do
        python_with "$module" || echo "python3-$module"
    done
}

# Whether a Python that the tests look for has a module: the first in PATH, or Debian's.
python_with() {
    local python
    for python in python3 /usr/bin/python3; do
        "$python" -c "import $1" 2>/dev/null && return
    done
    return 1
}

# Runs apt-get as root, in whatever way this machine allows.
apt() {
    local -a as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || return 1
        as_root=(sudo)
    fi
    command -v apt-get >/dev/null || return 1
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@"
}

heading "Programs that the tests need"
packages="$(missing)"
if [ -n "$packages" ]; then
    echo "Missing, from Debian:" $packages
    # shellcheck disable=SC2086 # one word a package
    if ! { apt update && apt install $packages; }; then
        echo "They could not be installed here. Please run, as root:" >&2
        echo "    apt-get install" $packages >&2
        exit 1
    fi
    case "$packages" in
        *nginx* | *redis*) echo "Debian starts services with nginx and Redis; the tests use their own." ;;
    esac
fi
for component in fmt clippy; do
    if ! cargo "$component" --version >/dev/null 2>&1; then
        echo "cargo $component is missing. Please run: rustup component add rustfmt clippy" >&2
        exit 1
    fi
done
echo "All there."

heading "Formatting"
cargo fmt --check

heading "Lints"
cargo clippy --locked --all-targets -- -D warnings

heading "Tests"
LARDER_SEQUENCES="${LARDER_SEQUENCES:-20000}" cargo test --locked

heading "The public HTTP cache tests"
scripts/conformance.sh

heading "Instructions of a hit"
scripts/instructions.sh

heading "All passed"
