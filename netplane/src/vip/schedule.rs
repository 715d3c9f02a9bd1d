//! PURE. When an address is announced.

use std::time::Duration;

/// When the announcement after `sent` others is due, counted from the moment the address came.
///
/// **Source**: `vip-protocol.md`, section 7.
pub(super) fn due(sent: u32) -> Duration {
    let index = usize::try_from(sent).unwrap_or(usize::MAX);
    match EARLY_MS.get(index) {
        Some(millis) => Duration::from_millis(*millis),
        None => {
            let later = u32::try_from(index - EARLY_MS.len() + 1).unwrap_or(u32::MAX);
            Duration::from_millis(EARLY_MS[EARLY_MS.len() - 1]) + EVERY * later
        }
    }
}

/// At once, for whoever listens; then again for whoever was busy, and for switches that were
/// still learning.
const EARLY_MS: [u64; 6] = [0, 50, 250, 1_200, 2_500, 5_000];
/// For whoever was away all that time.
const EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_early_ones_then_every_thirty_seconds() {
        let millis: Vec<u128> = (0..9).map(|sent| due(sent).as_millis()).collect();
        assert_eq!(
            millis,
            [0, 50, 250, 1_200, 2_500, 5_000, 35_000, 65_000, 95_000]
        );
    }
}
