//! What checks make of the bytes that a server sent, for those who prove their parsers from outside
//! of this crate: the same parsers, without sockets and clocks. Nothing here is used by a node.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::answer::{Answer, Expected};
use super::icmp::echo::{Echo, PAYLOAD_BYTES, without_ip_head};
use super::outcome::{Failure, Outcome, Phase, Success};
use super::{dns, exec, ftp, greeting, nfs, tls};
use crate::plan::{DnsRecord, Protocol};

/// A kind of check, and what it wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A status; with a text in the body, or a page that is obeyed.
    Http {
        /// `farmux` must be in the body.
        text: bool,
        /// The body is obeyed.
        obey: bool,
    },
    /// The replies of an FTP session, of a server with an IPv4 address or one with an IPv6 address.
    Ftp {
        /// IPv4.
        ipv4: bool,
    },
    /// A call over TCP: that of the portmapper, or the null call.
    Nfs {
        /// The portmapper's.
        portmapper: bool,
    },
    /// A greeting.
    Greeting(Protocol),
    /// The answer about `www.example.com` to question 0x6661, or `10.0.0.1` among its records.
    Dns(DnsRecord),
    /// An IPv4 packet with the echo of sixteen bytes `7` by identifier 7.
    Icmp,
    /// What a plugin that ended well wrote.
    Exec,
    /// A certificate in DER, at the beginning of 2026.
    Certificate,
}

/// Every kind of check, with the number by which corpora name it.
pub const CHECKS: [Heard; 26] = [
    Heard::Http {
        text: false,
        obey: false,
    },
    Heard::Http {
        text: true,
        obey: false,
    },
    Heard::Http {
        text: false,
        obey: true,
    },
    Heard::Http {
        text: true,
        obey: true,
    },
    Heard::Ftp { ipv4: true },
    Heard::Ftp { ipv4: false },
    Heard::Nfs { portmapper: false },
    Heard::Nfs { portmapper: true },
    Heard::Greeting(Protocol::Smtp),
    Heard::Greeting(Protocol::Pop3),
    Heard::Greeting(Protocol::Imap),
    Heard::Greeting(Protocol::Ssh),
    Heard::Greeting(Protocol::Redis),
    Heard::Greeting(Protocol::Postgres),
    Heard::Greeting(Protocol::Mysql),
    Heard::Dns(DnsRecord::A),
    Heard::Dns(DnsRecord::Aaaa),
    Heard::Dns(DnsRecord::Cname),
    Heard::Dns(DnsRecord::Mx),
    Heard::Dns(DnsRecord::Ns),
    Heard::Dns(DnsRecord::Ptr),
    Heard::Dns(DnsRecord::Soa),
    Heard::Dns(DnsRecord::Txt),
    Heard::Icmp,
    Heard::Exec,
    Heard::Certificate,
];

/// What a check says of a server that sent `input`, in pieces of so many bytes, and then closed.
pub fn hear(heard: Heard, input: &[u8], piece: usize) -> String {
    let pieces = input.chunks(piece.max(1));
    let outcome = match heard {
        Heard::Http { text, obey } => http(text, obey, pieces),
        Heard::Ftp { ipv4 } => ftp::heard(ipv4, pieces),
        Heard::Nfs { portmapper } => nfs::heard(portmapper, pieces),
        Heard::Greeting(protocol) => greeting::heard(protocol, pieces),
        Heard::Dns(record) => dns::heard(record, input),
        Heard::Icmp => icmp(input),
        Heard::Exec => exec::heard(ExitStatus::from_raw(0), input),
        Heard::Certificate => return tls::heard(input),
    };
    outcome.to_string()
}

/// Whether a check that passes with the input as a whole passes with it in pieces.
///
/// An HTTP check is over with the first bytes that decide, and looks at no later ones.
pub fn is_same_in_pieces(heard: Heard) -> bool {
    match heard {
        Heard::Http { .. } => false,
        Heard::Ftp { .. }
        | Heard::Nfs { .. }
        | Heard::Greeting(_)
        | Heard::Dns(_)
        | Heard::Icmp
        | Heard::Exec
        | Heard::Certificate => true,
    }
}

fn http<'a>(text: bool, obey: bool, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let text = text.then(|| "farmux".into());
    let status = 200;
    let mut answer = Answer::new(Expected { status, text, obey });
    let judged = pieces
        .into_iter()
        .find_map(|bytes| answer.feed(bytes))
        .unwrap_or_else(|| answer.end());
    judged.map_or_else(Outcome::Fail, Outcome::Pass)
}

fn icmp(packet: &[u8]) -> Outcome {
    let echo = Echo {
        v4: true,
        id: 7,
        sequence: 7,
        payload: [b'7'; PAYLOAD_BYTES],
    };
    match without_ip_head(packet).is_some_and(|message| echo.is_answered_by(message, false)) {
        true => Outcome::Pass(Success::Echoed),
        false => Outcome::Fail(Failure::Closed(Phase::Waiting)),
    }
}
