//! The leader watches the other nodes: who answers heartbeats, and who does not any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use farmux_raft::consensus::{Consensus, Quorum};
use farmux_raft::id::NodeId;
use farmux_raft::state::{Command, NodeCondition, State};

use super::{TICK, propose};

/// A node silent for so long is lost: thirty heartbeats, and well past an election.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// A node that answered within this time is there: ten heartbeats.
const FRESH: Duration = Duration::from_secs(1);

/// Runs for ever; reports only while this node leads with a majority.
pub(crate) async fn report_nodes(consensus: Consensus) {
    let standing = consensus.standing();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Quorum::Fresh { since } = standing.borrow().quorum else {
            continue;
        };
        let now = Instant::now();
        let silent = |at: Instant| now.saturating_duration_since(at);
        let silence = consensus
            .answered()
            .into_iter()
            .map(|(id, at)| (id, silent(at)))
            .collect();
        let state = consensus.state().borrow().clone();
        for command in changes(&state, consensus.config().me, silent(since), &silence) {
            propose(&consensus, command).await;
        }
    }
}

/// PURE. What the state does not know yet, after we led for `led` and heard nothing for `silence`.
fn changes(
    state: &State,
    me: NodeId,
    led: Duration,
    silence: &BTreeMap<NodeId, Duration>,
) -> Vec<Command> {
    let mut commands = Vec::new();
    for (&id, node) in state.nodes.iter().filter(|(id, _)| **id != me) {
        // Nobody is silent for longer than we have been listening to answers as leader.
        let silent = silence.get(&id).copied().unwrap_or(led).min(led);
        let heard = silence.contains_key(&id) && silent < FRESH;
        let report = |reachable, reason| Command::ReportNode {
            node: id,
            reachable,
            reason,
        };
        match node.condition {
            NodeCondition::Reachable if silent > LOST_AFTER => {
                let reason = format!("no answer for {} s", silent.as_secs());
                commands.push(report(false, reason));
            }
            NodeCondition::Lost { .. } if heard => {
                commands.push(report(true, "answers again".to_owned()));
            }
            NodeCondition::Reachable | NodeCondition::Lost { .. } => {}
        }
    }
    commands
}
