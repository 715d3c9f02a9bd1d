//! Health: what probes observed, never what somebody ordered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::text::{REASON_CHARS_MAX, clean};
use super::{AdminState, Applied, Config, Now, Reject, State};
use crate::id::{Ballot, FarmName, NodeId, ServerName, ServiceName, UnixMillis};

/// One check on one server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckKey {
    /// The farm.
    pub farm: FarmName,
    /// The server.
    pub server: ServerName,
    /// The service whose check it is.
    pub service: ServiceName,
}

/// What probes say. Not served and not paged while unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// No verdict yet.
    #[default]
    Unknown,
    /// Answers as it should.
    Up,
    /// Does not.
    Down,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        })
    }
}

/// The health of one check as the log remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRecord {
    /// The verdict.
    pub health: Health,
    /// Why, cleaned and at most 200 characters.
    pub reason: String,
    /// Since when, by the prober's clock.
    pub since: UnixMillis,
    /// By what right it was reported last; `None` when the verdict was taken over from before the
    /// service had a check.
    pub authority: Option<Authority>,
}

/// One verdict that differs from what the log remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChange {
    /// Which check.
    pub check: CheckKey,
    /// The new verdict.
    pub health: Health,
    /// Why.
    pub reason: String,
    /// When it was reached.
    pub at: UnixMillis,
}

/// By what right a node reports health.
///
/// **Source**: `vip-protocol.md`, section 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authority {
    /// The owner of the farm's VIP, under its lease's ballot.
    Owner(Ballot),
    /// The leader of this term, for a farm whose VIP nobody owns.
    Leader {
        /// Its term.
        term: u64,
        /// Who it is.
        node: NodeId,
    },
}

impl Authority {
    /// Who reports.
    pub fn node(&self) -> NodeId {
        match self {
            Authority::Owner(ballot) => ballot.node,
            Authority::Leader { node, .. } => *node,
        }
    }
}

impl State {
    /// Takes in what a prober saw. Checks that are unknown, or that belong to a server in
    /// maintenance, are passed over: the prober has not read the newest configuration yet.
    pub(super) fn report_health(
        &mut self,
        now: Now,
        authority: Authority,
        changes: Vec<HealthChange>,
    ) -> Result<Applied, Reject> {
        if changes.len() > CHANGES_MAX {
            return Err(Reject::TooManyChanges {
                have: changes.len(),
                max: CHANGES_MAX,
            });
        }
        self.check_authority(now, authority, &changes)?;
        let config = Arc::clone(&self.config);
        let mut farms = BTreeSet::new();
        for change in changes {
            if change.health == Health::Unknown || !is_probed(&config, &change.check) {
                continue;
            }
            let farm = change.check.farm.clone();
            if self.record_health(now, authority, change) {
                farms.insert(farm);
            }
        }
        if farms.is_empty() {
            return Ok(Applied::Unchanged);
        }
        for farm in &farms {
            let vip = config.farms.get(farm).map(|farm| &farm.vip);
            if let (Authority::Owner(ballot), Some(vip)) = (authority, vip) {
                self.raise_ballot(now, vip, ballot);
            }
            self.judge_farm(farm, now.at);
        }
        Ok(Applied::Done)
    }

    /// Whether the reporter probes all these farms by right.
    fn check_authority(
        &self,
        now: Now,
        authority: Authority,
        changes: &[HealthChange],
    ) -> Result<(), Reject> {
        let ballot = match authority {
            Authority::Owner(ballot) => ballot,
            Authority::Leader { term, .. } if term != now.term => {
                return Err(Reject::StaleTerm {
                    given: term,
                    current: now.term,
                });
            }
            Authority::Leader { node, .. } if !self.nodes.contains_key(&node) => {
                return Err(Reject::UnknownNode(node));
            }
            Authority::Leader { .. } => return Ok(()),
        };
        let farms: BTreeSet<&FarmName> = changes.iter().map(|change| &change.check.farm).collect();
        for farm in farms
            .into_iter()
            .filter_map(|farm| self.config.farms.get(farm))
        {
            self.check_owner(now, &farm.vip, ballot)?;
        }
        Ok(())
    }

    /// Writes a verdict down; says whether it was news.
    fn record_health(&mut self, now: Now, authority: Authority, change: HealthChange) -> bool {
        let reason = clean(&change.reason, REASON_CHARS_MAX);
        let before = self.health.get(&change.check);
        let since = match before {
            Some(record) if record.health == change.health && record.reason == reason => {
                return false;
            }
            Some(record) if record.health == change.health => record.since,
            // A prober whose clock runs ahead of the proposer's tells the future.
            Some(_) | None => change.at.min(now.at),
        };
        let record = HealthRecord {
            health: change.health,
            reason,
            since,
            authority: Some(authority),
        };
        Arc::make_mut(&mut self.health).insert(change.check, record);
        true
    }

    /// What remains of the verdicts when the configuration changes.
    pub(super) fn carry_health(&mut self, now: Now, old: &Config, new: &Config) {
        let carried = probed_checks(new).filter_map(|key| {
            let record = carried(&self.health, old, new, &key, now)?;
            Some((key, record))
        });
        let carried: BTreeMap<CheckKey, HealthRecord> = carried.collect();
        if *self.health != carried {
            self.health = Arc::new(carried);
        }
    }
}

/// The verdict that a check starts with: its own, if it is still about the same address and port.
/// A service that gets its first check goes on being served until the first verdict.
fn carried(
    health: &BTreeMap<CheckKey, HealthRecord>,
    old: &Config,
    new: &Config,
    key: &CheckKey,
    now: Now,
) -> Option<HealthRecord> {
    let before = old.farms.get(&key.farm)?;
    let after = new.farms.get(&key.farm)?;
    let target = before.target(&key.server, &key.service)?;
    if Some(target) != after.target(&key.server, &key.service) {
        return None;
    }
    if before.services.get(&key.service)?.check.is_some() {
        return health.get(key).cloned();
    }
    let reason = "served before it had a check".to_owned();
    Some(HealthRecord {
        health: Health::Up,
        reason,
        since: now.at,
        authority: None,
    })
}

/// Whether there is such a check, and it is not suspended.
fn is_probed(config: &Config, key: &CheckKey) -> bool {
    let Some(farm) = config.farms.get(&key.farm) else {
        return false;
    };
    let checked = farm
        .services
        .get(&key.service)
        .is_some_and(|service| service.check.is_some());
    let server = farm.servers.get(&key.server);
    checked && server.is_some_and(|server| server.admin != AdminState::Maintenance)
}

/// Every check that somebody has to probe.
fn probed_checks(config: &Config) -> impl Iterator<Item = CheckKey> {
    config.farms.iter().flat_map(|(name, farm)| {
        let servers = farm.servers.iter();
        let probed = servers.filter(|(_, server)| server.admin != AdminState::Maintenance);
        probed.flat_map(move |(server, _)| {
            farm.checks().map(move |(service, _)| CheckKey {
                farm: name.clone(),
                server: server.clone(),
                service: service.clone(),
            })
        })
    })
}

/// One entry of the log stays below some hundred KiB; a prober sends the rest in the next.
const CHANGES_MAX: usize = 1_000;
