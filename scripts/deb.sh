#!/usr/bin/env bash
# Builds target/larder_VERSION_ARCHITECTURE.deb: the program, its unit, manual pages, completions
# and docs. Needs dpkg-dev.
# Usage: scripts/deb.sh [PROGRAM [PACKAGE]]
# With PROGRAM it packs that one, as it is and for tests: uncompressed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="${CARGO_TARGET_DIR:-target}"
program="${1:-}"
compression=(-Znone)
if [ -z "$program" ]; then
    echo "Building the release..." >&2
    cargo build --locked --release --bin larder
    program="$target/release/larder"
    compression=()
fi

version="$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)"
maintainer="$(sed -n 's/^Maintainer: //p' packaging/debian/control)"
architecture="$(dpkg --print-architecture)"
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

put() { install -D -m "$1" "$2" "$root$3"; }

put 755 "$program" /usr/bin/larder
put 644 proxy.toml /etc/larder/proxy.toml
put 644 packaging/sysusers.conf /usr/lib/sysusers.d/larder.conf
for unit in packaging/larder.service packaging/larder.socket; do
    put 644 "$unit" "/lib/systemd/system/${unit##*/}"
done
for page in README.md docs/*.md docs/*.json packaging/grafana/larder.json; do
    put 644 "$page" "/usr/share/doc/larder/$page"
done
put 644 LICENSE-MIT /usr/share/doc/larder/copyright
put 644 CHANGELOG.md /usr/share/doc/larder/CHANGELOG.md
put 644 packaging/debian/lintian-overrides /usr/share/lintian/overrides/larder
# Debian's own form of it.
printf 'larder (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$(date -uR -r CHANGELOG.md)" |
    gzip -9n >"$root/usr/share/doc/larder/changelog.gz"

install -d "$root/usr/share/man/man1"
"$program" man --dir "$root/usr/share/man/man1"
gzip -9n "$root"/usr/share/man/man1/*.1
completions() {
    install -d "$root${2%/*}"
    "$program" completions "$1" >"$root$2"
}
completions bash /usr/share/bash-completion/completions/larder
completions zsh /usr/share/zsh/vendor-completions/_larder
completions fish /usr/share/fish/vendor_completions.d/larder.fish

# What it links to: dpkg-shlibdeps reads a debian/control beside it.
install -d "$root/work/debian" "$root/DEBIAN"
printf 'Source: larder\n\nPackage: larder\nArchitecture: any\n' >"$root/work/debian/control"
depends="$(cd "$root/work" && dpkg-shlibdeps -O --ignore-missing-info ../usr/bin/larder |
    sed 's/^shlibs:Depends=//')"
rm -r "$root/work"

sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" \
    -e "s/@DEPENDS@/$depends, systemd | systemd-standalone-sysusers/" \
    packaging/debian/control >"$root/DEBIAN/control"
echo /etc/larder/proxy.toml >"$root/DEBIAN/conffiles"
install -m 755 packaging/debian/{postinst,prerm,postrm} "$root/DEBIAN/"
(cd "$root" && find etc usr lib -type f -exec md5sum {} +) >"$root/DEBIAN/md5sums"

package="${2:-$target/larder_${version}_$architecture.deb}"
dpkg-deb "${compression[@]}" --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
