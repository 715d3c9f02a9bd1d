#!/usr/bin/env bash
# usage: tests/run.sh [FILTER…]
# Installs what is missing from Debian's packages, builds once, and runs every test, or those whose
# names contain a FILTER. The end-to-end tests build LANs in network namespaces, so they need root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/setup.sh
source deploy/setup.sh

need_packages build lab tests
need_ftp
need_servers
need_cargo
build

# The tests themselves run as root; another user's are started through sudo by cargo's runner.
if ((EUID != 0)); then
    triple=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    export "CARGO_TARGET_${triple}_RUNNER=sudo --preserve-env"
fi

if command -v cargo-nextest >/dev/null; then
    say "testing with cargo-nextest"
    cargo nextest run --release --workspace --locked "$@"
else
    # Labs run one at a time; nextest learns that from .config/nextest.toml.
    say "testing with cargo test"
    cargo test --release --workspace --locked --exclude farmux-tests "$@"
    cargo test --release --package farmux-tests --locked "$@" -- --test-threads=1
fi
