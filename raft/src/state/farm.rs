//! Farms: servers that do the same work behind one VIP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::{STATUS_MAX, STATUS_MIN};
use super::fault::Faults;
use super::service::between;
use super::word::words;
use super::{Check, FaultKind, Ftp, FtpTls, Parent, PortRange, Server, Service, ServiceKind};
use crate::id::{LadderName, ServerName, ServiceName, VipName};

/// Servers that do the same work behind one VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farm {
    /// The VIP its services listen on.
    pub vip: VipName,
    /// How a server is picked.
    pub method: Method,
    /// Whether one failing check takes a server out of every service.
    pub fate: Fate,
    /// Whether, and for how long, a client meets the same server again in all services.
    pub persistence: Option<Persistence>,
    /// How long the share of a server grows after it came up, at most an hour; zero: it has all of
    /// it at once.
    pub slow_start: Duration,
    /// What clients of HTTP services are answered where no server is left.
    pub last_resort: Option<LastResortPage>,
    /// With fewer servers up the farm is degraded; zero: it never is.
    pub degraded_below: u32,
    /// With fewer servers up the farm is down; at least 1.
    pub down_below: NonZeroU32,
    /// What must be up for its servers to be up.
    pub depends_on: BTreeSet<Parent>,
    /// What becomes of its servers otherwise.
    pub on_parent_down: OnParentDown,
    /// Who is paged for it; the cluster's ladder by default.
    pub ladder: Option<LadderName>,
    /// What it listens for, by name.
    pub services: BTreeMap<ServiceName, Service>,
    /// Who does the work, by name.
    pub servers: BTreeMap<ServerName, Server>,
    /// Further VIPs that its services listen on, at most 7. The owner of the first that is owned
    /// probes its servers.
    #[serde(default)]
    pub more_vips: Vec<VipName>,
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
    /// By the client's address, equally on every node.
    SourceHash,
    /// The one of two drawn at random that has fewer connections per weight.
    RandomOfTwo,
}

words!(Method {
    RoundRobin => "round-robin",
    LeastConnections => "least-connections",
    SourceHash => "source-hash",
    RandomOfTwo => "random-of-two",
});

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

words!(Fate { Shared => "shared", Each => "each" });

/// For how long, and as whom, a client meets the same server again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persistence {
    /// Leading bits of an IPv4 address that make a client, 8 to 32.
    pub prefix_v4: u8,
    /// Leading bits of an IPv6 address that make a client, 16 to 128.
    pub prefix_v6: u8,
    /// For so long after its last connection or request; a second to a day.
    pub timeout: Duration,
}

/// An answer of our own for clients of HTTP services where no server is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastResortPage {
    /// 200 to 599.
    pub status: u16,
    /// HTML, at most 16 KiB.
    pub body: String,
}

/// What becomes of servers when something they depend on is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnParentDown {
    /// They stay in use, whatever their checks say: they may have caches.
    #[default]
    Keep,
    /// They are not used until it is back.
    Remove,
}

words!(OnParentDown { Keep => "keep", Remove => "remove" });

impl Farm {
    /// A farm without services, servers and refinements.
    pub fn plain(vip: VipName) -> Farm {
        Farm {
            vip,
            method: Method::default(),
            fate: Fate::default(),
            persistence: None,
            slow_start: Duration::ZERO,
            last_resort: None,
            degraded_below: 0,
            down_below: NonZeroU32::MIN,
            depends_on: BTreeSet::new(),
            on_parent_down: OnParentDown::default(),
            ladder: None,
            services: BTreeMap::new(),
            servers: BTreeMap::new(),
            more_vips: Vec::new(),
        }
    }

    /// Its VIPs, the first one first.
    pub fn vips(&self) -> impl Iterator<Item = &VipName> {
        std::iter::once(&self.vip).chain(&self.more_vips)
    }

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
        if let Some(persistence) = &self.persistence {
            persistence.check(&format!("{at}.persistence"), faults);
        }
        if let Some(page) = &self.last_resort {
            page.check(&format!("{at}.last_resort"), faults);
        }
        let here = format!("{at}.slow_start");
        between(
            &here,
            self.slow_start,
            Duration::ZERO,
            SLOW_START_MAX,
            faults,
        );
        self.check_thresholds(at, faults);
        self.check_twins(at, faults);
        self.check_data_ports(at, faults);
    }

    /// A threshold that no number of servers meets would page with the first failure, or never.
    fn check_thresholds(&self, at: &str, faults: &mut Faults) {
        let servers = u64::try_from(self.servers.len()).unwrap_or(u64::MAX);
        let bounds = [
            ("degraded_below", self.degraded_below, 0),
            ("down_below", self.down_below.get(), 1),
        ];
        for (name, have, min) in bounds {
            let (have, max) = (have.into(), servers.max(1));
            if have > max {
                faults.add(format!("{at}.{name}"), FaultKind::Range { have, min, max });
            }
        }
        let hidden = (1..=self.down_below.get()).contains(&self.degraded_below);
        if hidden && self.down_below > NonZeroU32::MIN {
            faults.add(format!("{at}.degraded_below"), FaultKind::NeverDegraded);
        }
    }

    /// Where TLS is passed on, a port of the VIP must lead to one server only.
    fn check_data_ports(&self, at: &str, faults: &mut Faults) {
        let passes = |service: &&Service| {
            matches!(
                service.kind,
                ServiceKind::Ftp(Ftp {
                    tls: FtpTls::Pass,
                    ..
                })
            )
        };
        if self.services.values().filter(passes).count() > 1 {
            faults.add(format!("{at}.service"), FaultKind::PassesTwice);
        }
        let passing = self
            .services
            .values()
            .find(passes)
            .map(|service| service.kind);
        let Some(ServiceKind::Ftp(ftp)) = passing else {
            let unused = self
                .servers
                .iter()
                .filter(|(_, server)| server.data_ports.is_some());
            for (name, _) in unused {
                let here = format!("{at}.server[{name}].data_ports");
                faults.add(here, FaultKind::DataPortsUnused);
            }
            return;
        };
        let mut seen: Vec<(PortRange, &ServerName)> = Vec::new();
        for (name, server) in &self.servers {
            let here = format!("{at}.server[{name}].data_ports");
            let Some(own) = server.data_ports else {
                faults.add(here, FaultKind::DataPortsMissing);
                continue;
            };
            let within = ftp.data_ports.contains(own.first) && ftp.data_ports.contains(own.last);
            if !within || own.last < own.first {
                let all = ftp.data_ports.to_string();
                faults.add(&here, FaultKind::DataPortsOutside(own.to_string(), all));
            }
            if let Some((_, twin)) = seen.iter().find(|(range, _)| range.meets(&own)) {
                let owner = format!("server {twin}");
                faults.add(
                    &here,
                    FaultKind::PortTaken {
                        port: own.first,
                        owner,
                    },
                );
            }
            seen.push((own, name));
        }
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

impl Persistence {
    fn check(&self, at: &str, faults: &mut Faults) {
        let prefixes = [
            ("prefix_v4", self.prefix_v4, PREFIX_V4_MIN, 32),
            ("prefix_v6", self.prefix_v6, PREFIX_V6_MIN, 128),
        ];
        for (name, have, min, max) in prefixes {
            if !(min..=max).contains(&have) {
                let (have, min, max) = (have.into(), min.into(), max.into());
                faults.add(format!("{at}.{name}"), FaultKind::Range { have, min, max });
            }
        }
        between(
            &format!("{at}.timeout"),
            self.timeout,
            PERSISTENCE_MIN,
            PERSISTENCE_MAX,
            faults,
        );
    }
}

impl LastResortPage {
    fn check(&self, at: &str, faults: &mut Faults) {
        if !(STATUS_MIN..=STATUS_MAX).contains(&self.status) {
            let (have, min, max) = (self.status.into(), STATUS_MIN.into(), STATUS_MAX.into());
            faults.add(format!("{at}.status"), FaultKind::Range { have, min, max });
        }
        let (have, max) = (self.body.len(), PAGE_BYTES_MAX);
        if have > max {
            faults.add(
                format!("{at}.body"),
                FaultKind::Length { have, min: 0, max },
            );
        }
    }
}

/// A client is at most a network of a provider's size.
const PREFIX_V4_MIN: u8 = 8;

/// Shorter prefixes belong to registries, not to clients.
const PREFIX_V6_MIN: u8 = 16;

/// Below, two requests of one page would part.
const PERSISTENCE_MIN: Duration = Duration::from_secs(1);

/// Who comes again the next day has no session any more.
const PERSISTENCE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A server that needs longer to warm up is not well.
const SLOW_START_MAX: Duration = Duration::from_secs(3_600);

/// A page that says sorry; pictures belong elsewhere.
const PAGE_BYTES_MAX: usize = 16 * 1024;
