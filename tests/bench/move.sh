# shellcheck shell=bash
# usage: tests/bench.sh move [ROUNDS]
# The VIP moves by plan (farmux vip move) while two streams of requests run: one over connections
# that are kept, one with a new connection every 5 ms. The gap of a round is the longest time without
# a good answer to a new connection.
#
#   move-kept              requests, and how many of them failed
#   move-new-connections   the same
#   move-put-off           connections whose kernel had to send its SYN again (1 s later), what the
#                          fence refused, and connections that were cut with work in hand
#   move                   the gap, over 20 rounds (ROUNDS) with three nodes
#
# It exits 0 whenever it measured; the line `goals` says whether the promises hold.

as_root "${CARGO_TARGET_DIR:-target}/release/moves" "$@"
