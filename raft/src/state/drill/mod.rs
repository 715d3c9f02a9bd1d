//! Drills as every node remembers them: who locked them, which one runs, what it breaks on
//! purpose, and what those before it came to.
//!
//! ```text
//!   BeginDrill ─▶ Running ─DrillInjecting─▶ Harm (pages in its radius are marked) ─DrillUndone─▶
//!                    │ AbortDrill, LockDrills: whoever conducts sees it here, and ends it
//!                    └─RecordDrill─▶ PastDrills: a thousand records, for ever
//! ```
//!
//! How a run goes is not known here: its plan, its measurements and its track are nodes' own.

mod command;
mod event;
mod harm;
mod kind;
mod lasting;
mod mark;
mod numbers;
mod past;
mod record;
mod schedule;
mod verdict;

pub use event::DrillEvent;
pub use harm::{DrillRadius, Harm};
pub use kind::{Bounds, DrillKind, Stop, Undo, UndoHolder};
pub use numbers::{Numbers, PageCount};
pub use past::{Due, Ended, PastDrills, RUNS_MAX};
pub use record::{DrillRecord, RunId};
pub use schedule::{Drill, DueDrill, ScheduleError, Weekday, Weekly, ZoneName};
pub use verdict::{Aborted, Lapse, Verdict, judge};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Author;
use crate::id::{DrillName, UnixMillis};

/// All that is remembered of drills.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Drills {
    /// Nothing is rehearsed, by somebody's order.
    pub lock: Option<DrillLock>,
    /// Which one is under way.
    pub running: Option<Running>,
    /// What the newest one broke on purpose; it outlives its run, for pages that come late.
    pub harm: Option<Harm>,
    /// The number of the newest run.
    pub last: RunId,
    /// Those that are over.
    pub past: PastDrills,
    /// For each schedule the newest time of it that was begun or passed over.
    pub settled: BTreeMap<DrillName, UnixMillis>,
}

/// Nothing is rehearsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillLock {
    /// By whose order.
    pub author: Author,
    /// Why.
    pub why: String,
    /// Since when.
    pub since: UnixMillis,
}

/// What is to be rehearsed, as somebody asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillOrder {
    /// Which drill.
    pub kind: DrillKind,
    /// Whom to hit, as typed, at most 160 characters; `None`: the plan chooses.
    pub target: Option<String>,
    /// Somebody measures from outside too, so that no node need.
    pub outside: bool,
    /// The cluster's name, typed for a drill that takes down what is served.
    pub typed: Option<String>,
    /// What it may cost; `None`: what such a drill may.
    pub bounds: Option<Bounds>,
    /// Who wants it, 1 to 100 characters.
    pub by: String,
    /// The schedule that is due; `None`: a human asked.
    pub scheduled: Option<Scheduled>,
    /// When it is surely over, and its conductor gone if it says otherwise; two hours at most.
    pub until: UnixMillis,
}

/// One time of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// Which schedule.
    pub name: DrillName,
    /// When it was due.
    pub due: UnixMillis,
}

/// The run that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its number.
    pub id: RunId,
    /// What was asked for.
    pub order: DrillOrder,
    /// When it was.
    pub began: UnixMillis,
    /// The newest revision of the configuration then.
    pub revision: u64,
    /// Who wants it to end.
    pub aborted: Option<String>,
}

impl Running {
    /// What is recorded of it when whoever conducted it is gone.
    pub fn lost(&self, ended: UnixMillis) -> DrillRecord {
        let order = &self.order;
        DrillRecord {
            id: self.id,
            kind: order.kind,
            target: order.target.clone().unwrap_or_default(),
            injection: String::new(),
            by: order.by.clone(),
            scheduled: order.scheduled.is_some(),
            began: self.began,
            ended: ended.max(self.began),
            revision: self.revision,
            url: String::new(),
            client: None,
            bounds: order.bounds.unwrap_or_else(|| order.kind.bounds()),
            verdict: Verdict::Aborted(Aborted::LeaderLost),
            numbers: Numbers::default(),
        }
    }
}

#[cfg(test)]
mod tests;
