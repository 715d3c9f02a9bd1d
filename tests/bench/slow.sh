# shellcheck shell=bash
# usage: tests/bench.sh slow [headers|body|read [CLIENTS]]
# CLIENTS (4000) clients of slowhttptest that send their heads (or bodies) drop by drop, or read
# what they asked for so, at a farmux node in a laboratory; beside them normal clients at a steady
# pace. About a minute, most of it waiting for memory.
#
#   slow-…-kept, slow-…-new   waiting times of normal clients before and during, over connections
#                             that are kept and over new ones; goal: p99 at most doubles, none fails
#   slow-…-memory             resident memory of the daemon before, during, and within a minute
#                             after; goal: at most a tenth above what it was
#   slow-…-clients            how many were connected at once, and how many still were at the end
#
# It exits 0 whenever it measured; the line `goals` says whether they hold.

as_root "${CARGO_TARGET_DIR:-target}/release/slow" "$@"
