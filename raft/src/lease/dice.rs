//! PURE. Random pauses from a seed, so that a run can be repeated.

use std::time::Duration;

/// A stream of random numbers; whoever makes it brings the randomness.
///
/// **Source**: SplitMix64 (Steele, Lea, Flood 2014). Good enough to part two stand-bys; no secret.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A time from zero up to, not including, `below`; zero when that is zero.
    pub(crate) fn span(&mut self, below: Duration) -> Duration {
        let nanos = u64::try_from(below.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.roll() % nanos)
    }
}
