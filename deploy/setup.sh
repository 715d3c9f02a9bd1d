# Shell functions shared by deploy/demo.sh, tests/*.sh and .ci/run; sourced, in the root of the
# repository, under `set -euo pipefail`. It undoes on exit what it did for a while.
# shellcheck shell=bash

# Command or file that shows a package to be there, and the Debian package that brings it.
packages_of() {
    case $1 in
        # ring and sled's C parts need a C compiler and linker; the fence needs clang and the
        # kernel's headers.
        build) echo "cc=gcc /usr/include/stdio.h=libc6-dev clang=clang \
            /usr/include/linux/bpf.h=linux-libc-dev" ;;
        lab) echo "ip=iproute2 mount=mount nginx=nginx-light timeout=coreutils \
            ping=iputils-ping curl=curl nft=nftables strace=strace bpftool=bpftool \
            faketime=faketime prlimit=util-linux dnsmasq=dnsmasq-base \
            /usr/lib/python3/dist-packages/aiosmtpd=python3-aiosmtpd" ;;
        # Real FTP servers and clients; two servers exclude vsftpd and are unpacked instead
        # (need_ftp), so here are the libraries that they link.
        ftp) echo "vsftpd=vsftpd /usr/lib/python3/dist-packages/pyftpdlib=python3-pyftpdlib \
            lftp=lftp ncftpput=ncftp openssl=openssl \
            /usr/share/doc/libsodium23=libsodium23 /usr/share/doc/libhiredis0.14=libhiredis0.14 \
            /usr/share/doc/libmemcached11=libmemcached11 \
            /usr/share/doc/libmemcachedutil2=libmemcachedutil2 \
            /usr/share/doc/libpcre2-posix3=libpcre2-posix3" ;;
        tests) echo "systemd-analyze=systemd shellcheck=shellcheck git=git \
            ganesha.nfsd=nfs-ganesha /usr/share/doc/nfs-ganesha-mem=nfs-ganesha-mem \
            haproxy=haproxy nsd=nsd" ;;
        bench) echo "haproxy=haproxy keepalived=keepalived wrk=wrk slowhttptest=slowhttptest" ;;
        # libFuzzer itself is C++.
        fuzz) echo "c++=g++" ;;
        *) die "packages_of: no group '$1'" ;;
    esac
}

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command as root, by sudo where we are not.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: run it as root, or install sudo ($*)"
    fi
}

is_there() {
    case $1 in
        /*) [[ -e $1 ]] ;;
        *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
    esac
}

# need_packages GROUP…: installs what is missing of these groups.
need_packages() {
    local group pair missing=()
    for group in "$@"; do
        for pair in $(packages_of "$group"); do
            is_there "${pair%%=*}" || missing+=("${pair#*=}")
        done
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null ||
        die "missing: ${missing[*]}; this machine has no apt-get, so install them by hand"
    say "installing ${missing[*]} from Debian's packages (a minute or two the first time)"
    no_services_start
    # A fresh machine has no package lists, and an old list names packages that are gone.
    apt_get update
    # Another FTP server on this machine must not make way for ours.
    apt_get install --yes --no-remove --no-install-recommends "${missing[@]}"
    services_start_again
}

# unpack_packages PACKAGE…: unpacks Debian packages beside the build, without installing them: for
# servers that cannot be installed together. Tests find them in the target folder's debian/.
unpack_packages() {
    local package into=${CARGO_TARGET_DIR:-target}/debian folder fresh=no
    for package in "$@"; do
        [[ -e $into/usr/share/doc/$package ]] && continue
        say "unpacking $package"
        [[ $fresh == yes ]] || apt_get update
        fresh=yes
        folder=$(mktemp -d)
        # apt-get downloads into the current folder, where its own user may not write.
        (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download "$package" &&
            dpkg-deb -x ./*.deb unpacked) || die "cannot get Debian's package $package"
        # Nothing that lies in a build folder shall run as anybody but its caller.
        find "$folder/unpacked" -type f -perm /6000 -exec chmod a-s {} +
        mkdir -p "$into"
        cp -a "$folder/unpacked/." "$into/"
        rm -rf "$folder"
    done
}

# Everything of FTP.
need_ftp() {
    need_packages ftp
    unpack_packages pure-ftpd proftpd-core
}

# The servers that greetings are tried against, and the libraries that this machine lacks for them:
# unpacked, because installing a mail server or a database is much to ask of a machine that builds.
need_servers() {
    local library
    unpack_packages exim4-daemon-light dovecot-core dovecot-imapd dovecot-pop3d openssh-server \
        redis-server redis-tools postgresql-15 mariadb-server-core
    for library in libaio1 libevent-2.1-7 libgnutls-dane0 libgssapi-krb5-2 libicu72 libidn12 \
        libjemalloc2 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libldap-2.5-0 liblzf1 \
        libnsl2 libnuma1 libpq5 libsasl2-2 libsodium23 libssl3 libtirpc3 libunbound8 libunwind8 \
        liburing2 libwrap0 libxml2; do
        [[ -e /usr/share/doc/$library ]] || unpack_packages "$library"
    done
}

apt_get() {
    local log
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get $1 failed"
    fi
    rm -f "$log"
}

# Debian starts a service when its package is installed, unless policy-rc.d says 101. An nginx or
# haproxy of the host is none of our business: what we need, the lab starts by itself. The mark
# tells a later run that a file left behind by a killed one is ours to remove.
POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="by farmux, for the time of an installation"
policy_is_ours=no
no_services_start() {
    if [[ -e $POLICY ]] && ! grep -q "$POLICY_MARK" "$POLICY"; then
        return 0
    fi
    policy_is_ours=yes
    printf '#!/bin/sh\n# %s\nexit 101\n' "$POLICY_MARK" | as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
}
services_start_again() {
    [[ $policy_is_ours == yes ]] || return 0
    as_root rm -f "$POLICY"
    policy_is_ours=no
}

need_cargo() {
    # rustup puts cargo where a shell that is not a login shell does not look.
    command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
    command -v cargo >/dev/null || die "there is no cargo: install Rust first (https://rustup.rs)"
    local have
    have=$(cargo --version | cut -d ' ' -f 2)
    [[ $(printf '%s\n' 1.95.0 "$have" | sort -V | head -n 1) == 1.95.0 ]] ||
        die "cargo $have is too old: farmux needs Rust 1.95 (rustup update)"
}

# Builds the binaries, farmux and what the lab runs, once, in the only profile there is.
build() {
    say "building farmux (about ten minutes the first time on two cores, then seconds)"
    cargo build --release --workspace --locked
}

# Removes the labs whose maker is dead: after Ctrl-C or a kill there may be one.
remove_dead_labs() {
    local demo=${CARGO_TARGET_DIR:-target}/release/demo
    [[ -x $demo ]] || return 0
    as_root "$demo" --clean || true
}

setup_cleanup() {
    trap - EXIT
    services_start_again
    remove_dead_labs
}
trap setup_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
