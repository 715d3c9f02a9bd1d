#!/usr/bin/env bash
# usage: tests/linear.sh [OPERATIONS [SEED [own-copy]]]
# Eight clients get, set and compare-and-set (by revision) a label through three real nodes, while
# nodes are killed and paused and the LAN is cut, all at once; OPERATIONS (20000) in all, at most 500 a
# key. A checker looks for an order in which one register would have answered the same. Exit 0: there
# is one for every key; 3: there is none, and the history is printed; 1: the cluster did not come back.
# With `own-copy` gets are answered from whatever copy a node has, which may be old: 3 is right then.
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
as_root "${CARGO_TARGET_DIR:-target}/release/linear" "$@"
