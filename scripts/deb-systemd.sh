#!/usr/bin/env bash
# Boots a clean Debian with systemd of its own, installs the package there, and has systemd do what
# an operator has it do: start (it waits for READY), reload, restart after a crash, hold the sockets,
# restart under load, stop. Needs root, debootstrap, and a cgroup v2 to put systemd into; no container
# program. Usage: scripts/deb-systemd.sh PACKAGE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/clean-debian.sh

config="etc/larder/proxy.toml"

# The first process of new namespaces: sets up what a container has, and becomes systemd.
become_systemd() {
    local device
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t tmpfs tmpfs run
    mount -t tmpfs -o mode=755 tmpfs dev
    for device in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
    done
    mknod -m 666 dev/tty c 5 0
    ln -s /proc/self/fd dev/fd
    ln -s pts/ptmx dev/ptmx
    mount -t tmpfs tmpfs sys/fs/cgroup
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    ip link set lo up
    mkdir -p old
    pivot_root . old
    umount -l old
    exec env -i container=larder-smoke PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --log-target=console --show-status=no
}

# A command in there.
in_it() {
    nsenter --target "$init" --mount --uts --ipc --net --pid --cgroup --root --wd "${clean[@]}" "$@"
}

# What systemd knows of the service.
property() { in_it systemctl show --value --property "$1" larder.service; }

# Waits until systemd says so, for half a minute.
until_state() {
    local tries=0
    until [ "$(property ActiveState)" = "$1" ]; do
        [ $((tries += 1)) -le 300 ] || fail "it is $(property ActiveState), not $1: $(journal)"
        sleep 0.1
    done
}

journal() { in_it journalctl --no-pager --lines 20 --unit larder.service; }

# Writes the configuration: the shipped one at another address, and more.
configure() { sed "s/^listen .*/listen = \"$1\"/" "$root/root/shipped.toml" | cat - <(printf '%b' "${2:-}") >"$root/$config"; }

# Asks again and again, by eight clients that connect anew and two that keep their connections,
# until it is told to end; then it tells how many requests were answered, and how many were not.
crowd() {
    exec python3 - <<'CROWD'
import http.client, signal, threading

ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
lock, answered, failed = threading.Lock(), 0, []

def client(keeps):
    global answered
    connection = None
    while not ended.is_set():
        try:
            connection = connection or http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
            connection.request("GET", "/users/7")
            reply = connection.getresponse()
            assert (reply.status, reply.read()) == (200, b'{"id":7}'), reply.status
            with lock:
                answered += 1
            if not keeps or reply.will_close:
                connection.close()
                connection = None
        except Exception as error:
            with lock:
                failed.append(repr(error))
            connection = None

clients = [threading.Thread(target=client, args=(at >= 8,)) for at in range(10)]
for it in clients: it.start()
ended.wait()
for it in clients: it.join()
print(answered, len(failed), *failed[:3])
CROWD
}

check_start() {
    step "is installed, and systemd hears that it is ready"
    in_it dpkg -i /root/larder.deb >/dev/null
    cp "$root/$config" "$root/root/shipped.toml"
    [ "$(property Type) $(property ActiveState)" = "notify active" ] || fail "it does not start: $(journal)"
    expect "$(property UnitFileState)" enabled "the service is enabled"
    [ "$(property WatchdogTimestampMonotonic)" != 0 ] || fail "the watchdog heard nothing"
    expect "$(cache_status http://127.0.0.1:8080/users/7)" "*fwd=uri-miss; stored*" "the first answer"
    expect "$(cache_status http://127.0.0.1:8080/users/7)" "larder; hit*" "the second answer"

    step "may do no more than its unit says"
    local status
    status="$(in_it cat "/proc/$(property MainPID)/status" | tr '\t\n' ' ;')"
    expect "$status" "*;Uid: $(in_it id -u larder) *" "its user"
    # CAP_NET_BIND_SERVICE is bit 10.
    expect "$status" "*;CapEff: 0000000000000400;CapBnd: 0000000000000400;*" "its capabilities"
    expect "$status" "*;NoNewPrivs: 1;Seccomp: 2;*" "its filter"
    in_it systemd-analyze security --no-pager larder.service | tail -n 1
}

check_reload() {
    step "reloads"
    configure 127.0.0.1:8080 '[cache]\nmode = "off"\n'
    in_it systemctl reload larder.service
    local tries=0
    until [[ "$(cache_status http://127.0.0.1:8080/users/7)" == *fwd=bypass* ]]; do
        [ $((tries += 1)) -le 100 ] || fail "it goes on as before: $(journal)"
        sleep 0.1
    done

    step "does not go round and round with a configuration that is wrong"
    configure 127.0.0.1:8080 'nonsense = 1\n'
    ! in_it systemctl restart larder.service 2>/dev/null || fail "it starts with nonsense"
    until_state failed
    expect "$(property ExecMainStatus) $(property NRestarts)" "78 0" "its end"
    journal | grep -q 'proxy.toml:.*nonsense' || fail "the journal does not say why: $(journal)"

    step "listens below 1024, and comes back after a crash"
    configure 0.0.0.0:80
    in_it systemctl restart larder.service
    local crashed
    crashed="$(property MainPID)"
    expect "$(cache_status http://127.0.0.1:80/users/7)" "*stored*" "at port 80"
    in_it sh -c "kill -KILL $crashed"
    tries=0
    until [ "$(property NRestarts) $(property ActiveState)" = "1 active" ]; do
        [ $((tries += 1)) -le 300 ] || fail "it does not come back: $(journal)"
        sleep 0.1
    done
    expect "$(cache_status http://127.0.0.1:80/users/7)" "*stored*" "after a crash"
}

check_sockets() {
    step "is started by the first connection"
    configure 0.0.0.0:8080
    in_it systemctl stop larder.service
    expect "$(property ActiveState) $(property ExecMainStatus)" "inactive 0" "after a stop"
    in_it systemctl enable --now larder.socket 2>/dev/null
    expect "$(property ActiveState)" inactive "nobody has connected"
    expect "$(cache_status http://127.0.0.1:8080/users/7)" "*stored*" "the first answer"
    expect "$(property ActiveState)" active "somebody has connected"

    step "is restarted ten times under load, and refuses nobody"
    local crowd told
    crowd >"$root/root/crowd" &
    crowd=$!
    for _ in $(seq 10); do
        # More than five in ten seconds are too many otherwise.
        in_it systemctl reset-failed larder.service
        in_it systemctl restart larder.service
        sleep 0.3
    done
    kill -TERM "$crowd"
    wait "$crowd"
    told="$(cat "$root/root/crowd")"
    echo "   requests answered, and not: $told"
    expect "$told" "[1-9][0-9][0-9]* 0" "requests answered, and not"
    expect "$(property NRestarts)" 0 "it never failed"
}

check_leaving() {
    step "is upgraded, which restarts it, and is purged"
    local before
    before="$(property MainPID)"
    in_it dpkg -i --force-confold /root/larder.deb >/dev/null
    expect "$(property ActiveState)" active "after an upgrade"
    [ "$(property MainPID)" != "$before" ] || fail "the old program goes on after an upgrade"
    in_it dpkg --purge larder >/dev/null 2>&1
    expect "$(property LoadState)" not-found "after a purge"
    ! ask --retry 0 -o /dev/null http://127.0.0.1:8080/ 2>/dev/null || fail "somebody listens"
    expect "$(find "$root/etc" "$root/var/lib/systemd" "$root/var/log" -name '*larder*')" "" "left behind"
}

case "${1:-}" in
    --boot)
        root="$2"
        become_systemd
        ;;
    --booted)
        root="$2" init="$3"
        trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
        start_api
        check_start
        check_reload
        check_sockets
        check_leaving
        exit
        ;;
esac

package="$(realpath "$1")"
cgroup="$(findmnt --noheadings --types cgroup2 --output TARGET | head -n 1)/larder-smoke-$$"
clean_debian
step "systemd, and what the package needs"
inside apt-get -qq update
inside apt-get -qq install -y --no-install-recommends systemd-sysv >"$root/root/apt.log" 2>&1 ||
    fail "$(cat "$root/root/apt.log")"
cp "$package" "$root/root/larder.deb"

step "boots"
mkdir "$cgroup"
(
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec unshare --mount --pid --cgroup --uts --ipc --net --fork --kill-child \
        --propagation private "$0" --boot "$root"
) >"$root.boot.log" 2>&1 &
booting=$!
leave() {
    kill -KILL "$booting" 2>/dev/null || true
    wait "$booting" 2>/dev/null || true
    sleep 1
    find "$cgroup" -depth -type d -exec rmdir {} +
    rm -rf --one-file-system "$root" "$root.boot.log"
}
trap leave EXIT
init=
for _ in $(seq 300); do
    init="${init:-$(pgrep --parent "$booting" || true)}"
    state="$(in_it systemctl is-system-running 2>/dev/null || true)"
    case "$state" in running | degraded) break ;; esac
    sleep 0.1
done
case "$state" in running | degraded) ;; *) fail "systemd does not boot: $(cat "$root.boot.log")" ;; esac
nsenter --target "$init" --net "$0" --booted "$root" "$init"
echo "The package is good under systemd."
