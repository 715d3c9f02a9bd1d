//! Joins that lack their last entry: the node votes, and its token is not used up, because the
//! leader that promoted it died in between. Whoever leads next finishes them.

use std::collections::BTreeSet;

use farmux_raft::consensus::{Consensus, Quorum};
use farmux_raft::id::NodeId;
use farmux_raft::state::{Command, State};

use super::{TICK, propose};

/// Runs for ever; proposes only while this node leads with a majority.
pub(in crate::daemon) async fn finish_joins(consensus: Consensus) {
    let standing = consensus.standing();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !matches!(standing.borrow().quorum, Quorum::Fresh { .. }) {
            continue;
        }
        let voters = consensus.membership().borrow().voters();
        let state = consensus.state().borrow().clone();
        for command in unfinished(&state, &voters) {
            propose(&consensus, command).await;
        }
    }
}

/// PURE. One command for each token that made a voter and is not used up.
fn unfinished(state: &State, voters: &BTreeSet<NodeId>) -> Vec<Command> {
    let open = state.tokens.values().filter(|token| !token.used);
    open.filter_map(|token| token.claimed)
        .filter(|(_, node)| voters.contains(node) && state.nodes.contains_key(node))
        .map(|(_, node)| Command::FinishJoin(node))
        .collect()
}

#[cfg(test)]
mod tests {
    use farmux_raft::id::UnixMillis;
    use farmux_raft::state::{Node, NodeCondition, NodeRole, Token, TokenId};

    use super::*;

    fn state(claimed: Option<NodeId>, used: bool) -> State {
        let mut state = State::default();
        let node = Node {
            name: "lb2".parse().expect("a name"),
            role: NodeRole::Balancer,
            peer_addresses: vec!["10.0.0.12:7946".parse().expect("an address")],
            admin_address: "10.0.0.12:9443".parse().expect("an address"),
            joined: UnixMillis(0),
            condition: NodeCondition::Reachable,
        };
        state.nodes.insert(NodeId(2), node);
        let token = Token {
            hash: [1; 32],
            role: NodeRole::Balancer,
            created: UnixMillis(0),
            expires: UnixMillis(1),
            claimed: claimed.map(|node| ([2; 32], node)),
            used,
        };
        state.tokens.insert(TokenId(1), token);
        state
    }

    #[test]
    fn only_a_voter_whose_token_is_open_is_finished() {
        let two = NodeId(2);
        let finish = || vec![Command::FinishJoin(two)];
        let table = [
            (Some(two), false, vec![NodeId(1), two], finish()),
            (Some(two), true, vec![NodeId(1), two], vec![]),
            (Some(two), false, vec![NodeId(1)], vec![]),
            (None, false, vec![NodeId(1), two], vec![]),
            // Removed from the state, and still in a membership that is on its way out.
            (Some(NodeId(3)), false, vec![NodeId(3)], vec![]),
        ];
        for (claimed, used, voters, expected) in table {
            let state = state(claimed, used);
            let voters = voters.into_iter().collect();
            assert_eq!(
                unfinished(&state, &voters),
                expected,
                "{claimed:?} {used} {voters:?}"
            );
        }
    }
}
