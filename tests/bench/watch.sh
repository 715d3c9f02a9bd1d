# shellcheck shell=bash
# usage: tests/bench.sh watch [SECONDS | told [FAILURES]]
# One farmux node, without a VIP, that watches 5,000 targets by tcp once a second, and in turns with
# it a bare prober: one epoll loop that makes the same connects and nothing else. Medians of three
# rounds of SECONDS (10) each; everything in one network namespace.
#
#   watch-cpu        CPU time of the whole process a probe, of both, and their ratio
#   watch-lag        by how much probes started late: the step of the histogram that holds it
#   watch-memory     resident memory of the node
#   watch-sockets    connections left in TIME_WAIT, and descriptors open in the node
#   watch-hanging-…  the same while one target in a hundred drops every SYN
#   watch-told-…     from a failure to the relay's 250, with 5,000 watched by three nodes: 300
#                    targets refuse, then 300 are silent, one after the other; each page is a
#                    message of its own
#
# It exits 0 whenever it measured; the line `goals` says whether they hold.

as_root "${CARGO_TARGET_DIR:-target}/release/watchload" "$@"
# Without words, or with SECONDS only, the way of a page is measured as well.
[[ ${1:-} == told ]] || as_root "${CARGO_TARGET_DIR:-target}/release/watchload" told
