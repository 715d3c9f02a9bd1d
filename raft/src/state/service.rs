//! Services: what a VIP listens for, and the bounds of a connection.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::word::words;
use super::{Check, FaultKind};

/// What a VIP listens for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The protocol spoken.
    pub kind: ServiceKind,
    /// The port on the VIP.
    pub port: NonZeroU16,
    /// The rule that decides who is up; `None`: every server always is.
    pub check: Option<Check>,
    /// How long one connection may take.
    pub limits: Limits,
    /// Most connections (HTTP: requests) at once, over all servers.
    pub max_connections: Option<NonZeroU32>,
    /// Where clients wait while every server is at its limit.
    pub queue: Queue,
    /// What our connections to servers begin with.
    pub send_proxy: Option<ProxyVersion>,
    /// Whose connections begin with a PROXY header; at most 20 networks.
    pub accept_proxy: Vec<IpNet>,
}

/// The protocol a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// Bytes as they come.
    Tcp,
    /// HTTP/1.1, request by request.
    Http,
    /// FTP, control and data connections.
    Ftp(Ftp),
}

impl ServiceKind {
    /// The word that a configuration has for it.
    pub fn word(self) -> &'static str {
        match self {
            ServiceKind::Tcp => "tcp",
            ServiceKind::Http => "http",
            ServiceKind::Ftp(_) => "ftp",
        }
    }
}

/// What an FTP service has besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ftp {
    /// Ports of the VIP for passive data connections.
    pub data_ports: PortRange,
    /// What becomes of a client that asks for TLS.
    pub tls: FtpTls,
}

/// What becomes of an FTP client that asks for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FtpTls {
    /// It is told no, and why.
    #[default]
    Refuse,
    /// It speaks TLS with its server; every server needs `data_ports` of its own.
    Pass,
}

words!(FtpTls { Refuse => "refuse", Pass => "pass" });

/// Ports from `first` to `last`, both included.
///
/// **Shape**: `40000-40999`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortRange {
    /// The lowest, at least 1024.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

/// A text that is no range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a range of ports; write it as in \"40000-40999\"")]
pub struct PortRangeError(String);

impl std::str::FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let error = || PortRangeError(text.to_owned());
        let (first, last) = text.split_once('-').ok_or_else(error)?;
        let port = |digits: &str| {
            let plain = digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        Ok(PortRange {
            first: port(first).ok_or_else(error)?,
            last: port(last).ok_or_else(error)?,
        })
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl PortRange {
    /// Whether a port lies within.
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether any port lies in both.
    pub fn meets(&self, other: &PortRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        if self.first < DATA_PORT_MIN || self.last < self.first {
            faults.add(at, FaultKind::PortRange(self.to_string()));
        }
    }
}

/// Where clients wait while every server is at its limit.
///
/// **Units**: at most 100,000 clients, each for 10 ms to one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// How many wait at most; zero: nobody does.
    pub length: u32,
    /// How long one waits at most.
    pub timeout: Duration,
}

impl Default for Queue {
    /// A burst is ridden out; nobody looks at an empty page for longer than a few seconds.
    fn default() -> Self {
        Queue {
            length: 100,
            timeout: Duration::from_secs(5),
        }
    }
}

/// How a PROXY header is written.
///
/// **Source**: HAProxy, `doc/proxy-protocol.txt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyVersion {
    /// As a line of text.
    V1,
    /// As bytes.
    V2,
}

words!(ProxyVersion { V1 => "v1", V2 => "v2" });

/// Time limits of a service, all bounded by default.
///
/// **Units**: each a duration from 10 ms to one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Until a server accepts a connection.
    pub connect: Duration,
    /// Until a client has sent a whole request head.
    pub header: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
    /// The whole life of one request, or of one TCP connection.
    pub total: Duration,
}

impl Default for Limits {
    /// HAProxy's customary `timeout connect 5s`, `http-request 10s`, `client 60s`; an hour in all,
    /// so that a forgotten download cannot keep a drain from ending for ever.
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(5),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(3600),
        }
    }
}

impl Limits {
    /// Each limit with its word.
    pub fn named(&self) -> [(&'static str, Duration); 4] {
        [
            ("connect", self.connect),
            ("header", self.header),
            ("idle", self.idle),
            ("total", self.total),
        ]
    }
}

impl Service {
    /// A service without a check and refinements.
    pub fn plain(kind: ServiceKind, port: NonZeroU16) -> Service {
        Service {
            kind,
            port,
            check: None,
            limits: Limits::default(),
            max_connections: None,
            queue: Queue::default(),
            send_proxy: None,
            accept_proxy: vec![],
        }
    }

    /// Every port of the VIP that it takes.
    pub fn ports(&self) -> Vec<PortRange> {
        let port = self.port.get();
        let mut ports = vec![PortRange {
            first: port,
            last: port,
        }];
        if let ServiceKind::Ftp(ftp) = self.kind {
            ports.push(ftp.data_ports);
        }
        ports
    }

    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        for (name, have) in self.limits.named() {
            between(
                &format!("{at}.limits.{name}"),
                have,
                LIMIT_MIN,
                LIMIT_MAX,
                faults,
            );
        }
        if let Some(check) = &self.check {
            check.check(&format!("{at}.check"), faults);
        }
        if self.queue.length > QUEUE_MAX {
            let (have, max) = (self.queue.length.into(), QUEUE_MAX.into());
            faults.add(
                format!("{at}.queue.length"),
                FaultKind::Range { have, min: 0, max },
            );
        }
        let here = format!("{at}.queue.timeout");
        between(
            &here,
            self.queue.timeout,
            LIMIT_MIN,
            QUEUE_TIMEOUT_MAX,
            faults,
        );
        self.check_proxy(at, faults);
        if let ServiceKind::Ftp(ftp) = self.kind {
            let here = format!("{at}.data_ports");
            ftp.data_ports.check(&here, faults);
            if ftp.data_ports.contains(self.port.get()) {
                let owner = "its control connections".to_owned();
                let port = self.port.get();
                faults.add(&here, FaultKind::PortTaken { port, owner });
            }
        }
    }

    fn check_proxy(&self, at: &str, faults: &mut Faults) {
        let have = self.accept_proxy.len();
        let here = format!("{at}.accept_proxy");
        if have > PROXY_NETWORKS_MAX {
            let max = PROXY_NETWORKS_MAX;
            faults.add(&here, FaultKind::TooMany { have, max });
        }
        for network in self.accept_proxy.iter().filter(|net| net.prefix_len() == 0) {
            faults.add(&here, FaultKind::AnybodysProxy(*network));
        }
        if self.send_proxy.is_some() && matches!(self.kind, ServiceKind::Ftp(_)) {
            faults.add(format!("{at}.send_proxy"), FaultKind::FtpSendsNoProxy);
        }
    }
}

/// A duration within its bounds.
pub(super) fn between(at: &str, have: Duration, min: Duration, max: Duration, faults: &mut Faults) {
    if !(min..=max).contains(&have) {
        faults.add(at, FaultKind::Duration { have, min, max });
    }
}

/// Below, a busy machine's own scheduling decides.
const LIMIT_MIN: Duration = Duration::from_millis(10);

/// Above, a connection outlives every drain.
const LIMIT_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Nobody who waits longer still wants the answer.
const QUEUE_TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

/// Each waits with a socket and a task; more than a node has descriptors for is no bound.
const QUEUE_MAX: u32 = 100_000;

/// Other balancers in front are few.
const PROXY_NETWORKS_MAX: usize = 20;

/// **Source**: RFC 2577, section 3: no data connection to or from a privileged port.
const DATA_PORT_MIN: u16 = 1024;
