//! PURE. The memberships that this acceptor counted by, and how old another's may be.
//!
//! ```text
//!   {1,2,3} ─> {1,2,3}+{1,2,3,4} ─> {1,2,3,4} ─> {1,2,3,4}+{1,3,4} ─> {1,3,4}
//!      └─ one who knows no more wins with 2 and 3 ... while 1 and 4 lend to another ─┘
//! ```
//!
//! Neighbours in this row always meet in a node; two that are further apart need not. A change is
//! committed before the next begins, so that some node of each old majority knows it: that one
//! lends nothing to whoever counts by a membership that need not meet the one to come.
//!
//! **Source**: `vip-protocol.md`, sections 1 and 2 (the membership log index of each datagram).

use std::collections::{BTreeSet, VecDeque};

use crate::id::NodeId;
use crate::majority::is_majority;

type Halves = Vec<BTreeSet<NodeId>>;

/// What was counted by, oldest first, by the index of its entry.
#[derive(Debug, Clone, Default)]
pub(super) struct Generations {
    known: VecDeque<(u64, Halves)>,
    floor: u64,
}

/// More than anybody is behind who still owns anything.
const KNOWN_MAX: usize = 8;

impl Generations {
    /// Counts by these from now on. One that is older than what is known begins anew.
    pub(super) fn enter(&mut self, index: u64, halves: &[BTreeSet<NodeId>]) {
        self.known.retain(|(older, _)| *older < index);
        if self.known.back().is_none_or(|(_, last)| last != halves) {
            self.known.push_back((index, halves.to_vec()));
            if self.known.len() > KNOWN_MAX {
                self.known.pop_front();
            }
        }
        // What is joint will be its last half alone, and this node may not hear of it.
        let goal = halves.last().cloned().into_iter().collect::<Halves>();
        let meets = |known: &Halves| always_meet(known, halves) && always_meet(known, &goal);
        let near = self.known.iter().rev();
        let near = near.take_while(|(_, known)| meets(known)).last();
        self.floor = near.map_or(index, |(oldest, _)| *oldest);
    }

    /// Whether nothing may be lent to whoever counts by the membership at this index.
    pub(super) fn is_too_old(&self, index: u64) -> bool {
        index < self.floor
    }
}

/// Whether each majority of one has a node in common with each majority of the other.
fn always_meet(one: &[BTreeSet<NodeId>], other: &[BTreeSet<NodeId>]) -> bool {
    let all: BTreeSet<NodeId> = one.iter().chain(other).flatten().copied().collect();
    let all: Vec<NodeId> = all.into_iter().collect();
    // Seven voters and one more while joint: some hundred ways to part them.
    if all.len() > VOTERS_MAX {
        return false;
    }
    (0_u32..1 << all.len()).all(|parting| {
        let side = |wanted: bool| {
            let nodes = all.iter().enumerate();
            let nodes = nodes.filter(move |(bit, _)| ((parting >> bit) & 1 == 1) == wanted);
            nodes.map(|(_, node)| *node).collect::<BTreeSet<NodeId>>()
        };
        !(is_majority(one, &side(true)) && is_majority(other, &side(false)))
    })
}

/// More are no cluster of ours; to part them in all ways would take too long.
const VOTERS_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(all: &[&[u64]]) -> Halves {
        let half = |ids: &&[u64]| ids.iter().copied().map(NodeId).collect();
        all.iter().map(half).collect()
    }

    /// Node 3 knew only {1,2,3} and won with node 2, which had been told of its own removal no
    /// further than the joint step, while 4 won with 1: two owners, found by the simulator (4769).
    #[test]
    fn whoever_is_a_join_and_a_removal_behind_is_lent_nothing() {
        let old: &[u64] = &[1, 2, 3];
        let (with, new): (&[u64], &[u64]) = (&[1, 2, 3, 4], &[1, 3, 4]);
        let mut acceptor = Generations::default();
        acceptor.enter(10, &halves(&[old]));
        acceptor.enter(20, &halves(&[old, with]));
        acceptor.enter(21, &halves(&[with]));
        assert!(!acceptor.is_too_old(10), "one change behind still meets");
        acceptor.enter(30, &halves(&[with, new]));
        assert!(acceptor.is_too_old(10));
        assert!(!acceptor.is_too_old(20) && !acceptor.is_too_old(21));
        acceptor.enter(31, &halves(&[new]));
        assert!(acceptor.is_too_old(10) && !acceptor.is_too_old(21));
        assert!(!acceptor.is_too_old(99), "whoever knows more is lent to");
    }

    #[test]
    fn steps_that_were_not_seen_are_judged_by_those_before() {
        let mut acceptor = Generations::default();
        acceptor.enter(10, &halves(&[&[1, 2, 3]]));
        acceptor.enter(30, &halves(&[&[1, 2, 3, 4], &[1, 3, 4]]));
        assert!(acceptor.is_too_old(10) && acceptor.is_too_old(21));
        let mut started = Generations::default();
        started.enter(30, &halves(&[&[1, 2, 3]]));
        assert!(started.is_too_old(29), "what was before is not known");
    }

    #[test]
    fn learners_make_nobody_old() {
        let mut acceptor = Generations::default();
        for index in [10, 20, 30] {
            acceptor.enter(index, &halves(&[&[1, 2, 3]]));
        }
        assert!(!acceptor.is_too_old(10));
    }
}
