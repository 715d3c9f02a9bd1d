//! PURE. The share of a server that has just come back: it grows linearly to the whole.

use std::num::NonZeroU32;
use std::time::Duration;

/// Weights are told in parts of this, so that a share can be smaller than a weight of 1.
pub const WHOLE: u32 = 100;

/// The share that a server begins with, of [`WHOLE`]: enough that its caches see something, and
/// that a farm with few requests does not forget it.
const LEAST: u32 = 5;

/// The weight of a server that came up `elapsed` ago, in parts of [`WHOLE`].
///
/// A weight of 0 counts as 1. Only shares shrink: a server that is alone gets everything.
pub fn weight(elapsed: Duration, slow_start: Duration, weight: u32) -> NonZeroU32 {
    let part = if elapsed >= slow_start {
        WHOLE
    } else {
        let part = elapsed.as_millis() * u128::from(WHOLE) / slow_start.as_millis().max(1);
        u32::try_from(part).map_or(WHOLE, |part| part.clamp(LEAST, WHOLE))
    };
    NonZeroU32::new(weight.max(1).saturating_mul(part)).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_shares() {
        // elapsed ms, slow start ms, weight -> weight in parts
        for (elapsed, slow_start, given, wanted) in [
            (0, 0, 1, 100),
            (0, 0, 256, 25_600),
            (0, 0, 0, 100),
            (0, 10_000, 1, 5),
            (499, 10_000, 1, 5),
            (600, 10_000, 1, 6),
            (5_000, 10_000, 1, 50),
            (5_000, 10_000, 7, 350),
            (9_999, 10_000, 1, 99),
            (10_000, 10_000, 1, 100),
            (10_001, 10_000, 1, 100),
            (u64::MAX, 10_000, 256, 25_600),
            (0, 10_000, 256, 1_280),
        ] {
            let millis = Duration::from_millis;
            let got = weight(millis(elapsed), millis(slow_start), given);
            assert_eq!(got.get(), wanted, "{elapsed} of {slow_start}, {given}");
        }
        let tiny = Duration::from_micros(1);
        assert_eq!(weight(Duration::ZERO, tiny, 3).get(), 15);
    }
}
