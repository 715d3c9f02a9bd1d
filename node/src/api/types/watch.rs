//! Watches: what is checked and not balanced.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use farmux_raft::id::{NodeName, WatchName};
use farmux_raft::state::{Advice, Health, PageVerdict};
use serde::{Deserialize, Serialize};

use super::{Moment, PageReport, SilencedReport};

pub use crate::config::{CheckFields, Chosen, Import, WatchFields, WatchOrder};

/// One item of `GET /v1/watches`; `GET /v1/watches/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchReport {
    /// What it is called.
    pub name: WatchName,
    /// Where its probes go.
    pub target: SocketAddr,
    /// Whose defaults it has; null: nobody's.
    #[serde(default)]
    pub group: Option<String>,
    /// What an operator knows it by, its group's labels too.
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
    /// What its page waits for; null: it has one, or needs none.
    #[serde(default)]
    pub page_waits: Option<String>,
    /// Whose fault its open page says it is; null: there is none, or nobody else was to be asked.
    #[serde(default)]
    pub verdict: Option<PageVerdict>,
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

/// `GET /v1/watches/NAME`: a watch, and how it has been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchDetail {
    /// What the list says of it.
    #[serde(flatten)]
    pub watch: WatchReport,
    /// Its last probes, the newest first, at most 20.
    #[serde(default)]
    pub results: Vec<ProbeReport>,
    /// Who made them; null: nobody that answers.
    #[serde(default)]
    pub probed_by: Option<NodeName>,
    /// This month and the last twelve, the newest first; those in which it was not there are
    /// missing.
    #[serde(default)]
    pub uptime: Vec<MonthReport>,
    /// The silence that hushes it; null: none does.
    #[serde(default)]
    pub silenced: Option<SilencedReport>,
    /// The last pages of it, the newest first, at most 5.
    #[serde(default)]
    pub pages: Vec<PageReport>,
}

/// One probe that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// When it ended.
    pub at: Moment,
    /// From its start to its end.
    pub took_us: u32,
    /// What it found: `well`, `refused`, `timeout`, `unreachable`, `unwell`, or `nothing` where
    /// nothing can be said of the server.
    pub found: String,
}

/// How a month was, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthReport {
    /// `2026-03`.
    pub month: String,
    /// How long it was up.
    pub up_ms: u64,
    /// How long it was down.
    pub down_ms: u64,
    /// How long there was no verdict.
    pub unknown_ms: u64,
    /// How often it went down.
    pub downs: u32,
    /// Up in parts of a hundred thousand of the time with a verdict; null: there was none.
    pub up_per_100_000: Option<u32>,
}

/// `POST /v1/watches`: adds, changes or removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchRequest {
    /// What shall become of which.
    pub order: WatchOrder,
    /// Shows what would change, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, in the author's words.
    #[serde(default)]
    pub note: String,
}

/// `POST /v1/watches/import`: takes a sheet in, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The sheet.
    pub import: Import,
    /// Shows what would change, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, in the author's words.
    #[serde(default)]
    pub note: String,
}

/// The answer to both: what changed, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchAnswer {
    /// How many watches are meant.
    pub touched: usize,
    /// One line for each change, at most 100; empty: it was so already.
    pub diff: Vec<String>,
    /// The revision that was made; null: none.
    pub revision: Option<u64>,
}

/// `GET /v1/watches/export`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetAnswer {
    /// All watches as CSV that `import` understands; secrets are named, not shown.
    pub csv: String,
}
