//! Drills in the journal: begun, breaking something, over, locked.

use serde::{Deserialize, Serialize};

use super::{DrillKind, RunId, Verdict};
use crate::state::{Command, JournalEvent, State};

/// Something that happened to drills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DrillEvent {
    /// A run began.
    Begun {
        /// Which.
        run: RunId,
        /// Of which drill.
        kind: DrillKind,
        /// By whose order.
        by: String,
    },
    /// Its failure begins.
    Injecting {
        /// Which run.
        run: RunId,
        /// Of which drill.
        kind: DrillKind,
    },
    /// Its failure is over.
    Undone {
        /// Which run.
        run: RunId,
        /// Of which drill.
        kind: DrillKind,
    },
    /// Somebody wants it to end.
    Aborted {
        /// Which run.
        run: RunId,
        /// Who.
        who: String,
    },
    /// It is over.
    Ended {
        /// Which run.
        run: RunId,
        /// Of which drill.
        kind: DrillKind,
        /// `PASS`, `FAIL` or `ABORTED`, and why.
        words: String,
    },
    /// A time of a schedule was passed over.
    Skipped {
        /// Which schedule.
        name: crate::id::DrillName,
        /// Why; empty: it was too late.
        why: String,
    },
    /// Nothing is rehearsed any more.
    Locked {
        /// By whose order.
        author: String,
        /// Why.
        why: String,
    },
    /// It may be again.
    Unlocked {
        /// By whose order.
        author: String,
    },
}

impl State {
    /// What a command about drills is in the journal, if it is carried out.
    pub(in crate::state) fn drill_event_of(&self, command: &Command) -> Option<JournalEvent> {
        let harm_kind = |run: RunId| {
            let running = self.drills.running.as_ref();
            let running = running.filter(|running| running.id == run);
            running.map(|running| running.order.kind)
        };
        let event = if let Command::BeginDrill(order) = command {
            DrillEvent::Begun {
                run: RunId(self.drills.last.0.saturating_add(1)),
                kind: order.kind,
                by: order.by.clone(),
            }
        } else if let Command::DrillInjecting { run, .. } = command {
            DrillEvent::Injecting {
                run: *run,
                kind: harm_kind(*run)?,
            }
        } else if let Command::DrillUndone { run } = command {
            DrillEvent::Undone {
                run: *run,
                kind: harm_kind(*run)?,
            }
        } else if let Command::AbortDrill { run, who } = command {
            DrillEvent::Aborted {
                run: *run,
                who: who.clone(),
            }
        } else if let Command::RecordDrill(record) = command {
            DrillEvent::Ended {
                run: record.id,
                kind: record.kind,
                words: ended_words(&record.verdict),
            }
        } else if let Command::SkipDrill { scheduled, why } = command {
            DrillEvent::Skipped {
                name: scheduled.name.clone(),
                why: why.clone(),
            }
        } else if let Command::LockDrills { author, why } = command {
            DrillEvent::Locked {
                author: author.0.clone(),
                why: why.clone(),
            }
        } else if let Command::UnlockDrills { author } = command {
            DrillEvent::Unlocked {
                author: author.0.clone(),
            }
        } else {
            return None;
        };
        Some(JournalEvent::Drill(event))
    }
}

/// `FAIL: an outage of 400 ms, 300 ms allowed`, in one line.
fn ended_words(verdict: &Verdict) -> String {
    let reasons = verdict.reasons().join("; ");
    let words = match reasons.is_empty() {
        true => verdict.word().to_owned(),
        false => format!("{}: {reasons}", verdict.word()),
    };
    crate::state::clean(&words, WORDS_CHARS_MAX)
}

impl DrillEvent {
    /// What it is about, and in words what happened.
    pub(in crate::state) fn words(&self) -> (String, String) {
        let of = |kind: &DrillKind, run: &RunId| format!("drill {kind} {run}");
        match self {
            DrillEvent::Begun { run, kind, by } => (of(kind, run), format!("begun by {by}")),
            DrillEvent::Injecting { run, kind } => {
                (of(kind, run), "makes its failure now".to_owned())
            }
            DrillEvent::Undone { run, kind } => (of(kind, run), "its failure is over".to_owned()),
            DrillEvent::Aborted { run, who } => {
                (format!("drill {run}"), format!("aborted by {who}"))
            }
            DrillEvent::Ended { run, kind, words } => (of(kind, run), words.clone()),
            DrillEvent::Skipped { name, why } => {
                let why = match why.is_empty() {
                    true => "its time passed",
                    false => why,
                };
                (format!("drill schedule {name}"), format!("skipped: {why}"))
            }
            DrillEvent::Locked { author, why } => {
                ("drills".to_owned(), format!("locked by {author}: {why}"))
            }
            DrillEvent::Unlocked { author } => {
                ("drills".to_owned(), format!("unlocked by {author}"))
            }
        }
    }
}

/// A line of a terminal, twice; the report has the rest.
const WORDS_CHARS_MAX: usize = 200;
