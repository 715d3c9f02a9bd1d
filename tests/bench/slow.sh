# shellcheck shell=bash
# usage: tests/bench.sh slow [headers|body|read [CLIENTS]]
# CLIENTS (4000) clients of slowhttptest that send their heads (or bodies) drop by drop, or read
# what they asked for so, at a farmux node in a laboratory; beside them normal clients at a steady
# pace. Then the same at HAProxy before the same server. Three minutes, some of it waiting for memory.
#
#   …-kept, …-new   waiting times of normal clients, over connections that are kept and over new
#                   ones: at rest, and attacked; goal: p99 at most doubles, none fails
#   …-memory        resident memory of the balancer before, during, and within a minute after; goal:
#                   at most a tenth above what it was
#   …-clients       how many were connected at once, and how many still were at the end
#
# All of it runs on one processor, where slowhttptest has what nobody else wants: it is one process
# that sends for all its clients in one instant, which as many machines would not.
#
# It exits 0 whenever it measured; the line `goals` says whether farmux holds them.

as_root "${CARGO_TARGET_DIR:-target}/release/slow" "$@"
