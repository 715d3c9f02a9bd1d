//! Groups: what many watches have in common, written once.
//!
//! ```text
//!   group web:  labels, check, depends_on
//!       │ what a watch does not say itself
//!       ▼
//!   watch w1:   check: its own, or else the group's
//!               labels and depends_on: both, and of two equal labels its own
//! ```
//!
//! A watch keeps what was written of it; what it inherits is found when it is asked for, so that a
//! change of the group reaches all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::watch::check_labels;
use super::{Check, Config, FaultKind, Parent, Watch};
use crate::id::WatchName;

/// Defaults that watches share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Group {
    /// Labels of all of them, at most 20.
    pub labels: BTreeMap<String, String>,
    /// The rule of those that have none of their own.
    pub check: Option<Check>,
    /// What must be up for any of them to be up.
    pub depends_on: BTreeSet<Parent>,
}

impl Group {
    /// What is wrong with it by itself.
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        check_labels(&self.labels, at, faults);
        if let Some(check) = &self.check {
            check.check(&format!("{at}.check"), faults);
        }
    }
}

impl Config {
    fn group_of(&self, watch: &Watch) -> Option<&Group> {
        self.groups.get(watch.group.as_ref()?)
    }

    /// The rule of a watch: its own, or its group's; `None` only in a configuration with faults.
    pub fn check_of<'a>(&'a self, watch: &'a Watch) -> Option<&'a Check> {
        let own = watch.check.as_ref();
        own.or_else(|| self.group_of(watch)?.check.as_ref())
    }

    /// The labels of a watch, and those of its group that it does not have itself.
    pub fn labels_of(&self, watch: &Watch) -> BTreeMap<String, String> {
        let inherited = self.group_of(watch).map(|group| &group.labels);
        let mut labels = inherited.cloned().unwrap_or_default();
        labels.extend(watch.labels.clone());
        labels
    }

    /// What a watch depends on, and what its group does; a member that its own group depends on
    /// does not depend on itself.
    pub(super) fn parents_of_watch(&self, name: &WatchName) -> BTreeSet<Parent> {
        let Some(watch) = self.watches.get(name) else {
            return BTreeSet::new();
        };
        let mut parents = watch.depends_on.clone();
        if let Some(group) = self.group_of(watch) {
            let itself = Parent::Watch(name.clone());
            let inherited = group.depends_on.iter();
            parents.extend(inherited.filter(|parent| **parent != itself).cloned());
        }
        parents
    }

    /// What is wrong with one watch, by itself and with what it names; circles apart.
    pub fn watch_faults(&self, name: &WatchName) -> Vec<super::Fault> {
        let mut faults = Faults::default();
        if let Some(watch) = self.watches.get(name) {
            let at = format!("watch[{name}]");
            self.check_watch(&at, watch, &mut faults);
            self.check_named(at, &watch.depends_on, &mut faults);
        }
        faults.into_vec()
    }

    /// A watch with what it inherits.
    pub(super) fn check_watch(&self, at: &str, watch: &Watch, faults: &mut Faults) {
        if let Some(group) = watch
            .group
            .as_ref()
            .filter(|g| !self.groups.contains_key(*g))
        {
            let (what, name) = ("group".to_owned(), group.to_string());
            faults.add(format!("{at}.group"), FaultKind::Dangling { what, name });
        }
        watch.check(at, self.check_of(watch), faults);
    }
}
