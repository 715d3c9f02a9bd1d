//! Farms and their servers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use farmux_raft::id::{FarmName, NodeName, ServerName, ServiceName, VipName};
use farmux_raft::state::{AdminState, Fate, Health, Method, ServerRole, ServiceKind};
use serde::{Deserialize, Serialize};

use super::Moment;

/// One item of `GET /v1/farms`; `GET /v1/farms/FARM`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarmReport {
    /// What it is called.
    pub name: FarmName,
    /// The VIP its services listen on.
    pub vip: VipName,
    /// That VIP's address; null only while a snapshot is being installed.
    pub address: Option<IpAddr>,
    /// Who owns the VIP now.
    pub owner: Option<NodeName>,
    /// How a server is picked.
    pub method: Method,
    /// What a failing check takes its server out of.
    pub fate: Fate,
    /// What it listens for.
    pub services: Vec<ServiceReport>,
    /// Who does the work.
    pub servers: Vec<ServerReport>,
}

/// A service of a farm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// What it is called.
    pub name: ServiceName,
    /// The protocol spoken.
    pub kind: ServiceKind,
    /// The port on the VIP.
    pub port: u16,
    /// The check in words; null: every server always counts as up.
    pub check: Option<String>,
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
    /// What an operator ordered.
    pub admin: AdminState,
    /// What probes observed, all checks together.
    pub health: Health,
    /// The services in which it gets new work.
    pub serves: Vec<ServiceName>,
    /// Connections (TCP) and requests (HTTP) in flight, summed over the nodes that answered; null:
    /// the owner of the VIP did not say.
    pub active: Option<u64>,
    /// Check by check.
    pub checks: Vec<CheckReport>,
}

/// What one check says of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The service whose check it is.
    pub service: ServiceName,
    /// The verdict.
    pub health: Health,
    /// Why.
    pub reason: String,
    /// Since when; null: no verdict yet.
    pub since: Option<Moment>,
}

/// `POST /v1/farms/FARM/servers/SERVER/admin`: orders a server about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminRequest {
    /// What it shall be.
    pub admin: AdminState,
    /// Whether a service may lose its last server by it; no by default.
    #[serde(default)]
    pub allow_empty: bool,
}

/// `GET /v1/farms/FARM/servers/SERVER/connections`: what a drain waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsReport {
    /// Connections and requests in flight at the nodes that answered.
    pub active: u64,
    /// Nodes that may have some and did not answer.
    pub silent: Vec<NodeName>,
    /// Whether the owner of the VIP is among those that answered; without an owner: true.
    pub owner_answered: bool,
}
