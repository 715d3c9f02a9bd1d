//! Servers: one address each that does a farm's work, and what an operator ordered for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::word::words;
use super::{
    Applied, Author, Config, Farm, FaultKind, Now, Parent, PortRange, Reject, State, address,
};
use crate::id::{FarmName, ServerName, ServiceName, UnixMillis};

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
    /// Most connections (HTTP: requests) that it has in hand at once, for each service.
    pub max_connections: Option<NonZeroU32>,
    /// Passive data ports of its own, where an FTP service passes TLS on.
    pub data_ports: Option<PortRange>,
    /// What must be up for it to be up, beside what its farm depends on.
    pub depends_on: BTreeSet<Parent>,
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

words!(AdminState { Ready => "ready", Drain => "drain", Maintenance => "maintenance" });

/// When a server is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerRole {
    /// Whenever it is up; returns by itself.
    #[default]
    Favorite,
    /// Whenever it is up; after a failure it stands by until an operator says ready.
    Active,
    /// While no favorite or active is up.
    Standby,
    /// While nobody else is up.
    LastResort,
}

words!(ServerRole {
    Favorite => "favorite",
    Active => "active",
    Standby => "standby",
    LastResort => "last-resort",
});

impl Server {
    /// A favorite of weight 1, ready.
    pub fn plain(address: IpAddr) -> Server {
        Server {
            address,
            ports: BTreeMap::new(),
            weight: NonZeroU32::MIN,
            role: ServerRole::default(),
            admin: AdminState::default(),
            max_connections: None,
            data_ports: None,
            depends_on: BTreeSet::new(),
        }
    }

    /// What is wrong with it by itself and within its farm.
    pub(super) fn check(&self, farm: &Farm, at: &str, faults: &mut Faults) {
        faults.check(format!("{at}.address"), address::ordinary(self.address));
        let weight = self.weight.get();
        if weight > WEIGHT_MAX {
            let kind = FaultKind::Range {
                have: weight.into(),
                min: 1,
                max: WEIGHT_MAX.into(),
            };
            faults.add(format!("{at}.weight"), kind);
        }
        for service in self
            .ports
            .keys()
            .filter(|service| !farm.services.contains_key(*service))
        {
            let (what, name) = ("service".to_owned(), service.to_string());
            faults.add(format!("{at}.ports"), FaultKind::Dangling { what, name });
        }
    }
}

/// What an operator orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminOrder {
    /// Who orders.
    pub author: Author,
    /// Which servers.
    pub servers: Ordered,
    /// What they shall be.
    pub admin: AdminState,
    /// Whether a service may lose its last server by it.
    pub allow_empty: bool,
    /// Why, at most 200 characters; the note of the revision. May be empty.
    #[serde(default)]
    pub comment: String,
    /// When they are ready again by themselves; of maintenance only, one minute to 30 days.
    pub until: Option<UnixMillis>,
}

/// Which servers an order is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ordered {
    /// One.
    One(FarmName, ServerName),
    /// All of one address, in whatever farm.
    Everywhere(IpAddr),
}

impl State {
    pub(super) fn set_admin(&mut self, now: Now, order: AdminOrder) -> Result<Applied, Reject> {
        order.author.check()?;
        order.check_term(now)?;
        let chosen = self.ordered(&order.servers)?;
        let raised = match order.admin {
            AdminState::Ready => self.raise_fallen(&chosen),
            AdminState::Drain | AdminState::Maintenance => false,
        };
        let mut config = self.config.as_ref().clone();
        let mut changed = false;
        for (farm, server) in &chosen {
            let farm = config.farms.get_mut(farm).expect("chosen from it");
            let server = farm.servers.get_mut(server).expect("chosen from it");
            changed |= server.admin != order.admin;
            server.admin = order.admin;
        }
        if !changed {
            let noted = self.note_maintenance(now, &order, &chosen);
            return Ok(match raised || noted {
                true => Applied::Done,
                false => Applied::Unchanged,
            });
        }
        if !order.allow_empty {
            self.check_not_emptied(&config, &chosen)?;
        }
        let (author, note) = (order.author.clone(), order.comment.clone());
        let made = self.revise(now, author, config, note);
        self.note_maintenance(now, &order, &chosen);
        Ok(made)
    }

    /// Which servers an order means.
    ///
    /// **Errors**: there is no such farm, server or address.
    pub fn ordered(&self, servers: &Ordered) -> Result<Vec<(FarmName, ServerName)>, Reject> {
        let farms = &self.config.farms;
        match servers {
            Ordered::One(farm, server) => {
                let rules = farms
                    .get(farm)
                    .ok_or_else(|| Reject::UnknownFarm(farm.clone()))?;
                if !rules.servers.contains_key(server) {
                    let (farm, server) = (farm.clone(), server.clone());
                    return Err(Reject::UnknownServer { farm, server });
                }
                Ok(vec![(farm.clone(), server.clone())])
            }
            Ordered::Everywhere(address) => {
                let all = farms.iter().flat_map(|(name, farm)| {
                    let servers = farm.servers.iter();
                    let same = servers.filter(|(_, server)| server.address == *address);
                    same.map(|(server, _)| (name.clone(), server.clone()))
                });
                let all: Vec<_> = all.collect();
                match all.is_empty() {
                    true => Err(Reject::UnknownAddress(*address)),
                    false => Ok(all),
                }
            }
        }
    }

    /// An operator says ready: who stood by after a failure does so no longer.
    fn raise_fallen(&mut self, chosen: &[(FarmName, ServerName)]) -> bool {
        let raised = chosen.iter().any(|server| self.fallen.contains(server));
        if raised {
            Arc::make_mut(&mut self.fallen).retain(|server| !chosen.contains(server));
        }
        raised
    }

    /// Refuses an order that takes the last server out of a service which has one now.
    fn check_not_emptied(
        &self,
        next: &Config,
        chosen: &[(FarmName, ServerName)],
    ) -> Result<(), Reject> {
        for (name, server) in chosen {
            let farm = next.farms.get(name).expect("chosen from it");
            for service in farm.services.keys() {
                let works = |server: &ServerName| self.serves(name, server, service);
                let stays = |(other, ordered): (&ServerName, &Server)| {
                    ordered.admin == AdminState::Ready && works(other)
                };
                if works(server) && !farm.servers.iter().any(stays) {
                    return Err(Reject::LastServer {
                        farm: name.clone(),
                        server: server.clone(),
                        service: service.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// When a server is used, now.
    pub fn role_now(&self, farm: &FarmName, server: &ServerName) -> Option<ServerRole> {
        let ordered = self.config.farms.get(farm)?.servers.get(server)?;
        let fallen = self.fallen.contains(&(farm.clone(), server.clone()));
        let stands_by = fallen && ordered.role == ServerRole::Active;
        Some(match stands_by {
            true => ServerRole::Standby,
            false => ordered.role,
        })
    }

    /// Who is no active any more stands by no longer.
    pub(super) fn forget_fallen(&mut self, config: &Config) {
        let is_active = |(farm, server): &(FarmName, ServerName)| {
            let rules = config.farms.get(farm);
            let server = rules.and_then(|farm| farm.servers.get(server));
            server.is_some_and(|server| server.role == ServerRole::Active)
        };
        if !self.fallen.iter().all(is_active) {
            Arc::make_mut(&mut self.fallen).retain(is_active);
        }
    }

    /// A server of role active failed: it stands by from now on.
    pub(super) fn note_fall(&mut self, member: &Parent) {
        let Parent::Server(farm, server) = member else {
            return;
        };
        let rules = self.config.farms.get(farm);
        let role = rules
            .and_then(|farm| farm.servers.get(server))
            .map(|server| server.role);
        if role == Some(ServerRole::Active) {
            Arc::make_mut(&mut self.fallen).insert((farm.clone(), server.clone()));
        }
    }
}

/// As in HAProxy; finer shares than one in 256 are seen by nobody.
pub(super) const WEIGHT_MAX: u32 = 256;
