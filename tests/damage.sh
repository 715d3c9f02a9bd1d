#!/usr/bin/env bash
# usage: tests/damage.sh [PLACES]
# Flips one bit at PLACES (50) places of every file of a stopped node, one at a time, and starts it
# beside two that are well. Exit 0 only if each time it names the file and takes no part, or is what
# the others are. What is missing comes from Debian's packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/setup.sh
source deploy/setup.sh

case ${1:-0} in
    *[!0-9]*) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
esac
need_packages build lab
need_cargo
build
as_root "${CARGO_TARGET_DIR:-target}/release/damage" "$@"
