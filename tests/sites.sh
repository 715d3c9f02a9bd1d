#!/usr/bin/env bash
# usage: tests/sites.sh 1 | 2 | idle [SECONDS]
# Runs deploy/example/site1.toml or site2.toml on a LAN of network namespaces, with three nodes and
# real servers: kills, hangs and unplugs them one by one, the file server and the VIP's owner too.
# One line a step, a summary, and exit 0 only if every expected answer and every expected page, and
# no other, was seen. `idle` is one FTP transfer of ten minutes, through which nothing moves on its
# control connection. What is missing comes from Debian's packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/setup.sh
source deploy/setup.sh

case ${1:-} in
    1 | 2 | idle) ;;
    *) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
esac
need_packages build lab
need_ftp
need_cargo
build
as_root "${CARGO_TARGET_DIR:-target}/release/sites" "$@"
