//! The leader's side of joining and of certificates: who is let in, and what is signed.
//!
//! ```text
//!   JoinRequest --preflight (PURE)--> JoinOffer | JoinRefusal
//!               --take_joiner-------> ClaimToken through the log, then a signed leaf
//!   Admit       --Admissions--------> learner, promoted, FinishJoin
//! ```
//!
//! Any leader can do all of it, because the CA's key is part of the replicated state.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use rustls::pki_types::CertificateDer;

use super::certificate::{Bearer, Ca, CertificateError, certificate_to_pem, not_after};
use super::join::{
    CLOCK_SKEW_MAX, JoinAnswer, JoinOffer, JoinRefusal, JoinRequest, JoinStep, Version, Welcome,
};
use super::key::SigningRequest;
use super::message::{JoinStage, PeerReply};
use crate::consensus::{Consensus, ProposeError};
use crate::id::{AdminName, NodeId, RequestId, UnixMillis};
use crate::state::{
    Applied, Cluster, Command, Node, NodeCondition, NodeRole, Proposal, Reject, State, Token,
    TokenId,
};

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// There is no cluster in the state yet.
    #[error("there is no cluster yet")]
    NoCluster,
    /// The asker is no node of the cluster.
    #[error("{0} is no node of this cluster")]
    UnknownNode(NodeId),
    /// The request, or the CA in the state, is of no use.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// What an administrator gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminCertificate {
    /// The leaf, PEM.
    pub leaf: String,
    /// The cluster's CA, PEM: what the administrator's client trusts.
    pub ca: String,
    /// Until when it is good.
    pub expires: UnixMillis,
}

/// Certifies an administrator's key.
///
/// **Errors**: `NoCluster`, `Certificate`.
pub fn issue_admin(
    state: &State,
    name: &AdminName,
    request: &SigningRequest,
    now: UnixMillis,
) -> Result<AdminCertificate, IssueError> {
    let ca = Ca::load(&cluster(state)?.secrets)?;
    let bearer = Bearer::Admin { name: name.clone() };
    let leaf = ca.sign(&request.key()?, &bearer, &[], now)?;
    Ok(AdminCertificate {
        leaf: certificate_to_pem(&leaf),
        ca: certificate_to_pem(ca.certificate()),
        expires: not_after(&leaf)?,
    })
}

/// Certifies a node's key again: the answer to `Renew`, by the leader.
///
/// **Errors**: `NoCluster`, `UnknownNode`, `Certificate`.
pub fn issue_node(
    state: &State,
    node: NodeId,
    request: &SigningRequest,
    now: UnixMillis,
) -> Result<CertificateDer<'static>, IssueError> {
    let ca = Ca::load(&cluster(state)?.secrets)?;
    let known = state
        .nodes
        .get(&node)
        .ok_or(IssueError::UnknownNode(node))?;
    let bearer = Bearer::Node {
        node,
        role: known.role,
        name: known.name.clone(),
    };
    Ok(ca.sign(&request.key()?, &bearer, &own_addresses(known), now)?)
}

/// PURE. Looks at a joiner as the state sees it, and changes nothing.
///
/// **Errors**: the first thing that stands in its way, in the order in which an operator mends it.
pub fn preflight(
    state: &State,
    request: &JoinRequest,
    now: UnixMillis,
) -> Result<JoinOffer, JoinRefusal> {
    let cluster = state.cluster.as_ref().ok_or(JoinRefusal::TokenUnknown)?;
    let ours = Version::ours();
    // Whoever reads less than what is written here would stop at the first entry of the log.
    if request.version.wire < state.format.number() {
        let joiner = request.version.clone();
        return Err(JoinRefusal::VersionMismatch {
            leader: ours,
            joiner,
        });
    }
    let resumes = check_token(state, request, now)?;
    let skew_max = u64::try_from(CLOCK_SKEW_MAX.as_millis()).expect("seconds fit");
    if now.0.abs_diff(request.clock.0) > skew_max {
        return Err(JoinRefusal::ClockSkew {
            leader: now,
            joiner: request.clock,
        });
    }
    let others = state.nodes.iter().filter(|(id, _)| Some(**id) != resumes);
    for (_, other) in others {
        if other.name == request.node.name {
            return Err(JoinRefusal::NameTaken(other.name.clone()));
        }
    }
    if request.node.role == NodeRole::Balancer {
        for (name, vip) in &state.config.vips {
            if !request.networks.contains(&vip.network) {
                let (vip, network) = (name.clone(), vip.network.clone());
                return Err(JoinRefusal::NetworkMissing { vip, network });
            }
        }
    }
    Ok(JoinOffer {
        cluster: cluster.id,
        name: cluster.name.clone(),
        version: ours,
        vips: state.config.vips.clone(),
        members: addresses(state),
    })
}

/// The node id that the token was bound to, when its user resumes.
fn check_token(
    state: &State,
    request: &JoinRequest,
    now: UnixMillis,
) -> Result<Option<NodeId>, JoinRefusal> {
    let hash = request.secret.hash();
    let token = state
        .tokens
        .get(&TokenId::of(&hash))
        .filter(|token| token.hash == hash);
    let Token {
        role,
        expires,
        claimed,
        used,
        ..
    } = token.ok_or(JoinRefusal::TokenUnknown)?;
    if *used {
        return Err(JoinRefusal::TokenUsed);
    }
    if *role != request.node.role {
        return Err(JoinRefusal::TokenRole {
            token: *role,
            asked: request.node.role,
        });
    }
    match (claimed, &request.step) {
        (Some((key, node)), JoinStep::Claim(signing)) => {
            let asker = signing.key().map_err(invalid)?.fingerprint();
            if asker == *key {
                Ok(Some(*node))
            } else {
                Err(JoinRefusal::TokenBound)
            }
        }
        // Without a key nobody can tell who asks; the claim that follows will.
        (Some((_, node)), JoinStep::Preflight) => Ok(Some(*node)),
        (None, _) if now >= *expires => Err(JoinRefusal::TokenExpired),
        (None, _) => Ok(None),
    }
}

/// Answers a joiner, on whatever node it asked.
///
/// **Errors**: why it is not taken; `NotLeader` names who would.
pub async fn take_joiner(
    consensus: &Consensus,
    request: JoinRequest,
    now: UnixMillis,
) -> Result<JoinAnswer, JoinRefusal> {
    let me = consensus.config().me;
    let state = consensus.state();
    let leader = consensus.standing().borrow().leader;
    if leader != Some(me) {
        let state = state.borrow().clone();
        let known = leader.and_then(|leader| state.nodes.get(&leader));
        let leader = known
            .map(|node| node.peer_addresses.clone())
            .unwrap_or_default();
        return Err(JoinRefusal::NotLeader { leader });
    }
    let seen = state.borrow().clone();
    let offer = preflight(&seen, &request, now)?;
    let JoinStep::Claim(signing) = &request.step else {
        return Ok(JoinAnswer::Offer(offer));
    };
    let claim = claim_of(&request, signing, now)?;
    let node = match propose(consensus, claim, now).await {
        Ok(Applied::Node(node)) => node,
        Ok(
            Applied::Done
            | Applied::Unchanged
            | Applied::Revision(_)
            | Applied::Silence(_)
            | Applied::Drill(_),
        ) => {
            return Err(JoinRefusal::Invalid("the log gave no node id".to_owned()));
        }
        Err(error) => return Err(refusal_of(error)),
    };
    // Applied here: we lead, and the answer came from our own state machine.
    let state = state.borrow().clone();
    welcome(&state, node, signing, now)
        .map(JoinAnswer::Welcome)
        .map_err(invalid)
}

/// PURE. The command that binds a token to the joiner's key and gives out its node id.
///
/// **Errors**: `Invalid`: the request does not prove that the joiner has the key.
pub fn claim_of(
    request: &JoinRequest,
    signing: &SigningRequest,
    now: UnixMillis,
) -> Result<Command, JoinRefusal> {
    Ok(Command::ClaimToken {
        hash: request.secret.hash(),
        key: signing.key().map_err(invalid)?.fingerprint(),
        node: Node {
            joined: now,
            condition: NodeCondition::Reachable,
            ..request.node.clone()
        },
    })
}

/// What a joiner gets once the state knows it.
///
/// **Errors**: see [`IssueError`].
pub fn welcome(
    state: &State,
    node: NodeId,
    request: &SigningRequest,
    now: UnixMillis,
) -> Result<Welcome, IssueError> {
    let cluster = cluster(state)?;
    let ca = Ca::load(&cluster.secrets)?;
    Ok(Welcome {
        node,
        cluster: cluster.id,
        name: cluster.name.clone(),
        epoch: cluster.epoch,
        ca: ca.certificate().to_vec(),
        leaf: issue_node(state, node, request, now)?.to_vec(),
        members: addresses(state),
    })
}

async fn propose(
    consensus: &Consensus,
    command: Command,
    at: UnixMillis,
) -> Result<Applied, ProposeError> {
    consensus
        .propose(Proposal {
            id: RequestId::random(),
            at,
            command,
        })
        .await
}

fn refusal_of(error: ProposeError) -> JoinRefusal {
    match error {
        ProposeError::NoLeader => JoinRefusal::NotLeader { leader: Vec::new() },
        // Nothing can be written down: to a joiner, that is as without a majority.
        ProposeError::NoQuorum
        | ProposeError::Full(_)
        | ProposeError::Crowded
        | ProposeError::Deadline
        | ProposeError::Stopped => JoinRefusal::NoQuorum,
        ProposeError::TooLarge | ProposeError::NewerFormat { .. } => invalid(error),
        ProposeError::Rejected(reject) => refusal_of_reject(reject),
    }
}

/// PURE. What a joiner hears when the state refused its claim.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "any other reject says itself what it is"
)]
pub fn refusal_of_reject(reject: Reject) -> JoinRefusal {
    match reject {
        Reject::UnknownToken => JoinRefusal::TokenUnknown,
        Reject::TokenExpired(_) => JoinRefusal::TokenExpired,
        Reject::TokenUsed(_) => JoinRefusal::TokenUsed,
        Reject::NodeNameTaken { name, .. } => JoinRefusal::NameTaken(name),
        Reject::NodeAddressTaken { address, owner } => JoinRefusal::AddressTaken { address, owner },
        Reject::TooManyNodes { max } => JoinRefusal::Full { max },
        other => invalid(other),
    }
}

fn invalid(error: impl std::fmt::Display) -> JoinRefusal {
    JoinRefusal::Invalid(error.to_string())
}

fn cluster(state: &State) -> Result<&Cluster, IssueError> {
    state.cluster.as_ref().ok_or(IssueError::NoCluster)
}

fn own_addresses(node: &Node) -> Vec<IpAddr> {
    let all = node.peer_addresses.iter().chain([&node.admin_address]);
    all.map(SocketAddr::ip)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Where every node of a state answers: what [`super::PeerClient`] wants.
pub fn addresses(state: &State) -> BTreeMap<NodeId, Vec<SocketAddr>> {
    state
        .nodes
        .iter()
        .map(|(id, node)| (*id, node.peer_addresses.clone()))
        .collect()
}

/// Makes members of those who joined, on whichever node leads.
#[derive(Clone)]
pub struct Admissions {
    consensus: Consensus,
    /// For whom a task runs here; asked again, it is not begun again.
    running: Arc<Mutex<BTreeSet<NodeId>>>,
}

impl Admissions {
    /// For the members of this cluster.
    pub fn new(consensus: Consensus) -> Admissions {
        Admissions {
            consensus,
            running: Arc::default(),
        }
    }

    /// The answer to `Admit`: how far the asker is. Begins or goes on where it is not a member.
    pub fn admit(&self, node: NodeId, now: UnixMillis) -> PeerReply {
        let standing = self.consensus.standing().borrow().clone();
        if standing.leader != Some(standing.me) {
            return PeerReply::NotLeader(standing.leader);
        }
        let members = self.consensus.membership().borrow().clone();
        let votes = members.is_voter(node);
        if votes && !self.open_token(node) {
            return PeerReply::Stage(JoinStage::Voter);
        }
        let begun = self.running().insert(node);
        if begun {
            tokio::spawn(self.clone().make_member(node, now));
        }
        PeerReply::Stage(match standing.lag.get(&node) {
            _ if votes => JoinStage::CaughtUp,
            Some(Some(0)) => JoinStage::CaughtUp,
            Some(Some(behind)) => JoinStage::Learner { behind: *behind },
            Some(None) | None => JoinStage::Waiting,
        })
    }

    /// Whether the node's token still waits to be used up.
    fn open_token(&self, node: NodeId) -> bool {
        let state = self.consensus.state().borrow().clone();
        let claimed = |token: &Token| token.claimed.is_some_and(|(_, claimant)| claimant == node);
        state
            .tokens
            .values()
            .any(|token| !token.used && claimed(token))
    }

    async fn make_member(self, node: NodeId, now: UnixMillis) {
        let outcome: Result<(), String> = async {
            self.consensus
                .add_learner(node)
                .await
                .map_err(|error| error.to_string())?;
            self.consensus
                .promote(node)
                .await
                .map_err(|error| error.to_string())?;
            let finish = propose(&self.consensus, Command::FinishJoin(node), now).await;
            finish.map_err(|error| error.to_string())?;
            Ok(())
        }
        .await;
        match outcome {
            Ok(()) => tracing::info!(%node, "a node joined"),
            // It asks again, and all of it may be done again.
            Err(reason) => tracing::debug!(%node, %reason, "a node is not a member yet"),
        }
        self.running().remove(&node);
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeSet<NodeId>> {
        self.running
            .lock()
            .expect("no holder of this lock can panic")
    }
}
