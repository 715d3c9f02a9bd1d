//! The last few probes of each check, for people who ask how it has been lately.
//!
//! Twenty entries of 16 bytes a check: 2 MB for 5,000 of them. What exactly was found stands in the
//! last result and in the verdict; here is only whether, when and how quickly.

use std::time::UNIX_EPOCH;

use super::{Failure, Outcome, ProbeResult};

/// One probe that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// From its start to its end, in microseconds.
    pub took_us: u32,
    /// What it found.
    pub found: Ending,
}

/// What a probe found, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The server is well.
    Well,
    /// Nobody listens.
    Refused,
    /// Nothing happened for too long.
    Timeout,
    /// There is no way there.
    Unreachable,
    /// It is not well for any other reason.
    Unwell,
    /// Nothing can be said of the server.
    Nothing,
}

impl Ending {
    fn of(outcome: &Outcome) -> Ending {
        match outcome {
            Outcome::Pass(_) => Ending::Well,
            Outcome::Inconclusive(_) => Ending::Nothing,
            Outcome::Fail(Failure::Refused) => Ending::Refused,
            Outcome::Fail(Failure::Timeout { .. }) => Ending::Timeout,
            Outcome::Fail(Failure::Unreachable(_)) => Ending::Unreachable,
            Outcome::Fail(_) => Ending::Unwell,
        }
    }
}

/// The last probes of one check.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: Vec<Probed>,
    /// Where the next one goes, once the ring is full.
    next: usize,
}

impl Ring {
    /// A probe ended.
    pub(super) fn note(&mut self, result: &ProbeResult) {
        let since = result.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let probed = Probed {
            at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            took_us: u32::try_from(result.took.as_micros()).unwrap_or(u32::MAX),
            found: Ending::of(&result.outcome),
        };
        match self.entries.get_mut(self.next) {
            Some(oldest) => *oldest = probed,
            None => self.entries.push(probed),
        }
        self.next = (self.next + 1) % ENTRIES_MAX;
    }

    /// All of them, the newest first.
    pub(super) fn newest_first(&self) -> Vec<Probed> {
        let (newer, older) = self.entries.split_at(self.next.min(self.entries.len()));
        newer
            .iter()
            .rev()
            .chain(older.iter().rev())
            .copied()
            .collect()
    }
}

/// A look back of 20 s at an interval of one, of 100 s at the default: what led to a verdict fits.
const ENTRIES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Success;
    use super::*;
    use crate::plan::Health;

    #[test]
    fn the_last_twenty_are_kept_the_newest_first() {
        let mut ring = Ring::default();
        let probe = |ms: u64, outcome: Outcome| ProbeResult {
            outcome,
            took: Duration::from_micros(250),
            at: UNIX_EPOCH + Duration::from_millis(ms),
            health: Health::Up,
            against: 0,
        };
        assert_eq!(ring.newest_first(), []);
        for ms in 1..=47 {
            ring.note(&probe(ms, Outcome::Pass(Success::Connected)));
            let times: Vec<u64> = ring.newest_first().iter().map(|one| one.at_ms).collect();
            let wanted: Vec<u64> = (1..=ms).rev().take(20).collect();
            assert_eq!(times, wanted);
        }
        ring.note(&probe(48, Outcome::Fail(Failure::Refused)));
        let newest = ring.newest_first()[0];
        assert_eq!((newest.found, newest.took_us), (Ending::Refused, 250));
        assert!(size_of::<Probed>() <= 16);
    }
}
