#!/usr/bin/env bash
# The public HTTP cache tests (npm's http-cache-tests, pinned by tests/conformance/package-lock.json,
# whose checksums npm verifies) against the larder binary. What it prints, and why the failures in it
# are allowed, is in docs/conformance.md.
#
#     scripts/conformance.sh [BINARY]      default: target/debug/larder, built if it is not up to date
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary="${1:-}"
if [ -z "$binary" ]; then
    cargo build --locked --bin larder
    binary="${CARGO_TARGET_DIR:-target}/debug/larder"
fi

suite="${CARGO_TARGET_DIR:-target}/conformance"
pinned=tests/conformance/package-lock.json
mkdir -p "$suite"
# npm leaves no lock file of its own behind where it fails half-way.
if ! cmp -s "$pinned" "$suite/installed.json"; then
    cp -r tests/conformance/package.json "$pinned" tests/conformance/absent "$suite"
    npm ci --prefix "$suite" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp "$pinned" "$suite/installed.json"
fi

exec timeout 600 node --no-warnings tests/conformance/run.mjs \
    "$suite/node_modules/http-cache-tests" "$binary" "$suite/results"
