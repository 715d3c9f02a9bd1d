#!/usr/bin/env bash
# usage: tests/sites.sh 1 | 2 | 3 [PART | long [SEED [KILLS]]] | idle [SECONDS]
# 1 and 2 run deploy/example/site1.toml or site2.toml on a LAN of network namespaces, with three
# nodes and real servers: kill, hang and unplug them one by one, the file server and the VIP's owner
# too. One line a step, a summary, and exit 0 only if every expected answer and every expected page,
# and no other, was seen. 3 watches 500 small servers, breaks them one by one and all at once, and
# the mail relay and the leader as well; a judge compares what came with what happened, and exit 0
# means nothing missed, late or wrong, and at most one page doubled a killed leader. `3 PART` plays
# only the steps whose title contains PART; `3 long` is a thousand transitions at random, with a
# hundred dead leaders. `idle` is one FTP transfer of ten minutes, through which nothing moves on
# its control connection. What is missing comes from Debian's packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/setup.sh
source deploy/setup.sh

case ${1:-} in
    1 | 2 | 3 | idle) ;;
    *) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
esac
need_packages build lab
# The servers of site 3 are our own.
[[ $1 == 3 ]] || need_ftp
need_cargo
build
as_root "${CARGO_TARGET_DIR:-target}/release/sites" "$@"
