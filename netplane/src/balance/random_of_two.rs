//! PURE. The better of two drawn at random: nearly as even as least connections, and nodes or
//! runtimes that see stale counts do not all rush to the same server.
//!
//! Both are drawn by weight, the second from the others; the one with less work in hand per weight
//! is picked, the first where they are equal.
//!
//! **Source**: Mitzenmacher, "The power of two choices in randomized load balancing" (IEEE TPDS
//! 2001), section 1.

use std::cmp::Ordering;

use super::{Candidate, compare};

/// The candidates to draw from.
#[derive(Debug, Clone)]
pub struct RandomOfTwo {
    candidates: Vec<Candidate>,
}

impl RandomOfTwo {
    /// Draws from these.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        RandomOfTwo { candidates }
    }

    /// The place of the better of two allowed candidates; `random` is evenly distributed.
    pub fn pick(
        &self,
        random: u64,
        allowed: impl Fn(usize) -> bool,
        active: impl Fn(usize) -> u64,
    ) -> Option<usize> {
        let first = self.draw(random >> 32, &allowed)?;
        let others = |place| place != first.place && allowed(place);
        let Some(second) = self.draw(random & 0xffff_ffff, others) else {
            return Some(first.place);
        };
        let load = |one: Candidate| (active(one.place), one.weight);
        match compare(load(second), load(first)) {
            Ordering::Less => Some(second.place),
            Ordering::Equal | Ordering::Greater => Some(first.place),
        }
    }

    /// One of those allowed, by weight; `random` has 32 bits.
    fn draw(&self, random: u64, allowed: impl Fn(usize) -> bool) -> Option<Candidate> {
        let there = || self.candidates.iter().filter(|one| allowed(one.place));
        let total: u64 = there().map(|one| u64::from(one.weight)).sum();
        // A random fraction of the total; the bias is at most total / 2^32.
        let mut left = (random * total) >> 32;
        there()
            .find(|one| {
                let weight = u64::from(one.weight);
                let hit = left < weight;
                left = left.saturating_sub(weight);
                hit
            })
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::tests::list;
    use proptest::prelude::*;

    #[test]
    fn a_table_of_draws() {
        // Two halves of a draw: 0 is the first of those left, ffffffff the last.
        const FIRST_LAST: u64 = 0x0000_0000_ffff_ffff;
        const LAST_FIRST: u64 = 0xffff_ffff_0000_0000;
        type Row = (
            &'static [u32],
            &'static [u64],
            u64,
            &'static [usize],
            Option<usize>,
        );
        // weights, active, random, not allowed -> picked
        let rows: &[Row] = &[
            (&[1, 1, 1], &[0, 0, 0], FIRST_LAST, &[], Some(0)),
            (&[1, 1, 1], &[1, 0, 0], FIRST_LAST, &[], Some(2)),
            (&[1, 1, 1], &[0, 0, 0], LAST_FIRST, &[], Some(2)),
            (&[1, 1, 1], &[0, 0, 1], LAST_FIRST, &[], Some(0)),
            (&[2, 1, 1], &[1, 0, 1], FIRST_LAST, &[], Some(0)),
            (&[1, 1, 1], &[9, 0, 0], FIRST_LAST, &[2], Some(1)),
            (&[1, 1, 1], &[9, 0, 0], FIRST_LAST, &[1, 2], Some(0)),
            (&[1, 1, 1], &[0, 0, 0], FIRST_LAST, &[0, 1, 2], None),
            (&[], &[], FIRST_LAST, &[], None),
        ];
        for (weights, active, random, barred, wanted) in rows {
            let allowed = |place| !barred.contains(&place);
            let got = RandomOfTwo::new(list(weights)).pick(*random, allowed, |place| active[place]);
            assert_eq!(got, *wanted, "{weights:?} {active:?} {random:x} {barred:?}");
        }
    }

    proptest! {
        /// The slow, obvious twin: a candidate stands in an urn as often as its weight says.
        #[test]
        fn draws_go_by_weight(weights in prop::collection::vec(1u32..=20, 1..8), random: u32) {
            let urn: Vec<usize> = weights
                .iter()
                .enumerate()
                .flat_map(|(place, weight)| vec![place; *weight as usize])
                .collect();
            let at = u64::from(random) * urn.len() as u64 / (1 << 32);
            let drawn = RandomOfTwo::new(list(&weights)).draw(u64::from(random), |_| true);
            prop_assert_eq!(drawn.map(|one| one.place), urn.get(at as usize).copied());
        }

        /// Who has the most work per weight is never picked, unless alone.
        #[test]
        fn the_busiest_is_never_picked(
            active in prop::collection::vec(0u64..1000, 2..8),
            random: u64,
        ) {
            let busiest = active.iter().max().copied().unwrap_or_default();
            let alone = active.iter().filter(|load| **load == busiest).count() == 1;
            let two = RandomOfTwo::new(list(&vec![1; active.len()]));
            let picked = two.pick(random, |_| true, |place| active[place]).expect("somebody");
            prop_assert!(!alone || active[picked] < busiest);
        }
    }
}
