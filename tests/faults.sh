#!/usr/bin/env bash
# usage: tests/faults.sh fence [ROUNDS [PART]] | calm [SECONDS [PART]] | matrix [PART] | soak [MINUTES [SEED]]
# Breaks nodes and the LAN in every way in which an address could end up on two machines or on none,
# ROUNDS (20) times each, with `release` and with `hold`. A tap on the bridge and a client that asks
# by ARP every 10 ms judge. Exit 0 only if every round is as promised; PART plays only the faults
# whose name contains it. `calm` looks on for SECONDS (60) while a fifth of all frames between nodes
# is lost, and while every core is taken twice: nothing may move. `matrix` prints a table of all
# faults, each with what clients, the log and the people on call saw of it; PART plays only the rows
# whose name contains it. `soak` plays one of these each minute for MINUTES (60), beside load: what
# the nodes use of memory and descriptors may not grow. What is missing comes from Debian's packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/setup.sh
source deploy/setup.sh

case ${1:-} in
    fence | calm | matrix | soak) ;;
    *) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
esac
need_packages build lab
need_cargo
build
as_root "${CARGO_TARGET_DIR:-target}/release/faults" "$@"
