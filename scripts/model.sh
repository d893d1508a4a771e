#!/usr/bin/env bash
# Random sequences of requests, origin answers and clock steps, judged by a second statement of
# RFC 9111 (tests/it/model). Usage: scripts/model.sh [SEQUENCES]; LARDER_SEED repeats a run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LARDER_SEQUENCES="${1:-20000}"
exec cargo test --locked --test it -- --ignored --nocapture model::
