//! A majority that was lost: every voter that notices pages by its own word, because nothing can be
//! written; the leader that finds it again writes it down, with the same id.
//!
//! Each node remembers since when it has seen no leader; whoever leads next reports its own memory.
//! A node that is cut off from the leader alone, and hears others who are not, has lost none.

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

/// What is to be done about a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    /// Nobody leads: from now on it is remembered.
    Began,
    /// Long enough to tell people, by our own word.
    Page,
    /// It is over, and the log shall know.
    Report,
    /// It is over, and nobody needs to know.
    Forget,
}

/// PURE. What is to be done now about a loss that began `since` ago, if one began.
fn step(
    leader: Option<NodeId>,
    quorum: Quorum,
    removed: bool,
    loss: Option<(Duration, bool)>,
) -> Step {
    match (leader, quorum, loss) {
        (None, _, None) => Step::Began,
        // Who was removed has lost nothing: the others have their majority.
        (None, _, Some((since, false))) if since >= LOSS_MIN && !removed => Step::Page,
        // Whoever paged has it written down, so that the page's id is used up and its incident
        // ends; of several nodes the first one counts. A leader knows of it unpaged as well.
        (Some(_), Quorum::Fresh { .. } | Quorum::NotLeader, Some((since, paged))) => {
            let matters = paged || matches!(quorum, Quorum::Fresh { .. });
            match matters && since >= LOSS_MIN {
                true => Step::Report,
                false => Step::Forget,
            }
        }
        (None, _, Some(_)) | (Some(_), Quorum::Lost { .. }, Some(_)) | (Some(_), _, None) => {
            Step::Nothing
        }
    }
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
        let gone = removed.borrow().is_some();
        let so_far = loss.map(|loss| (loss.began.elapsed(), loss.paged));
        match (step(leader, quorum, gone, so_far), loss.as_mut()) {
            (Step::Began, _) => {
                loss = Some(Loss {
                    began: Instant::now(),
                    at: wall_clock(),
                    paged: false,
                });
            }
            // Whoever leads tells that it does not hear us.
            (Step::Page, Some(_)) if consensus.is_led_elsewhere().await => {}
            (Step::Page, Some(loss)) => loss.paged = page(&consensus, loss.at, &by_own_word),
            (Step::Report, Some(over)) => {
                if reported(&consensus, over.at).await {
                    loss = None;
                }
            }
            (Step::Forget, _) => loss = None,
            (Step::Nothing | Step::Page | Step::Report, _) => {}
        }
    }
}

/// Pages by our own word; `true` when there is nothing left to say.
fn page(consensus: &Consensus, lost: UnixMillis, by_own_word: &mpsc::Sender<Page>) -> bool {
    let me = consensus.config().me;
    if !consensus.membership().borrow().is_voter(me) {
        return true;
    }
    let state = consensus.state().borrow().clone();
    no_quorum(&state, me, lost).is_none_or(|page| {
        tracing::warn!("no majority of the nodes answers");
        by_own_word.try_send(page).is_ok()
    })
}

/// Reports a loss that is over; `true` when the log has it.
async fn reported(consensus: &Consensus, lost: UnixMillis) -> bool {
    let regained = wall_clock().max(lost);
    let by = Some(consensus.config().me);
    let command = Command::ReportQuorum { lost, regained, by };
    consensus
        .propose(crate::daemon::proposal(command))
        .await
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LED: Option<NodeId> = Some(NodeId(1));

    fn quorums() -> (Quorum, Quorum, Quorum) {
        let since = std::time::Instant::now();
        (
            Quorum::NotLeader,
            Quorum::Fresh { since },
            Quorum::Lost { since },
        )
    }

    #[test]
    fn a_loss_is_told_after_five_seconds_and_written_down_when_it_is_over() {
        let (follows, fresh, lost) = quorums();
        let short = Duration::from_millis(4_999);
        let long = LOSS_MIN;
        let table = [
            // Nobody leads.
            (None, follows, false, None, Step::Began),
            (None, follows, false, Some((short, false)), Step::Nothing),
            (None, follows, false, Some((long, false)), Step::Page),
            (None, follows, false, Some((long, true)), Step::Nothing),
            (None, follows, true, Some((long, false)), Step::Nothing),
            // Somebody leads again: an election, or the end of a loss.
            (LED, follows, false, None, Step::Nothing),
            (LED, follows, false, Some((short, false)), Step::Forget),
            (LED, follows, false, Some((long, false)), Step::Forget),
            (LED, follows, false, Some((long, true)), Step::Report),
            // We lead: it is written down, whoever was told of it.
            (LED, fresh, false, None, Step::Nothing),
            (LED, fresh, false, Some((short, false)), Step::Forget),
            (LED, fresh, false, Some((long, false)), Step::Report),
            (LED, fresh, false, Some((long, true)), Step::Report),
            // We lead, and nobody answers: nothing can be written.
            (LED, lost, false, None, Step::Nothing),
            (LED, lost, false, Some((long, true)), Step::Nothing),
        ];
        for (leader, quorum, removed, loss, expected) in table {
            let what = format!("{leader:?} {quorum:?} removed {removed} {loss:?}");
            assert_eq!(step(leader, quorum, removed, loss), expected, "{what}");
        }
    }
}
