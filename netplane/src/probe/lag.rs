//! How late probes start: a histogram of fixed steps, counted without a lock.
//!
//! ```text
//!   planned start ──lag──▶ start        1  2  5  10  20  50  100  200  500  1000 ms  later
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How late probes started, so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Probes by step: the n-th started at most [`Lag::STEPS_MS`]`[n]` late and later than the
    /// step before it; those of the last one started later than all steps.
    pub counts: [u64; Lag::STEPS_MS.len() + 1],
    /// All of it, summed.
    pub sum: Duration,
}

impl Lag {
    /// The steps: from the resolution of the timers (1 ms) to a second, by which a probe of the
    /// shortest customary interval has missed its turn.
    ///
    /// **Units**: milliseconds.
    pub const STEPS_MS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

    /// Probes started.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The step within which `part` of `whole` probes started: the 99th percentile is
    /// `within(99, 100)`. `None`: beyond the last step, or no probe started as yet.
    pub fn within(&self, part: u64, whole: u64) -> Option<Duration> {
        let wanted = self.count().saturating_mul(part).div_ceil(whole.max(1));
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted && seen > 0
        });
        let step = reached.and_then(|place| Lag::STEPS_MS.get(place));
        step.copied().map(Duration::from_millis)
    }
}

/// The live side of [`Lag`].
#[derive(Debug, Default)]
pub(super) struct LagCounter {
    counts: [AtomicU64; Lag::STEPS_MS.len() + 1],
    sum_us: AtomicU64,
}

impl LagCounter {
    pub(super) fn count(&self, lag: Duration) {
        let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        let step = Lag::STEPS_MS.iter().position(|step| micros <= step * 1000);
        if let Some(counter) = self.counts.get(step.unwrap_or(Lag::STEPS_MS.len())) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Lag {
        let mut lag = Lag::default();
        for (count, counter) in lag.counts.iter_mut().zip(&self.counts) {
            *count = counter.load(Ordering::Relaxed);
        }
        lag.sum = Duration::from_micros(self.sum_us.load(Ordering::Relaxed));
        lag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lag_has_its_step() {
        let counter = LagCounter::default();
        for (lag_us, step) in [
            (0, 0),
            (1_000, 0),
            (1_001, 1),
            (5_000, 2),
            (99_000, 6),
            (100_001, 7),
            (1_000_000, 9),
            (1_000_001, 10),
            (u64::MAX / 2, 10),
        ] {
            let before = counter.read();
            counter.count(Duration::from_micros(lag_us));
            let after = counter.read();
            for (place, (new, old)) in after.counts.iter().zip(&before.counts).enumerate() {
                assert_eq!(new - old, u64::from(place == step), "{lag_us} us");
            }
        }
    }

    #[test]
    fn a_percentile_is_the_step_that_holds_it() {
        let counter = LagCounter::default();
        assert_eq!(counter.read().within(99, 100), None, "nothing started");
        for _ in 0..99 {
            counter.count(Duration::from_micros(400));
        }
        counter.count(Duration::from_millis(40));
        let lag = counter.read();
        assert_eq!(lag.count(), 100);
        assert_eq!(lag.within(1, 2), Some(Duration::from_millis(1)));
        assert_eq!(lag.within(99, 100), Some(Duration::from_millis(1)));
        assert_eq!(lag.within(1, 1), Some(Duration::from_millis(50)));
        counter.count(Duration::from_secs(9));
        assert_eq!(counter.read().within(1, 1), None, "beyond the last step");
    }
}
