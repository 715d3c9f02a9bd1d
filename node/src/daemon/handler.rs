//! What this node does with what other nodes ask. Their certificates were checked before.

use std::net::SocketAddr;
use std::sync::Arc;

use farmux_raft::consensus::{BoxFuture, Consensus, Rpc, RpcReply};
use farmux_raft::id::NodeId;
use farmux_raft::peer::issue::{Admissions, issue_node, take_joiner};
use farmux_raft::peer::join::{JoinAnswer, JoinRefusal, JoinRequest};
use farmux_raft::peer::key::SigningRequest;
use farmux_raft::peer::{Handler, PeerReply, PeerRequest, admits};
use farmux_raft::state::CheckKey;

use super::wall_clock;

/// Makes this node's answers for the others' faces; the faces know what is in them.
pub type Reporter = Arc<dyn Fn(Question<'_>) -> Vec<u8> + Send + Sync>;

/// What another node's face asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// How it sees the world.
    Status,
    /// How a check that it probes went lately.
    Probes(&'a CheckKey),
    /// To carry a move out, or how far it is; taken at once, and done by a task of its own.
    Order(&'a [u8]),
    /// A word of a drill; taken at once, and done by tasks of its own.
    Drill(&'a [u8]),
}

/// Answers the other nodes.
pub(super) struct PeerHandler {
    consensus: Consensus,
    admissions: Admissions,
    report: Reporter,
}

impl PeerHandler {
    /// A handler that answers for this consensus.
    pub(super) fn new(consensus: Consensus, report: Reporter) -> PeerHandler {
        PeerHandler {
            admissions: Admissions::new(consensus.clone()),
            consensus,
            report,
        }
    }

    async fn answer(&self, from: NodeId, request: PeerRequest) -> PeerReply {
        match request {
            PeerRequest::Status => PeerReply::Status((self.report)(Question::Status)),
            PeerRequest::Probes(check) => {
                PeerReply::Probes((self.report)(Question::Probes(&check)))
            }
            PeerRequest::Order(order) => PeerReply::Ordered((self.report)(Question::Order(&order))),
            PeerRequest::Drill(word) => PeerReply::Drilled((self.report)(Question::Drill(&word))),
            PeerRequest::Admit => self.admissions.admit(from, wall_clock()),
            PeerRequest::Renew(signing) => self.renew(from, &signing),
            PeerRequest::Leave => self.let_go(from).await,
        }
    }

    /// A new leaf for a node that is a member; the leader signs.
    fn renew(&self, from: NodeId, signing: &SigningRequest) -> PeerReply {
        let standing = self.consensus.standing().borrow().clone();
        if standing.leads().is_none() {
            return PeerReply::NotLeader(standing.leader);
        }
        let state = self.consensus.state().borrow().clone();
        match issue_node(&state, from, signing, wall_clock()) {
            Ok(leaf) => PeerReply::Renewed(leaf.to_vec()),
            Err(error) => PeerReply::Failed(error.to_string()),
        }
    }

    /// A member that wants to go: the leader takes it out, so that it need not vote on itself.
    async fn let_go(&self, from: NodeId) -> PeerReply {
        let standing = self.consensus.standing().borrow().clone();
        if standing.leads().is_none() {
            return PeerReply::NotLeader(standing.leader);
        }
        match super::membership::remove(&self.consensus, from).await {
            Ok(()) => PeerReply::Gone,
            Err(error) => PeerReply::Failed(error.to_string()),
        }
    }
}

impl Handler for PeerHandler {
    fn admits(&self, node: NodeId) -> bool {
        admits(&self.consensus.state().borrow(), node)
    }

    fn raft(&self, from: NodeId, rpc: Rpc) -> BoxFuture<'_, RpcReply> {
        Box::pin(self.consensus.handle(from, rpc))
    }

    fn ask(&self, from: NodeId, request: PeerRequest) -> BoxFuture<'_, PeerReply> {
        Box::pin(self.answer(from, request))
    }

    fn join(
        &self,
        _from: SocketAddr,
        request: JoinRequest,
    ) -> BoxFuture<'_, Result<JoinAnswer, JoinRefusal>> {
        Box::pin(take_joiner(&self.consensus, request, wall_clock()))
    }
}
