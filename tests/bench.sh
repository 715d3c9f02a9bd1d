#!/usr/bin/env bash
# usage: tests/bench.sh http|failover|ftp|move|slow|watch [ARGUMENT…]
# Installs what is missing from Debian's packages, builds once, and measures; see tests/bench/*.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/setup.sh
source deploy/setup.sh

bench=${1:-}
[[ $bench =~ ^[a-z]+$ && -e tests/bench/$bench.sh ]] ||
    die "usage: tests/bench.sh $(basename -as .sh tests/bench/*.sh | paste -sd'|')"
shift
need_packages build lab bench
need_cargo
build
# shellcheck source=/dev/null
source "tests/bench/$bench.sh"
