#!/usr/bin/env bash
# Counts the instructions that Larder takes for a hit, for a relayed request and for a miss that is
# stored, by valgrind, and compares with what benches/instructions/figures.txt says. Fails where the
# hit has grown by more than 5 %. Unlike time, the count is the same on a busy machine.
#
# Each kind of work is counted with fewer and with more requests: the difference is that of the
# requests alone. Client, server and origin run on one thread and are all counted; so the same
# work of bare hyper stands beside it, and the difference is what is Larder's own.
#
# Usage: scripts/instructions.sh [--save]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

figures=benches/instructions/figures.txt
fewer=500
more=1500

if ! command -v valgrind >/dev/null; then
    echo "valgrind is missing (Debian: valgrind): instructions are not counted."
    exit 0
fi

program="$(cargo build --locked --release --bench instructions --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    it = json.loads(line)
    if it.get("executable") and it["target"]["name"] == "instructions":
        print(it["executable"])')"

# All instructions of one run.
run() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : *//p'
}

# Instructions of one request.
count() {
    echo $((($(run "$1" "$more") - $(run "$1" "$fewer")) / (more - fewer)))
}

hit="$(count hit)"
bare_hit="$(count bare-hit)"
relay="$(count relay)"
bare_relay="$(count bare-relay)"
miss="$(count miss)"

table() {
    echo "# Instructions a request; written by scripts/instructions.sh --save."
    echo "hit $hit"
    echo "bare-hit $bare_hit"
    echo "relay $relay"
    echo "bare-relay $bare_relay"
    echo "miss $miss"
}

table
if [ "${1:-}" = --save ]; then
    table >"$figures"
    exit 0
fi

if [ ! -f "$figures" ]; then
    echo "There is nothing to compare with yet. Please run: scripts/instructions.sh --save" >&2
    exit 1
fi
own=$((hit - bare_hit))
was=$(($(sed -n 's/^hit //p' "$figures") - $(sed -n 's/^bare-hit //p' "$figures")))
echo "A hit's own, beyond bare hyper's: $own; committed: $was."
if [ $((own * 100)) -gt $((was * 105)) ]; then
    echo "It has grown by more than 5 %. Where that is meant: scripts/instructions.sh --save" >&2
    exit 1
fi
