//! A majority that was lost: every voter that notices pages by its own word, because nothing can be
//! written; the leader that finds it again writes it down, with the same id.
//!
//! Each node remembers since when it has seen no leader; whoever leads next reports its own memory.

use std::time::Duration;

use farmux_raft::consensus::{Consensus, Quorum};
use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::state::{Command, Page};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::TICK;
use crate::daemon::wall_clock;
use crate::pager::no_quorum;

/// A gap shorter than this is an election, not a loss: elections take up to about a second.
///
/// **Source**: `vip-protocol.md`, section 9.
const LOSS_MIN: Duration = Duration::from_secs(5);

/// A time without a leader.
#[derive(Debug, Clone, Copy)]
struct Loss {
    began: Instant,
    /// The same by the wall clock, for people.
    at: UnixMillis,
    /// Whether people were told.
    paged: bool,
}

/// Runs for ever.
pub(in crate::daemon) async fn report_quorum(
    consensus: Consensus,
    removed: watch::Receiver<Option<NodeId>>,
    by_own_word: mpsc::Sender<Page>,
) {
    let standing = consensus.standing();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut loss: Option<Loss> = None;
    loop {
        ticks.tick().await;
        let (leader, quorum) = {
            let standing = standing.borrow();
            (standing.leader, standing.quorum)
        };
        match (leader, quorum, loss.as_mut()) {
            (None, _, None) => {
                let (began, at) = (Instant::now(), wall_clock());
                loss = Some(Loss {
                    began,
                    at,
                    paged: false,
                });
            }
            (None, _, Some(loss)) => {
                // Who was removed has lost nothing: the others have their majority.
                let member = removed.borrow().is_none();
                if member && !loss.paged && loss.began.elapsed() >= LOSS_MIN {
                    loss.paged = page(&consensus, loss.at, &by_own_word);
                }
            }
            // Whoever paged has it written down, so that the page's id is used up and its incident
            // ends; of several nodes the first one counts. A leader knows of it unpaged as well.
            (Some(_), Quorum::Fresh { .. } | Quorum::NotLeader, Some(over)) => {
                let matters = over.paged || matches!(quorum, Quorum::Fresh { .. });
                let short = over.began.elapsed() < LOSS_MIN;
                if short || !matters || reported(&consensus, over.at).await {
                    loss = None;
                }
            }
            (Some(_), Quorum::Lost { .. }, Some(_)) | (Some(_), _, None) => {}
        }
    }
}

/// Pages by our own word; `true` when there is nothing left to say.
fn page(consensus: &Consensus, lost: UnixMillis, by_own_word: &mpsc::Sender<Page>) -> bool {
    if !consensus
        .membership()
        .borrow()
        .is_voter(consensus.config().me)
    {
        return true;
    }
    let state = consensus.state().borrow().clone();
    no_quorum(&state, lost).is_none_or(|page| {
        tracing::warn!("no majority of the nodes answers");
        by_own_word.try_send(page).is_ok()
    })
}

/// Reports a loss that is over; `true` when the log has it.
async fn reported(consensus: &Consensus, lost: UnixMillis) -> bool {
    let regained = wall_clock().max(lost);
    let command = Command::ReportQuorum { lost, regained };
    consensus
        .propose(crate::daemon::proposal(command))
        .await
        .is_ok()
}
