//! Real clients against real servers: files whole, resumed, listed and renamed.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

use farmux_netplane::plan::{FtpPlan, FtpTls, PortRange, ServerPlan, ServiceKind, ServicePlan};

use crate::clients::{Client, Mode, Task};
use crate::daemons::{Daemon, Kind};
use crate::harness::reserved::reserve;
use crate::harness::{CALM, Wire};

/// A service that refuses TLS.
pub(crate) fn ftp() -> ServiceKind {
    ServiceKind::Ftp(FtpPlan {
        data_ports: data_ports(),
        tls: FtpTls::Refuse,
    })
}

/// Ports of this process, below those that Linux gives to whoever asks for any: tests that run
/// beside each other would find their closed ports open.
pub(crate) fn data_ports() -> PortRange {
    let own = u16::try_from(std::process::id() % 60).expect("below 60");
    let first = 20_000 + own * 200;
    PortRange {
        first,
        last: first + 199,
    }
}

/// Bytes that no two places have in common.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_le_bytes()
    });
    words
        .take(length.div_ceil(8))
        .flatten()
        .take(length)
        .collect()
}

/// Lets a client do its work, and compares what came of it on both sides.
fn transfer(daemon: &Daemon, at: SocketAddr, mode: Mode, length: usize, client: Client) {
    let local = tempfile::tempdir().expect("a folder is to be had");
    let whole = noise(length);
    let write = |name: &str, bytes: &[u8]| std::fs::write(local.path().join(name), bytes);
    write("whole", &whole).expect("the file can be written");
    write("half", &whole[..length / 2]).expect("the file can be written");
    let task = Task {
        at,
        daemon,
        mode,
        local: local.path(),
    };
    task.by(client);
    let same = |path: &Path| std::fs::read(path).expect("it is there") == whole;
    assert!(
        same(&daemon.folder.join("renamed")),
        "what was sent differs"
    );
    assert!(
        same(&local.path().join("fetched")),
        "what was fetched differs"
    );
    assert!(
        same(&local.path().join("resumed")),
        "what was resumed differs"
    );
}

const LARGE: usize = 64 * 1024 * 1024;
const SMALL: usize = 3 * 1024 * 1024 + 17;

/// All clients, passive and active, against one server.
fn all_clients(kind: Kind) {
    let daemon = Daemon::start(kind);
    let wire = Wire::start(ftp(), CALM, &[daemon.address]);
    let at = wire.address;
    for mode in [Mode::Passive, Mode::Active] {
        transfer(&daemon, at, mode, LARGE, Client::Curl);
        for client in [Client::OldCurl, Client::Lftp, Client::Ncftp, Client::Ftplib] {
            transfer(&daemon, at, mode, SMALL, client);
        }
    }
    wire.until("all sessions are over", |counts| {
        counts.open == 0 && counts.servers["s1"].active == 0
    });
    let counts = wire.counts();
    assert!(counts.failures.is_empty(), "{counts:?}");
    // A server may close a data port, after an abort or a refused transfer, while we connect to it.
    let refused = counts
        .refusals
        .keys()
        .find(|name| **name != "server-unreachable");
    assert_eq!(refused, None, "{counts:?}");
}

#[test]
fn vsftpd_with_all_clients() {
    all_clients(Kind::Vsftpd);
}

#[test]
fn pure_ftpd_with_all_clients() {
    all_clients(Kind::PureFtpd);
}

#[test]
fn proftpd_with_all_clients() {
    all_clients(Kind::Proftpd);
}

#[test]
fn pyftpdlib_with_all_clients() {
    all_clients(Kind::Pyftpdlib);
}

#[test]
fn ipv6_on_both_sides_and_on_either() {
    for (kind, daemon) in [
        (Kind::Vsftpd, Daemon::start_on_ipv6(Kind::Vsftpd)),
        (Kind::Pyftpdlib, Daemon::start_on_ipv6(Kind::Pyftpdlib)),
        (Kind::Proftpd, Daemon::start(Kind::Proftpd)),
    ] {
        let wire = Wire::of(ServicePlan {
            servers: [("s1".into(), ServerPlan::plain(daemon.address))].into(),
            ..ServicePlan::plain(reserve(Ipv6Addr::LOCALHOST.into()), ftp(), CALM)
        });
        for mode in [Mode::Passive, Mode::Active] {
            transfer(&daemon, wire.address, mode, SMALL, Client::Curl);
            transfer(&daemon, wire.address, mode, SMALL, Client::Ftplib);
        }
        let counts = wire.counts();
        assert!(counts.failures.is_empty(), "{kind:?}: {counts:?}");
    }
}
