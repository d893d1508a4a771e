#!/usr/bin/env bash
# Does the steps of the last stage of packaging/Dockerfile in a clean Debian instead of an image, and
# tries what would be started: as its user, with its command. Needs root and debootstrap.
# Usage: scripts/image-smoke.sh [PROGRAM]      default: that of a release, built if it is not up to date
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/clean-debian.sh

words() { python3 -c 'import json, sys; print("\n".join(json.loads(sys.argv[1])))' "$1"; }

# The instructions of the last stage, one a line.
stage() { sed -e ':a' -e '/\\$/N; s/\\\n//; ta' packaging/Dockerfile | tac | sed '/^FROM/q' | tac; }

# What an instruction of the last stage says.
of_stage() { stage | sed -n "s/^$1 //p"; }

# Does one of the steps that make the image.
build_step() {
    local source
    case "$1" in
        RUN) inside sh -c "$2" >"$root/tmp/log" 2>&1 || fail "$2: $(cat "$root/tmp/log")" ;;
        COPY)
            set -- "${2#--from=build }"
            source="${1%% *}"
            [ "$source" != /src/target/release/larder ] || source="$program"
            install -D "$source" "$root${1##* }"
            ;;
        *) return ;;
    esac
    step "$*"
}

if [ "${1:-}" = --built ]; then
    root="$2"
    settle
    start_api
    user="$(of_stage USER)"
    mapfile -t command < <(words "$(of_stage ENTRYPOINT)"; words "$(of_stage CMD)")
    step "as $user: ${command[*]}"
    begin setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all \
        "${command[@]}"
    expect "$(cache_status http://127.0.0.1:8080/users/7)" "*fwd=uri-miss; stored*" "the first answer"
    expect "$(cache_status http://127.0.0.1:8080/users/7)" "larder; hit*" "the second answer"
    step "ends by $(of_stage STOPSIGNAL)"
    end "$(of_stage STOPSIGNAL | sed s/^SIG//)"
    exit
fi

program="${1:-}"
if [ -z "$program" ]; then
    cargo build --locked --release --bin larder
    program="$target/release/larder"
fi
clean_debian
while read -r instruction rest; do
    build_step "$instruction" "$rest"
done < <(stage)
alone "$0" --built "$root"
echo "The steps are good."
