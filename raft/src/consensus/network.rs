//! openraft's network on top of [`Peers`]: its structs become ours on the way out, ours become its
//! on the way in.

use std::sync::Arc;
use std::time::Duration;

use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError};
use openraft::error::{SnapshotMismatch, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest};
use openraft::raft::{InstallSnapshotResponse, VoteRequest, VoteResponse};
use openraft::{EmptyNode, SnapshotSegmentId};

use super::election::Sanction;
use super::peers::Peers;
use super::timing::{BACKOFF_MAX, BACKOFF_MIN, between};
use super::{AppendReply, Request, RpcReply, SnapshotReply, TransportError, TypeConfig};
use crate::id::NodeId;

type Failure<E = openraft::error::Infallible> = RPCError<NodeId, EmptyNode, RaftError<NodeId, E>>;

/// Makes a [`Link`] to each member; nothing is connected until something is sent.
pub(super) struct Links {
    pub(super) peers: Arc<Peers>,
    pub(super) sanction: Arc<Sanction>,
}

/// One other node.
pub(super) struct Link {
    to: NodeId,
    peers: Arc<Peers>,
    sanction: Arc<Sanction>,
}

impl RaftNetworkFactory<TypeConfig> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: NodeId, _node: &EmptyNode) -> Link {
        Link {
            to: target,
            peers: self.peers.clone(),
            sanction: self.sanction.clone(),
        }
    }
}

impl Link {
    async fn ask<E: std::error::Error>(
        &self,
        request: Request,
        deadline: Duration,
    ) -> Result<RpcReply, Failure<E>> {
        self.peers
            .ask(self.to, request, deadline)
            .await
            .map_err(|e| match e {
                // Only these make openraft back off; after a lost answer it asks again at once.
                TransportError::Unreachable { .. } | TransportError::Refused { .. } => {
                    RPCError::Unreachable(Unreachable::new(&e))
                }
                TransportError::Lost { .. } => RPCError::Network(NetworkError::new(&e)),
            })
    }

    /// The peer answered another question than the one that was asked.
    fn nonsense<E: std::error::Error>(&self, reply: &RpcReply) -> Failure<E> {
        tracing::warn!(node = %self.to, ?reply, "an answer that does not fit its question");
        let reason = "an answer that does not fit its question".to_owned();
        RPCError::Unreachable(Unreachable::new(&TransportError::Lost {
            node: self.to,
            reason,
        }))
    }
}

impl RaftNetwork<TypeConfig> for Link {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, Failure> {
        let previous = rpc.prev_log_id.map(Into::into);
        let sends = !rpc.entries.is_empty();
        let request = Request::Append {
            vote: rpc.vote.into(),
            previous,
            entries: rpc.entries.into_iter().map(Into::into).collect(),
            committed: rpc.leader_commit.map(Into::into),
        };
        let reply = self.ask(request, option.hard_ttl()).await?;
        let RpcReply::Append(answer) = reply else {
            return Err(self.nonsense(&reply));
        };
        if sends {
            self.peers.note_stored(self.to, previous, &answer);
        }
        Ok(match answer {
            AppendReply::Success => AppendEntriesResponse::Success,
            AppendReply::Partial(upto) => {
                AppendEntriesResponse::PartialSuccess(upto.map(Into::into))
            }
            AppendReply::Conflict => AppendEntriesResponse::Conflict,
            AppendReply::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote.into()),
        })
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, Failure<InstallSnapshotError>> {
        let segment = SnapshotSegmentId {
            id: rpc.meta.snapshot_id.clone(),
            offset: rpc.offset,
        };
        let request = Request::Snapshot {
            vote: rpc.vote.into(),
            meta: (&rpc.meta).into(),
            offset: rpc.offset,
            data: rpc.data,
            done: rpc.done,
        };
        let reply = self.ask(request, option.hard_ttl()).await?;
        let RpcReply::Snapshot(answer) = reply else {
            return Err(self.nonsense(&reply));
        };
        match answer {
            SnapshotReply::Taken(vote) => Ok(InstallSnapshotResponse { vote: vote.into() }),
            SnapshotReply::StartOver => {
                let expect = SnapshotSegmentId {
                    offset: 0,
                    ..segment.clone()
                };
                let mismatch = SnapshotMismatch {
                    expect,
                    got: segment,
                };
                let error = RaftError::APIError(InstallSnapshotError::SnapshotMismatch(mismatch));
                Err(RPCError::RemoteError(RemoteError::new(self.to, error)))
            }
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<NodeId>,
        option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, Failure> {
        let request = Request::Vote {
            vote: rpc.vote.into(),
            last: rpc.last_log_id.map(Into::into),
            sanctioned: self.sanction.holds(),
        };
        let reply = self.ask(request, option.hard_ttl()).await?;
        let RpcReply::Vote {
            vote,
            granted,
            last,
        } = reply
        else {
            return Err(self.nonsense(&reply));
        };
        Ok(VoteResponse {
            vote: vote.into(),
            vote_granted: granted,
            last_log_id: last.map(Into::into),
        })
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat_with(|| between(BACKOFF_MIN, BACKOFF_MAX)))
    }
}
