//! The reporter: has the log take in what our probes saw, and nothing that it knows already.
//!
//! ```text
//!   Probing --Verdict--> Book (PURE: newest of each check) --ReportHealth--> proposer --> log
//!                          \--not in the state for 5 s--> pager::local: pages by our own word
//! ```
//!
//! One proposal is under way at a time, with everything that differs then: a rack that fails at
//! once is one entry of the log.

mod book;
mod remarks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_netplane::probe::Verdict;
use farmux_raft::clockwork::{Task, now, sleep, spawn};
use farmux_raft::consensus::BoxFuture;
use farmux_raft::state::{Applied, Authority, CheckKey, Page, State};
use tokio::sync::{mpsc, watch};

use crate::daemon::proposal;
use crate::pager::{LocalPage, LocalPages, NotDecided, Proposer};
use book::Book;

pub use remarks::{Remarks, RemarksParts};

/// By what right this node reports a check now, if by any: [`crate::plan::authority`].
pub type Right = Box<dyn Fn(&State, &CheckKey) -> Option<Authority> + Send>;

/// What the reporter needs.
pub struct ReporterParts {
    /// The newest applied state.
    pub state: watch::Receiver<Arc<State>>,
    /// What our probes saw.
    pub verdicts: mpsc::Receiver<Verdict>,
    /// By what right.
    pub right: Right,
    /// Has reports decided.
    pub proposer: Arc<dyn Proposer>,
    /// Takes pages by our own word.
    pub local: mpsc::Sender<Page>,
}

/// The running reporter; dropping it ends it.
#[derive(Debug)]
pub struct Reporter {
    task: Task<()>,
}

impl Reporter {
    /// Starts it.
    ///
    /// **Panics**: outside a tokio runtime.
    pub fn spawn(parts: ReporterParts) -> Reporter {
        let worker = Worker {
            parts,
            book: Book::default(),
            pages: LocalPages::default(),
        };
        Reporter {
            task: spawn(worker.run()),
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    parts: ReporterParts,
    book: Book,
    pages: LocalPages,
}

type Answer = Result<Applied, NotDecided>;

impl Worker {
    async fn run(mut self) {
        let mut state = self.parts.state.clone();
        let mut asked: Option<BoxFuture<'static, Answer>> = None;
        let mut not_before = now();
        loop {
            let newest = Arc::clone(&state.borrow_and_update());
            let moment = now();
            self.book.settle(&newest, &*self.parts.right, moment);
            self.page_overdue(&newest, moment);
            if asked.is_none() && not_before <= moment {
                asked = self
                    .book
                    .report(&newest, &*self.parts.right)
                    .map(|command| self.parts.proposer.propose(proposal(command)));
            }
            let open = self.book.is_open();
            tokio::select! {
                // The answer first: there is one at a time.
                biased;
                answer = answered(&mut asked) => {
                    asked = None;
                    not_before = now() + pause_after(&answer);
                }
                verdict = self.parts.verdicts.recv() => match verdict {
                    Some(verdict) => self.take(verdict),
                    None => return,
                },
                changed = state.changed() => if changed.is_err() { return },
                () = sleep(LOOK_EVERY), if open => {}
            }
        }
    }

    /// Takes a verdict in, and all that wait behind it.
    fn take(&mut self, first: Verdict) {
        let moment = now();
        self.book.take(&first, moment);
        while let Ok(next) = self.parts.verdicts.try_recv() {
            self.book.take(&next, moment);
        }
    }

    fn page_overdue(&mut self, state: &State, now: Instant) {
        let overdue = self.book.overdue(now);
        let room = self.parts.local.capacity();
        for LocalPage { page, because } in self.pages.overdue(state, &overdue, room) {
            // Nobody else sends, so that there is room; the messenger is gone only at the end.
            if self.parts.local.try_send(page).is_ok() {
                self.book.owe(because);
            }
        }
    }
}

async fn answered(asked: &mut Option<BoxFuture<'static, Answer>>) -> Answer {
    match asked {
        Some(asked) => asked.await,
        None => std::future::pending().await,
    }
}

/// A refusal is looked at again slowly: our right to report may just have passed to another.
fn pause_after(answer: &Answer) -> Duration {
    match answer {
        // The state that shows it may come a heartbeat later; then nothing differs any more.
        Ok(_) => STATE_LAG,
        Err(error) => {
            tracing::debug!(%error, "health not reported");
            AGAIN_AFTER
        }
    }
}

/// For our own state to show what was decided: two heartbeats of the log.
const STATE_LAG: Duration = Duration::from_millis(200);

/// Until the next attempt: about one election.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How often what is not in the state yet is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod many;
#[cfg(test)]
mod tests;
