//! Changes of the membership: one at a time, learner first, promoted when caught up, and the leader
//! steps aside before it is removed.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Instant;

use openraft::error::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{ChangeMembers, EmptyNode};
use serde::{Deserialize, Serialize};

use super::record::VoteRecord;
use super::timing::{
    CATCH_UP_DEADLINE, CATCH_UP_ENTRIES, CATCH_UP_POLL, CHANGE_DEADLINE, CHANGE_TOTAL_DEADLINE,
    LEARNER_SILENCE, PROPOSE_DEADLINE, PROPOSE_RETRY, SILENCE, STEP_ASIDE_DEADLINE,
    STEP_ASIDE_PAUSE,
};
use super::{Consensus, Quorum, Request, Role, RpcReply};
use crate::clockwork::{elapsed, now, sleep, timeout};
use crate::id::NodeId;

/// A change of the membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It gets the log and does not vote. Nothing happens if it is a member.
    AddLearner(NodeId),
    /// It votes from now on, once it has caught up. Nothing happens if it votes.
    Promote(NodeId),
    /// It is a member no more. Nothing happens if it is none.
    Remove(NodeId),
    /// Leadership goes to this voter, or to whoever has most of the log.
    HandOver(Option<NodeId>),
}

/// Why the membership is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ChangeError {
    /// Nobody leads, or the one asked does not; perhaps this one does. Ask again.
    #[error("no leader is known")]
    NotLeader(Option<NodeId>),
    /// The leader has no majority.
    #[error("the leader reaches no majority of the nodes")]
    NoQuorum,
    /// Another change is under way. Ask again when it is done.
    #[error("another change of the membership is under way")]
    InProgress,
    /// Who shall be promoted is no learner, or who shall lead is no voter.
    #[error("{0} is not a member that could")]
    NotMember(NodeId),
    /// The learner did not catch up in time. It goes on learning: ask again.
    #[error("{node} has not caught up with the log")]
    NotCaughtUp {
        /// Which learner.
        node: NodeId,
        /// By how many entries, as far as known.
        behind: Option<u64>,
    },
    /// The last voter cannot be removed: that would be the end of the cluster.
    #[error("{0} is the last voter")]
    LastVoter(NodeId),
    /// Without it the voters that answer would be no majority of those that are left.
    #[error("without {0} the nodes that answer would be no majority")]
    WouldLoseQuorum(NodeId),
    /// No other voter took over.
    #[error("no other voter took the leadership over")]
    NoSuccessor,
    /// It was begun, and may still come about: look at the membership, or ask again.
    #[error("the change of the membership was not decided in time")]
    Undecided,
    /// The node that was asked is stopping.
    #[error("the node is stopping")]
    Stopped,
    /// This disk has no room, and too few others have. Nothing was written.
    #[error("no room is left on the disk of {0}")]
    Full(NodeId),
}

impl Consensus {
    /// Changes the membership, here or through the leader; asking again for what is done does
    /// nothing.
    ///
    /// **Errors**: [`ChangeError`]; within 3 s where nobody leads, and after 45 s at most.
    pub async fn change(&self, change: Change) -> Result<(), ChangeError> {
        let end = now() + CHANGE_TOTAL_DEADLINE;
        let mut led = now();
        loop {
            let leader = self.inner.standing.borrow().leader;
            let outcome = match leader {
                Some(node) if node != self.inner.config.me => {
                    self.ask_change(node, change, end).await
                }
                Some(_) | None => self.change_here(change).await,
            };
            if leader.is_some() {
                led = now();
            }
            let again = matches!(
                outcome,
                Err(ChangeError::NotLeader(_) | ChangeError::InProgress)
            );
            if !again || now() >= end || elapsed(led) >= PROPOSE_DEADLINE {
                return outcome;
            }
            sleep(PROPOSE_RETRY).await;
        }
    }

    /// Adds a learner: [`Consensus::change`] with [`Change::AddLearner`].
    ///
    /// **Errors**: see there.
    pub async fn add_learner(&self, node: NodeId) -> Result<(), ChangeError> {
        self.change(Change::AddLearner(node)).await
    }

    /// Makes a learner a voter when it has caught up: [`Change::Promote`].
    ///
    /// **Errors**: see [`Consensus::change`].
    pub async fn promote(&self, node: NodeId) -> Result<(), ChangeError> {
        self.change(Change::Promote(node)).await
    }

    /// Removes a member: [`Change::Remove`].
    ///
    /// **Errors**: see [`Consensus::change`].
    pub async fn remove(&self, node: NodeId) -> Result<(), ChangeError> {
        self.change(Change::Remove(node)).await
    }

    /// Gives the leadership to `to`, or to whoever has most of the log: [`Change::HandOver`].
    ///
    /// **Errors**: see [`Consensus::change`].
    pub async fn transfer_leadership(&self, to: Option<NodeId>) -> Result<(), ChangeError> {
        self.change(Change::HandOver(to)).await
    }

    async fn ask_change(
        &self,
        leader: NodeId,
        change: Change,
        end: Instant,
    ) -> Result<(), ChangeError> {
        let left = end.saturating_duration_since(now());
        match self
            .inner
            .peers
            .ask(leader, Request::Change(change), left)
            .await
        {
            Ok(RpcReply::Changed(outcome)) => outcome,
            // Each change may be asked for twice, so an unknown outcome is one more reason to ask.
            Ok(_) | Err(_) => Err(ChangeError::NotLeader(None)),
        }
    }

    /// Changes the membership as the leader.
    pub(super) async fn change_here(&self, change: Change) -> Result<(), ChangeError> {
        let Ok(_alone) = self.inner.changing.try_lock() else {
            return Err(ChangeError::InProgress);
        };
        self.check_leads()?;
        match (change, self.who_is_full()) {
            (Change::HandOver(_), Some(_)) | (_, None) => {}
            (_, Some(node)) => return Err(ChangeError::Full(node)),
        }
        self.finish_joint().await?;
        match change {
            Change::AddLearner(node) => self.add_learner_here(node).await,
            Change::Promote(node) => self.promote_here(node).await,
            Change::Remove(node) => self.remove_here(node).await,
            Change::HandOver(to) => self.hand_over(to).await.map(|_| ()),
        }
    }

    fn check_leads(&self) -> Result<(), ChangeError> {
        let standing = self.inner.standing.borrow();
        match (standing.role, standing.quorum) {
            (Role::Leader, Quorum::Fresh { .. } | Quorum::NotLeader) => Ok(()),
            (Role::Leader, Quorum::Lost { .. }) => Err(ChangeError::NoQuorum),
            (Role::Stopped, _) => Err(ChangeError::Stopped),
            (Role::Follower | Role::Candidate | Role::Learner, _) => {
                Err(ChangeError::NotLeader(standing.leader))
            }
        }
    }

    async fn add_learner_here(&self, node: NodeId) -> Result<(), ChangeError> {
        let members = self.members();
        if members.is_voter(node) || members.learners.contains(&node) {
            return Ok(());
        }
        bounded(self.inner.raft.add_learner(node, EmptyNode {}, false)).await
    }

    async fn promote_here(&self, node: NodeId) -> Result<(), ChangeError> {
        let members = self.members();
        if members.is_voter(node) {
            return Ok(());
        }
        if !members.learners.contains(&node) {
            return Err(ChangeError::NotMember(node));
        }
        self.wait_until_caught_up(node).await?;
        sleep(LEARNER_SILENCE).await;
        self.wait_until_caught_up(node).await?;
        let add = ChangeMembers::AddVoterIds(BTreeSet::from([node]));
        bounded(self.inner.raft.change_membership(add, false)).await
    }

    async fn remove_here(&self, node: NodeId) -> Result<(), ChangeError> {
        let members = self.members();
        if members.learners.contains(&node) {
            let remove = ChangeMembers::RemoveNodes(BTreeSet::from([node]));
            return bounded(self.inner.raft.change_membership(remove, false)).await;
        }
        if !members.is_voter(node) {
            return Ok(());
        }
        self.check_left_over(node, members.voters())?;
        if node == self.inner.config.me {
            let successor = self.hand_over(None).await?;
            return Err(ChangeError::NotLeader(Some(successor)));
        }
        let remove = ChangeMembers::RemoveVoters(BTreeSet::from([node]));
        bounded(self.inner.raft.change_membership(remove, false)).await
    }

    /// Refuses what would leave the cluster without a majority: the change itself would hang in it.
    fn check_left_over(
        &self,
        node: NodeId,
        mut voters: BTreeSet<NodeId>,
    ) -> Result<(), ChangeError> {
        voters.remove(&node);
        if voters.is_empty() {
            return Err(ChangeError::LastVoter(node));
        }
        let answered = self.answered();
        let answers = |voter: &&NodeId| {
            **voter == self.inner.config.me
                || answered.get(voter).is_some_and(|at| elapsed(*at) < SILENCE)
        };
        if voters.iter().filter(answers).count() * 2 > voters.len() {
            Ok(())
        } else {
            Err(ChangeError::WouldLoseQuorum(node))
        }
    }

    async fn wait_until_caught_up(&self, node: NodeId) -> Result<(), ChangeError> {
        let end = now() + CATCH_UP_DEADLINE;
        loop {
            self.check_leads()?;
            let behind = self
                .inner
                .standing
                .borrow()
                .lag
                .get(&node)
                .copied()
                .flatten();
            if behind.is_some_and(|entries| entries <= CATCH_UP_ENTRIES) {
                return Ok(());
            }
            if now() >= end {
                return Err(ChangeError::NotCaughtUp { node, behind });
            }
            sleep(CATCH_UP_POLL).await;
        }
    }

    /// A leader that died between the two steps of a change left both halves: completes the second.
    pub(super) async fn finish_change_left_behind(&self) {
        let Ok(_alone) = self.inner.changing.try_lock() else {
            return;
        };
        if self.check_leads().is_err() {
            return;
        }
        if let Err(error) = self.finish_joint().await {
            tracing::debug!(%error, "a change of the membership is still under way");
        }
    }

    async fn finish_joint(&self) -> Result<(), ChangeError> {
        let members = self.members();
        let [_, goal] = members.halves.as_slice() else {
            return Ok(());
        };
        if !self.has_room() {
            return Ok(());
        }
        tracing::info!(?goal, "completing a change of the membership");
        let replace = ChangeMembers::ReplaceAllVoters(goal.clone());
        bounded(self.inner.raft.change_membership(replace, false)).await
    }

    /// Has another voter elected: holds proposals and heartbeats back, and tells it to stand.
    pub(super) async fn hand_over(&self, to: Option<NodeId>) -> Result<NodeId, ChangeError> {
        let successor = self.successor(to)?;
        if successor == self.inner.config.me {
            return Ok(successor);
        }
        self.wait_until_caught_up(successor).await?;
        let _aside = SteppingAside::begin(self);
        self.let_stand(successor).await
    }

    async fn let_stand(&self, successor: NodeId) -> Result<NodeId, ChangeError> {
        sleep(STEP_ASIDE_PAUSE).await;
        let vote: VoteRecord = self.inner.raft.metrics().borrow().vote.into();
        let asked =
            self.inner
                .peers
                .ask(successor, Request::ElectNow { vote }, STEP_ASIDE_DEADLINE);
        if !matches!(asked.await, Ok(RpcReply::ElectNow(true))) {
            return Err(ChangeError::NoSuccessor);
        }
        let mut metrics = self.inner.raft.metrics();
        let me = self.inner.config.me;
        let moved = metrics.wait_for(|m| m.current_leader.is_some_and(|leader| leader != me));
        let leader = match timeout(STEP_ASIDE_DEADLINE, moved).await {
            Ok(Ok(metrics)) => metrics.current_leader,
            Ok(Err(_)) => return Err(ChangeError::Stopped),
            Err(_) => None,
        };
        leader.ok_or(ChangeError::NoSuccessor)
    }

    fn successor(&self, to: Option<NodeId>) -> Result<NodeId, ChangeError> {
        let others = self.other_voters();
        match to {
            Some(node) if node == self.inner.config.me || others.contains(&node) => Ok(node),
            Some(node) => Err(ChangeError::NotMember(node)),
            None => {
                let standing = self.inner.standing.borrow();
                let answered = self.answered();
                let answers =
                    |node: &&NodeId| answered.get(node).is_some_and(|at| elapsed(*at) < SILENCE);
                let behind = |node: &NodeId| standing.lag.get(node).copied().flatten();
                let known = others
                    .iter()
                    .filter(answers)
                    .filter_map(|node| Some((behind(node)?, *node)));
                known
                    .min()
                    .map(|(_, node)| node)
                    .ok_or(ChangeError::NoSuccessor)
            }
        }
    }

    /// The effective membership, not older than this call.
    fn members(&self) -> super::Effective {
        super::standing::effective_of(&self.inner.raft.metrics().borrow())
    }
}

/// While it lives, this leader neither writes nor shows that it lives; also when its maker gave up.
struct SteppingAside<'a>(&'a Consensus);

impl<'a> SteppingAside<'a> {
    fn begin(consensus: &'a Consensus) -> Self {
        consensus.inner.stepping_aside.store(true, Ordering::SeqCst);
        consensus.inner.raft.runtime_config().heartbeat(false);
        SteppingAside(consensus)
    }
}

impl Drop for SteppingAside<'_> {
    fn drop(&mut self) {
        self.0.inner.raft.runtime_config().heartbeat(true);
        self.0.inner.stepping_aside.store(false, Ordering::SeqCst);
    }
}

/// Waits for a change to be committed, but not for ever.
async fn bounded<T>(
    change: impl Future<Output = Result<T, RaftError<NodeId, ClientWriteError<NodeId, EmptyNode>>>>,
) -> Result<(), ChangeError> {
    let Ok(outcome) = timeout(CHANGE_DEADLINE, change).await else {
        return Err(ChangeError::Undecided);
    };
    outcome.map(|_| ()).map_err(|error| match error {
        RaftError::Fatal(_) => ChangeError::Stopped,
        RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => {
            ChangeError::NotLeader(to.leader_id)
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(why)) => match why {
            ChangeMembershipError::InProgress(_) => ChangeError::InProgress,
            ChangeMembershipError::EmptyMembership(_) => ChangeError::LastVoter(NodeId::default()),
            ChangeMembershipError::LearnerNotFound(missing) => {
                ChangeError::NotMember(missing.node_id)
            }
        },
    })
}
