//! PURE. When an address is announced, and by what right.

use std::time::Duration;

use super::Lent;

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

/// By what right an address is here, as far as announcing it goes.
///
/// **Source**: `vip-protocol.md`, section 5: a holder never announces (H2), but whoever takes an
/// address without a majority, as the survivor of a pair does, must be heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// A majority lends it.
    Lent,
    /// It was lent, and is held or taken up again without a majority: everybody knows whose it is.
    Continued,
    /// It was taken without a majority: told early, and not again and again.
    Taken,
}

impl Right {
    /// The right that a lease gives.
    pub(super) fn of(lent: Lent) -> Right {
        match lent.alone_since_ns {
            None => Right::Lent,
            Some(_) if lent.taken => Right::Taken,
            Some(_) => Right::Continued,
        }
    }

    /// Whether one more is to be sent after `sent` others.
    pub(super) fn announces(self, sent: u32) -> bool {
        match self {
            Right::Lent => true,
            Right::Continued => false,
            Right::Taken => usize::try_from(sent).is_ok_and(|sent| sent < EARLY_MS.len()),
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

    /// (alone since, taken, sent) -> whether one more is sent.
    #[test]
    fn a_holder_says_nothing_and_whoever_takes_says_it_early() {
        for (alone_since_ns, taken, sent, more) in [
            (None, false, 0, true),
            (None, false, 99, true),
            (Some(7), false, 0, false),
            (Some(7), false, 3, false),
            (Some(7), true, 0, true),
            (Some(7), true, 5, true),
            (Some(7), true, 6, false),
        ] {
            let right = Right::of(Lent {
                until_ns: 9,
                alone_since_ns,
                taken,
            });
            assert_eq!(right.announces(sent), more, "{right:?}, {sent} sent");
        }
    }

    #[test]
    fn six_early_ones_then_every_thirty_seconds() {
        let millis: Vec<u128> = (0..9).map(|sent| due(sent).as_millis()).collect();
        assert_eq!(
            millis,
            [0, 50, 250, 1_200, 2_500, 5_000, 35_000, 65_000, 95_000]
        );
    }
}
