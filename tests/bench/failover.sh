# shellcheck shell=bash
# usage: tests/bench.sh failover [ROUNDS [ROUNDS-BESIDE]] | fsync MS [ROUNDS]
# kill -9 of the VIP's owner, seen by a client that asks every 5 ms and gives each up after 100 ms.
# The outage of a round is the longest time without a good answer, until the killed node is back and
# every node says that all is well. Beside it keepalived with default timers in the same LAN: there
# every process of the owner's machine is killed, nginx too, as farmux dies with its listeners.
#
#   keepalived                   5 rounds (ROUNDS-BESIDE)
#   failover-pair-and-witness    the same number
#   failover-of-leader           those rounds of the last row in which the owner led the log as well,
#                                which every other round tries to bring about
#   failover-of-follower         and those in which it did not
#   failover                     20 rounds (ROUNDS) with three nodes
#
# `fsync MS` does the same with three nodes whose every sync to disk takes MS longer (strace).
# It exits 0 whenever it measured; the line `goals` says whether median and maximum hold.

as_root "${CARGO_TARGET_DIR:-target}/release/failover" "$@"
