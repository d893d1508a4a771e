#!/usr/bin/env bash
# Does the steps of the last stage of packaging/Dockerfile in a clean Debian instead of an image, and
# tries what would be started. Needs root, and debootstrap if there is no such Debian yet.
# Usage: scripts/image-smoke.sh [ROOT]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="${CARGO_TARGET_DIR:-target}"
root="${1:-}"
if [ -z "$root" ]; then
    root="$(mktemp -d)"
    trap 'rm -rf --one-file-system "$root"' EXIT
fi
if [ ! -x "$root/bin/sh" ]; then
    echo "A clean Debian, about three minutes..."
    debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" >/dev/null
fi
cargo build --locked --release --bin larder

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
words() { python3 -c 'import json, sys; print("\n".join(json.loads(sys.argv[1])))' "$1"; }

# The instructions of the last stage, one a line.
stage="$(sed -e ':a' -e '/\\$/N; s/\\\n//; ta' packaging/Dockerfile | tac | sed '/^FROM/q' | tac)"
user=root
command=()
while read -r instruction rest; do
    case "$instruction" in
        RUN) echo "-- RUN $rest"; inside DEBIAN_FRONTEND=noninteractive sh -c "$rest" >/dev/null ;;
        COPY)
            echo "-- COPY $rest"
            rest="${rest#--from=build }"
            source="${rest%% *}"
            install -D "${source/#\/src\/target/$target}" "$root${rest##* }"
            ;;
        USER) user="$rest" ;;
        ENTRYPOINT | CMD) mapfile -t -O "${#command[@]}" command < <(words "$rest") ;;
    esac
done <<<"$stage"

echo "-- as $user: ${command[*]}"
inside setpriv --reuid="$user" --regid="$user" --clear-groups "${command[@]}" 2>"$root/tmp/log" &
server=$!
answer="$(curl -sS --retry 9 --retry-connrefused -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/ || true)"
kill "$server"
wait "$server" || { cat "$root/tmp/log" >&2; exit 1; }
# The example's API is not there: 502 is Larder's own word.
[ "$answer" = 502 ] || { echo "FAILED: answered $answer"; cat "$root/tmp/log"; exit 1; } >&2
echo "The steps are good."
