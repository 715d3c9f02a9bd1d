//! How one probe ends: well, badly, or without telling anything; in our own words only.
//!
//! No text that a server sent gets in here: what stands in a page, a log or a terminal cannot be
//! chosen by whoever answers a probe. The one exception is named: what a plugin of the operator's
//! says, as a [`PluginLine`].

use std::fmt;
use std::io;
use std::time::Duration;

use super::answer::{BODY_BYTES_MAX, HEAD_BYTES_MAX};
use super::dns::DnsFailure;
use super::exec::{PluginLine, PluginTrouble};
use super::ftp::{FtpFailure, FtpStep};
use super::greeting::{Greeted, GreetingFailure, GreetingStep};
use super::nfs::RpcFailure;
use super::tls::{CertificateDays, TlsFailure};
use crate::plan::{Advice, DnsRecord, Protocol};

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server is well.
    Pass(Success),
    /// It is not.
    Fail(Failure),
    /// Nothing can be said of the server: it changes no verdict.
    Inconclusive(LocalTrouble),
}

/// What was seen of a server that is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Success {
    /// It accepted a connection.
    Connected,
    /// It answered with the expected status.
    Status(u16),
    /// It answered with the expected status and text.
    Text(u16),
    /// The same within TLS.
    Secure {
        /// What was seen.
        within: Box<Success>,
        /// For how long its certificate is good.
        certificate: CertificateDays,
    },
    /// It speaks this protocol.
    Greeted(Protocol, Greeted),
    /// It answered with the expected status, and its page says that it is well.
    Page {
        /// The status.
        status: u16,
        /// What the page asks for.
        advice: Advice,
    },
    /// It knows so many of the records asked for, the expected one among them.
    Resolved {
        /// What was asked for.
        record: DnsRecord,
        /// How many there are.
        count: usize,
    },
    /// It answered an echo request.
    Echoed,
    /// It answered a datagram as it should.
    Replied,
    /// It let us in and listed a folder.
    Listed {
        /// How much of the listing was read.
        bytes: usize,
    },
    /// It let us in and sent a file.
    Fetched {
        /// How much of the file was read.
        bytes: usize,
    },
    /// It answered to a null call, in this version of NFS.
    Answered(u32),
    /// A plugin says that all is well.
    Plugin(PluginLine),
    /// A plugin warns: all is well as yet.
    Warning(PluginLine),
}

/// Why a server is not well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody listens.
    #[error("connection refused")]
    Refused,
    /// The connection was torn down.
    #[error("connection reset while {0}")]
    Reset(Phase),
    /// Nothing happened for too long.
    #[error("timeout after {} while {during}", seconds(.after))]
    Timeout {
        /// The whole time the probe had.
        after: Duration,
        /// How far it had come.
        during: Phase,
    },
    /// The network knows no way there, or nobody has that address.
    #[error("{0}")]
    Unreachable(Unreachable),
    /// The connection ended before the answer began.
    #[error("connection closed without an answer")]
    ClosedSilently,
    /// The connection ended too early.
    #[error("connection closed in the middle of the answer")]
    ClosedEarly,
    /// The answer's head has no end within bounds.
    #[error("answer head of more than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// Something answered, but not in HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// Another status than the expected one.
    #[error("status {got}, expected {expected}")]
    Status {
        /// What came.
        got: u16,
        /// What is well.
        expected: u16,
    },
    /// The text is not there.
    #[error("text not found in the first {BODY_BYTES_MAX} bytes of the body")]
    TextMissing,
    /// The server's page says that it is not well.
    #[error("the server's page says NOT OK")]
    PageNotOk,
    /// The server's page says none of the words that are obeyed.
    #[error("the server's page says nothing that is known")]
    PageUnknown,
    /// A name server says no, or something else.
    #[error(transparent)]
    Dns(#[from] DnsFailure),
    /// A datagram was answered, but otherwise than expected.
    #[error("the answer does not begin as expected")]
    Unexpected,
    /// The connection ended where something was still to come.
    #[error("connection closed while {0}")]
    Closed(Phase),
    /// It happened beside the probed port.
    #[error("{place}: {failure}")]
    Beside {
        /// Where.
        place: Place,
        /// What.
        failure: Box<Failure>,
    },
    /// TLS did not come about, or its certificate does not do.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// A server that should greet says no, or something else.
    #[error(transparent)]
    Greeting(#[from] GreetingFailure),
    /// An FTP server says no, or something else.
    #[error(transparent)]
    Ftp(#[from] FtpFailure),
    /// A server of remote procedures says no, or something else.
    #[error(transparent)]
    Rpc(#[from] RpcFailure),
    /// A plugin says that things are bad.
    #[error("plugin says critical{0}")]
    Critical(PluginLine),
    /// A plugin hangs so deep in the kernel that it cannot be killed.
    #[error("the plugin of an earlier probe hangs and cannot be killed")]
    PluginStuck,
    /// Anything else the system reports.
    #[error("{kind} while {during}")]
    Other {
        /// The system's error, as a kind.
        kind: io::ErrorKind,
        /// How far the probe had come.
        during: Phase,
    },
}

/// Which way there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// No answer to ARP, or a router says so.
    Host,
    /// No route.
    Network,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unreachable::Host => "host unreachable",
            Unreachable::Network => "network unreachable",
        })
    }
}

/// Where, beside the probed port, a probe has to do with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The passive data connection of FTP.
    DataConnection,
    /// The port at which, so its portmapper says, NFS answers.
    NfsPort(u16),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::DataConnection => f.write_str("data connection"),
            Place::NfsPort(port) => write!(f, "NFS at port {port}"),
        }
    }
}

/// How far a probe had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No connection yet.
    Connecting,
    /// Connected; not all of the request is gone.
    Asking,
    /// Asked; no byte of the answer yet.
    Waiting,
    /// In the middle of the answer.
    Reading,
    /// In the middle of an FTP dialogue.
    Ftp(FtpStep),
    /// TLS is not there yet.
    Handshake,
    /// In the middle of a greeting.
    Greeting(Protocol, GreetingStep),
    /// A plugin runs.
    Plugin,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Connecting => "connecting",
            Phase::Asking => "sending the request",
            Phase::Waiting => "waiting for the answer",
            Phase::Reading => "reading the answer",
            Phase::Ftp(step) => return f.write_str(&step.awaited()),
            Phase::Handshake => "negotiating TLS",
            Phase::Greeting(protocol, step) => {
                return write!(f, "waiting for the {} {step}", protocol.name());
            }
            Phase::Plugin => "its plugin ran",
        })
    }
}

/// Why a probe tells nothing of the server: this machine could not ask, or did not wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalTrouble {
    /// Files, ports or memory ran out here.
    #[error("this node could not probe: {0}")]
    Exhausted(String),
    /// Every address that the probe could leave from is a VIP.
    #[error("this node could not probe: no own address leads there")]
    NoOwnAddress,
    /// Whose certificates to trust cannot be read.
    #[error("this node could not probe: {0}")]
    Trust(String),
    /// The check's host is nothing that a certificate could bear.
    #[error("this node could not probe: no certificate can bear the name in the check's host")]
    CertificateName,
    /// A plugin could not be run, or did not do what plugins do.
    #[error("this node could not probe: {0}")]
    Plugin(PluginTrouble),
    /// The kernel lets this process send no echo requests.
    #[error(
        "this node could not probe: no ICMP without CAP_NET_RAW or a group in \
         net.ipv4.ping_group_range"
    )]
    NoIcmp,
    /// Asked out of turn, it was given less time than its check may take, and ran out of it.
    #[error("asked out of turn and not waited for: {0}")]
    Hurried(Box<Failure>),
}

impl Outcome {
    /// Whether the probe got to its target: whatever answers, and be it with a refusal, is there.
    pub fn is_reached(&self) -> bool {
        match self {
            Outcome::Pass(_) => true,
            Outcome::Fail(failure) => !matches!(
                failure,
                Failure::Unreachable(_)
                    | Failure::Timeout {
                        during: Phase::Connecting,
                        ..
                    }
            ),
            Outcome::Inconclusive(_) => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Pass(success) => success.fmt(f),
            Outcome::Fail(failure) => failure.fmt(f),
            Outcome::Inconclusive(trouble) => trouble.fmt(f),
        }
    }
}

impl fmt::Display for Success {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Success::Connected => write!(f, "connected"),
            Success::Status(status) => write!(f, "status {status}"),
            Success::Text(status) => write!(f, "status {status}, text found"),
            Success::Secure {
                within,
                certificate,
            } => write!(f, "{within}, {certificate}"),
            Success::Greeted(protocol, greeted) => write!(f, "{} {greeted}", protocol.name()),
            Success::Page { status, advice } => {
                write!(f, "status {status}, the page says {advice}")
            }
            Success::Resolved { record, count: 1 } => write!(f, "1 {record} record"),
            Success::Resolved { record, count } => write!(f, "{count} {record} records"),
            Success::Echoed => write!(f, "echo answered"),
            Success::Replied => write!(f, "answered"),
            Success::Listed { bytes } => write!(f, "logged in, {bytes} bytes listed"),
            Success::Fetched { bytes } => write!(f, "logged in, {bytes} bytes fetched"),
            Success::Answered(version) => write!(f, "NFS version {version} answers"),
            Success::Plugin(line) => write!(f, "plugin says ok{line}"),
            Success::Warning(line) => write!(f, "plugin warns{line}"),
        }
    }
}

impl Failure {
    /// Whether nothing happened for too long, wherever that was.
    pub(super) fn is_timeout(&self) -> bool {
        match self {
            Failure::Timeout { .. } => true,
            Failure::Beside { failure, .. } => failure.is_timeout(),
            Failure::Refused
            | Failure::Reset(_)
            | Failure::Unreachable(_)
            | Failure::ClosedSilently
            | Failure::ClosedEarly
            | Failure::HeadTooLong
            | Failure::NotHttp
            | Failure::Status { .. }
            | Failure::TextMissing
            | Failure::PageNotOk
            | Failure::PageUnknown
            | Failure::Dns(_)
            | Failure::Unexpected
            | Failure::Closed(_)
            | Failure::Tls(_)
            | Failure::Greeting(_)
            | Failure::Ftp(_)
            | Failure::Rpc(_)
            | Failure::Critical(_)
            | Failure::PluginStuck
            | Failure::Other { .. } => false,
        }
    }
}

impl Success {
    /// What the server asks for.
    pub(super) fn advice(&self) -> Advice {
        match self {
            Success::Page { advice, .. } => *advice,
            Success::Secure { within, .. } => within.advice(),
            Success::Connected
            | Success::Greeted(..)
            | Success::Status(_)
            | Success::Text(_)
            | Success::Resolved { .. }
            | Success::Echoed
            | Success::Replied
            | Success::Listed { .. }
            | Success::Fetched { .. }
            | Success::Answered(_)
            | Success::Plugin(_)
            | Success::Warning(_) => Advice::None,
        }
    }
}

impl Outcome {
    /// The same, said of another place than the probed port.
    pub(super) fn beside(self, place: Place) -> Outcome {
        match self {
            Outcome::Fail(failure) => Outcome::Fail(Failure::Beside {
                place,
                failure: Box::new(failure),
            }),
            Outcome::Pass(_) | Outcome::Inconclusive(_) => self,
        }
    }

    /// Sorts what the system reported: about the server, or about ourselves.
    pub(super) fn from_io(error: &io::Error, during: Phase) -> Outcome {
        const OURS: [i32; 8] = [
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::EADDRNOTAVAIL,
            libc::EADDRINUSE,
            libc::EPERM,
            libc::EACCES,
        ];
        if error
            .raw_os_error()
            .is_some_and(|code| OURS.contains(&code))
        {
            return Outcome::Inconclusive(LocalTrouble::Exhausted(error.to_string()));
        }
        let kind = error.kind();
        let failure = if let Some(failure) = TlsFailure::of(error) {
            Failure::Tls(failure)
        } else if during == Phase::Handshake && kind == io::ErrorKind::UnexpectedEof {
            Failure::Closed(during)
        } else if kind == io::ErrorKind::ConnectionRefused {
            Failure::Refused
        } else if matches!(
            kind,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        ) {
            Failure::Reset(during)
        } else if kind == io::ErrorKind::HostUnreachable {
            Failure::Unreachable(Unreachable::Host)
        } else if kind == io::ErrorKind::NetworkUnreachable {
            Failure::Unreachable(Unreachable::Network)
        } else {
            Failure::Other { kind, during }
        };
        Outcome::Fail(failure)
    }
}

/// A duration as people write it: `1 s`, `1.5 s`, `200 ms`.
fn seconds(duration: &Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1000 {
        return format!("{millis} ms");
    }
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        for (millis, text) in [
            (1, "1 ms"),
            (999, "999 ms"),
            (1000, "1 s"),
            (1500, "1.5 s"),
            (30_010, "30.01 s"),
        ] {
            assert_eq!(seconds(&Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn our_own_exhaustion_never_speaks_against_a_server() {
        let ours = io::Error::from_raw_os_error(libc::EMFILE);
        assert!(matches!(
            Outcome::from_io(&ours, Phase::Connecting),
            Outcome::Inconclusive(_)
        ));
        let theirs = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(
            Outcome::from_io(&theirs, Phase::Connecting),
            Outcome::Fail(Failure::Refused)
        );
    }
}
