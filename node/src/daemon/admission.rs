//! A node that joined asks for its vote until it has it, also after a restart.

use std::sync::Arc;
use std::time::Duration;

use farmux_raft::peer::joiner::{JoinError, until_member};
use farmux_raft::peer::{Addresses, JoinStage};
use tokio::sync::watch;

use super::Member;

/// Between two rounds of asking; each round waits for a minute by itself.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until this node votes, or was removed.
pub(super) async fn be_admitted(
    member: Arc<Member>,
    addresses: watch::Receiver<Addresses>,
    stage: watch::Sender<Option<JoinStage>>,
) {
    let me = member.me();
    let mut membership = member.consensus().membership();
    loop {
        if membership.borrow_and_update().is_voter(me) {
            stage.send_replace(Some(JoinStage::Voter));
            return;
        }
        let known = addresses.borrow().clone();
        let progress = |now| {
            stage.send_replace(Some(now));
        };
        // A node that founds a cluster, or restarts as a voter, learns it from its own log first.
        tokio::select! {
            asked = until_member(member.peers(), &known, me, progress) => match asked {
                Ok(()) => return,
                Err(JoinError::Removed) => {
                    tracing::warn!("this node was removed from the cluster");
                    return;
                }
                Err(error) => tracing::info!(%error, "not a member yet; asking again"),
            },
            _ = membership.wait_for(|now| now.is_voter(me)) => continue,
        }
        tokio::time::sleep(PAUSE).await;
    }
}
