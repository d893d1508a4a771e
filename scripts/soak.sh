#!/usr/bin/env bash
# Soaks the release binary: MINUTES (default 10) of a rude crowd before an API that fails now and
# then. Prints a table at the end; fails on any error that the API did not make, and when memory
# or sockets grow. Usage: scripts/soak.sh [MINUTES]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minutes="${1:-10}"
target="${CARGO_TARGET_DIR:-target}"
cargo build --locked --release --bin larder --example soak
exec "$target/release/examples/soak" "$minutes" "$target/release/larder"
