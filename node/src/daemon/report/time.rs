//! Time that passes: the leader alone says so, by its wall clock, when something ends by it.

use std::time::Duration;

use farmux_raft::consensus::{Consensus, Quorum};
use farmux_raft::state::Command;

use super::{TICK, propose};
use crate::daemon::wall_clock;

/// Runs for ever; proposes only while this node leads with a majority, and only when
/// [`farmux_raft::state::State::next_time`] has come.
pub(in crate::daemon) async fn pass_time(consensus: Consensus) {
    let standing = consensus.standing();
    let states = consensus.state();
    loop {
        let leads = matches!(standing.borrow().quorum, Quorum::Fresh { .. });
        let next = states.borrow().next_time();
        if leads && next.is_some_and(|next| next <= wall_clock()) {
            propose(&consensus, Command::PassTime).await;
        }
        // What ends by this clock lasted for minutes at least: a tick more does not matter.
        tokio::time::sleep(if leads { TICK } else { FOLLOWS }).await;
    }
}

/// Who does not lead looks again by then.
const FOLLOWS: Duration = Duration::from_secs(2);
