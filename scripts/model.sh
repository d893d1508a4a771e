#!/usr/bin/env bash
# Random sequences of requests, origin answers and clock steps, judged by a second statement of
# RFC 9111 (tests/it/model): more of them than an ordinary `cargo test` tries.
# Usage: scripts/model.sh [SEQUENCES]. LARDER_SEED=… repeats the sequence of a failure, and
# LARDER_SURVEY=1 lists all kinds of failure in place of stopping at the first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -n "${1:-}" ] || [ -z "${LARDER_SEED:-}" ]; then
    export LARDER_SEQUENCES="${1:-100000}"
fi
export LARDER_SEED="${LARDER_SEED:-any}"
exec cargo test --locked --test it -- --nocapture model::every_answer
