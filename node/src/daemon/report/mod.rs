//! What this node sees and the log shall know: nodes that come and go, VIPs gained, majorities
//! lost, disks that are full, joins to be finished, holds to be ended, and time that passes.
//!
//! Each report is a wish compared with the state: what the state says already is not said again,
//! and what could not be committed is tried again at the next tick. So nothing queues up.

mod alone;
mod aside;
mod format;
mod holds;
mod joins;
mod nodes;
mod quorum;
mod roles;
mod room;
mod time;
mod troubles;
mod vips;

pub(super) use alone::tell_alone;
pub(super) use aside::step_aside;
pub(super) use format::raise_format;
pub use holds::end_holds;
pub(super) use joins::finish_joins;
pub(super) use nodes::report_nodes;
pub(super) use quorum::report_quorum;
pub(super) use roles::tell_roles;
pub(super) use room::RoomReporter;
pub(super) use time::pass_time;
pub(super) use troubles::report_troubles;
pub(super) use vips::report_vips;

use std::time::Duration;

use farmux_raft::consensus::Consensus;
use farmux_raft::state::Command;

/// Between two looks at the world: a lost node is paged after seconds, so half of one is enough.
const TICK: Duration = Duration::from_millis(500);

/// Proposes, and leaves a failure to the next tick.
async fn propose(consensus: &Consensus, command: Command) {
    if let Err(error) = consensus.propose(super::proposal(command)).await {
        tracing::debug!(%error, "a report was not committed; the next tick tries again");
    }
}
