#!/usr/bin/env bash
# usage: tests/powercut.sh [ROUNDS [SEED]]
# Cuts the power of all three nodes in one instant, ROUNDS (100) times, while clients write. The nodes
# are real daemons, each on a file system (FUSE, in memory) that keeps what was synced, and by chance
# some of the rest, torn. Exit 0 only if nothing confirmed is lost and the cluster serves after each.
# What is missing comes from Debian's packages.
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
as_root "${CARGO_TARGET_DIR:-target}/release/powercut" "$@"
