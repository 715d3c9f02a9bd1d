//! The runs that are remembered: a thousand, and always the newest of each drill.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kind::DrillKind;
use super::record::{DrillRecord, RunId};
use super::verdict::Verdict;
use crate::id::UnixMillis;

/// The runs that are remembered, oldest first. Copying it is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PastDrills {
    runs: Arc<VecDeque<DrillRecord>>,
    ended: BTreeMap<DrillKind, Ended>,
}

/// How often a drill ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ended {
    /// It passed.
    pub passed: u64,
    /// It failed.
    pub failed: u64,
    /// It proved nothing.
    pub aborted: u64,
}

/// How a drill stands: when it ran last, and how that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// It never ran.
    Never,
    /// So long ago that it proves little; in days.
    Old(u64),
    /// Lately; in days.
    Fresh(u64),
}

impl PastDrills {
    /// Remembers one; the oldest that is not the newest proof of its drill goes for it.
    pub fn add(&mut self, record: DrillRecord) {
        let ended = self.ended.entry(record.kind).or_default();
        let count = match record.verdict {
            Verdict::Pass => &mut ended.passed,
            Verdict::Fail(_) => &mut ended.failed,
            Verdict::Aborted(_) => &mut ended.aborted,
        };
        *count = count.saturating_add(1);
        Arc::make_mut(&mut self.runs).push_back(record.bounded());
        while self.runs.len() > RUNS_MAX {
            let proof = |run: &DrillRecord| {
                let newest = self.last_of(run.kind);
                newest.is_some_and(|newest| newest.id == run.id)
            };
            // There are fewer drills than runs that are kept, so there is one.
            let goes = self.runs.iter().position(|run| !proof(run));
            Arc::make_mut(&mut self.runs).remove(goes.unwrap_or(0));
        }
    }

    /// How often each drill ended how, those that are forgotten too.
    pub fn ended(&self) -> impl Iterator<Item = (DrillKind, Ended)> {
        self.ended.iter().map(|(kind, ended)| (*kind, *ended))
    }

    /// One of them.
    pub fn get(&self, id: RunId) -> Option<&DrillRecord> {
        self.runs.iter().find(|run| run.id == id)
    }

    /// All, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &DrillRecord> {
        self.runs.iter().rev()
    }

    /// Those of a drill before a run, the newest first: its trend.
    pub fn before(&self, kind: DrillKind, id: RunId) -> impl Iterator<Item = &DrillRecord> {
        self.newest_first()
            .filter(move |run| run.kind == kind && run.id < id)
    }

    /// The newest of a drill that proved something.
    pub fn last_of(&self, kind: DrillKind) -> Option<&DrillRecord> {
        let proved = |run: &&DrillRecord| match run.verdict {
            Verdict::Pass | Verdict::Fail(_) => run.kind == kind,
            Verdict::Aborted(_) => false,
        };
        self.newest_first().find(proved)
    }

    /// Whether a drill is due.
    pub fn due(&self, kind: DrillKind, now: UnixMillis) -> Due {
        match self.last_of(kind).map(|run| days_between(run.ended, now)) {
            None => Due::Never,
            Some(days) if days > OLD_DAYS => Due::Old(days),
            Some(days) => Due::Fresh(days),
        }
    }

    /// A drill in one line of a status: `last owner-crash: 139 ms, passed, 12 days ago`.
    pub fn line(&self, kind: DrillKind, now: UnixMillis) -> String {
        let Some(run) = self.last_of(kind) else {
            return format!("last {kind}: never");
        };
        let word = match run.verdict {
            Verdict::Pass => "passed",
            Verdict::Fail(_) | Verdict::Aborted(_) => "FAILED",
        };
        let ago = match days_between(run.ended, now) {
            0 => "today".to_owned(),
            1 => "1 day ago".to_owned(),
            days => format!("{days} days ago"),
        };
        format!("last {kind}: {} ms, {word}, {ago}", run.numbers.outage_ms)
    }
}

/// How long ago a time was, for people who plan the next drill: whole days.
fn days_between(then: UnixMillis, now: UnixMillis) -> u64 {
    now.0.saturating_sub(then.0) / 86_400_000
}

/// **Source**: issue 7: 1,000 runs. With 4 KiB at most each, 4 MiB.
pub const RUNS_MAX: usize = 1_000;

/// **Source**: issue 7: amber when older than 90 days.
const OLD_DAYS: u64 = 90;
