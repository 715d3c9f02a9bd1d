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

    /// Goes on with other weights; `false`, and nothing is done, if these are not the same places.
    pub fn reweigh(&mut self, candidates: &[Candidate]) -> bool {
        let places = self.turns.iter().map(|turn| turn.candidate.place);
        if !places.eq(candidates.iter().map(|one| one.place)) {
            return false;
        }
        let weights = candidates.iter().map(|one| i64::from(one.weight));
        let all: i64 = weights.sum();
        for (turn, candidate) in self.turns.iter_mut().zip(candidates) {
            turn.candidate = *candidate;
            // No more than these weights lead to, so that greater ones from before have no long
            // say.
            turn.credit = turn.credit.clamp(-all, all);
        }
        true
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

    /// Turns began again with each weight that changed: with few requests a server whose weight
    /// grew step by step was given nothing.
    #[test]
    fn a_weight_that_changes_before_every_turn_has_its_share() {
        let mut turns = RoundRobin::new(list(&[100, 1]));
        let (mut seen, mut due) = (0u32, 0);
        for weight in (1..=100).chain((1..=100).rev()) {
            assert!(turns.reweigh(&list(&[100, weight])));
            due += weight * 1000 / (100 + weight);
            if turns.pick(|_| true) == Some(1) {
                seen += 1000;
            }
        }
        assert!(seen.abs_diff(due) <= 1000, "{seen} instead of {due}");
        assert!(!turns.reweigh(&list(&[1])));
        assert!(!turns.reweigh(&list(&[1, 1, 1])));
    }

    /// What was owed under large weights must not decide a hundred turns under small ones.
    #[test]
    fn weights_that_shrink_hold_soon() {
        let mut turns = RoundRobin::new(list(&[25_600, 25_600, 100]));
        turns.pick(|_| true);
        assert!(turns.reweigh(&list(&[1, 1, 1])));
        let got: Vec<_> = (0..9).filter_map(|_| turns.pick(|_| true)).collect();
        for place in 0..3 {
            let times = got.iter().filter(|one| **one == place).count();
            assert!((1..=5).contains(&times), "{got:?}");
        }
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
