//! What other nodes ask of us. Who they are has been checked by `peer`; what they claim is checked
//! here.

use openraft::error::{InstallSnapshotError, RaftError};
use openraft::raft::VoteRequest;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest};

use super::election::Ballot;
use super::record::{SNAPSHOT_BYTES_MAX, VoteRecord};
use super::room::without_entries;
use super::timing::{ELECTION_MIN, NO_ROOM_SNAPSHOT_PAUSE, PROPOSE_DEADLINE};
use super::{AppendReply, Consensus, Refusal, Request, Room, Rpc, RpcReply, SnapshotReply};
use crate::clockwork::{Safeguard, lacks, now, sleep};
use crate::id::NodeId;

impl Consensus {
    /// Answers another node.
    pub async fn handle(&self, from: NodeId, rpc: Rpc) -> RpcReply {
        match self.check(from, &rpc) {
            Ok(()) if self.has_room() => self.answer(from, rpc.request).await,
            Ok(()) => self.answer_without_room(from, rpc.request).await,
            Err(refusal) => {
                tracing::warn!(%from, %refusal, "refused a question");
                RpcReply::Refused(refusal)
            }
        }
    }

    fn check(&self, from: NodeId, rpc: &Rpc) -> Result<(), Refusal> {
        if rpc.cluster != self.inner.config.cluster {
            return Err(Refusal::ForeignCluster);
        }
        if rpc.epoch != self.inner.config.epoch {
            return Err(Refusal::OtherEpoch {
                ours: self.inner.config.epoch,
            });
        }
        match &rpc.request {
            Request::Append { vote, .. }
            | Request::Vote { vote, .. }
            | Request::Snapshot { vote, .. }
            | Request::ElectNow { vote }
            | Request::Follow { vote } => {
                if vote.node == from {
                    Ok(())
                } else {
                    Err(Refusal::NotYourself)
                }
            }
            // A node that lags may not know the newest voter yet: it is asked, not refused.
            Request::PreVote { .. } => Ok(()),
            Request::Propose(_) | Request::Change(_) | Request::Newest => {
                let members = self.inner.effective.borrow();
                let known = members.is_voter(from) || members.learners.contains(&from);
                if known {
                    Ok(())
                } else {
                    Err(Refusal::NotMember)
                }
            }
        }
    }

    /// Takes nothing that has to be stored, but hears the leader, and votes while it can.
    async fn answer_without_room(&self, from: NodeId, request: Request) -> RpcReply {
        match (&request, self.room()) {
            (Request::Vote { .. }, Room::Gone) => return self.withhold_vote(),
            (Request::ElectNow { .. }, _) => return RpcReply::ElectNow(false),
            (Request::Snapshot { vote, .. }, _) => {
                if *vote >= self.inner.raft.metrics().borrow().vote.into() {
                    self.inner.hearing.note();
                }
                sleep(NO_ROOM_SNAPSHOT_PAUSE).await;
                return RpcReply::Refused(Refusal::Stopped);
            }
            (
                Request::Append { .. }
                | Request::Vote { .. }
                | Request::PreVote { .. }
                | Request::Propose(_)
                | Request::Change(_)
                | Request::Newest
                | Request::Follow { .. },
                _,
            ) => {}
        }
        let (request, stored_nothing) = without_entries(request).await;
        match (self.answer(from, request).await, stored_nothing) {
            (RpcReply::Append(AppendReply::Success), Some(nothing)) => RpcReply::Append(nothing),
            (reply, _) => reply,
        }
    }

    async fn answer(&self, from: NodeId, request: Request) -> RpcReply {
        match request {
            Request::Append {
                vote,
                previous,
                entries,
                committed,
            } => {
                let rpc = AppendEntriesRequest {
                    vote: vote.into(),
                    prev_log_id: previous.map(Into::into),
                    entries: entries.into_iter().map(Into::into).collect(),
                    leader_commit: committed.map(Into::into),
                };
                self.take_append(rpc).await
            }
            Request::Vote {
                vote,
                last,
                sanctioned,
            } => {
                let guarded = !sanctioned && !lacks(Safeguard::VoteGuard);
                if guarded && self.leader_lives() {
                    tracing::debug!(%from, "no vote: the leader lives");
                    return self.withhold_vote();
                }
                self.take_vote(VoteRequest::new(vote.into(), last.map(Into::into)))
                    .await
            }
            Request::Snapshot {
                vote,
                meta,
                offset,
                data,
                done,
            } => {
                if offset > SNAPSHOT_BYTES_MAX {
                    return RpcReply::Refused(Refusal::TooLong);
                }
                let meta = meta.into();
                let rpc = InstallSnapshotRequest {
                    vote: vote.into(),
                    meta,
                    offset,
                    data,
                    done,
                };
                self.take_snapshot(rpc).await
            }
            Request::PreVote { last: theirs } => {
                let ballot = Ballot {
                    leader_lives: self.leader_lives() || self.is_pledged(),
                    last: self.last_log_id(),
                };
                RpcReply::PreVote(ballot.would_vote(theirs))
            }
            Request::ElectNow { vote } => RpcReply::ElectNow(self.stand_for(vote).await),
            Request::Propose(proposal) => {
                let end = now() + PROPOSE_DEADLINE;
                RpcReply::Proposed(self.write(*proposal, end).await)
            }
            Request::Change(change) => RpcReply::Changed(self.change_here(change).await),
            Request::Newest => RpcReply::Newest(self.decided_here().await),
            Request::Follow { vote } => RpcReply::Follow(self.follows(vote)),
        }
    }

    async fn take_append(&self, rpc: AppendEntriesRequest<super::TypeConfig>) -> RpcReply {
        let leads = rpc.vote >= self.inner.raft.metrics().borrow().vote;
        let _keeping = leads.then(|| self.inner.hearing.keep(rpc.vote.into()));
        let Ok(answer) = self.inner.raft.append_entries(rpc).await else {
            return RpcReply::Refused(Refusal::Stopped);
        };
        let reply = match answer {
            AppendEntriesResponse::Success => AppendReply::Success,
            AppendEntriesResponse::PartialSuccess(upto) => {
                AppendReply::Partial(upto.map(Into::into))
            }
            AppendEntriesResponse::Conflict => AppendReply::Conflict,
            AppendEntriesResponse::HigherVote(vote) => AppendReply::HigherVote(vote.into()),
        };
        if !matches!(reply, AppendReply::HigherVote(_)) {
            self.inner.hearing.note();
        }
        RpcReply::Append(reply)
    }

    /// Votes once a term, for whoever asks first in a term of which we knew nothing. openraft by
    /// itself orders votes by term and node, and would give a second one of a term to a higher id:
    /// then two could lead in one term, and whatever is told apart by its term could not be.
    async fn take_vote(&self, rpc: VoteRequest<NodeId>) -> RpcReply {
        let wanted = VoteRecord::from(rpc.vote);
        let _one = self.inner.voting.lock().await;
        let Some(ours) = self.own_vote().await else {
            return RpcReply::Refused(Refusal::Stopped);
        };
        // What was given is given again, from memory.
        let again = ours == wanted && self.inner.poll.was_given(wanted);
        let taken = ours.term >= wanted.term || self.inner.poll.is_wanted(wanted.term);
        if taken && !again {
            return self.withhold(ours);
        }
        match self.inner.raft.vote(rpc).await {
            Ok(answer) => {
                if answer.vote_granted && !again {
                    self.inner.poll.note_given(wanted);
                }
                RpcReply::Vote {
                    vote: answer.vote.into(),
                    granted: answer.vote_granted,
                    last: answer.last_log_id.map(Into::into),
                }
            }
            Err(_) => RpcReply::Refused(Refusal::Stopped),
        }
    }

    async fn take_snapshot(&self, rpc: InstallSnapshotRequest<super::TypeConfig>) -> RpcReply {
        let theirs = rpc.vote;
        match self.inner.raft.install_snapshot(rpc).await {
            Ok(answer) => {
                if answer.vote <= theirs {
                    self.inner.hearing.note();
                }
                RpcReply::Snapshot(SnapshotReply::Taken(answer.vote.into()))
            }
            Err(RaftError::APIError(InstallSnapshotError::SnapshotMismatch(_))) => {
                RpcReply::Snapshot(SnapshotReply::StartOver)
            }
            Err(RaftError::Fatal(_)) => RpcReply::Refused(Refusal::Stopped),
        }
    }

    fn withhold_vote(&self) -> RpcReply {
        let vote = self.inner.raft.metrics().borrow().vote.into();
        self.withhold(vote)
    }

    fn withhold(&self, vote: VoteRecord) -> RpcReply {
        RpcReply::Vote {
            vote,
            granted: false,
            last: self.last_log_id(),
        }
    }

    /// The leader steps aside and wants us to follow it: stands if that leader is the one we
    /// follow.
    async fn stand_for(&self, leader: VoteRecord) -> bool {
        let ours: VoteRecord = self.inner.raft.metrics().borrow().vote.into();
        if ours != leader || !leader.committed {
            return false;
        }
        self.inner.sanction.grant();
        self.stand().await
    }

    /// Whether somebody got our vote a moment ago, and may come to lead by it.
    fn is_pledged(&self) -> bool {
        let pending = self.inner.poll.pending_until(self.inner.hearing.last());
        pending.is_some_and(|until| now() < until)
    }

    /// Whether there is a leader that a candidate would only disturb: we, with a majority that
    /// answered lately, or one we heard lately.
    fn leader_lives(&self) -> bool {
        if self.leads() {
            return self.inner.following.lately(now());
        }
        self.inner.hearing.within(ELECTION_MIN, now())
    }
}
