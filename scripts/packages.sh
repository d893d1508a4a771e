#!/usr/bin/env bash
# Builds the package and tries everything that is shipped: the package in a clean Debian, the same
# under a systemd of its own, and the steps of the image. Needs root, debootstrap and dpkg-dev; about
# ten minutes, of which the release takes four and the first Debian three.
# What can be tried in seconds, without root, is among the tests (tests/it/package.rs).
# Usage: scripts/packages.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

heading() { printf '\n== %s\n' "$*"; }

heading "The package"
package="$(scripts/deb.sh)"
echo "$package"

heading "In a clean Debian"
scripts/deb-smoke.sh "$package"

heading "Under systemd"
scripts/deb-systemd.sh "$package"

heading "The steps of the image"
scripts/image-smoke.sh "${CARGO_TARGET_DIR:-target}/release/larder"

heading "All passed"
