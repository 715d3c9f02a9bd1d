//! A majority that was lost and found again: the leader that found it says so.
//!
//! Without a majority nothing can be written, so the report comes when it is over. Each node
//! remembers since when it has seen no leader; whoever leads next reports its own memory.

use std::time::Duration;

use farmux_raft::consensus::{Consensus, Quorum};
use farmux_raft::id::UnixMillis;
use farmux_raft::state::Command;

use super::TICK;
use crate::daemon::wall_clock;

/// A gap shorter than this is an election, not a loss: elections take up to about a second.
const LOSS_MIN: Duration = Duration::from_secs(5);

/// Runs for ever.
pub(crate) async fn report_quorum(consensus: Consensus) {
    let standing = consensus.standing();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut lost: Option<UnixMillis> = None;
    loop {
        ticks.tick().await;
        let (leader, quorum) = {
            let standing = standing.borrow();
            (standing.leader, standing.quorum)
        };
        match (leader, quorum, lost) {
            (None, _, None) => lost = Some(wall_clock()),
            (Some(_), Quorum::Fresh { .. }, Some(since)) => {
                if reported(&consensus, since).await {
                    lost = None;
                }
            }
            (Some(_), Quorum::NotLeader, _) => lost = None,
            (None | Some(_), _, _) => {}
        }
    }
}

/// Reports a loss that was long enough to matter; `true` when there is nothing left to say.
async fn reported(consensus: &Consensus, lost: UnixMillis) -> bool {
    let regained = wall_clock();
    if Duration::from_millis(regained.0.saturating_sub(lost.0)) < LOSS_MIN {
        return true;
    }
    let command = Command::ReportQuorum { lost, regained };
    consensus
        .propose(super::super::proposal(command))
        .await
        .is_ok()
}
