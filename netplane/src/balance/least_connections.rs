//! PURE. Weighted least connections: the candidate with the least work in hand per weight.
//!
//! Ties, and every farm is one long tie while it is idle, are broken by smooth weighted
//! round-robin, so that the weights hold there too.

use std::cmp::Ordering;

use super::round_robin::RoundRobin;
use super::{Candidate, compare};

/// The candidates, and whose turn it is among equals.
#[derive(Debug, Clone)]
pub struct LeastConnections {
    turns: RoundRobin,
    /// The places of the equals of one pick; kept only for its allocation.
    equals: Vec<usize>,
}

impl LeastConnections {
    /// Starts with everybody equal.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        LeastConnections {
            turns: RoundRobin::new(candidates),
            equals: Vec::new(),
        }
    }

    /// Goes on with other weights; `false`, and nothing is done, if these are not the same places.
    pub fn reweigh(&mut self, candidates: &[Candidate]) -> bool {
        self.turns.reweigh(candidates)
    }

    /// The place of the allowed candidate with the least `active` per weight.
    pub fn pick(
        &mut self,
        allowed: impl Fn(usize) -> bool,
        active: impl Fn(usize) -> u64,
    ) -> Option<usize> {
        self.equals.clear();
        let mut least: Option<(u64, u32)> = None;
        for Candidate { place, weight } in self.turns.candidates() {
            if !allowed(place) {
                continue;
            }
            let load = (active(place), weight);
            match least.map_or(Ordering::Less, |least| compare(load, least)) {
                Ordering::Less => {
                    self.equals.clear();
                    self.equals.push(place);
                    least = Some(load);
                }
                Ordering::Equal => self.equals.push(place),
                Ordering::Greater => {}
            }
        }
        let equals = &self.equals;
        self.turns
            .pick(|place| equals.binary_search(&place).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::tests::list;
    use proptest::prelude::*;

    #[test]
    fn a_table_of_loads() {
        // weights, active, excepted -> picked first
        type Row = (&'static [u32], &'static [u64], Option<usize>, Option<usize>);
        let rows: &[Row] = &[
            (&[1, 1, 1], &[2, 1, 3], None, Some(1)),
            (&[1, 1, 1], &[2, 1, 3], Some(1), Some(0)),
            (&[2, 1], &[3, 2], None, Some(0)),
            (&[2, 1], &[5, 2], None, Some(1)),
            (&[1, 10], &[0, 0], None, Some(1)),
            (&[7], &[9], None, Some(0)),
            (&[7], &[9], Some(0), None),
            (&[256, 1], &[u64::MAX, 1], None, Some(1)),
        ];
        for (weights, active, except, wanted) in rows {
            let got = LeastConnections::new(list(weights))
                .pick(|place| Some(place) != *except, |place| active[place]);
            assert_eq!(got, *wanted, "{weights:?} {active:?} {except:?}");
        }
    }

    #[test]
    fn an_idle_farm_keeps_its_weights() {
        let mut least = LeastConnections::new(list(&[3, 1]));
        let got: Vec<_> = (0..4).filter_map(|_| least.pick(|_| true, |_| 0)).collect();
        assert_eq!(got.iter().filter(|place| **place == 0).count(), 3);
    }

    proptest! {
        /// The slow, obvious twin: nobody else has less work per weight than who was picked.
        #[test]
        fn nobody_has_less(
            servers in prop::collection::vec((1u32..=256, 0u64..1000), 1..12),
            except in prop::option::of(0usize..12),
        ) {
            let weights: Vec<_> = servers.iter().map(|server| server.0).collect();
            let mut least = LeastConnections::new(list(&weights));
            let picked = least.pick(|place| Some(place) != except, |place| servers[place].1);
            let others = (0..servers.len()).filter(|place| Some(*place) != except);
            match picked {
                None => prop_assert_eq!(others.count(), 0),
                Some(picked) => {
                    prop_assert_ne!(Some(picked), except);
                    let mine = servers[picked];
                    for other in others {
                        let theirs = servers[other];
                        let less = theirs.1 * u64::from(mine.0) < mine.1 * u64::from(theirs.0);
                        prop_assert!(!less, "{other} had less than {picked}");
                    }
                }
            }
        }

        /// Long connections that never end spread by weight: exact after each cycle.
        #[test]
        fn lasting_connections_spread_by_weight(weights in prop::collection::vec(1u32..=20, 1..6)) {
            let mut least = LeastConnections::new(list(&weights));
            let mut active = vec![0u64; weights.len()];
            for _ in 0..3 * weights.iter().sum::<u32>() {
                let place = least.pick(|_| true, |place| active[place]).expect("somebody is there");
                active[place] += 1;
            }
            for (place, weight) in weights.iter().enumerate() {
                let share = 3 * u64::from(*weight);
                prop_assert!(active[place].abs_diff(share) <= 1, "{active:?} for {weights:?}");
            }
        }
    }
}
