#!/usr/bin/env bash
# What cargo calls in place of rustc while tests/fuzz.sh builds (RUSTC_WORKSPACE_WRAPPER): our own
# crates are compiled so that libFuzzer sees which branches an input takes and what it is compared
# with, and so that overflows panic. A stable rustc can do this; only sanitizers need another one.
set -euo pipefail

crate=
for ((at = 1; at < $#; at++)); do
    [[ ${!at} == --crate-name ]] && next=$((at + 1)) && crate=${!next}
done
case $crate in
    farmux_raft | farmux_store | farmux_netplane | farmux_node | farmux_tests | fuzz)
        # Source: cargo-fuzz 0.13, what it passes with `--sanitizer none`.
        exec "$@" \
            -Cpasses=sancov-module \
            -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
            -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares \
            -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
            -Coverflow-checks=yes
        ;;
    *) exec "$@" ;;
esac
