//! PURE. The plan: everything this machine must show on the wire, as one value.
//!
//! Whoever feeds the wire computes a whole plan and hands it over; the newest one wins. What has to
//! change is found by comparing it with what is there, never by replaying what was said before.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Everything this machine must show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Floating addresses, by name.
    pub vips: BTreeMap<Arc<str>, VipPlan>,
    /// What is listened for, on every node and all along; by farm and service.
    pub services: BTreeMap<ServiceKey, ServicePlan>,
    /// What this machine probes.
    pub probes: BTreeMap<ProbeKey, ProbePlan>,
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

/// One check on one server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeKey {
    /// The farm.
    pub farm: Arc<str>,
    /// The server within it.
    pub server: Arc<str>,
    /// The service whose check it is.
    pub service: Arc<str>,
}

/// One listener and the servers behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlan {
    /// The VIP and port; bound with `IP_FREEBIND` whether the VIP is held or not.
    pub listen: SocketAddr,
    /// The protocol spoken.
    pub kind: ServiceKind,
    /// How a server is picked.
    pub method: Method,
    /// Time limits of one connection or request.
    pub limits: Limits,
    /// Whether one failing check takes a server out of all services of the farm.
    pub shared_fate: bool,
    /// The servers, by name, in an order that is equal on every node.
    pub servers: BTreeMap<Arc<str>, ServerPlan>,
}

/// The protocol a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// Bytes as they come.
    Tcp,
    /// HTTP/1.1, request by request.
    Http,
}

/// How a server is picked; all of them weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// In turn (smooth weighted round-robin).
    RoundRobin,
    /// The one with the fewest connections per weight.
    LeastConnections,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPlan {
    /// Where it answers.
    pub address: SocketAddr,
    /// Share of the work, 1 to 256.
    pub weight: u32,
    /// What an operator ordered.
    pub admission: Admission,
    /// Its health as the log remembers it, for this service (shared fate is already counted in).
    pub healthy: bool,
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
    },
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
