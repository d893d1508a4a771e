# Sourced by the scripts that try packages: a clean Debian in a directory, an API before which
# Larder stands there, and words for what is tried. Needs root and debootstrap.

target="${CARGO_TARGET_DIR:-target}"

step() { printf '%s\n' "-- $*"; }
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Makes $root: a clean Debian of this machine's release, thrown away at the end. The first one takes
# about three minutes, and stays in target/ to be copied.
clean_debian() {
    local release base mirror
    release="$(. /etc/os-release && echo "$VERSION_CODENAME")"
    base="$(realpath -m "$target/debian-$release")"
    if [ ! -e "$base.made" ]; then
        step "a clean Debian, about three minutes"
        rm -rf --one-file-system "$base"
        mirror="$(apt-get indextargets --format '$(REPO_URI)' "Codename: $release" 'Origin: Debian' | head -n 1)"
        debootstrap --variant=minbase "$release" "$base" ${mirror:+"$mirror"} >/dev/null
        touch "$base.made"
    fi
    root="$(mktemp -d)"
    trap 'rm -rf --one-file-system "$root"' EXIT
    cp -a "$base/." "$root"
    chmod 755 "$root"
}

# A command in $root, with nothing of this environment.
clean=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive)
inside() { chroot "$root" "${clean[@]}" "$@"; }

# The same in the background; $server is the command itself.
begin() {
    chroot "$root" "${clean[@]}" "$@" 2>>"$root/tmp/larder.log" &
    server=$!
}

# Asks what was begun to stop, and waits for it.
end() {
    kill -"${1:-TERM}" "$server"
    wait "$server" || fail "it ended with $?: $(cat "$root/tmp/larder.log")"
}

# Goes on with a script in namespaces of its own: what it mounts, what listens and what it leaves
# running ends with it, and no port of this machine is in its way.
alone() {
    unshare --mount-proc --net --pid --fork --kill-child --propagation private "$@"
}

# To be called there first.
settle() {
    ip link set lo up
    mount -t proc proc "$root/proc"
}

# The API of the example's proxy.toml: at port 3000, and good for a minute.
start_api() {
    python3 - >/dev/null 2>&1 <<'API' &
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"id":7}'
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=60")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("127.0.0.1", 3000), Api).serve_forever()
API
    ask http://127.0.0.1:3000/ >/dev/null 2>&1
}

# curl, with some patience for what is only starting.
ask() { curl -sS --retry 40 --retry-delay 1 --retry-connrefused --max-time 60 "$@"; }

# What an answer says of the cache.
cache_status() { ask -D - -o /dev/null "$@" | tr -d '\r' | sed -n 's/^cache-status: //Ip'; }

# Fails unless the two fit: the second is a pattern.
expect() {
    # shellcheck disable=SC2053 # it is a pattern
    [[ "$1" == $2 ]] || fail "$3: $1"
}
