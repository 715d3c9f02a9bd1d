#!/usr/bin/env bash
# usage: tests/drills.sh [all|run|guards|kill [PART]]
# Runs every drill on a LAN of this machine. `run`: each with its expected verdict, beside a client
# of its own that must see the same outage within 20 ms (60 where only some requests fail: from the
# first of them to the last). `guards`: a bound that is broken fails the drill; a lock ends it
# within a second, on a node that hears no word, too; a stopped daemon goes on although its guard
# was killed; Ctrl-C where nobody can take it is taken later. `kill`: each drill three times, in the
# middle of which the operator's command line, the leader's or the target's daemon is killed: what
# the drill did ends within its timer. PART plays only what has it in its name. Exit 0 only if
# everything is as promised; all of it takes half an hour, and a build. What is missing comes from
# Debian's packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/setup.sh
source deploy/setup.sh

case ${1:-all} in
    all | run | guards | kill) ;;
    *) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
esac
need_packages build lab
need_cargo
build
as_root "${CARGO_TARGET_DIR:-target}/release/drills" "$@"
