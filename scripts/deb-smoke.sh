#!/usr/bin/env bash
# Installs the package in a clean Debian and tries it: what it needs is installed with it, it runs as
# its unit says, answers, reloads, stops, is installed over itself, keeps a changed configuration, and
# is gone after a purge. Without systemd; scripts/deb-systemd.sh boots that. Needs root, debootstrap.
# Usage: scripts/deb-smoke.sh PACKAGE
set -euo pipefail
here="$(dirname "${BASH_SOURCE[0]}")"
cd "$here/.."
. scripts/clean-debian.sh

unit=/lib/systemd/system/larder.service

# A word of the unit.
of_unit() { sed -n "s/^$1=//p" "$root$unit"; }

# Runs its ExecStart as the unit's user, with the unit's rights, in its directories.
start() {
    local user group directory
    user="$(of_unit User)" group="$(of_unit Group)"
    for directory in "run/$(of_unit RuntimeDirectory)" "var/log/$(of_unit LogsDirectory)"; do
        inside install -d -o "$user" -g "$group" "/$directory"
    done
    # shellcheck disable=SC2046 # a command line
    begin setpriv --reuid "$user" --regid "$group" --clear-groups --no-new-privs \
        --bounding-set=-all,+net_bind_service --inh-caps=-all,+net_bind_service \
        --ambient-caps=-all,+net_bind_service $(of_unit ExecStart)
}

# Waits until the log has so many lines with a word.
said() {
    local tries=0
    until [ "$(grep -c "$1" "$root/tmp/larder.log")" -ge "$2" ]; do
        [ $((tries += 1)) -le 300 ] || fail "the log does not say $1: $(cat "$root/tmp/larder.log")"
        sleep 0.1
    done
}

check_files() {
    step "its files are there"
    for file in /usr/share/man/man1/larder.1.gz /usr/share/man/man1/larder-purge.1.gz \
        /usr/share/bash-completion/completions/larder /usr/share/zsh/vendor-completions/_larder \
        /usr/share/fish/vendor_completions.d/larder.fish /usr/share/doc/larder/copyright; do
        inside test -s "$file" || fail "$file is missing"
    done
    expect "$(inside bash -c '. /usr/share/bash-completion/completions/larder
        COMP_WORDS=(larder pu) COMP_CWORD=1; _larder larder pu larder; echo "${COMPREPLY[*]}"')" \
        purge "bash completes larder pu"
    inside larder schema | cmp - docs/proxy.schema.json || fail "the schema is another"
    cmp "$root/usr/share/doc/larder/docs/proxy.schema.json" docs/proxy.schema.json
    expect "$(inside dpkg-query --show -f '${Conffiles}' larder)" "*/etc/larder/proxy.toml *" "conffiles"
    expect "$(inside getent passwd larder)" "larder:x:*:/usr/sbin/nologin" "the user"
}

check_unit() {
    step "its units are right"
    local said file
    for file in larder.service larder.socket; do
        said="$(inside systemd-analyze verify "/lib/systemd/system/$file" 2>&1)" || fail "$said"
        expect "$said" "" "systemd-analyze verify $file"
    done
    inside systemd-analyze security --offline=true --no-pager --threshold=20 "$unit" | tail -n 1 ||
        fail "systemd-analyze security"
}

check_serving() {
    step "answers as its unit's user, misses, hits"
    start_api
    inside setpriv --reuid larder --regid larder --clear-groups larder check --config /etc/larder/proxy.toml
    start
    expect "$(cache_status http://127.0.0.1:8080/users/7)" "*fwd=uri-miss; stored*" "the first answer"
    expect "$(cache_status http://127.0.0.1:8080/users/7)" "larder; hit*" "the second answer"
    expect "$(stat -c %u "/proc/$server")" "$(stat -c %u "$root/run/larder")" "its user"

    step "reloads, and keeps what is good when the new is not"
    cp "$root/etc/larder/proxy.toml" "$root/tmp/shipped.toml"
    printf '[log]\naccess = "/var/log/larder/access.log"\n[cache]\nmode = "off"\n' \
        >>"$root/etc/larder/proxy.toml"
    kill -HUP "$server"
    said 'configuration reloaded' 1
    expect "$(cache_status http://127.0.0.1:8080/users/7)" "*fwd=bypass*" "after the reload"
    echo 'nonsense = 1' >>"$root/etc/larder/proxy.toml"
    kill -HUP "$server"
    said "proxy.toml:.*nonsense" 1
    expect "$(cache_status http://127.0.0.1:8080/users/7)" "*fwd=bypass*" "after a bad reload"
    cp "$root/tmp/shipped.toml" "$root/etc/larder/proxy.toml"

    step "stops"
    end
    expect "$(wc -l <"$root/var/log/larder/access.log")" 2 "lines of the access log"
}

check_leaving() {
    step "is installed over itself, and keeps what was changed"
    echo '# mine' >>"$root/etc/larder/proxy.toml"
    inside dpkg -i /root/larder.deb >/dev/null
    grep -q '^# mine$' "$root/etc/larder/proxy.toml" || fail "the changed proxy.toml is gone"

    step "is removed, and keeps its configuration"
    inside dpkg --remove larder >/dev/null
    grep -q '^# mine$' "$root/etc/larder/proxy.toml" || fail "removal took proxy.toml along"
    [ ! -e "$root/usr/bin/larder" ] || fail "the program is left"

    step "is purged, and leaves nothing but its user"
    inside dpkg --purge larder >/dev/null
    rm "$root/root/larder.deb" "$root/tmp/larder.log"
    rmdir "$root/run/larder"
    left="$(find "$root" -xdev -path "$root/proc" -prune -o -name '*larder*' -print)"
    expect "$left" "" "left behind"
    inside getent passwd larder >/dev/null || fail "its user is gone; what it owned would be another's"
}

if [ "${1:-}" = --installed ]; then
    root="$2"
    settle
    check_files
    check_unit
    check_serving
    check_leaving
    exit
fi

package="$(realpath "$1")"
clean_debian
step "installs, with what it needs"
cp "$package" "$root/root/larder.deb"
inside apt-get -qq update
inside apt-get -qq install -y --no-install-recommends /root/larder.deb >/dev/null
expect "$(inside larder --version)" "larder *" "its version"
alone "$0" --installed "$root"
echo "The package is good."
