//! Orders: add a watch, change some, remove some.

use std::collections::{BTreeMap, BTreeSet};

use farmux_raft::id::{GroupName, NodeId, WatchName};
use farmux_raft::state::{Config, Node, Parent, Watch};
use serde::{Deserialize, Serialize};

use super::super::ConfigError;
use super::super::document::WatchTable;
use super::super::read::watch::watch;
use super::super::reader::Reader;
use super::fields::WatchFields;
use super::table::{new_watch, watch_table};

/// What shall become of watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WatchOrder {
    /// A new one.
    Add {
        /// What it is called.
        name: String,
        /// What it is.
        #[serde(default)]
        fields: Box<WatchFields>,
    },
    /// Some are changed.
    Set {
        /// Which.
        which: Chosen,
        /// What is different.
        fields: Box<WatchFields>,
    },
    /// Some go.
    Remove {
        /// Which.
        which: Chosen,
    },
}

/// Which watches are meant: those that everything said here is true of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chosen {
    /// Called so; with none of them, however they are called.
    pub names: BTreeSet<String>,
    /// With all of these labels, their own or their group's.
    pub labels: BTreeMap<String, String>,
    /// Of this group.
    pub group: Option<String>,
    /// Must be said where nothing else is.
    pub all: bool,
}

impl Chosen {
    /// Whether a watch is meant.
    pub fn means(&self, config: &Config, name: &WatchName, watch: &Watch) -> bool {
        let named = self.names.is_empty() || self.names.contains(name.as_str());
        let group = watch.group.as_ref().map(GroupName::as_str);
        let grouped = self.group.is_none() || self.group.as_deref() == group;
        named && grouped && {
            let labels = config.labels_of(watch);
            let same = |(label, value): (&String, &String)| labels.get(label) == Some(value);
            self.labels.iter().all(same)
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Chosen::default()
    }

    /// The watches that are meant.
    ///
    /// **Errors**: nothing was said, a name is nobody's, or it is true of none.
    fn find(&self, config: &Config) -> Result<Vec<WatchName>, Vec<ConfigError>> {
        if self.is_empty() {
            return Err(vec![wrong(
                "",
                "which watches? name them, or say labels, a group, or all",
            )]);
        }
        let unknown = self.names.iter();
        let unknown = unknown.filter(|name| !config.watches.contains_key(name.as_str()));
        let unknown: Vec<ConfigError> = unknown
            .map(|name| wrong(&format!("watch[{name}]"), "there is no such watch"))
            .collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let meant = config.watches.iter();
        let meant = meant.filter(|(name, watch)| self.means(config, name, watch));
        let meant: Vec<WatchName> = meant.map(|(name, _)| name.clone()).collect();
        match meant.is_empty() {
            true => Err(vec![wrong("", "no watch is meant by this")]),
            false => Ok(meant),
        }
    }
}

pub(super) fn wrong(at: &str, what: &str) -> ConfigError {
    ConfigError {
        line: None,
        at: at.to_owned(),
        what: what.to_owned(),
    }
}

/// The configuration with an order carried out, and how many watches that touches.
///
/// **Errors**: everything that is wrong; nothing is changed then.
pub fn change_watches(
    current: &Config,
    nodes: &BTreeMap<NodeId, Node>,
    order: &WatchOrder,
) -> Result<(Config, usize), Vec<ConfigError>> {
    let mut config = current.clone();
    let touched = match order {
        WatchOrder::Add { name, fields } => {
            let at = format!("watch[{name}]");
            if current.watches.contains_key(name.as_str()) {
                let what = "there is one of this name already: farmux watch set";
                return Err(vec![wrong(&at, what)]);
            }
            let (name, watch) = understand(&fields.change(new_watch(name)), current)?;
            config.watches.insert(name, watch);
            1
        }
        WatchOrder::Set { which, fields } => {
            let names = which.find(current)?;
            let mut errors = Vec::new();
            for name in &names {
                let before = watch_table(name.as_str(), &current.watches[name]);
                match understand(&fields.change(before), current) {
                    Ok((name, watch)) => {
                        config.watches.insert(name, watch);
                    }
                    Err(wrong) => errors.extend(wrong),
                }
            }
            if !errors.is_empty() {
                return Err(errors);
            }
            names.len()
        }
        WatchOrder::Remove { which } => {
            let names: BTreeSet<WatchName> = which.find(current)?.into_iter().collect();
            let needed = needed(current, &names);
            if !needed.is_empty() {
                return Err(needed);
            }
            config.watches.retain(|name, _| !names.contains(name));
            names.len()
        }
    };
    let faults = config.faults(nodes).into_iter();
    let faults: Vec<ConfigError> = faults
        .map(|fault| ConfigError::of_fault(fault, None))
        .collect();
    match faults.is_empty() {
        true => Ok((config, touched)),
        false => Err(faults),
    }
}

/// Reads one watch by itself.
pub(super) fn understand(
    table: &WatchTable,
    current: &Config,
) -> Result<(WatchName, Watch), Vec<ConfigError>> {
    let mut reader = Reader::new("");
    let read = watch(&mut reader, table, current, &current.groups);
    match (reader.check(), read) {
        (Ok(()), Some(read)) => Ok(read),
        (Ok(()), None) => Err(vec![wrong("", "it is not understood")]),
        (Err(errors), _) => Err(errors
            .into_iter()
            .map(|error| ConfigError {
                line: None,
                ..error
            })
            .collect()),
    }
}

/// Who of those that stay depends on those that shall go.
pub(super) fn needed(config: &Config, going: &BTreeSet<WatchName>) -> Vec<ConfigError> {
    let mut needed: BTreeMap<&WatchName, Vec<String>> = BTreeMap::new();
    let mut note = |who: String, parents: &BTreeSet<Parent>| {
        for parent in parents {
            if let Parent::Watch(watch) = parent
                && let Some(watch) = going.get(watch)
            {
                needed.entry(watch).or_default().push(who.clone());
            }
        }
    };
    for (name, watch) in config
        .watches
        .iter()
        .filter(|(name, _)| !going.contains(*name))
    {
        note(name.to_string(), &watch.depends_on);
    }
    for (name, group) in &config.groups {
        note(format!("group {name}"), &group.depends_on);
    }
    for (name, farm) in &config.farms {
        note(format!("farm {name}"), &farm.depends_on);
        for (server, ordered) in &farm.servers {
            note(format!("{name}/{server}"), &ordered.depends_on);
        }
    }
    let line = |(watch, mut who): (&WatchName, Vec<String>)| {
        let count = who.len();
        who.truncate(NAMED_MAX);
        let more = match count - who.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        wrong(
            &format!("watch[{watch}]"),
            &format!(
                "it stays while others depend on it: {}{more}",
                who.join(", ")
            ),
        )
    };
    needed.into_iter().map(line).collect()
}

/// A line on a terminal.
const NAMED_MAX: usize = 5;
