//! PURE. Smooth weighted round-robin: exact weights over a cycle, and no bursts within it.
//!
//! Each turn every allowed candidate gains its weight; the one with the most is picked and pays the
//! sum of the weights of all that were allowed. The gains and payments of a turn cancel out, so no
//! number grows.
//!
//! **Source**: nginx, `ngx_http_upstream_round_robin.c`, commit 52327e0 (2012).

use super::Candidate;

/// The turns of a list of candidates.
#[derive(Debug, Clone)]
pub struct RoundRobin {
    turns: Vec<Turn>,
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    candidate: Candidate,
    credit: i64,
}

impl RoundRobin {
    /// A fresh cycle over these candidates.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        let turns = candidates.into_iter().map(|candidate| Turn {
            candidate,
            credit: 0,
        });
        RoundRobin {
            turns: turns.collect(),
        }
    }

    /// The place of the next candidate among those whose place is allowed.
    pub fn pick(&mut self, allowed: impl Fn(usize) -> bool) -> Option<usize> {
        let mut paid = 0;
        let mut best: Option<usize> = None;
        for index in 0..self.turns.len() {
            let turn = &mut self.turns[index];
            if !allowed(turn.candidate.place) {
                continue;
            }
            let weight = i64::from(turn.candidate.weight);
            turn.credit += weight;
            paid += weight;
            let credit = turn.credit;
            if best.is_none_or(|best| credit > self.turns[best].credit) {
                best = Some(index);
            }
        }
        let best = &mut self.turns[best?];
        best.credit -= paid;
        Some(best.candidate.place)
    }

    /// The candidates, in their order.
    pub fn candidates(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.turns.iter().map(|turn| turn.candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::tests::list;
    use proptest::prelude::*;

    #[test]
    fn the_published_sequence() {
        let mut turns = RoundRobin::new(list(&[5, 1, 1]));
        let got: Vec<_> = (0..7).filter_map(|_| turns.pick(|_| true)).collect();
        assert_eq!(got, [0, 0, 1, 0, 2, 0, 0]);
    }

    proptest! {
        /// The slow, obvious twin: in a cycle of as many turns as the weights add up to, each
        /// candidate comes exactly as often as its weight says; cycle after cycle.
        #[test]
        fn weights_hold_exactly_over_every_cycle(
            weights in prop::collection::vec(1u32..=40, 1..8),
        ) {
            let mut turns = RoundRobin::new(list(&weights));
            for _ in 0..3 {
                let mut seen = vec![0u32; weights.len()];
                for _ in 0..weights.iter().sum() {
                    seen[turns.pick(|_| true).expect("somebody is there")] += 1;
                }
                prop_assert_eq!(&seen, &weights);
            }
        }

        /// In any stretch nobody is more than one turn away from his share, for equal weights.
        #[test]
        fn equal_weights_take_strict_turns(count in 1usize..9, weight in 1u32..=256) {
            let mut turns = RoundRobin::new(list(&vec![weight; count]));
            for turn in 0..3 * count {
                prop_assert_eq!(turns.pick(|_| true), Some(turn % count));
            }
        }

        /// Exceptions never make a credit grow without bound, and are never picked.
        #[test]
        fn exceptions_are_kept_and_credits_stay_bounded(
            weights in prop::collection::vec(1u32..=256, 1..8),
            excepted in prop::collection::vec(0usize..8, 0..400),
        ) {
            let mut turns = RoundRobin::new(list(&weights));
            let all: i64 = weights.iter().copied().map(i64::from).sum();
            for except in excepted {
                let got = turns.pick(|place| place != except);
                prop_assert_ne!(got, Some(except));
                let sum: i64 = turns.turns.iter().map(|turn| turn.credit).sum();
                prop_assert_eq!(sum, 0);
                let bound = all * 8;
                prop_assert!(turns.turns.iter().all(|turn| turn.credit.abs() <= bound));
            }
        }
    }
}
