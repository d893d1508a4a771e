#!/usr/bin/env bash
# Installs the package in a clean Debian and tries it: installs, checks, runs as its user, answers,
# upgrades over itself, keeps a changed configuration, and is gone after a purge. Needs root and
# debootstrap. Usage: scripts/deb-smoke.sh PACKAGE [ROOT]
# ROOT is a directory that holds, or will hold, a Debian; without it one is made and thrown away.
set -euo pipefail

package="$(realpath "$1")"
root="${2:-}"
if [ -z "$root" ]; then
    root="$(mktemp -d)"
    trap 'rm -rf --one-file-system "$root"' EXIT
fi
if [ ! -x "$root/bin/sh" ]; then
    echo "A clean Debian, about three minutes..."
    suite="$(. /etc/os-release && echo "$VERSION_CODENAME")"
    debootstrap --variant=minbase --include=systemd,curl,ca-certificates "$suite" "$root" >/dev/null
fi

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }
step() { printf '%s\n' "-- $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

cp "$package" "$root/tmp/larder.deb"

step "installs"
inside dpkg -i /tmp/larder.deb
inside larder --version
inside id larder

step "its configuration and its unit are right"
inside larder check --config /etc/larder/proxy.toml
if ! said="$(inside systemd-analyze verify /lib/systemd/system/larder.service 2>&1)"; then
    fail "systemd-analyze verify: $said"
fi
for file in /usr/share/man/man1/larder.1.gz /usr/share/bash-completion/completions/larder; do
    inside test -s "$file" || fail "$file is missing"
done

step "answers, as its user, before an API"
inside setpriv --reuid=larder --regid=larder --clear-groups \
    larder demo --listen 127.0.0.1:18080 >"$root/tmp/larder.log" 2>&1 &
server=$!
stop() { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; }
ask() { inside curl -sS --retry 9 --retry-connrefused "$@"; }
path="$(ask http://127.0.0.1:18080/users/7 -o /dev/null -w '%{http_code}')"
[ "$path" = 200 ] || { stop; fail "the first answer was $path: $(cat "$root/tmp/larder.log")"; }
second="$(ask -D - -o /dev/null http://127.0.0.1:18080/users/7 | grep -i '^cache-status:')"
stop
case "$second" in *"larder; hit"*) ;; *) fail "the second answer: $second" ;; esac

step "is installed over itself, and keeps what was changed"
echo '# mine' >>"$root/etc/larder/proxy.toml"
inside dpkg -i --force-confold /tmp/larder.deb >/dev/null
grep -q '^# mine$' "$root/etc/larder/proxy.toml" || fail "the changed proxy.toml is gone"

step "leaves"
inside dpkg --purge larder >/dev/null
for left in /usr/bin/larder /etc/larder/proxy.toml /lib/systemd/system/larder.service; do
    ! inside test -e "$left" || fail "$left is left behind"
done
echo "The package is good."
