//! PURE. What is asked out of turn: a few probes within 1.2 s, and one answer.
//!
//! ```text
//!   0 ms     50 ms     100 ms                          1 s after its start, at the latest
//!   probe 1  probe 2   probe 3   as many as are needed until down
//!     └─────────┴─────────┴── the first success: well; all of them failed: down, at once
//! ```
//!
//! Somebody waits for the answer, with a page about something else in hand. So it comes quickly,
//! and what it takes to turn the verdict is the same number of failures as ever, only closer
//! together. Where that takes more than [`PROBES_MAX`], failures alone are no answer: whoever
//! wants to see ten of them in a row has a check that fails now and then, and ten failures within
//! a moment are one failure, seen ten times. A check that is down already is probed once: whether
//! it comes back is for the ordinary schedule to find, with all the successes in a row that this
//! takes.
//!
//! A probe that had less time than its check gives it, and ran out of it, may have met a server
//! that is slow by nature: [`Inquiry::weigh`] tells.

use std::time::Duration;

use super::outcome::{Failure, LocalTrouble, Outcome, Phase};
use super::verdict::{Tally, Thresholds};
use crate::plan::Health;

/// Probes that are made out of turn, and what they found so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inquiry {
    probes: u32,
    /// Failures until down.
    needed: u32,
    timeout: Duration,
    pace: Pace,
    failed: u32,
    ended: u32,
}

/// What is known of how long a check takes where the server is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// The time of an inquiry is enough for it.
    Fast,
    /// It may well take longer than that.
    Slow,
    /// It never passed here as yet.
    Unknown,
}

/// What an inquiry found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// One probe succeeded.
    Well,
    /// All of them failed.
    Unwell,
    /// None succeeded, and too few failed.
    Nothing,
}

impl Inquiry {
    /// How to go about it, for a check that stands so, gives one probe so much time, and took
    /// `usual` when it last passed in its turn.
    pub(super) fn new(
        tally: Tally,
        thresholds: Thresholds,
        timeout: Duration,
        usual: Option<Duration>,
    ) -> Inquiry {
        let needed = match tally.health() {
            Health::Down => 1,
            Health::Up | Health::Unknown => thresholds.fall.saturating_sub(tally.against()),
        };
        Inquiry {
            probes: needed.clamp(1, PROBES_MAX),
            needed: needed.max(1),
            timeout: timeout.min(TIMEOUT_MAX),
            pace: match usual {
                _ if timeout <= TIMEOUT_MAX => Pace::Fast,
                Some(usual) if usual <= TIMEOUT_MAX / 2 => Pace::Fast,
                Some(_) => Pace::Slow,
                None => Pace::Unknown,
            },
            failed: 0,
            ended: 0,
        }
    }

    /// When each probe starts, counted from the first.
    pub(super) fn starts(&self) -> impl Iterator<Item = Duration> + use<> {
        (0..self.probes).map(|number| APART * number)
    }

    /// How long each of them may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What one of them tells: a timeout that was cut too short tells nothing.
    ///
    /// Where the pace is unknown, silence while connecting counts all the same: no plugin and no
    /// login is at work there, and that is how a machine without power looks.
    pub(super) fn weigh(&self, outcome: Outcome) -> Outcome {
        let Outcome::Fail(failure) = outcome else {
            return outcome;
        };
        let counts = match (self.pace, &failure) {
            (Pace::Unknown, Failure::Timeout { during, .. }) => *during == Phase::Connecting,
            (Pace::Slow | Pace::Unknown, failure) => !failure.is_timeout(),
            (Pace::Fast, _) => true,
        };
        match counts {
            true => Outcome::Fail(failure),
            false => Outcome::Inconclusive(LocalTrouble::Hurried(Box::new(failure))),
        }
    }

    /// Takes in how one of them ended; the answer, once there is one.
    pub(super) fn take(&mut self, outcome: &Outcome) -> Option<Answer> {
        self.ended += 1;
        match outcome {
            Outcome::Pass(_) => return Some(Answer::Well),
            Outcome::Fail(_) => self.failed += 1,
            Outcome::Inconclusive(_) => {}
        }
        (self.ended >= self.probes).then_some(match self.failed >= self.needed {
            true => Answer::Unwell,
            false => Answer::Nothing,
        })
    }
}

/// From one start to the next: what passes in less than this, such as a listener that is restarted,
/// shall not look like the end of a server; and five of them end in time.
const APART: Duration = Duration::from_millis(50);

/// Most probes: with these, all have ended 1.2 s after the first began.
const PROBES_MAX: u32 = 5;

/// Longest time for one of them: whoever asks waits for two seconds, and the ways of question and
/// answer, through the log, take up to 0.7 of them.
const TIMEOUT_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::outcome::{Place, Success};

    /// A check with this verdict and so much against it.
    fn tally(health: Health, against: u32) -> Tally {
        let mut tally = Tally::from_remembered(health);
        let often = Thresholds { fall: 99, rise: 99 };
        for _ in 0..against {
            tally.count(health == Health::Down, often);
        }
        assert_eq!((tally.health(), tally.against()), (health, against));
        tally
    }

    #[test]
    fn as_many_probes_as_are_needed() {
        use Health::{Down, Unknown, Up};
        for (health, against, fall, probes) in [
            (Up, 0, 3, 3),
            (Up, 1, 3, 2),
            (Up, 2, 3, 1),
            (Up, 0, 1, 1),
            (Up, 0, 0, 1),
            (Up, 0, 5, 5),
            (Up, 0, 10, 5),
            (Up, 9, 3, 1),
            (Unknown, 0, 3, 3),
            (Unknown, 2, 3, 1),
            (Down, 0, 3, 1),
            (Down, 1, 3, 1),
        ] {
            let thresholds = Thresholds { fall, rise: 2 };
            let inquiry = Inquiry::new(
                tally(health, against),
                thresholds,
                Duration::from_secs(5),
                None,
            );
            assert_eq!(inquiry.probes, probes, "{health:?} {against} of {fall}");
        }
    }

    #[test]
    fn there_is_an_answer_in_time() {
        for fall in 0..20 {
            for timeout in [1, 100, 1000, 5000, 60_000].map(Duration::from_millis) {
                let thresholds = Thresholds { fall, rise: 2 };
                let inquiry = Inquiry::new(tally(Health::Up, 0), thresholds, timeout, None);
                let last = inquiry.starts().last().expect("at least one");
                assert!(inquiry.timeout() <= timeout);
                assert!(last + inquiry.timeout() <= Duration::from_millis(1200));
            }
        }
    }

    /// Every pace, with every kind of outcome: whether that counts as a failure.
    #[test]
    fn a_cut_timeout_counts_where_the_check_is_fast() {
        let timeout = |during| Failure::Timeout {
            after: TIMEOUT_MAX,
            during,
        };
        let beside = Failure::Beside {
            place: Place::DataConnection,
            failure: Box::new(timeout(Phase::Connecting)),
        };
        let (fast, slow) = (Some(TIMEOUT_MAX / 2), Some(TIMEOUT_MAX * 6 / 10));
        let (cut, whole) = (Duration::from_secs(10), TIMEOUT_MAX);
        for (failure, counted) in [
            (timeout(Phase::Plugin), [true, true, true, false, false]),
            (beside, [true, true, true, false, false]),
            (timeout(Phase::Connecting), [true, true, true, false, true]),
            (Failure::Refused, [true; 5]),
        ] {
            let paces = [
                (whole, None),
                (whole, slow),
                (cut, fast),
                (cut, slow),
                (cut, None),
            ];
            for ((timeout, usual), counts) in paces.into_iter().zip(counted) {
                let thresholds = Thresholds { fall: 1, rise: 1 };
                let inquiry = Inquiry::new(tally(Health::Up, 0), thresholds, timeout, usual);
                let weighed = inquiry.weigh(Outcome::Fail(failure.clone()));
                let wanted = match counts {
                    true => Outcome::Fail(failure.clone()),
                    false => Outcome::Inconclusive(LocalTrouble::Hurried(failure.clone().into())),
                };
                assert_eq!(weighed, wanted, "{timeout:?} {usual:?}");
                let pass = Outcome::Pass(Success::Connected);
                assert_eq!(inquiry.weigh(pass.clone()), pass);
            }
        }
    }

    /// A check that takes more failures than there are probes is not condemned by fewer.
    #[test]
    fn many_failures_needed_are_never_fewer() {
        for (against, fall, wanted) in [
            (0, 5, Answer::Unwell),
            (0, 6, Answer::Nothing),
            (0, 100, Answer::Nothing),
            (5, 10, Answer::Unwell),
            (4, 10, Answer::Nothing),
        ] {
            let thresholds = Thresholds { fall, rise: 2 };
            let timeout = Duration::from_secs(1);
            let mut inquiry = Inquiry::new(tally(Health::Up, against), thresholds, timeout, None);
            let take = |_| inquiry.take(&Outcome::Fail(Failure::Refused));
            let answers: Vec<_> = (0..5).filter_map(take).collect();
            assert_eq!(answers, [wanted], "{against} of {fall}");
        }
    }

    /// Outcomes of two probes, as they end: the answer comes with the last of each row.
    #[test]
    fn every_row_of_outcomes() {
        let pass = || Outcome::Pass(Success::Connected);
        let fail = || Outcome::Fail(Failure::Refused);
        let trouble = || Outcome::Inconclusive(LocalTrouble::NoOwnAddress);
        for (outcomes, wanted) in [
            (vec![pass()], Answer::Well),
            (vec![fail(), pass()], Answer::Well),
            (vec![fail(), fail()], Answer::Unwell),
            (vec![fail(), trouble()], Answer::Nothing),
            (vec![trouble(), pass()], Answer::Well),
            (vec![trouble(), fail()], Answer::Nothing),
            (vec![trouble(), trouble()], Answer::Nothing),
        ] {
            let thresholds = Thresholds { fall: 2, rise: 2 };
            let timeout = Duration::from_secs(1);
            let mut inquiry = Inquiry::new(tally(Health::Up, 0), thresholds, timeout, None);
            let answers: Vec<_> = outcomes.iter().map(|one| inquiry.take(one)).collect();
            let (last, before) = answers.split_last().expect("a row is not empty");
            assert_eq!(*last, Some(wanted), "{outcomes:?}");
            assert!(before.iter().all(Option::is_none), "{outcomes:?}");
        }
    }
}
