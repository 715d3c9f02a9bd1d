//! PURE. Everything that is drawn, from one seed.

use std::time::Duration;

use crate::chance::Chance;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Dice(Chance);

impl Dice {
    /// The stream of a seed.
    pub(super) fn new(seed: u64) -> Dice {
        Dice(Chance::new(seed))
    }

    /// The next number.
    pub(super) fn roll(&mut self) -> u64 {
        self.0.roll()
    }

    /// A stream of its own, for somebody whose draws shall not move those of others.
    pub(super) fn branch(&mut self) -> Dice {
        Dice::new(self.roll())
    }

    /// Below `count`, which is not zero.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("small");
        usize::try_from(self.roll() % count).expect("small")
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }

    /// A time from `from` up to, not including, `to`.
    pub(super) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = nanos(to.saturating_sub(from)).max(1);
        from + Duration::from_nanos(self.roll() % span)
    }
}

/// A time in nanoseconds.
pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).expect("short")
}
