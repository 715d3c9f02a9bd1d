//! PURE. Rise and fall: what a row of results means for the health of a server.
//!
//! | health  | success            | failure              |
//! |---------|--------------------|----------------------|
//! | unknown | up, at once        | down after `fall`    |
//! | up      | failures forgotten | down after `fall`    |
//! | down    | up after `rise`    | successes forgotten  |
//!
//! *Unknown* becomes up with one success: nothing speaks against a new server, and a fresh
//! cluster shall serve soon. It becomes down, which calls a human, no faster than any other.

use crate::plan::Health;

/// What one check has seen: its verdict, and how much speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    health: Health,
    /// Results in a row that speak against `health`.
    against: u32,
}

/// The numbers that turn a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thresholds {
    /// Failures in a row until down; 0 counts as 1.
    pub(super) fall: u32,
    /// Successes in a row until up again; 0 counts as 1.
    pub(super) rise: u32,
}

impl Tally {
    /// Goes on from the verdict that the log remembers.
    pub(super) fn from_remembered(health: Health) -> Tally {
        Tally { health, against: 0 }
    }

    /// The verdict as it stands.
    pub(super) fn health(self) -> Health {
        self.health
    }

    /// Results in a row that speak against it.
    pub(super) fn against(self) -> u32 {
        self.against
    }

    /// Counts one result in; the new verdict, if it turned.
    pub(super) fn count(&mut self, passed: bool, thresholds: Thresholds) -> Option<Health> {
        let (turned, needed) = match (self.health, passed) {
            (Health::Up, true) | (Health::Down, false) => {
                self.against = 0;
                return None;
            }
            (Health::Unknown, true) => (Health::Up, 1),
            (Health::Down, true) => (Health::Up, thresholds.rise),
            (Health::Unknown | Health::Up, false) => (Health::Down, thresholds.fall),
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return None;
        }
        *self = Tally::from_remembered(turned);
        Some(turned)
    }

    /// Takes in that an inquiry ended with all the failures that are needed; the new verdict, if it
    /// turned.
    pub(super) fn condemn(&mut self) -> Option<Health> {
        let turned = self.health != Health::Down;
        *self = Tally::from_remembered(Health::Down);
        turned.then_some(Health::Down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every (state, input) pair for fall 3, rise 2: the state after it, and the turn.
    #[test]
    fn every_pair() {
        use Health::{Down, Unknown, Up};
        /// health, against, passed -> health, against, turned
        type Row = ((Health, u32), bool, (Health, u32), bool);
        let rows: [Row; 16] = [
            ((Unknown, 0), true, (Up, 0), true),
            ((Unknown, 1), true, (Up, 0), true),
            ((Unknown, 2), true, (Up, 0), true),
            ((Unknown, 0), false, (Unknown, 1), false),
            ((Unknown, 1), false, (Unknown, 2), false),
            ((Unknown, 2), false, (Down, 0), true),
            ((Up, 0), true, (Up, 0), false),
            ((Up, 1), true, (Up, 0), false),
            ((Up, 2), true, (Up, 0), false),
            ((Up, 0), false, (Up, 1), false),
            ((Up, 1), false, (Up, 2), false),
            ((Up, 2), false, (Down, 0), true),
            ((Down, 0), true, (Down, 1), false),
            ((Down, 1), true, (Up, 0), true),
            ((Down, 0), false, (Down, 0), false),
            ((Down, 1), false, (Down, 0), false),
        ];
        let thresholds = Thresholds { fall: 3, rise: 2 };
        for ((health, against), passed, (after, left), turned) in rows {
            let mut tally = Tally { health, against };
            let turn = tally.count(passed, thresholds);
            let row = format!("{health:?} {against} {passed}");
            assert_eq!(
                tally,
                Tally {
                    health: after,
                    against: left
                },
                "{row}"
            );
            assert_eq!(turn, turned.then_some(after), "{row}");
        }
    }

    #[test]
    fn an_inquiry_condemns_at_once() {
        for (health, turned) in [
            (Health::Unknown, Some(Health::Down)),
            (Health::Up, Some(Health::Down)),
            (Health::Down, None),
        ] {
            let mut tally = Tally { health, against: 1 };
            assert_eq!(tally.condemn(), turned);
            assert_eq!(tally, Tally::from_remembered(Health::Down));
        }
    }

    /// The slow twin: looks at the whole history each time.
    fn twin(start: Health, results: &[bool], thresholds: Thresholds) -> Health {
        let mut health = start;
        let mut since = 0;
        for end in 1..=results.len() {
            let run = results.get(since..end).expect("since < end <= len");
            let last = run.last().copied().expect("not empty");
            let in_a_row = run
                .iter()
                .rev()
                .take_while(|result| **result == last)
                .count();
            let needed = match (health, last) {
                (Health::Unknown, true) => 1,
                (Health::Down, true) => thresholds.rise,
                (Health::Up, true) | (Health::Down, false) => continue,
                (Health::Unknown | Health::Up, false) => thresholds.fall,
            };
            if in_a_row >= usize::try_from(needed.max(1)).expect("small") {
                health = if last { Health::Up } else { Health::Down };
                since = end;
            }
        }
        health
    }

    proptest! {
        #[test]
        fn agrees_with_the_twin(
            start in prop::sample::select(vec![Health::Unknown, Health::Up, Health::Down]),
            results in prop::collection::vec(any::<bool>(), 0..60),
            fall in 0u32..5,
            rise in 0u32..5,
        ) {
            let thresholds = Thresholds { fall, rise };
            let mut tally = Tally::from_remembered(start);
            for passed in &results {
                let before = tally.health();
                let turn = tally.count(*passed, thresholds);
                prop_assert_eq!(turn.is_some(), tally.health() != before);
            }
            prop_assert_eq!(tally.health(), twin(start, &results, thresholds));
        }
    }
}
