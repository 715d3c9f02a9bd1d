#!/usr/bin/env bash
# usage: tests/fuzz.sh [TARGET|all [SECONDS]]
# Hunts each target (all of them) for SECONDS (120) with libFuzzer, which begins with the target's
# corpus and keeps what it finds in the build folder. Without words it lists the targets. One line a
# target at the end; exit 1 if one broke, whose input is kept beside it and named. Stable Rust; what
# is missing comes from Debian's packages. The corpora alone are played by `tests/run.sh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/setup.sh
source deploy/setup.sh

# tests/tests/fuzz.rs proves that there is a corpus for every target, and none without one.
mapfile -t targets < <(basename -a tests/fuzz/corpus/*)
if (($# == 0)); then
    sed -n '2s/^# //p' "$0"
    printf '  %s\n' "${targets[@]}"
    exit 0
fi
seconds=${2:-120}
[[ $# -le 2 && $seconds =~ ^[1-9][0-9]*$ ]] || die "$(sed -n '2s/^# //p' "$0")"
if [[ $1 != all ]]; then
    [[ " ${targets[*]} " == *" $1 "* ]] || die "no target '$1'; there are: ${targets[*]}"
    targets=("$1")
fi

need_packages build fuzz
need_cargo
say "building the targets (our crates once more, for libFuzzer: some minutes the first time)"
RUSTC_WORKSPACE_WRAPPER=$PWD/tests/fuzz/rustc.sh \
    cargo build --release --locked -p farmux-tests --bin fuzz --features libfuzzer
folder=${CARGO_TARGET_DIR:-target}
work=$folder/fuzz
mkdir -p "$work"
failed=0
rows=()

# The newest line of a log that tells how far libFuzzer is.
how_far() { grep -aoE '^#[0-9]+.*cov: [0-9]+ ft: [0-9]+' "$1" | tail -n 1; }

hunt() { # TARGET
    local target=$1 log=$work/$1.log begun=$SECONDS pid far status=0
    mkdir -p "$work/$target"
    # Memory is bounded beside the targets' own bound, so that a broken one takes no machine down.
    FARMUX_FUZZ_TARGET=$target "$folder/release/fuzz" -max_total_time="$seconds" \
        -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$work/$target." "$work/$target" "tests/fuzz/corpus/$target" \
        >"$log" 2>&1 &
    pid=$!
    # shellcheck disable=SC2064 # this one, not whichever is hunted then
    trap "kill $pid 2>/dev/null || true" EXIT
    while kill -0 "$pid" 2>/dev/null; do
        far=$(how_far "$log" || true)
        printf '\r%-14s %3d of %d s  %s\e[K' "$target" $((SECONDS - begun)) "$seconds" \
            "${far%%ft:*}" >&2
        sleep 1
    done
    wait "$pid" || status=$?
    printf '\r\e[K' >&2
    row "$target" "$log" "$status"
}

row() { # TARGET LOG STATUS
    local runs cov found
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$2")
    cov=$(how_far "$2" | sed -n 's/.*cov: \([0-9]*\).*/\1/p' || true)
    found=$(sed -n 's/.*Test unit written to //p' "$2" | tail -n 1)
    local line
    line=$(printf '%-14s seconds=%s inputs=%s branches=%s' "$1" "$seconds" "${runs:-0}" "${cov:-0}")
    if (($3 == 0)); then
        rows+=("$line ok")
        return
    fi
    failed=1
    rows+=("$line BROKEN ${found:-see $2}")
    grep -a -m 1 -A 3 'panicked at' "$2" >&2 || tail -n 20 "$2" >&2
    printf 'again: FARMUX_FUZZ_TARGET=%s %s/release/fuzz %s\n' "$1" "$folder" "$found" >&2
}

for target in "${targets[@]}"; do hunt "$target"; done
printf '%s\n' "${rows[@]}"
exit "$failed"
