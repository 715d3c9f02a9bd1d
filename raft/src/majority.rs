//! PURE. What a majority is: of each half, while the membership changes from one to another.

use std::collections::BTreeSet;

use crate::id::NodeId;

/// Whether `nodes` are a majority of every half; never where there is no half.
pub(crate) fn is_majority(halves: &[BTreeSet<NodeId>], nodes: &BTreeSet<NodeId>) -> bool {
    let won = |half: &BTreeSet<NodeId>| half.intersection(nodes).count() * 2 > half.len();
    !halves.is_empty() && halves.iter().all(won)
}
