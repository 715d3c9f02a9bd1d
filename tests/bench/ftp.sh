# shellcheck shell=bash
# usage: tests/bench.sh ftp [TURNS [MEBIBYTES]]
# One file of a gigabyte by FTP, from vsftpd directly and through a farmux node, each way, medians
# of turns (three). On links of a gigabit: those rows have a goal, a ratio of at least 0.9.
#
#   ftp-download, ftp-upload                        1 Gbit/s at every machine, by tc
#   ftp-download-in-memory, ftp-upload-in-memory    no link at all; a copy more or less shows here
#
# It exits 0 whenever it measured; the line `goals` says whether they hold.

need_ftp
as_root "${CARGO_TARGET_DIR:-target}/release/throughput" "$@"
