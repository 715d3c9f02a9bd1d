//! Servers: one address each that does a farm's work, and what an operator ordered for it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::{Applied, Author, Farm, FaultKind, Now, Reject, State, address};
use crate::id::{FarmName, ServerName, ServiceName};

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

impl fmt::Display for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            AdminState::Ready => "ready",
            AdminState::Drain => "drain",
            AdminState::Maintenance => "maintenance",
        })
    }
}

/// When a server is used. The other roles of the design come with their rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerRole {
    /// Whenever it is up; returns by itself.
    #[default]
    Favorite,
}

impl Server {
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

impl State {
    pub(super) fn set_admin(
        &mut self,
        now: Now,
        author: Author,
        farm: FarmName,
        server: ServerName,
        admin: AdminState,
    ) -> Result<Applied, Reject> {
        author.check()?;
        let rules = self
            .config
            .farms
            .get(&farm)
            .ok_or_else(|| Reject::UnknownFarm(farm.clone()))?;
        let Some(ordered) = rules.servers.get(&server) else {
            return Err(Reject::UnknownServer { farm, server });
        };
        if ordered.admin == admin {
            return Ok(Applied::Unchanged);
        }
        let mut config = self.config.as_ref().clone();
        let farm = config.farms.get_mut(&farm).expect("found above");
        farm.servers.get_mut(&server).expect("found above").admin = admin;
        Ok(self.revise(now, author, config, String::new()))
    }
}

/// As in HAProxy; finer shares than one in 256 are seen by nobody.
pub(super) const WEIGHT_MAX: u32 = 256;
