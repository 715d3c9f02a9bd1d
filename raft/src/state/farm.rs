//! Farms: servers that do the same work, and the services they offer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::{Check, FaultKind, Server};
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

impl Farm {
    /// Its checks, by service.
    pub fn checks(&self) -> impl Iterator<Item = (&ServiceName, &Check)> {
        self.services
            .iter()
            .filter_map(|(name, service)| Some((name, service.check.as_ref()?)))
    }

    /// Where a server answers for a service.
    pub fn target(&self, server: &ServerName, service: &ServiceName) -> Option<SocketAddr> {
        let server = self.servers.get(server)?;
        let own = self.services.get(service)?.port;
        let port = server.ports.get(service).copied().unwrap_or(own);
        Some(SocketAddr::new(server.address, port.get()))
    }

    /// What is wrong with it by itself.
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        if self.services.is_empty() {
            faults.add(format!("{at}.service"), FaultKind::Missing);
        }
        for (name, service) in &self.services {
            service.check(&format!("{at}.service[{name}]"), faults);
        }
        for (name, server) in &self.servers {
            server.check(self, &format!("{at}.server[{name}]"), faults);
        }
        self.check_twins(at, faults);
    }

    /// Two servers that are one would get a double share and count as two.
    fn check_twins(&self, at: &str, faults: &mut Faults) {
        for service in self.services.keys() {
            let mut owners: BTreeMap<SocketAddr, &ServerName> = BTreeMap::new();
            for name in self.servers.keys() {
                let Some(target) = self.target(name, service) else {
                    continue;
                };
                if let Some(twin) = owners.insert(target, name) {
                    let kind = FaultKind::ServerTwice(twin.to_string());
                    faults.add(format!("{at}.server[{name}].address"), kind);
                }
            }
        }
    }
}

impl Service {
    fn check(&self, at: &str, faults: &mut Faults) {
        let Limits {
            connect,
            header,
            idle,
            total,
        } = self.limits;
        let limits = [
            ("connect", connect),
            ("header", header),
            ("idle", idle),
            ("total", total),
        ];
        for (name, have) in limits {
            if !(LIMIT_MIN..=LIMIT_MAX).contains(&have) {
                let kind = FaultKind::Duration {
                    have,
                    min: LIMIT_MIN,
                    max: LIMIT_MAX,
                };
                faults.add(format!("{at}.limits.{name}"), kind);
            }
        }
        if let Some(check) = &self.check {
            check.check(&format!("{at}.check"), faults);
        }
    }
}

/// Below, a busy machine's own scheduling decides.
const LIMIT_MIN: Duration = Duration::from_millis(10);

/// Above, a connection outlives every drain.
const LIMIT_MAX: Duration = Duration::from_secs(24 * 3_600);
