//! Farms and their servers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use farmux_raft::id::{FarmName, NodeName, ServerName, ServiceName, VipName};
use farmux_raft::state::{
    AdminState, Advice, Fate, FtpTls, Health, Method, OnParentDown, ProxyVersion, ServerRole,
};
use serde::{Deserialize, Serialize};

use super::{MaintenanceReport, Moment};

/// One item of `GET /v1/farms`; `GET /v1/farms/FARM`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarmReport {
    /// What it is called.
    pub name: FarmName,
    /// The VIP its services listen on.
    pub vip: VipName,
    /// Further VIPs that they listen on.
    pub more_vips: Vec<VipName>,
    /// The first VIP's address; null only while a snapshot is being installed.
    pub address: Option<IpAddr>,
    /// Who owns the first of its VIPs that is owned now, and checks its servers.
    pub owner: Option<NodeName>,
    /// Whether it does its work.
    pub condition: Condition,
    /// Why it is down or degraded, in one line; empty where it is neither.
    pub reason: String,
    /// How a server is picked.
    pub method: Method,
    /// How long the share of a server grows after it came up; 0: it has all of it at once.
    pub slow_start_ms: u64,
    /// For how long, and as whom, a client meets the same server again; null: it need not.
    pub persistence: Option<PersistenceReport>,
    /// What a failing check takes its server out of.
    pub fate: Fate,
    /// With fewer servers up it is degraded; 0: it never is.
    pub degraded_below: u32,
    /// With fewer servers up it is down; 1 or more.
    pub down_below: u32,
    /// What its servers depend on: watches, or servers as `farm/server`.
    pub depends_on: Vec<String>,
    /// What becomes of its servers while one of those is down.
    pub on_parent_down: OnParentDown,
    /// What clients of HTTP services are shown where no server is left; null: a plain error.
    pub last_resort: Option<LastResortReport>,
    /// What it listens for.
    pub services: Vec<ServiceReport>,
    /// Who does the work.
    pub servers: Vec<ServerReport>,
}

/// Whether a farm does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Every service has a server, and the farm has enough of them.
    Serving,
    /// It works, with fewer servers than `degraded_below`.
    Degraded,
    /// Some service has no server, or the farm fewer than `down_below`.
    Down,
    /// Verdicts are outstanding, what it depends on is down, or everything was ordered out.
    Undecided,
}

/// For how long, and as whom, a client meets the same server again, in all services of a farm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersistenceReport {
    /// Leading bits of an IPv4 address that make a client.
    pub prefix_v4: u8,
    /// Leading bits of an IPv6 address that make a client.
    pub prefix_v6: u8,
    /// For so long after its last connection or request.
    pub timeout_ms: u64,
}

/// A page of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastResortReport {
    /// Its HTTP status.
    pub status: u16,
    /// How long its body is; `config export` shows it.
    pub body_bytes: u64,
}

/// A service of a farm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// What it is called.
    pub name: ServiceName,
    /// The protocol spoken.
    pub kind: Spoken,
    /// What an FTP service has besides; null on every other kind.
    pub ftp: Option<FtpReport>,
    /// The port on the VIP.
    pub port: u16,
    /// The check in words; null: every server always counts as up.
    pub check: Option<String>,
    /// Most connections (HTTP: requests) at once, over all servers; null: no bound of its own.
    pub max_connections: Option<u32>,
    /// Where clients wait while every server is at its limit.
    pub queue: QueueReport,
    /// What our connections to servers begin with; null: nothing.
    pub send_proxy: Option<ProxyVersion>,
    /// Networks whose connections begin with a PROXY header, as `10.0.0.0/24`.
    pub accept_proxy: Vec<String>,
}

/// The protocol that a service speaks, as a plain word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spoken {
    /// Bytes as they come.
    Tcp,
    /// HTTP/1.1, request by request.
    Http,
    /// FTP, control and data connections.
    Ftp,
}

impl Spoken {
    /// The word that a configuration has for it.
    pub fn word(self) -> &'static str {
        match self {
            Spoken::Tcp => "tcp",
            Spoken::Http => "http",
            Spoken::Ftp => "ftp",
        }
    }
}

/// What an FTP service has besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FtpReport {
    /// Ports of the VIP for passive data connections: `40000-40999`.
    pub data_ports: String,
    /// What becomes of a client that asks for TLS.
    pub tls: FtpTls,
}

/// Where clients wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueReport {
    /// How many wait at most; 0: nobody does.
    pub length: u32,
    /// How long one waits at most.
    pub timeout_ms: u64,
}

/// A server of a farm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReport {
    /// What it is called.
    pub name: ServerName,
    /// Where it answers.
    pub address: IpAddr,
    /// Ports that differ from the service's own.
    pub ports: BTreeMap<ServiceName, u16>,
    /// Its share of the work.
    pub weight: u32,
    /// When it is used at all.
    pub role: ServerRole,
    /// The same now: `standby` for an active one that failed, until an operator says ready.
    pub role_now: ServerRole,
    /// What an operator ordered.
    pub admin: AdminState,
    /// The order by which it is in maintenance; null: it is not, or nobody knows any more.
    #[serde(default)]
    pub maintenance: Option<MaintenanceReport>,
    /// What probes observed, all checks together.
    pub health: Health,
    /// What its own pages ask for, the strictest of them.
    pub advice: Advice,
    /// What is down, or was and is not yet forgiven, and explains that this one is down; null: it
    /// is not down, or by itself.
    pub unreachable_because: Option<String>,
    /// By what it is used or not.
    pub footing: Footing,
    /// The services in which it can be given new work.
    pub serves: Vec<ServiceName>,
    /// Connections (TCP, FTP) and requests (HTTP) in flight, summed over the nodes that answered;
    /// null: the owner of the VIP did not say.
    pub active: Option<u64>,
    /// Most of them at once, for each service; null: no bound of its own.
    pub max_connections: Option<u32>,
    /// Passive data ports of its own, where FTP passes TLS on: `40000-40099`; null elsewhere.
    pub data_ports: Option<String>,
    /// What it depends on beside what its farm does.
    pub depends_on: Vec<String>,
    /// Check by check.
    pub checks: Vec<CheckReport>,
}

/// By what a server is used or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Footing {
    /// Its checks decide.
    Checked,
    /// What it depends on is down: it is used whatever its checks say.
    Kept,
    /// What it depends on is down: it is not used whatever its checks say.
    Removed,
}

/// What one check says of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The service whose check it is.
    pub service: ServiceName,
    /// The verdict.
    pub health: Health,
    /// What the page that it reads asks for.
    pub advice: Advice,
    /// Why.
    pub reason: String,
    /// Since when; null: no verdict yet.
    pub since: Option<Moment>,
}

/// `POST /v1/farms/FARM/servers/SERVER/admin`: orders a server about; and
/// `POST /v1/servers/ADDRESS/admin`: all servers of an address, in whatever farm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminRequest {
    /// What they shall be.
    pub admin: AdminState,
    /// Whether a service may lose its last server by it; no by default.
    #[serde(default)]
    pub allow_empty: bool,
    /// Why, for the history and for whoever wonders; none by default.
    #[serde(default)]
    pub comment: String,
    /// In how many seconds they are ready again by themselves; of maintenance only. Null, the
    /// default: when somebody says so.
    #[serde(default)]
    pub lasts_s: Option<u64>,
}

/// `GET /v1/farms/FARM/servers/SERVER/connections` and `GET /v1/servers/ADDRESS/connections`: what
/// a drain waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsReport {
    /// The servers that are meant, as `farm/server`.
    pub servers: Vec<String>,
    /// Connections and requests in flight at the nodes that answered, all those servers together.
    pub active: u64,
    /// Nodes that may have some and did not answer.
    pub silent: Vec<NodeName>,
    /// Whether the owners of their VIPs are among those that answered; without an owner: true.
    pub owner_answered: bool,
}
