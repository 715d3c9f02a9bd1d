//! Parents: what something depends on, and who depends on what.
//!
//! ```text
//!   farm shop ── depends_on ──▶ watch fs1 ── depends_on ──▶ watch switch1
//!     each of its servers inherits it
//!   servers and watches of one address are each other's parents by themselves (see `cause`)
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::{Config, FaultKind, Subject};
use crate::id::{FarmName, NameError, ServerName, WatchName};

/// Something that others depend on.
///
/// **Shape**: `fs1`, or `shop/s1` for a server of a farm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Parent {
    /// A watch.
    Watch(WatchName),
    /// A server of a farm.
    Server(FarmName, ServerName),
}

impl Parent {
    /// The same as what a page is about.
    pub fn subject(&self) -> Subject {
        match self {
            Parent::Watch(watch) => Subject::Watch(watch.clone()),
            Parent::Server(farm, server) => Subject::Server(farm.clone(), server.clone()),
        }
    }

    /// What a page is about, if others can depend on it.
    pub fn of(subject: &Subject) -> Option<Parent> {
        match subject {
            Subject::Watch(watch) => Some(Parent::Watch(watch.clone())),
            Subject::Server(farm, server) => Some(Parent::Server(farm.clone(), server.clone())),
            Subject::Farm(_)
            | Subject::Strength(_)
            | Subject::Node(_)
            | Subject::Vip(_)
            | Subject::Quorum
            | Subject::Drill(_)
            | Subject::Rehearsal(_)
            | Subject::Path(_)
            | Subject::Trouble(_)
            | Subject::Channel(..) => None,
        }
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Parent::Watch(watch) => write!(f, "{watch}"),
            Parent::Server(farm, server) => write!(f, "{farm}/{server}"),
        }
    }
}

impl FromStr for Parent {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            None => Ok(Parent::Watch(text.parse()?)),
            Some((farm, server)) => Ok(Parent::Server(farm.parse()?, server.parse()?)),
        }
    }
}

impl Config {
    /// What a thing depends on by order of an operator; a server inherits what its farm depends on,
    /// a watch what its group does.
    pub fn parents_of(&self, child: &Parent) -> BTreeSet<Parent> {
        match child {
            Parent::Watch(watch) => self.parents_of_watch(watch),
            Parent::Server(farm, server) => {
                let farm = self.farms.get(farm);
                let Some((farm, own)) =
                    farm.and_then(|farm| Some((farm, farm.servers.get(server)?)))
                else {
                    return BTreeSet::new();
                };
                farm.depends_on.union(&own.depends_on).cloned().collect()
            }
        }
    }

    /// Everything that others can depend on, and that can depend on others.
    pub fn members(&self) -> impl Iterator<Item = Parent> {
        let watches = self
            .watches
            .keys()
            .map(|watch| Parent::Watch(watch.clone()));
        let servers = self.farms.iter().flat_map(|(name, farm)| {
            let servers = farm.servers.keys();
            servers.map(|server| Parent::Server(name.clone(), server.clone()))
        });
        watches.chain(servers)
    }

    /// Whether there is such a thing.
    pub fn has(&self, member: &Parent) -> bool {
        match member {
            Parent::Watch(watch) => self.watches.contains_key(watch),
            Parent::Server(farm, server) => {
                let farm = self.farms.get(farm);
                farm.is_some_and(|farm| farm.servers.contains_key(server))
            }
        }
    }

    /// Parents that are not there, and parents that depend on their own children.
    pub(super) fn check_parents(&self, faults: &mut Faults) {
        let mut dangling =
            |at: String, parents: &BTreeSet<Parent>| self.check_named(at, parents, faults);
        for (name, watch) in &self.watches {
            dangling(format!("watch[{name}]"), &watch.depends_on);
        }
        for (name, group) in &self.groups {
            dangling(format!("group[{name}]"), &group.depends_on);
        }
        for (name, farm) in &self.farms {
            dangling(format!("farm[{name}]"), &farm.depends_on);
            for (server, ordered) in &farm.servers {
                dangling(
                    format!("farm[{name}].server[{server}]"),
                    &ordered.depends_on,
                );
            }
        }
        if let Some(cycle) = self.find_cycle() {
            let at = match cycle.first() {
                Some(Parent::Server(farm, server)) => format!("farm[{farm}].server[{server}]"),
                Some(Parent::Watch(watch)) => format!("watch[{watch}]"),
                None => String::new(),
            };
            let words: Vec<String> = cycle.iter().map(Parent::to_string).collect();
            faults.add(
                format!("{at}.depends_on"),
                FaultKind::Cycle(words.join(" -> ")),
            );
        }
    }

    /// Parents that are too many, or not there.
    pub(super) fn check_named(&self, at: String, parents: &BTreeSet<Parent>, faults: &mut Faults) {
        let at = format!("{at}.depends_on");
        let (have, max) = (parents.len(), PARENTS_MAX);
        if have > max {
            faults.add(&at, FaultKind::TooMany { have, max });
        }
        for parent in parents.iter().filter(|parent| !self.has(parent)) {
            let what = match parent {
                Parent::Watch(_) => "watch",
                Parent::Server(..) => "server",
            };
            let (what, name) = (what.to_owned(), parent.to_string());
            faults.add(&at, FaultKind::Dangling { what, name });
        }
    }

    /// A circle of things that depend on each other, the first of them once more at its end.
    fn find_cycle(&self) -> Option<Vec<Parent>> {
        let mut done = BTreeSet::new();
        for start in self.members() {
            let mut path = vec![start.clone()];
            let mut left: Vec<Vec<Parent>> = vec![self.parents_of(&start).into_iter().collect()];
            while let Some(choices) = left.last_mut() {
                let Some(next) = choices.pop() else {
                    left.pop();
                    done.extend(path.pop());
                    continue;
                };
                if let Some(place) = path.iter().position(|one| *one == next) {
                    path.push(next);
                    return Some(path.split_off(place));
                }
                if !done.contains(&next) {
                    left.push(self.parents_of(&next).into_iter().collect());
                    path.push(next);
                }
            }
        }
        None
    }

    /// Everything that a thing depends on, near or far, by order of an operator.
    pub fn ancestors_of(&self, child: &Parent) -> BTreeSet<Parent> {
        let mut found = BTreeSet::new();
        let mut open = self.parents_of(child);
        while let Some(next) = open.pop_first() {
            if next != *child && !found.contains(&next) {
                open.extend(self.parents_of(&next));
                found.insert(next);
            }
        }
        found
    }

    /// Where something answers.
    pub fn address_of(&self, member: &Parent) -> Option<IpAddr> {
        match member {
            Parent::Watch(watch) => self.watches.get(watch).map(|watch| watch.address),
            Parent::Server(farm, server) => {
                let server = self.farms.get(farm)?.servers.get(server)?;
                Some(server.address)
            }
        }
    }
}

/// A thing that hangs on more is down most of the time; bounds the work of each verdict.
const PARENTS_MAX: usize = 20;
