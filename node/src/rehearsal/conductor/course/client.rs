//! The one that measures, as the conductor knows it.

use std::time::Duration;

use farmux_raft::id::NodeId;

use crate::drill::{Numbers, Reading, RunId};
use crate::measure::tally::Series;
use crate::rehearsal::{Answer, Word};

/// Who measures, and how far that is.
#[derive(Debug)]
pub(super) struct Client {
    /// Which node.
    pub(super) node: NodeId,
    asked: Option<Duration>,
    waiting: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It was not begun yet.
    Idle,
    /// It was told to begin.
    Begins,
    /// It goes on.
    Goes,
    /// It knows nothing of it any more: what it saw is lost.
    Lost,
    /// It is closed.
    Closed(Box<(Numbers, Series)>),
}

impl Client {
    /// One that does nothing yet.
    pub(super) fn new(node: NodeId) -> Client {
        Client {
            node,
            asked: None,
            waiting: false,
            state: State::Idle,
        }
    }

    /// It shall measure.
    pub(super) fn begin(&mut self) {
        self.state = State::Begins;
    }

    /// What is to be asked of it now; `ends`: it shall close.
    pub(super) fn word(
        &mut self,
        now: Duration,
        run: RunId,
        ends: bool,
        measure: impl FnOnce() -> Option<Word>,
    ) -> Option<Word> {
        let due = |asked| now.saturating_sub(asked) >= LOOK_EVERY;
        if self.waiting || !self.asked.is_none_or(due) {
            return None;
        }
        let word = match (&self.state, ends) {
            (State::Idle | State::Lost | State::Closed(_), _) => return None,
            (State::Begins | State::Goes, true) => Word::Close { run },
            (State::Begins, false) => measure()?,
            (State::Goes, false) => Word::Look { run },
        };
        self.asked = Some(now);
        self.waiting = true;
        Some(word)
    }

    /// What it answers; how it stands, if it says so.
    pub(super) fn heard(&mut self, answer: Result<Answer, String>) -> Option<Reading> {
        self.waiting = false;
        match answer {
            Ok(Answer::Reading {
                requests,
                failed,
                silent_ms,
                longest_silent_ms,
                failed_permille,
            }) => {
                if matches!(self.state, State::Begins) {
                    self.state = State::Goes;
                }
                return Some(Reading {
                    requests,
                    failed,
                    silent: Duration::from_millis(silent_ms),
                    longest_silent: Duration::from_millis(longest_silent_ms),
                    failed_permille,
                });
            }
            Ok(Answer::Measured { numbers, series }) => {
                self.state = State::Closed(Box::new((numbers, series)));
            }
            Ok(Answer::Unknown) => match self.state {
                // Begun again it would have forgotten the failure.
                State::Goes => self.state = State::Lost,
                // It never began, and is to close.
                State::Begins => self.state = State::Idle,
                State::Idle | State::Lost | State::Closed(_) => {}
            },
            Ok(Answer::Failed { why }) | Err(why) => {
                tracing::debug!(node = %self.node, why, "the client of a drill says nothing");
            }
            Ok(
                Answer::Injecting { .. }
                | Answer::Injected
                | Answer::Undoing
                | Answer::Undone
                | Answer::Progress(_)
                | Answer::Track(_),
            ) => {}
        }
        None
    }

    /// Whether nothing more is to be heard of it.
    pub(super) fn is_closed(&self) -> bool {
        match self.state {
            State::Idle | State::Lost | State::Closed(_) => true,
            State::Begins | State::Goes => false,
        }
    }

    /// What it came to, if that is known.
    pub(super) fn measured(self) -> Option<(Numbers, Series)> {
        match self.state {
            State::Closed(measured) => Some(*measured),
            State::Idle | State::Begins | State::Goes | State::Lost => None,
        }
    }
}

/// Five times a second, so that a stop condition is seen in time.
const LOOK_EVERY: Duration = Duration::from_millis(200);
