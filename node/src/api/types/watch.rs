//! Watches: what is checked and not balanced.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use farmux_raft::id::WatchName;
use farmux_raft::state::{Advice, Health};
use serde::{Deserialize, Serialize};

use super::Moment;

/// One item of `GET /v1/watches`; `GET /v1/watches/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchReport {
    /// What it is called.
    pub name: WatchName,
    /// Where its probes go.
    pub target: SocketAddr,
    /// What an operator knows it by.
    pub labels: BTreeMap<String, String>,
    /// The check in words.
    pub check: String,
    /// The verdict.
    pub health: Health,
    /// What its own page asks for, where that is obeyed; it is only shown.
    pub advice: Advice,
    /// Why.
    pub reason: String,
    /// Since when; null: no verdict yet.
    pub since: Option<Moment>,
    /// What is down, or was and is not yet forgiven, and explains that this one is down; null: it
    /// is not down, or by itself.
    pub unreachable_because: Option<String>,
    /// What it depends on: watches, or servers as `farm/server`.
    pub depends_on: Vec<String>,
    /// Who depends on it, near or far: watches, and servers as `farm/server`.
    pub dependants: Vec<String>,
}

/// How many watches are in which condition; each is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WatchCounts {
    /// Their checks say up.
    pub up: usize,
    /// Their checks say down.
    pub down: usize,
    /// Down because of something else, which is down or was.
    pub unreachable: usize,
    /// Without a verdict yet.
    pub unknown: usize,
}

impl WatchCounts {
    /// All watches.
    pub fn total(&self) -> usize {
        self.up + self.down + self.unreachable + self.unknown
    }
}
