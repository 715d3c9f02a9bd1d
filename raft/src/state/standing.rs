//! Standing: what health and orders amount to, for a server, a service, a farm and the whole.
//!
//! Projections only; nothing here changes anything.

use std::fmt;

use super::{AdminState, Advice, CheckKey, Farm, Fate, Health, Parent, Server, State, Sway};
use crate::id::{FarmName, ServerName, ServiceName};

/// How many servers of a farm are in which condition; each is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FarmStanding {
    /// Ready and up: they get work.
    pub up: usize,
    /// Ready, and a check failed.
    pub down: usize,
    /// Ready, and down because of something else, which is down or was.
    pub unreachable: usize,
    /// Ready, without a verdict yet.
    pub unknown: usize,
    /// Ready and up, and by their own word without new work until they say otherwise.
    pub quiesced: usize,
    /// Ordered to drain.
    pub draining: usize,
    /// Ordered into maintenance.
    pub maintenance: usize,
}

impl FarmStanding {
    /// All servers.
    pub fn total(&self) -> usize {
        let ready = self.up + self.down + self.unreachable + self.unknown;
        ready + self.quiesced + self.draining + self.maintenance
    }
}

impl fmt::Display for FarmStanding {
    /// `3 of 4 up`, and what else is not simply down: `2 of 4 up, 1 draining`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} up", self.up, self.total())?;
        let others = [
            (self.unreachable, "unreachable"),
            (self.unknown, "unknown"),
            (self.quiesced, "quiesced"),
            (self.draining, "draining"),
            (self.maintenance, "in maintenance"),
        ];
        for (count, word) in others.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {word}")?;
        }
        Ok(())
    }
}

/// Everything counted, for metrics and for the first lines of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Farms.
    pub farms: usize,
    /// Servers of all farms, by condition.
    pub servers: FarmStanding,
    /// Incidents that are open.
    pub incidents: usize,
    /// Pages that are remembered.
    pub pages: usize,
    /// Deliveries that are due.
    pub deliveries_due: usize,
}

/// Whether a farm does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FarmCondition {
    /// Every service has a server, and the farm has enough of them.
    Serving,
    /// Failures left it fewer servers than `degraded_below`; in words.
    Degraded(String),
    /// Failures left some service no server, or the farm fewer than `down_below`; in words.
    Down(String),
    /// Verdicts are outstanding, or everything was ordered out: nobody need be called.
    Undecided,
}

impl FarmCondition {
    /// As one word.
    pub fn word(&self) -> &'static str {
        match self {
            FarmCondition::Serving => "serving",
            FarmCondition::Degraded(_) => "degraded",
            FarmCondition::Down(_) => "down",
            FarmCondition::Undecided => "undecided",
        }
    }
}

/// The verdicts on one server, gathered once.
struct Verdicts<'a> {
    farm: &'a Farm,
    own: Vec<(&'a ServiceName, Option<Health>)>,
    /// What each check's page asks for, in the same order.
    advice: Vec<Advice>,
}

impl Verdicts<'_> {
    fn any(&self, health: Health) -> bool {
        self.own.iter().any(|(_, own)| *own == Some(health))
    }

    /// The server as a whole: down with its first failing check, up when all are well.
    fn server(&self) -> Health {
        if self.any(Health::Down) {
            return Health::Down;
        }
        if self.any(Health::Unknown) {
            Health::Unknown
        } else {
            Health::Up
        }
    }

    /// The server for one service. An unknown check keeps it only out of its own service: a service
    /// that is added must not take a running farm down.
    fn service(&self, own: Option<Health>) -> Health {
        match (self.farm.fate, own) {
            (Fate::Each, own) => own.unwrap_or(Health::Up),
            (Fate::Shared, _) if self.any(Health::Down) => Health::Down,
            (Fate::Shared, Some(own)) => own,
            // Without a check of its own it goes by the others.
            (Fate::Shared, None) if self.any(Health::Up) => Health::Up,
            (Fate::Shared, None) => self.server(),
        }
    }

    /// What the server asks for in the service of this position: of all checks what is strictest,
    /// where they share their fate.
    fn advice(&self, position: usize) -> Advice {
        match self.farm.fate {
            Fate::Each => self.advice[position],
            Fate::Shared => self
                .advice
                .iter()
                .copied()
                .fold(Advice::None, Advice::stricter),
        }
    }

    fn quiesces(&self, position: usize) -> bool {
        self.advice(position) == Advice::Quiesce
    }

    fn works(&self, position: usize) -> bool {
        self.service(self.own[position].1) == Health::Up
    }

    fn works_somewhere(&self) -> bool {
        (0..self.own.len()).any(|position| self.works(position))
    }

    /// Whether its own word is all that keeps it from new work.
    fn is_quiesced(&self) -> bool {
        let mut works = (0..self.own.len()).filter(|position| self.works(*position));
        self.works_somewhere() && works.all(|position| self.quiesces(position))
    }
}

impl State {
    fn verdicts<'a>(&self, name: &FarmName, farm: &'a Farm, server: &ServerName) -> Verdicts<'a> {
        let checks = farm.services.iter().map(|(service, rule)| {
            let key = || CheckKey::Server {
                farm: name.clone(),
                server: server.clone(),
                service: service.clone(),
            };
            let key = rule.check.as_ref().map(|_| key());
            let own = key.as_ref().map(|key| self.check_health(key));
            let advice = key.map_or(Advice::None, |key| self.check_advice(&key));
            ((service, own), advice)
        });
        let (own, advice) = checks.unzip();
        Verdicts { farm, own, advice }
    }

    /// What the page that one check reads asks for.
    pub fn check_advice(&self, key: &CheckKey) -> Advice {
        self.health
            .get(key)
            .map_or(Advice::None, |record| record.advice)
    }

    /// What a server asks for in one service, the farm's fate counted in.
    pub fn service_advice(
        &self,
        farm: &FarmName,
        server: &ServerName,
        service: &ServiceName,
    ) -> Advice {
        let Some(rules) = self.config.farms.get(farm) else {
            return Advice::None;
        };
        let verdicts = self.verdicts(farm, rules, server);
        let position = verdicts.own.iter().position(|(name, _)| *name == service);
        position.map_or(Advice::None, |position| verdicts.advice(position))
    }

    /// What a server asks for in any of its services: the strictest.
    pub fn server_advice(&self, farm: &FarmName, server: &ServerName) -> Advice {
        let Some(rules) = self.config.farms.get(farm) else {
            return Advice::None;
        };
        let all = self.verdicts(farm, rules, server).advice;
        all.into_iter().fold(Advice::None, Advice::stricter)
    }

    /// The verdict of one check.
    pub fn check_health(&self, key: &CheckKey) -> Health {
        self.health
            .get(key)
            .map_or(Health::Unknown, |record| record.health)
    }

    /// Something that is checked, as a whole: down with its first failing check.
    pub fn member_health(&self, member: &Parent) -> Health {
        match member {
            Parent::Server(farm, server) => self.server_health(farm, server),
            Parent::Watch(watch) => self.check_health(&CheckKey::Watch(watch.clone())),
        }
    }

    /// A server as a whole: down with its first failing check, up when all are well.
    pub fn server_health(&self, farm: &FarmName, server: &ServerName) -> Health {
        let Some(rules) = self.config.farms.get(farm) else {
            return Health::Unknown;
        };
        self.verdicts(farm, rules, server).server()
    }

    /// A server for one service, the farm's fate counted in; what an operator ordered is not.
    pub fn service_health(
        &self,
        farm: &FarmName,
        server: &ServerName,
        service: &ServiceName,
    ) -> Health {
        let Some(rules) = self.config.farms.get(farm) else {
            return Health::Unknown;
        };
        let verdicts = self.verdicts(farm, rules, server);
        let own = verdicts.own.iter().find(|(name, _)| *name == service);
        own.map_or(Health::Unknown, |(_, own)| verdicts.service(*own))
    }

    /// Whether a server can be given new work of a service; when it is given any, its role decides.
    pub fn serves(&self, farm: &FarmName, server: &ServerName, service: &ServiceName) -> bool {
        let farms = &self.config.farms;
        let ordered = farms.get(farm).and_then(|farm| farm.servers.get(server));
        let well = match self.sway(farm, server) {
            Sway::Kept => true,
            Sway::Removed => false,
            Sway::None => self.service_health(farm, server, service) == Health::Up,
        };
        let quiesces = self.service_advice(farm, server, service) == Advice::Quiesce;
        well && !quiesces && ordered.is_some_and(|server| server.admin == AdminState::Ready)
    }

    /// How many servers of a farm are in which condition.
    pub fn farm_standing(&self, name: &FarmName) -> FarmStanding {
        let mut standing = FarmStanding::default();
        if let Some(farm) = self.config.farms.get(name) {
            for (server, ordered) in &farm.servers {
                self.count_server(name, farm, server, ordered, &mut standing);
            }
        }
        standing
    }

    fn count_server(
        &self,
        name: &FarmName,
        farm: &Farm,
        server: &ServerName,
        ordered: &Server,
        standing: &mut FarmStanding,
    ) {
        match ordered.admin {
            AdminState::Drain => standing.draining += 1,
            AdminState::Maintenance => standing.maintenance += 1,
            AdminState::Ready => {
                let member = Parent::Server(name.clone(), server.clone());
                let verdicts = self.verdicts(name, farm, server);
                match verdicts.server() {
                    Health::Up | Health::Unknown if verdicts.is_quiesced() => {
                        standing.quiesced += 1;
                    }
                    Health::Down if self.cause_of(&member).is_some() => standing.unreachable += 1,
                    Health::Down => standing.down += 1,
                    Health::Up => standing.up += 1,
                    Health::Unknown if verdicts.works_somewhere() => standing.up += 1,
                    Health::Unknown => standing.unknown += 1,
                }
            }
        }
    }

    /// Everything counted.
    pub fn counts(&self) -> Counts {
        let mut servers = FarmStanding::default();
        for (name, farm) in &self.config.farms {
            for (server, ordered) in &farm.servers {
                self.count_server(name, farm, server, ordered, &mut servers);
            }
        }
        Counts {
            farms: self.config.farms.len(),
            servers,
            incidents: self.incidents.len(),
            pages: self.pages.len(),
            deliveries_due: self.deliveries_due(),
        }
    }

    /// Whether a farm does its work.
    pub fn farm_condition(&self, name: &FarmName) -> FarmCondition {
        let Some(farm) = self.config.farms.get(name) else {
            return FarmCondition::Undecided;
        };
        let servers: Vec<Seen<'_>> = farm
            .servers
            .iter()
            .map(|(server, ordered)| self.seen(name, farm, server, ordered))
            .collect();
        let services = services_condition(farm, &servers);
        match (services, strength(farm, &servers)) {
            (FarmCondition::Down(cause), _) | (_, FarmCondition::Down(cause)) => {
                FarmCondition::Down(cause)
            }
            (FarmCondition::Undecided, _) => FarmCondition::Undecided,
            (FarmCondition::Serving | FarmCondition::Degraded(_), strength) => strength,
        }
    }

    fn seen<'a>(
        &self,
        name: &FarmName,
        farm: &'a Farm,
        server: &ServerName,
        ordered: &Server,
    ) -> Seen<'a> {
        let member = Parent::Server(name.clone(), server.clone());
        Seen {
            admin: ordered.admin,
            verdicts: self.verdicts(name, farm, server),
            held: self.holds.get(&member).is_some(),
            sway: self.sway(name, server),
        }
    }
}

/// A server as its farm is judged by it.
struct Seen<'a> {
    admin: AdminState,
    verdicts: Verdicts<'a>,
    held: bool,
    sway: Sway,
}

impl Seen<'_> {
    /// What a verdict amounts to: a failure that is somebody else's is none of the farm's.
    fn weigh(&self, verdict: Health) -> Health {
        match (self.sway, verdict) {
            (Sway::Kept, _) => Health::Up,
            (Sway::Removed, _) => Health::Unknown,
            (Sway::None, Health::Down) if self.held => Health::Unknown,
            (Sway::None, verdict) => verdict,
        }
    }

    fn service(&self, position: usize) -> Health {
        self.weigh(self.verdicts.service(self.verdicts.own[position].1))
    }

    /// What was ordered for a service: a server that quiesces gave the order itself.
    fn order(&self, position: usize) -> AdminState {
        match self.admin {
            AdminState::Ready if self.verdicts.quiesces(position) => AdminState::Drain,
            admin @ (AdminState::Ready | AdminState::Drain | AdminState::Maintenance) => admin,
        }
    }

    /// Whether the farm counts on it.
    fn is_ready(&self) -> bool {
        self.admin == AdminState::Ready && !self.verdicts.is_quiesced()
    }

    fn server(&self) -> Health {
        let health = self.weigh(self.verdicts.server());
        let works = self.sway == Sway::None && self.verdicts.works_somewhere();
        match health == Health::Unknown && works {
            true => Health::Up,
            false => health,
        }
    }
}

/// Whether every service has a server.
fn services_condition(farm: &Farm, servers: &[Seen<'_>]) -> FarmCondition {
    let mut without = Vec::new();
    let mut undecided = servers.is_empty() || farm.services.is_empty();
    for (position, service) in farm.services.keys().enumerate() {
        let mut health = servers
            .iter()
            .map(|seen| (seen.order(position), seen.service(position)));
        if health
            .clone()
            .any(|seen| seen == (AdminState::Ready, Health::Up))
        {
            continue;
        }
        let pending = health
            .clone()
            .any(|seen| seen == (AdminState::Ready, Health::Unknown));
        let failed = health
            .any(|(admin, health)| admin != AdminState::Maintenance && health == Health::Down);
        match failed && !pending {
            true => without.push(service.as_str()),
            false => undecided = true,
        }
    }
    match without.len() {
        0 if undecided => FarmCondition::Undecided,
        0 => FarmCondition::Serving,
        all if all == farm.services.len() => FarmCondition::Down("no server left".to_owned()),
        _ => FarmCondition::Down(format!("no server left for {}", without.join(", "))),
    }
}

/// Whether enough servers are up; a shortage without a failure is somebody's order.
fn strength(farm: &Farm, servers: &[Seen<'_>]) -> FarmCondition {
    let count = |wanted: Health| {
        let ready = servers.iter().filter(|seen| seen.is_ready());
        ready.filter(|seen| seen.server() == wanted).count()
    };
    let (up, pending, failed) = (
        count(Health::Up),
        count(Health::Unknown),
        count(Health::Down),
    );
    let short = |bound: u32| {
        let bound = usize::try_from(bound).unwrap_or(usize::MAX);
        (failed > 0 && up < bound).then_some(up + pending < bound)
    };
    let words = |bound: u32| format!("{up} of {} up, fewer than {bound}", servers.len());
    // The first server that fails is no outage while another one works.
    match (short(farm.down_below.get()), short(farm.degraded_below)) {
        (Some(true), _) if farm.down_below.get() > 1 => {
            FarmCondition::Down(words(farm.down_below.get()))
        }
        (_, Some(true)) => FarmCondition::Degraded(words(farm.degraded_below)),
        (Some(false), _) | (_, Some(false)) => FarmCondition::Undecided,
        (Some(true), None) | (None, None) => FarmCondition::Serving,
    }
}
