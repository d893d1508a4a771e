#!/usr/bin/env bash
# The public HTTP cache tests (npm's http-cache-tests, and what it needs, by the checksums in
# tests/conformance) against the larder binary. What it prints, and why the failures in it are
# allowed, is in docs/conformance.md.
#
#     scripts/conformance.sh [BINARY]      default: target/debug/larder, built if it is not up to date
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary="${1:-}"
if [ -z "$binary" ]; then
    cargo build --locked --bin larder
    binary="${CARGO_TARGET_DIR:-target}/debug/larder"
fi

# The package is unpacked by hand, because it depends on the whole of npm 6 for its web pages.
suite="${CARGO_TARGET_DIR:-target}/conformance"
pinned="$(cat tests/conformance/suite.sha512 tests/conformance/package-lock.json)"
if [ "$pinned" != "$(cat "$suite/installed" 2>/dev/null)" ]; then
    rm -rf "$suite"
    mkdir -p "$suite"
    cp tests/conformance/{package.json,package-lock.json,suite.sha512} "$suite"
    (
        cd "$suite"
        npm pack --silent http-cache-tests@0.4.5 >/dev/null
        sha512sum --quiet --check suite.sha512
        tar -xzf http-cache-tests-0.4.5.tgz
        npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    )
    echo "$pinned" >"$suite/installed"
fi

exec timeout 600 node --no-warnings tests/conformance/run.mjs \
    "$suite/package" "$binary" "$suite/results"
