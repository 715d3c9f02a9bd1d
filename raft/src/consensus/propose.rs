//! Proposals: written here or by the leader, within a deadline, and safe to send again.
//!
//! A proposal carries an id, and `apply` answers the second one with the first one's answer. So
//! whatever is uncertain is sent again until the deadline, and only then called undecided.

use std::sync::atomic::Ordering;
use std::time::Instant;

use openraft::error::{ClientWriteError, RaftError};

use super::record::{EntryRecord, LogIdRecord, PayloadRecord};
use super::timing::{PROPOSE_DEADLINE, PROPOSE_RETRY, READ_BACK_DEADLINE};
use super::{Consensus, Quorum, Request, Role, RpcReply, TransportError, Unwritten, Written};
use crate::clockwork::{now, random, timeout, timeout_at};
use crate::codec;
use crate::id::{NodeId, RequestId};
use crate::state::{Applied, Proposal, Reject};

/// The format whose members know [`Unwritten::Crowded`].
const CROWDED_SINCE: u16 = 2;

/// Why a proposal has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nobody leads. Nothing was written.
    #[error("no leader is known")]
    NoLeader,
    /// The leader has no majority. Nothing was written.
    #[error("the leader reaches no majority of the nodes")]
    NoQuorum,
    /// The disk of a node is full, and too few others have room. Nothing was written.
    #[error("no room is left on the disk of {0}, and too few others have some")]
    Full(NodeId),
    /// Disks are so slow that other changes took all the time. Nothing was written.
    #[error("other changes went first: a disk is slow, or there are too many of them")]
    Crowded,
    /// It may have been written and may still be decided: ask again with the same id.
    #[error("no majority answered in time; the change may still come about")]
    Deadline,
    /// The state refuses it.
    #[error(transparent)]
    Rejected(Reject),
    /// It is larger than an entry may be.
    #[error("the change is larger than {} bytes", super::record::ENTRY_BYTES_MAX)]
    TooLarge,
    /// A member may be older than what it says. Nothing was written.
    #[error("it needs format {needs}, and not all members read more than {has}")]
    NewerFormat {
        /// What it needs.
        needs: u16,
        /// What the cluster agreed on.
        has: u16,
    },
    /// This node stops.
    #[error("this node is stopping")]
    Stopped,
}

impl RequestId {
    /// 128 random bits: a proposal nobody has made before.
    ///
    /// **Panics**: when the system has no random numbers.
    pub fn random() -> Self {
        RequestId(u128::from_le_bytes(random()))
    }
}

/// What became of one attempt.
enum Attempt {
    Written(Written),
    /// Certainly not written; try again, perhaps elsewhere.
    Not(ProposeError),
    /// Perhaps written.
    Unknown,
}

impl Consensus {
    /// Has a change decided, here or by the leader, within 3 s; then this node's state shows it.
    ///
    /// **Errors**: [`ProposeError`]. After `Deadline` the outcome is unknown, and the same proposal
    /// may be made again; after all others nothing was changed.
    pub async fn propose(&self, proposal: Proposal) -> Result<Applied, ProposeError> {
        self.check_form(&proposal)?;
        let end = now() + PROPOSE_DEADLINE;
        let mut uncertain = false;
        let mut reason = ProposeError::NoLeader;
        let mut standing = self.standing();
        while now() < end {
            // Only what changes from here on is a reason to look again before the pause is over:
            // a receiver that is cloned anew takes all that ever changed for news, and never waits.
            standing.mark_unchanged();
            match self.attempt(&proposal, end).await {
                Attempt::Written(written) => return self.read_back(written, end).await,
                // What an attempt before may have written may still be decided.
                Attempt::Not(ProposeError::Stopped) if uncertain => break,
                Attempt::Not(ProposeError::Stopped) => return Err(ProposeError::Stopped),
                // A leader without room looks for another now and then, and answers nobody then:
                // that there is no room stays the reason.
                Attempt::Not(ProposeError::NoLeader) if matches!(reason, ProposeError::Full(_)) => {
                }
                Attempt::Not(why) => reason = why,
                Attempt::Unknown => uncertain = true,
            }
            let pause = PROPOSE_RETRY.min(end.saturating_duration_since(now()));
            _ = timeout(pause, standing.changed()).await;
        }
        Err(if uncertain {
            ProposeError::Deadline
        } else {
            reason
        })
    }

    /// Whether it fits into an entry, and into what every member reads.
    fn check_form(&self, proposal: &Proposal) -> Result<(), ProposeError> {
        let needs = format_of(proposal).ok_or(ProposeError::TooLarge)?;
        let has = self.inner.state.borrow().format.number();
        // The order to raise it is itself the first that the older format does not have.
        let allowed = proposal.command.raises_to().unwrap_or(has);
        match needs <= has.max(allowed) {
            true => Ok(()),
            false => Err(ProposeError::NewerFormat { needs, has }),
        }
    }

    async fn attempt(&self, proposal: &Proposal, end: Instant) -> Attempt {
        let standing = self.inner.standing.borrow().clone();
        if standing.role == Role::Stopped {
            return Attempt::Not(ProposeError::Stopped);
        }
        match standing.leader {
            Some(node) if node == standing.me => {
                Attempt::of(self.write(proposal.clone(), end).await)
            }
            Some(node) => self.forward(node, proposal, end).await,
            None if standing.role == Role::Leader => Attempt::Not(ProposeError::NoQuorum),
            None if !self.has_room() => Attempt::Not(ProposeError::Full(standing.me)),
            None => Attempt::Not(ProposeError::NoLeader),
        }
    }

    async fn forward(&self, leader: NodeId, proposal: &Proposal, end: Instant) -> Attempt {
        let left = end.saturating_duration_since(now());
        let question =
            self.inner
                .peers
                .ask(leader, Request::Propose(Box::new(proposal.clone())), left);
        match question.await {
            Ok(RpcReply::Proposed(answer)) => Attempt::of(answer),
            Err(TransportError::Unreachable { .. } | TransportError::Refused { .. }) => {
                Attempt::Not(ProposeError::NoLeader)
            }
            Ok(_) | Err(TransportError::Lost { .. }) => Attempt::Unknown,
        }
    }

    /// Writes on this node, if it leads with a majority.
    pub(super) async fn write(
        &self,
        proposal: Proposal,
        end: Instant,
    ) -> Result<Written, Unwritten> {
        self.may_write()?;
        let Some(_place) = self.inner.lane.enter(end).await else {
            return Err(self.crowded());
        };
        // Much may have changed while it waited, and after the next line nobody knows whether it
        // was written.
        self.may_write()?;
        match timeout_at(end, self.inner.raft.client_write(proposal)).await {
            Ok(Ok(answer)) => Ok(Written {
                index: answer.log_id.index,
                outcome: answer.data,
            }),
            // openraft says the same before and after it wrote: the outcome is unknown.
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) | Err(_) => {
                Err(Unwritten::Undecided)
            }
            Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(_)))) => {
                unreachable!("a proposal changes no membership")
            }
            Ok(Err(RaftError::Fatal(_))) => Err(Unwritten::Stopped),
        }
    }

    /// Whether this node leads with a majority, and disks have room; if not, why.
    fn may_write(&self) -> Result<(), Unwritten> {
        let standing = self.inner.standing.borrow();
        let leads = standing.role == Role::Leader;
        if leads && !self.has_room() {
            return Err(Unwritten::Full(standing.me));
        }
        if !leads || self.inner.stepping_aside.load(Ordering::SeqCst) {
            return Err(Unwritten::NotLeader(standing.leader));
        }
        if matches!(standing.quorum, Quorum::Lost { .. }) {
            return Err(Unwritten::NoQuorum);
        }
        self.who_is_full()
            .map_or(Ok(()), |node| Err(Unwritten::Full(node)))
    }

    /// What a proposer hears that found no place; an older one knows only that nothing was written.
    fn crowded(&self) -> Unwritten {
        match self.inner.state.borrow().format.number() {
            ..CROWDED_SINCE => Unwritten::NoQuorum,
            _ => Unwritten::Crowded,
        }
    }

    /// Waits until this node has applied what was decided, so that its proposer can read it here.
    async fn read_back(&self, written: Written, end: Instant) -> Result<Applied, ProposeError> {
        let mut metrics = self.inner.raft.metrics();
        let until = end.min(now() + READ_BACK_DEADLINE);
        let applied =
            metrics.wait_for(|m| m.last_applied.is_some_and(|id| id.index >= written.index));
        _ = timeout_at(until, applied).await;
        written.outcome.map_err(ProposeError::Rejected)
    }
}

impl Attempt {
    fn of(answer: Result<Written, Unwritten>) -> Self {
        match answer {
            Ok(written) => Attempt::Written(written),
            Err(Unwritten::NotLeader(_)) => Attempt::Not(ProposeError::NoLeader),
            Err(Unwritten::NoQuorum) => Attempt::Not(ProposeError::NoQuorum),
            Err(Unwritten::Full(node)) => Attempt::Not(ProposeError::Full(node)),
            Err(Unwritten::Crowded) => Attempt::Not(ProposeError::Crowded),
            // Consensus that ends under a proposal may have written it.
            Err(Unwritten::Undecided | Unwritten::Stopped) => Attempt::Unknown,
        }
    }
}

/// The oldest format that has all of it; `None`: it does not fit into an entry.
fn format_of(proposal: &Proposal) -> Option<u16> {
    let id = LogIdRecord {
        term: u64::MAX,
        node: NodeId(u64::MAX),
        index: u64::MAX,
    };
    let payload = PayloadRecord::Proposal(Box::new(proposal.clone()));
    let bytes = codec::encode(&EntryRecord { id, payload }).ok()?;
    codec::format_of(&bytes)
}

const _: () = assert!(READ_BACK_DEADLINE.as_millis() < PROPOSE_DEADLINE.as_millis());
