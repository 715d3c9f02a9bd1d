//! Maintenance: why a server is in it, by whose order, since when and until when.
//!
//! ```text
//!   server maintenance shop/s1 --for 2h -m disks ──▶ SetAdmin ──▶ Maintenance of shop/s1
//!   its time passes ──▶ PassTime ──▶ a revision: shop/s1 is ready
//! ```
//! That a server is in maintenance stands with the server, and what follows from it elsewhere; an
//! entry here says more of the order, and goes with it. It is no part of what is exported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::revision::AUTHOR_CHARS_MAX;
use super::silence::{COMMENT_CHARS_MAX, FORGOTTEN_MS, LASTS_MAX_MS, LASTS_MIN_MS};
use super::text::plain;
use super::{AdminOrder, AdminState, Author, Config, Now, Reject, State, clean};
use crate::id::{FarmName, ServerName, UnixMillis};

/// The order by which a server is in maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Why, at most 200 characters; may be empty.
    pub comment: String,
    /// Who ordered it.
    pub author: Author,
    /// Since when.
    pub from: UnixMillis,
    /// Until when; `None`: until somebody says ready.
    pub until: Option<UnixMillis>,
}

/// Those orders, by server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Maintenances(Arc<BTreeMap<(FarmName, ServerName), Maintenance>>);

impl Maintenances {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&(FarmName, ServerName), &Maintenance)> {
        self.0.iter()
    }

    /// That of one server.
    pub fn get(&self, farm: &FarmName, server: &ServerName) -> Option<&Maintenance> {
        self.0.get(&(farm.clone(), server.clone()))
    }
}

impl Maintenance {
    /// Whether somebody seems to have forgotten it: it has no end, and is a day old.
    pub fn is_forgotten(&self, now: UnixMillis) -> bool {
        self.until.is_none() && now.0.saturating_sub(self.from.0) > FORGOTTEN_MS
    }
}

impl AdminOrder {
    /// Whether its comment can be written down, and its end can be kept.
    pub(super) fn check_term(&self, now: Now) -> Result<(), Reject> {
        plain(&self.comment, 0, COMMENT_CHARS_MAX).map_err(|_| Reject::BadText {
            what: "the comment".to_owned(),
            min: 0,
            max: COMMENT_CHARS_MAX,
        })?;
        let Some(until) = self.until else {
            return Ok(());
        };
        let lasts = until.0.saturating_sub(now.at.0);
        let bounded = (LASTS_MIN_MS..=LASTS_MAX_MS).contains(&lasts);
        match bounded && self.admin == AdminState::Maintenance {
            true => Ok(()),
            false => Err(Reject::MaintenanceTime),
        }
    }
}

impl State {
    /// Remembers the order by which these servers are in maintenance; whether that is news.
    pub(super) fn note_maintenance(
        &mut self,
        now: Now,
        order: &AdminOrder,
        chosen: &[(FarmName, ServerName)],
    ) -> bool {
        if order.admin != AdminState::Maintenance {
            return false;
        }
        let same = |have: &Maintenance| {
            have.comment == order.comment
                && have.author == order.author
                && have.until == order.until
        };
        let news = chosen
            .iter()
            .filter(|server| !self.maintenances.0.get(*server).is_some_and(same));
        let news: Vec<_> = news.cloned().collect();
        if news.is_empty() {
            return false;
        }
        let all = Arc::make_mut(&mut self.maintenances.0);
        for server in news {
            let maintenance = Maintenance {
                comment: order.comment.clone(),
                author: order.author.clone(),
                from: now.at,
                until: order.until,
            };
            all.insert(server, maintenance);
        }
        true
    }

    /// Whoever is in maintenance no more needs no word about it.
    pub(super) fn forget_maintenances(&mut self, config: &Config) {
        let stays = |(farm, server): &(FarmName, ServerName)| {
            let rules = config.farms.get(farm);
            let server = rules.and_then(|farm| farm.servers.get(server));
            server.is_some_and(|server| server.admin == AdminState::Maintenance)
        };
        if !self.maintenances.0.keys().all(stays) {
            Arc::make_mut(&mut self.maintenances.0).retain(|server, _| stays(server));
        }
    }

    /// Makes servers ready whose time in maintenance is over, as one revision. Says whether there
    /// were any.
    pub(super) fn expire_maintenances(&mut self, now: Now) -> bool {
        let ends = |one: &Maintenance| one.until.is_some_and(|until| until <= now.at);
        let over: Vec<_> = self
            .maintenances
            .iter()
            .filter(|(_, one)| ends(one))
            .collect();
        if over.is_empty() {
            return false;
        }
        let authors: BTreeSet<&str> = over.iter().map(|(_, one)| one.author.0.as_str()).collect();
        let authors: Vec<&str> = authors.into_iter().collect();
        let author = Author(clean(&authors.join(", "), AUTHOR_CHARS_MAX));
        let mut config = self.config.as_ref().clone();
        for ((farm, server), _) in over {
            let farm = config.farms.get_mut(farm);
            if let Some(server) = farm.and_then(|farm| farm.servers.get_mut(server)) {
                server.admin = AdminState::Ready;
            }
        }
        self.revise(
            now,
            author,
            config,
            "its time in maintenance is over".to_owned(),
        );
        true
    }

    /// When the next time in maintenance is over.
    pub(super) fn next_ready(&self) -> Option<UnixMillis> {
        let ends = self.maintenances.iter().filter_map(|(_, one)| one.until);
        ends.min()
    }
}
