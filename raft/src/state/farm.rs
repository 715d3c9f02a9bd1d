//! Farms: servers that do the same work, the services they offer, and the checks that watch them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{ServerName, ServiceName, VipName};

/// Servers that do the same work behind one VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farm {
    /// The VIP its services listen on.
    pub vip: VipName,
    /// How a server is picked.
    pub method: Method,
    /// Whether one failing check takes a server out of every service.
    pub fate: Fate,
    /// What it listens for, by name.
    pub services: BTreeMap<ServiceName, Service>,
    /// Who does the work, by name.
    pub servers: BTreeMap<ServerName, Server>,
}

/// How a server is picked; all of them weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// In turn.
    #[default]
    RoundRobin,
    /// The one with the fewest connections per weight.
    LeastConnections,
}

/// What a failing check takes its server out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Out of every service of the farm.
    #[default]
    Shared,
    /// Only out of the service that is checked.
    Each,
}

/// What a VIP listens for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The protocol spoken.
    pub kind: ServiceKind,
    /// The port on the VIP.
    pub port: NonZeroU16,
    /// The rule that decides who is up; `None`: every server always is.
    pub check: Option<Check>,
    /// How long and how much one connection may take.
    pub limits: Limits,
}

/// The protocol a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// Bytes as they come.
    Tcp,
    /// HTTP/1.1, request by request.
    Http,
}

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

/// A rule by which a server is up or down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What one probe does.
    pub kind: CheckKind,
    /// From the start of one probe to the start of the next; 100 ms to one hour.
    pub interval: Duration,
    /// How long one probe may take; never above the interval.
    pub timeout: Duration,
    /// Failures in a row until down; 1 to 100.
    pub fall: NonZeroU32,
    /// Successes in a row until up again; 1 to 100.
    pub rise: NonZeroU32,
}

/// What one probe does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// Connects.
    Tcp,
    /// Asks and reads an answer.
    Http(HttpCheck),
}

/// What an HTTP probe asks and expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// The request target; starts with `/`.
    pub path: String,
    /// The `Host` field; the server's address where there is none.
    pub host: Option<String>,
    /// The one status that is well.
    pub status: u16,
    /// Text that must stand in the first 64 KiB of the body.
    pub text: Option<String>,
}

/// One address that does the farm's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Where it answers.
    pub address: IpAddr,
    /// Ports that differ from the service's own.
    pub ports: BTreeMap<ServiceName, NonZeroU16>,
    /// Share of the work, 1 to 256.
    pub weight: NonZeroU32,
    /// When it is used at all.
    pub role: ServerRole,
    /// What an operator ordered.
    pub admin: AdminState,
}

/// What an operator ordered for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdminState {
    /// Works when it is up.
    #[default]
    Ready,
    /// Gets nothing new; what it has, it finishes.
    Drain,
    /// Gets nothing, and is neither probed nor paged for.
    Maintenance,
}

/// When a server is used. The other roles of the design come with their rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerRole {
    /// Whenever it is up; returns by itself.
    #[default]
    Favorite,
}
