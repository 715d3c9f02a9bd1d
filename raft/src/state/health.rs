//! Health: what probes observed, never what somebody ordered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::text::{REASON_CHARS_MAX, clean};
use super::word::words;
use super::{AdminState, Advice, Applied, Check, Config, Farm, Now, Parent, Reject, State};
use crate::id::{
    Ballot, FarmName, NodeId, ServerName, ServiceName, UnixMillis, VipName, WatchName,
};

/// One check on one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CheckKey {
    /// Of a server.
    Server {
        /// The farm.
        farm: FarmName,
        /// The server.
        server: ServerName,
        /// The service whose check it is.
        service: ServiceName,
    },
    /// Of a watch, which has one.
    Watch(WatchName),
}

impl CheckKey {
    /// What it checks.
    pub fn member(&self) -> Parent {
        match self {
            CheckKey::Server { farm, server, .. } => Parent::Server(farm.clone(), server.clone()),
            CheckKey::Watch(watch) => Parent::Watch(watch.clone()),
        }
    }
}

impl fmt::Display for CheckKey {
    /// `shop/s1/web`, `fs1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckKey::Server {
                farm,
                server,
                service,
            } => write!(f, "{farm}/{server}/{service}"),
            CheckKey::Watch(watch) => write!(f, "{watch}"),
        }
    }
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

words!(Health { Unknown => "unknown", Up => "up", Down => "down" });

/// The health of one check as the log remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRecord {
    /// The verdict.
    pub health: Health,
    /// Why, cleaned and at most 200 characters.
    pub reason: String,
    /// Since when, by the prober's clock.
    pub since: UnixMillis,
    /// What the server's own page asks for.
    pub advice: Advice,
    /// Whether the probe that decided it got to its target at all.
    pub reached: bool,
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
    /// What the server's own page asks for; news even where the verdict is none.
    pub advice: Advice,
    /// Whether the probe that decided it got to its target at all.
    pub reached: bool,
    /// The newest question ([`super::Hold::number`]) that it answers; 0: none.
    pub answers: u64,
    /// Whether the reporter called a human for it already, so that its page must exist.
    pub paged: bool,
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
    /// The owner of another of the farm's VIPs, while nobody owns those before it.
    OwnerBeside {
        /// Which of [`Farm::more_vips`], from 0.
        place: u8,
        /// Its lease's ballot.
        ballot: Ballot,
    },
}

impl Authority {
    /// The VIP of a farm whose owner reports; `None`: the farm has no such, or the leader does.
    fn vip_of(self, farm: &Farm) -> Option<&VipName> {
        match self {
            Authority::Owner(_) => Some(&farm.vip),
            Authority::OwnerBeside { place, .. } => farm.more_vips.get(usize::from(place)),
            Authority::Leader { .. } => None,
        }
    }

    /// The ballot under which it owns.
    fn ballot(self) -> Option<Ballot> {
        match self {
            Authority::Owner(ballot) | Authority::OwnerBeside { ballot, .. } => Some(ballot),
            Authority::Leader { .. } => None,
        }
    }

    /// Who reports.
    pub fn node(&self) -> NodeId {
        match self {
            Authority::Owner(ballot) | Authority::OwnerBeside { ballot, .. } => ballot.node,
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
        let mut members = BTreeSet::new();
        let (mut answered, mut released) = (false, Vec::new());
        let mut paged = BTreeSet::new();
        for change in changes {
            if change.health == Health::Unknown || !is_probed(&config, &change.check) {
                continue;
            }
            let HealthChange {
                answers, health, ..
            } = change;
            let key = change.check.clone();
            if change.paged && health == Health::Down {
                paged.insert(key.member());
            }
            // A verdict that turned answers everybody; one that did not, whoever asked before it.
            let turned = self.check_health(&key) != health;
            if self.record_health(now, authority, change) {
                members.insert(key.member());
            }
            if health == Health::Up {
                let answers = if turned { u64::MAX } else { answers };
                answered |= self.confirm(&key, answers, &mut released);
            }
        }
        if members.is_empty() && !answered {
            return Ok(Applied::Unchanged);
        }
        let vips = members.iter().filter_map(|member| match member {
            Parent::Server(farm, _) => authority.vip_of(config.farms.get(farm)?),
            Parent::Watch(_) => None,
        });
        for vip in vips {
            if let Some(ballot) = authority.ballot() {
                self.raise_ballot(now, vip, ballot);
            }
        }
        let farms = self.page_themselves(paged, released, now.at);
        self.judge(members, farms, now.at);
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
            Authority::Owner(ballot) | Authority::OwnerBeside { ballot, .. } => ballot,
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
        let mut vips = BTreeSet::new();
        for change in changes {
            match &change.check {
                CheckKey::Server { farm, .. } => {
                    let Some(farm) = self.config.farms.get(farm) else {
                        continue;
                    };
                    // A place that there is not any more: the prober has an older configuration.
                    let unknown = || Reject::UnknownVip(farm.vip.clone());
                    vips.insert(authority.vip_of(farm).ok_or_else(unknown)?);
                }
                CheckKey::Watch(watch) => return Err(Reject::WatchOfOwner(watch.clone())),
            }
        }
        vips.into_iter()
            .try_for_each(|vip| self.check_owner(now, vip, ballot))
    }

    /// Writes a verdict down; says whether it was news.
    fn record_health(&mut self, now: Now, authority: Authority, change: HealthChange) -> bool {
        let reason = clean(&change.reason, REASON_CHARS_MAX);
        let before = self.health.get(&change.check);
        let turned = before.is_none_or(|record| record.health != change.health);
        let since = match before {
            Some(record)
                if record.health == change.health
                    && record.reason == reason
                    && record.advice == change.advice =>
            {
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
            advice: change.advice,
            reached: change.reached,
            authority: Some(authority),
        };
        if turned {
            self.uptime.turn(&change.check, change.health, since);
            self.journal.health(&change.check, &record);
        }
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
        let health = &self.health;
        self.uptime.carry(new, now.at, |key| {
            health
                .get(key)
                .map_or(Health::Unknown, |record| record.health)
        });
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
    let target = old.target(key)?;
    if Some(target) != new.target(key) {
        return None;
    }
    if old.check(key).is_some() {
        let mut record = health.get(key).cloned()?;
        // Nobody would take back what a page said that is not obeyed any more.
        if !new.check(key).is_some_and(|check| check.kind.obeys()) {
            record.advice = Advice::None;
        }
        return Some(record);
    }
    let reason = "served before it had a check".to_owned();
    Some(HealthRecord {
        health: Health::Up,
        reason,
        since: now.at,
        advice: Advice::None,
        reached: true,
        authority: None,
    })
}

impl Config {
    /// Where a check's probes go.
    pub fn target(&self, key: &CheckKey) -> Option<SocketAddr> {
        match key {
            CheckKey::Server {
                farm,
                server,
                service,
            } => self.farms.get(farm)?.target(server, service),
            CheckKey::Watch(watch) => {
                let watch = self.watches.get(watch)?;
                Some(watch.target(self.check_of(watch)?))
            }
        }
    }

    /// The rule of a check.
    pub fn check(&self, key: &CheckKey) -> Option<&Check> {
        match key {
            CheckKey::Server { farm, service, .. } => {
                self.farms.get(farm)?.services.get(service)?.check.as_ref()
            }
            CheckKey::Watch(watch) => {
                let watch = self.watches.get(watch);
                watch.and_then(|watch| self.check_of(watch))
            }
        }
    }

    /// The checks of one thing that somebody has to probe; none while it is in maintenance.
    pub fn checks_of<'a>(&'a self, member: &'a Parent) -> impl Iterator<Item = CheckKey> + 'a {
        let (watch, server) = match member {
            Parent::Watch(watch) => (Some(watch), None),
            Parent::Server(farm, server) => (None, Some((farm, server))),
        };
        let watch = watch.filter(|watch| self.watches.contains_key(*watch));
        let server = server.into_iter().flat_map(|(name, server)| {
            let farm = self.farms.get(name);
            let farm = farm.filter(|farm| {
                let ordered = farm.servers.get(server);
                ordered.is_some_and(|ordered| ordered.admin != AdminState::Maintenance)
            });
            let services = farm.into_iter().flat_map(Farm::checks);
            services.map(move |(service, _)| CheckKey::Server {
                farm: name.clone(),
                server: server.clone(),
                service: service.clone(),
            })
        });
        server.chain(watch.map(|watch| CheckKey::Watch(watch.clone())))
    }
}

/// Whether there is such a check, and it is not suspended.
pub fn is_probed(config: &Config, key: &CheckKey) -> bool {
    let exists = config.check(key).is_some();
    match key {
        CheckKey::Watch(_) => exists,
        CheckKey::Server { farm, server, .. } => {
            let farm = config.farms.get(farm);
            let ordered = farm.and_then(|farm| farm.servers.get(server));
            exists && ordered.is_some_and(|server| server.admin != AdminState::Maintenance)
        }
    }
}

/// Every check that somebody has to probe.
pub(super) fn probed_checks(config: &Config) -> impl Iterator<Item = CheckKey> {
    config
        .members()
        .flat_map(|member| config.checks_of(&member).collect::<Vec<_>>())
}

/// One entry of the log stays below some hundred KiB; a prober sends the rest in the next.
const CHANGES_MAX: usize = 1_000;
