//! PURE. The plan: everything this machine must show on the wire, as one value.
//!
//! Whoever feeds the wire computes a whole plan and hands it over; the newest one wins. What has to
//! change is found by comparing it with what is there, never by replaying what was said before.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

mod checks;

pub use checks::{Advice, DnsRecord, ProbeTls, Protocol};

/// Everything this machine must show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Floating addresses, by name.
    pub vips: BTreeMap<Arc<str>, VipPlan>,
    /// What is listened for, on every node and all along; by farm and service.
    pub services: BTreeMap<ServiceKey, ServicePlan>,
    /// What this machine probes.
    pub probes: BTreeMap<ProbeKey, ProbePlan>,
    /// Checks of others about which it is asked; `asked` numbers the question.
    pub opinions: BTreeMap<ProbeKey, ProbePlan>,
    /// When it suspects itself; `None`: never, because nobody else could tell.
    pub suspicion: Option<SuspicionPlan>,
}

/// When this machine suspects itself, rather than all that it probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuspicionPlan {
    /// When more than this share of its checks begins to fail at once, in per cent.
    pub percent: u32,
    /// But not with fewer than this.
    pub least: u32,
    /// For so long nothing that fails is believed, unless it is found out earlier.
    pub wait: Duration,
    /// Which suspicion has been decided, by its id.
    pub told: Option<u64>,
}

/// A floating address on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipPlan {
    /// The address itself.
    pub address: IpAddr,
    /// The interface of its network here; a node without one cannot hold it.
    pub interface: Option<Arc<str>>,
    /// Whether this machine answers for it now.
    pub held: bool,
}

/// A service of a farm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// The farm.
    pub farm: Arc<str>,
    /// The service within it.
    pub service: Arc<str>,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.farm, self.service)
    }
}

/// One check on one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKey {
    /// A server of a farm.
    Server {
        /// The farm.
        farm: Arc<str>,
        /// The server within it.
        server: Arc<str>,
        /// The service whose check it is.
        service: Arc<str>,
    },
    /// Something that is watched, not balanced.
    Watch(Arc<str>),
}

impl fmt::Display for ProbeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeKey::Server {
                farm,
                server,
                service,
            } => write!(f, "{farm}/{server}/{service}"),
            ProbeKey::Watch(watch) => write!(f, "{watch}"),
        }
    }
}

/// One listener and the servers behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlan {
    /// The VIP and port; bound with `IP_FREEBIND` whether the VIP is held or not.
    pub listen: SocketAddr,
    /// Where the same is listened for as well: further VIPs, which may be on other nodes.
    pub listen_also: Arc<[SocketAddr]>,
    /// The protocol spoken.
    pub kind: ServiceKind,
    /// How a server is picked.
    pub method: Method,
    /// Time limits of one connection or request.
    pub limits: Limits,
    /// Whether one failing check takes a server out of all services of the farm.
    pub shared_fate: bool,
    /// Whether, and for how long, a client meets the same server again in all services of the farm.
    pub persistence: Option<Persistence>,
    /// How long the share of a server grows after it came up; zero: it has all of it at once, as it
    /// always has with [`Method::SourceHash`].
    pub slow_start: Duration,
    /// Most connections (TCP, FTP) or requests (HTTP) of this service at once, over all servers.
    pub max_connections: Option<NonZeroU32>,
    /// Where clients wait while every server is at its limit.
    pub queue: Queue,
    /// Who tells whom, by the PROXY protocol, who the client is.
    pub proxy: ProxyPlan,
    /// What clients of an HTTP service are answered where no server is left.
    pub last_resort: Option<LastResortPage>,
    /// The servers, by name, in an order that is equal on every node.
    pub servers: BTreeMap<Arc<str>, ServerPlan>,
}

impl ServicePlan {
    /// Everywhere that it is listened for.
    pub fn listens(&self) -> impl Iterator<Item = SocketAddr> {
        std::iter::once(self.listen).chain(self.listen_also.iter().copied())
    }

    /// A service without any of the refinements: servers in turn, each as long as it is well.
    pub fn plain(listen: SocketAddr, kind: ServiceKind, limits: Limits) -> ServicePlan {
        ServicePlan {
            listen,
            listen_also: Arc::new([]),
            kind,
            method: Method::RoundRobin,
            limits,
            shared_fate: true,
            persistence: None,
            slow_start: Duration::ZERO,
            max_connections: None,
            queue: Queue {
                length: 0,
                timeout: Duration::ZERO,
            },
            proxy: ProxyPlan {
                send: None,
                accept_from: Arc::new([]),
            },
            last_resort: None,
            servers: BTreeMap::new(),
        }
    }
}

impl ServerPlan {
    /// A server that is well, of the first tier and of weight 1.
    pub fn plain(address: SocketAddr) -> ServerPlan {
        ServerPlan {
            address,
            weight: 1,
            admission: Admission::Ready,
            footing: Footing::Checked { healthy: true },
            tier: Tier::First,
            max_connections: None,
            data_ports: None,
            advice: Advice::None,
        }
    }
}

/// The protocol a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// Bytes as they come.
    Tcp,
    /// HTTP/1.1, request by request.
    Http,
    /// FTP: a control connection, and data connections that belong to it.
    Ftp(FtpPlan),
}

/// What an FTP service does beside its control connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FtpPlan {
    /// Ports of the VIP at which clients find their passive data connections.
    pub data_ports: PortRange,
    /// What becomes of a client that asks for TLS.
    pub tls: FtpTls,
}

/// Ports from `first` to `last`, both included; `first` is at least 1024 and at most `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

/// What becomes of an FTP client that asks for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FtpTls {
    /// It is told no, and why.
    Refuse,
    /// It speaks TLS with its server; data ports are each server's own
    /// ([`ServerPlan::data_ports`]).
    Pass,
}

/// How a server is picked; all of them weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// In turn (smooth weighted round-robin).
    RoundRobin,
    /// The one with the fewest connections per weight.
    LeastConnections,
    /// By the client's address, through a Maglev table that is equal on every node.
    SourceHash,
    /// The one of two drawn at random that has fewer connections per weight.
    RandomOfTwo,
}

/// For how long a client meets the same server again, while that is well.
///
/// The node that serves remembers it, and a takeover forgets it: clients then meet servers anew.
/// Where they must not, [`Method::SourceHash`] gives every node the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// Leading bits of an IPv4 address that make a client, 8 to 32.
    pub prefix_v4: u8,
    /// Leading bits of an IPv6 address that make a client, 16 to 128.
    pub prefix_v6: u8,
    /// For so long after its last connection or request.
    pub timeout: Duration,
}

/// Where clients wait while every server is at its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// How many wait at most, over the whole service; zero: nobody does.
    pub length: u32,
    /// How long one waits at most.
    pub timeout: Duration,
}

/// Who tells whom who the client is.
///
/// **Source**: The PROXY protocol, versions 1 and 2 (HAProxy, `doc/proxy-protocol.txt`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyPlan {
    /// What our connections to servers begin with.
    pub send: Option<ProxyVersion>,
    /// Whose connections must begin with such a header; all others must not.
    pub accept_from: Arc<[IpNet]>,
}

/// How the header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyVersion {
    /// As a line of text.
    V1,
    /// As bytes.
    V2,
}

/// An answer of our own for when no server is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastResortPage {
    /// 200 to 599.
    pub status: u16,
    /// HTML in UTF-8, at most 16 KiB.
    pub body: Arc<str>,
}

/// Time limits of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// One server of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerPlan {
    /// Where it answers.
    pub address: SocketAddr,
    /// Share of the work, 1 to 256.
    pub weight: u32,
    /// What an operator ordered.
    pub admission: Admission,
    /// What decides whether it is well enough to be given work.
    pub footing: Footing,
    /// When it is used, among those that are well.
    pub tier: Tier,
    /// Most connections or requests that it has in hand at once for this service.
    pub max_connections: Option<NonZeroU32>,
    /// Passive data ports that are its own; only for FTP services that pass TLS on.
    pub data_ports: Option<PortRange>,
    /// What its own page asked for last, as the log remembers it for this service; it counts where
    /// this machine does not probe.
    pub advice: Advice,
}

/// What decides whether a server is well enough to be given work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footing {
    /// Its checks do: this machine's own, where it probes; else what the log remembers for this
    /// service (shared fate is already counted in).
    Checked {
        /// What the log remembers.
        healthy: bool,
    },
    /// What it depends on is down, and it is used all the same, whatever its checks say.
    Kept,
    /// What it depends on is down, and it is not used, whatever its checks say.
    Removed,
}

/// When a server is used: only the first tier in which anybody is well gets work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Whenever it is well.
    First,
    /// While nobody of the first tier is.
    Standby,
    /// While nobody else is.
    LastResort,
}

/// What an operator ordered for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Works when it is healthy.
    Ready,
    /// Gets nothing new; what it has, it finishes.
    Drain,
    /// Gets nothing.
    Maintenance,
}

/// One check that this machine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbePlan {
    /// Where the probe goes.
    pub target: SocketAddr,
    /// What one probe does.
    pub kind: ProbeKind,
    /// What connections of TCP, HTTP and FTP probes begin with, as those of the service do; it says
    /// that there is no client.
    pub proxy: Option<ProxyVersion>,
    /// From the start of one probe to the start of the next.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// Failures in a row until down.
    pub fall: u32,
    /// Successes in a row until up.
    pub rise: u32,
    /// The verdict that the log remembers: probing goes on from it.
    pub remembered: Health,
    /// The advice that the log remembers, beside that verdict.
    pub advised: Advice,
    /// The number of the newest question of those who want to know at once; 0: nobody waits. When
    /// it rises, the check is made out of turn.
    pub asked: u64,
}

/// What one probe does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// Connects.
    Tcp,
    /// Asks and reads an answer.
    Http {
        /// The request target.
        path: Arc<str>,
        /// The `Host` field.
        host: Arc<str>,
        /// The one status that is well.
        status: u16,
        /// Text that must stand in the first 64 KiB of the body.
        text: Option<Arc<str>>,
        /// Whether the first line of the body is obeyed ([`Advice`]).
        obey: bool,
        /// With TLS around it.
        tls: Option<ProbeTls>,
    },
    /// Logs in to an FTP server and has it send something over a passive data connection. None of
    /// the words holds a control character: each becomes part of one line.
    Ftp {
        /// Whom it logs in as.
        user: Arc<str>,
        /// The password.
        password: Hidden,
        /// The file that is fetched; without one the folder after login is listed.
        fetch: Option<Arc<str>>,
    },
    /// Calls the null procedure of an NFS server; never mounts anything.
    Nfs {
        /// What carries the call.
        transport: NfsTransport,
        /// The version of NFS asked for: 3 or 4.
        version: u32,
        /// Whether the target's port is the portmapper's (111), which is asked for the port of
        /// NFS; else it is that of NFS itself (2049).
        portmapper: bool,
    },
    /// Runs a program of this machine, by the conventions of Nagios plugins.
    Exec {
        /// The name of a file within the folder that `node.toml` names.
        command: Arc<str>,
        /// What it is given.
        arguments: Arc<[Arc<str>]>,
    },
    /// Connects and reads how the server greets.
    Greeting(Protocol),
    /// Looks a name up.
    Dns {
        /// The name.
        name: Arc<str>,
        /// Which of its records.
        record: DnsRecord,
        /// One of the answers must be this; without it any answer is well.
        value: Option<Arc<str>>,
    },
    /// Sends an echo request; the port means nothing.
    Icmp,
    /// Sends a datagram, and waits for one.
    Udp {
        /// What is sent.
        send: Arc<[u8]>,
        /// How the answer must begin; empty: any answer is well.
        expect: Arc<[u8]>,
    },
}

/// A secret: written to a server, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub Arc<str>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// What carries a call to an NFS server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NfsTransport {
    /// One connection.
    Tcp,
    /// Datagrams, sent again where no answer comes.
    Udp,
}

/// What probes say of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// No verdict yet.
    #[default]
    Unknown,
    /// Answers as it should.
    Up,
    /// Does not.
    Down,
}
