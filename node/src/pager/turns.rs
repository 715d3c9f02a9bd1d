//! PURE. Whose turn it is to send: the leader's, and after two failures somebody else's.
//!
//! A relay may refuse one node and not another, or one node's way to it may be broken. Every node
//! finds the same answer in the same state; where two disagree for a moment, both send, under one
//! id. **Source**: `vip-protocol.md`, section 9.

use farmux_raft::consensus::{Quorum, Role, Standing};
use farmux_raft::id::NodeId;
use farmux_raft::state::{NodeCondition, State};

/// What a node may do about pages now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// It leads, and a majority answered within the last second.
    Lead,
    /// It heard from this leader within the last second.
    Follow(NodeId),
    /// It knows of no majority: what the state says may be old.
    Rest,
}

impl Duty {
    /// Reads it off where the node stands.
    pub(super) fn of(standing: &Standing) -> Duty {
        match (standing.role, standing.quorum, standing.leader) {
            (Role::Leader, Quorum::Fresh { .. }, _) => Duty::Lead,
            (Role::Follower | Role::Learner, _, Some(leader)) => Duty::Follow(leader),
            (Role::Leader, Quorum::Lost { .. } | Quorum::NotLeader, _)
            | (Role::Follower | Role::Learner, _, None)
            | (Role::Candidate | Role::Stopped, _, _) => Duty::Rest,
        }
    }
}

/// Whether this node makes the next attempt at a delivery that failed so often, and has been due
/// for so long.
pub(super) fn is_mine(
    me: NodeId,
    duty: Duty,
    state: &State,
    failures: u32,
    overdue_ms: u64,
) -> bool {
    let leader = match duty {
        Duty::Rest => return false,
        Duty::Lead => me,
        Duty::Follow(leader) => leader,
    };
    if me == leader && overdue_ms >= IDLE_TURN_MS {
        return true;
    }
    let reachable = |id: &&NodeId| {
        let condition = state.nodes.get(*id).map(|node| &node.condition);
        **id != leader && matches!(condition, Some(NodeCondition::Reachable))
    };
    let others: Vec<NodeId> = state.nodes.keys().filter(reachable).copied().collect();
    let turn = usize::try_from(failures / FAILURES_A_TURN).unwrap_or(0) % (others.len() + 1);
    match turn.checked_sub(1) {
        None => me == leader,
        Some(other) => others.get(other) == Some(&me),
    }
}

/// **Source**: `vip-protocol.md`, section 9: "after two failures of a channel".
const FAILURES_A_TURN: u32 = 2;

/// A node whose turn it is and that does nothing for so long, twice the time of one errand, is
/// not there in truth: the leader takes its turn.
const IDLE_TURN_MS: u64 = 210_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pager::testing;

    #[test]
    fn two_failures_each_then_the_next_and_round_again() {
        let state = testing::state(3, &[]);
        let senders = |failures| -> Vec<u64> {
            let duty = |node: u64| match node {
                2 => Duty::Lead,
                _ => Duty::Follow(NodeId(2)),
            };
            let mine = |node: &u64| is_mine(NodeId(*node), duty(*node), &state, failures, 0);
            (1..=3).filter(mine).collect()
        };
        let order: Vec<Vec<u64>> = (0..8).map(senders).collect();
        let wanted: Vec<Vec<u64>> = [2, 2, 1, 1, 3, 3, 2, 2].map(|node| vec![node]).into();
        assert_eq!(order, wanted, "exactly one node each time");
    }

    #[test]
    fn nobody_sends_without_a_majority_and_the_leader_takes_an_idle_turn() {
        let state = testing::state(3, &[]);
        assert!(!is_mine(NodeId(1), Duty::Rest, &state, 0, u64::MAX));
        assert!(!is_mine(NodeId(1), Duty::Lead, &state, 2, IDLE_TURN_MS - 1));
        assert!(is_mine(NodeId(1), Duty::Lead, &state, 2, IDLE_TURN_MS));
        assert!(!is_mine(
            NodeId(3),
            Duty::Follow(NodeId(1)),
            &state,
            2,
            IDLE_TURN_MS
        ));
    }
}
