#!/usr/bin/env bash
# usage: deploy/demo.sh            build a LAN on this machine and show what farmux does in it
#        deploy/demo.sh --check    the same without a person; exits 0 only if all of it was seen
#        deploy/demo.sh --drill    run three drills in it, and leave their reports in target/
#        deploy/demo.sh --clean    remove what a killed demo left behind
# Needs Debian 12 (or alike) with Rust and git, and root, by sudo if need be. What else is missing
# comes from Debian's packages. It touches no network of the host: the LAN is made of namespaces.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/setup.sh
source deploy/setup.sh

case ${1:-} in
    "" | --check | --drill | --clean) ;;
    *) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;;
esac

need_cargo
if [[ ${1:-} == --clean ]]; then
    remove_dead_labs
    exit 0
fi
need_packages build lab
build
as_root "${CARGO_TARGET_DIR:-target}/release/demo" "$@"
