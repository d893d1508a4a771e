#!/usr/bin/env bash
# Counts the instructions of a hit (by a client that repeats itself, but for the target, and by one
# that says something else each time), of a 304, of a relayed request, of a miss that is stored, of a
# batch of 50 hits, of three fields of a list beside a hit of as many bytes, and of a hit that goes
# out as gzip, by valgrind, and compares with what benches/instructions/figures.txt says. Fails where
# those of a hit have grown by more than 5 %. Unlike time, the count is the same on a busy machine.
#
# Each kind of work is counted with fewer and with more requests: the difference is that of the
# requests alone. Client, server and origin run on one thread and are all counted; so the same
# work of bare hyper stands beside it, and the difference is what is Larder's own.
#
# Usage: scripts/instructions.sh [--save | --release]
#     --save       writes the figures
#     --release    counts the code of a release, and compares with nothing: that build takes minutes.
#                  Else Larder alone is optimised, and what it stands on is as the tests have it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

figures=benches/instructions/figures.txt
fewer=500
more=1500

if ! command -v valgrind >/dev/null; then
    echo "valgrind is missing. Please run, as root: apt-get install valgrind" >&2
    exit 1
fi

profile=(--config profile.dev.package.larder.opt-level=2)
if [ "${1:-}" = --release ]; then
    profile=(--release)
fi
program="$(cargo build --locked "${profile[@]}" --bench instructions --message-format json |
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

# A line for each kind of work.
table() {
    local work
    for work in "$@"; do
        echo "$work $(count "$work")"
    done
}

# The count of one kind of work in a table.
of() {
    sed -n "s/^$1 //p" <<<"$2"
}

# A hit's own, where hyper reads each, beyond bare hyper's, in a table.
own() {
    echo $(($(of varied-hit "$1") - $(of bare-hit "$1")))
}

# Compares a count with the committed one.
compare() {
    echo "$1: $2; committed: $3."
    if [ $(($2 * 100)) -gt $(($3 * 105)) ]; then
        echo "It has grown by more than 5 %. Where that is meant: scripts/instructions.sh --save" >&2
        exit 1
    fi
}

all=(hit other-hit varied-hit bare-hit not-modified relay bare-relay miss batch memo as-long packed)
case "${1:-}" in
    --release) table "${all[@]}" ;;
    --save)
        counted="$(table "${all[@]}")"
        {
            echo "# Instructions a request; written by scripts/instructions.sh --save."
            echo "$counted"
        } | tee "$figures"
        ;;
    *)
        counted="$(table hit varied-hit bare-hit)"
        known="$(cat "$figures")"
        echo "$counted"
        compare "A hit that repeats another" "$(of hit "$counted")" "$(of hit "$known")"
        compare "Another's own, beyond bare hyper's" "$(own "$counted")" "$(own "$known")"
        ;;
esac
