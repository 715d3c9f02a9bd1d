//! Tells the log file who leads, what this node is, and whether it was removed; each change once.

use farmux_raft::consensus::{Consensus, Role};
use farmux_raft::id::NodeId;
use tokio::sync::watch;

/// Runs for ever.
pub(in crate::daemon) async fn tell_roles(
    consensus: Consensus,
    mut removed: watch::Receiver<Option<NodeId>>,
) {
    let mut standing = consensus.standing();
    let mut told: Option<(Option<NodeId>, Role)> = None;
    let mut gone = false;
    loop {
        let (term, now) = {
            let standing = standing.borrow_and_update();
            (standing.term, (standing.leader, standing.role))
        };
        if told != Some(now) {
            told = Some(now);
            let (leader, role) = now;
            match leader {
                Some(leader) => tracing::info!(term, %leader, ?role, "the log is led"),
                None => tracing::info!(term, ?role, "nobody leads the log"),
            }
        }
        if !gone && removed.borrow_and_update().is_some() {
            gone = true;
            tracing::warn!("this node was removed from its cluster: `farmux cluster leave` here");
        }
        tokio::select! {
            Ok(()) = standing.changed() => {}
            Ok(()) = removed.changed() => {}
            else => return,
        }
    }
}
