//! The disk of this node that is full: told to the log, through whoever leads; where the log takes
//! nothing any more, to people by our own word, with the id that the log gives it later.
//!
//! ```text
//!   full ─▶ ReportTrouble(Disk) ──not for 5 s──▶ page by our own word
//!   room again ─▶ (what was only told by our own word, so that its id is used up) ─▶ it is over
//! ```
//!
//! A node without room keeps nothing that is decided, so its own state does not say what the log
//! knows: this task remembers it.

use std::path::PathBuf;
use std::time::Duration;

use farmux_raft::consensus::{Consensus, Room};
use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::state::{Command, Page, Subject, Trouble};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::TICK;
use crate::daemon::{proposal, wall_clock};
use crate::pager::full_disk;

/// What could not be committed for so long is said by our own word.
///
/// **Source**: `vip-protocol.md`, section 9.
const OWN_WORD_AFTER: Duration = Duration::from_secs(5);

/// What the task needs.
pub(in crate::daemon) struct RoomReporter {
    pub(in crate::daemon) consensus: Consensus,
    /// Whose disk it is.
    pub(in crate::daemon) data: PathBuf,
    /// Who was removed says nothing any more.
    pub(in crate::daemon) removed: watch::Receiver<Option<NodeId>>,
    pub(in crate::daemon) by_own_word: mpsc::Sender<Page>,
}

/// A time without room.
#[derive(Debug, Clone, Copy)]
struct Full {
    began: Instant,
    /// The same by the wall clock, for people.
    at: UnixMillis,
    told: Told,
}

/// Who knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nobody,
    /// People, by our own word.
    People,
    /// The log.
    Log,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    /// From now on it is remembered.
    Began,
    /// The log shall know.
    Report,
    /// The log shall know, or else people.
    ReportOrPage,
    /// The log shall know that it is over.
    Over,
    /// It is over, and nobody needs to know.
    Forget,
}

/// PURE. What is to be done now; `open`: the log knows of it, as far as our state goes.
fn step(full: bool, open: bool, so_far: Option<(Duration, Told)>) -> Step {
    match (full, so_far) {
        (true, None) => Step::Began,
        (true, Some((_, Told::Log))) => Step::Nothing,
        (true, Some((since, Told::Nobody))) if since >= OWN_WORD_AFTER => Step::ReportOrPage,
        (true, Some((_, Told::Nobody | Told::People))) => Step::Report,
        (false, Some((_, Told::People))) => Step::Report,
        (false, Some((_, Told::Log))) => Step::Over,
        (false, Some((_, Told::Nobody))) => Step::Forget,
        // From before a restart.
        (false, None) if open => Step::Over,
        (false, None) => Step::Nothing,
    }
}

impl RoomReporter {
    /// Runs for ever.
    pub(in crate::daemon) async fn run(self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut full: Option<Full> = None;
        loop {
            ticks.tick().await;
            if self.removed.borrow().is_some() {
                continue;
            }
            full = self.next(full).await;
        }
    }

    async fn next(&self, full: Option<Full>) -> Option<Full> {
        let is_full = self.consensus.room() != Room::Enough;
        let so_far = full.map(|full| (full.began.elapsed(), full.told));
        let now = || Full {
            began: Instant::now(),
            at: wall_clock(),
            told: Told::Nobody,
        };
        let told = |full: Full, told: Told| Some(Full { told, ..full });
        match (step(is_full, self.is_open(), so_far), full) {
            (Step::Began, _) => Some(now()),
            (Step::Report, Some(full)) => match self.report(true).await {
                true => told(full, Told::Log),
                false => Some(full),
            },
            (Step::ReportOrPage, Some(full)) => match self.report(true).await {
                true => told(full, Told::Log),
                false if self.page(full.at) => told(full, Told::People),
                false => Some(full),
            },
            (Step::Over, full) => match self.report(false).await {
                true => None,
                false => full,
            },
            (Step::Forget, _) => None,
            (Step::Nothing | Step::Report | Step::ReportOrPage, full) => full,
        }
    }

    fn trouble(&self) -> Trouble {
        Trouble::Disk(self.consensus.config().me)
    }

    fn is_open(&self) -> bool {
        let state = self.consensus.state();
        let subject = Subject::Trouble(self.trouble());
        state.borrow().incidents.contains_key(&subject)
    }

    fn reason(&self) -> String {
        format!("no room is left on the disk of {}", self.data.display())
    }

    /// Whether the log knows it now.
    async fn report(&self, full: bool) -> bool {
        let command = Command::ReportTrouble {
            node: self.consensus.config().me,
            trouble: self.trouble(),
            reason: full.then(|| self.reason()),
        };
        let said = self.consensus.propose(proposal(command)).await;
        if let Err(error) = &said {
            tracing::debug!(%error, "a full disk was not committed; the next tick tries again");
        }
        said.is_ok()
    }

    /// Pages by our own word; `true` when there is nothing left to say.
    fn page(&self, since: UnixMillis) -> bool {
        let state = self.consensus.state().borrow().clone();
        let page = full_disk(&state, self.consensus.config().me, since, self.reason());
        page.is_none_or(|page| self.by_own_word.try_send(page).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_once_and_its_end_too() {
        let (soon, late) = (Duration::from_secs(1), OWN_WORD_AFTER);
        let table = [
            (true, false, None, Step::Began),
            (true, true, None, Step::Began),
            (true, false, Some((soon, Told::Nobody)), Step::Report),
            (true, false, Some((late, Told::Nobody)), Step::ReportOrPage),
            (true, false, Some((late, Told::People)), Step::Report),
            // What the log knows our own state does not say while it is full.
            (true, false, Some((late, Told::Log)), Step::Nothing),
            (true, true, Some((late, Told::Log)), Step::Nothing),
            (false, false, Some((soon, Told::Nobody)), Step::Forget),
            (false, false, Some((late, Told::People)), Step::Report),
            (false, false, Some((late, Told::Log)), Step::Over),
            (false, true, Some((late, Told::Log)), Step::Over),
            (false, true, None, Step::Over),
            (false, false, None, Step::Nothing),
        ];
        for (full, open, so_far, expected) in table {
            assert_eq!(
                step(full, open, so_far),
                expected,
                "{full} {open} {so_far:?}"
            );
        }
    }
}
