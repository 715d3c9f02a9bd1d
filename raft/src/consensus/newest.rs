//! Reading the newest: this node's copy of the state, once it has all that was decided before the
//! question.
//!
//! ```text
//!   reader ──Newest──▶ leader ──heartbeat──▶ a majority: it leads still
//!     ▲                  └─ index of what is committed
//!     └─ waits until its own copy is applied that far
//! ```
//!
//! Nothing is written. Whoever reads without it reads what this node knows, which may be behind:
//! on a node that is cut off, by as long as the cut lasts.

use std::sync::Arc;
use std::time::Instant;

use openraft::error::{CheckIsLeaderError, RaftError};

use super::timing::{NEWEST_DEADLINE, PROPOSE_DEADLINE, PROPOSE_RETRY, SILENCE};
use super::{Consensus, Quorum, Request, Role, RpcReply, Unwritten};
use crate::clockwork::{TaskSet, now, timeout, timeout_at};

/// Why this node's copy may be behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NewestError {
    /// Nobody leads; ask again.
    #[error("no leader is known")]
    NoLeader,
    /// The leader has no majority; ask again.
    #[error("the leader reaches no majority of the nodes")]
    NoQuorum,
    /// This node has not applied it in time; ask another.
    #[error("this node is behind what was decided")]
    Behind,
    /// A member may be of a release that does not know the question.
    #[error("it needs format {SINCE}, and not all members read that")]
    OlderFormat,
    /// This node stops.
    #[error("this node is stopping")]
    Stopped,
}

/// The format that has the question.
const SINCE: u16 = 2;

impl Consensus {
    /// Waits until this node's state has all that was decided, by whomever, before the call.
    ///
    /// **Errors**: [`NewestError`]: the state may be behind. Nothing was changed.
    ///
    /// **Source**: Ongaro and Ousterhout, Raft, section 8.
    pub async fn newest(&self) -> Result<(), NewestError> {
        if self.inner.state.borrow().format.number() < SINCE {
            return Err(NewestError::OlderFormat);
        }
        let end = now() + PROPOSE_DEADLINE;
        let mut reason = NewestError::NoLeader;
        let mut standing = self.standing();
        while now() < end {
            // Only what changes from here on is a reason to look again before the pause is over.
            standing.mark_unchanged();
            match self.decided(end).await {
                Ok(index) => return self.await_applied(index, end).await,
                Err(NewestError::Stopped) => return Err(NewestError::Stopped),
                Err(why) => reason = why,
            }
            let pause = PROPOSE_RETRY.min(end.saturating_duration_since(now()));
            _ = timeout(pause, standing.changed()).await;
        }
        Err(reason)
    }

    /// Whether what this node knows is still so, asked now and not remembered: then its state has
    /// all that was decided before.
    ///
    /// A process that slept wakes with a fresh memory of an old time: it led, a majority had just
    /// answered. Whoever acts outside the log on what the log says asks here first. It takes three
    /// seconds at most. While a member does not know the question, a follower goes by whether it
    /// heard a leader within the last second.
    pub async fn confirm(&self) -> bool {
        if self.applied_in_own_term() && self.is_followed().await {
            return true;
        }
        match self.newest().await {
            Err(NewestError::OlderFormat) if self.leads() => match self.decided_here().await {
                Ok(index) => self.await_applied(index, now() + SILENCE).await.is_ok(),
                Err(_) => false,
            },
            Err(NewestError::OlderFormat) => self.inner.hearing.within(SILENCE, now()),
            said => said.is_ok(),
        }
    }

    /// Whether a voter that answers us hears a leader, where we hear none: it is we who are cut off
    /// from that leader, and the nodes have their majority. Asks all of them at once and takes at
    /// most `NEWEST_DEADLINE` twice. Whoever cannot be asked, or does not know the question, hears
    /// none.
    pub async fn is_led_elsewhere(&self) -> bool {
        if self.inner.state.borrow().format.number() < SINCE {
            return false;
        }
        let mut questions = TaskSet::default();
        let voters = self.inner.effective.borrow().voters();
        for node in voters {
            let peers = Arc::clone(&self.inner.peers);
            if node != self.inner.config.me {
                questions.spawn(async move {
                    let said = peers.ask(node, Request::Newest, NEWEST_DEADLINE * 2).await;
                    matches!(
                        said,
                        Ok(RpcReply::Newest(Ok(_) | Err(Unwritten::NotLeader(Some(_)))))
                    )
                });
            }
        }
        while let Some(said) = questions.next().await {
            if matches!(said, Ok(true)) {
                return true;
            }
        }
        false
    }

    /// Up to where everything is decided, as the leader says.
    async fn decided(&self, end: Instant) -> Result<u64, NewestError> {
        let standing = self.inner.standing.borrow().clone();
        if standing.role == Role::Stopped {
            return Err(NewestError::Stopped);
        }
        let said = match standing.leader {
            Some(node) if node == standing.me => self.decided_here().await,
            Some(node) => {
                let left = end.saturating_duration_since(now());
                let patience = left.min(NEWEST_DEADLINE * 2);
                match self.inner.peers.ask(node, Request::Newest, patience).await {
                    Ok(RpcReply::Newest(said)) => match said {
                        // It is the leader that stops, not this node.
                        Err(Unwritten::Stopped) => return Err(NewestError::NoLeader),
                        said => said,
                    },
                    Ok(_) | Err(_) => return Err(NewestError::NoLeader),
                }
            }
            None => return Err(NewestError::NoLeader),
        };
        said.map_err(|why| match why {
            Unwritten::NotLeader(_) => NewestError::NoLeader,
            Unwritten::NoQuorum
            | Unwritten::Undecided
            | Unwritten::Full(_)
            | Unwritten::Crowded => NewestError::NoQuorum,
            Unwritten::Stopped => NewestError::Stopped,
        })
    }

    /// The same on the leader: a majority says that nobody else leads.
    pub(super) async fn decided_here(&self) -> Result<u64, Unwritten> {
        let standing = self.inner.standing.borrow().clone();
        if standing.role != Role::Leader {
            return Err(Unwritten::NotLeader(standing.leader));
        }
        if matches!(standing.quorum, Quorum::Lost { .. }) {
            return Err(Unwritten::NoQuorum);
        }
        match timeout(NEWEST_DEADLINE, self.inner.raft.get_read_log_id()).await {
            Ok(Ok((read, _))) => Ok(read.map_or(0, |id| id.index)),
            Ok(Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(_)))) => {
                Err(Unwritten::NotLeader(None))
            }
            Ok(Err(RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(_)))) | Err(_) => {
                Err(Unwritten::NoQuorum)
            }
            Ok(Err(RaftError::Fatal(_))) => Err(Unwritten::Stopped),
        }
    }

    async fn await_applied(&self, index: u64, end: Instant) -> Result<(), NewestError> {
        let mut metrics = self.inner.raft.metrics();
        let applied = metrics.wait_for(|m| m.last_applied.is_some_and(|id| id.index >= index));
        match timeout_at(end, applied).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(NewestError::Stopped),
            Err(_) => Err(NewestError::Behind),
        }
    }
}
