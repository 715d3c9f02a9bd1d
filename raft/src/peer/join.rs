//! Joining, as both sides speak of it: the questions, the answers, and every reason to say no.
//!
//! ```text
//!   joiner                                   leader
//!     Preflight: token, version, clock  -->    looks, changes nothing
//!                                       <--    Offer: the cluster, its VIPs and networks
//!     Claim: token, signing request     -->    ClaimToken through the log, then signs
//!                                       <--    Welcome: node id, leaf, CA, members
//!     (starts as a node, over mutual TLS)
//!     Admit, again and again            -->    learner, caught up, voter
//! ```
//!
//! A joiner that was interrupted asks again with the same key and gets the same node id, until it
//! is a member. Who is not the leader answers with the leader's address.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::SigningRequest;
use super::token::TokenSecret;
use crate::codec::{self, Record};
use crate::id::{ClusterId, ClusterName, NetworkName, NodeId, NodeName, UnixMillis, VipName};
use crate::state::{Node, NodeRole, Vip};

/// Most that two clocks may differ at a join. Times are for people and pages only; ten seconds keep
/// the order of what they read, and any NTP client does a thousand times better.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(10);

/// Which farmux speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// As released: `0.1.0`.
    pub software: String,
    /// The newest format that it reads: see [`codec::NEWEST`].
    pub wire: u16,
}

impl Version {
    /// Ours.
    pub fn ours() -> Version {
        Version {
            software: env!("CARGO_PKG_VERSION").to_owned(),
            wire: codec::reads(),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (format {})", self.software, self.wire)
    }
}

/// A machine that wants to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Proves that it is expected.
    pub secret: TokenSecret,
    /// Which farmux it runs.
    pub version: Version,
    /// Its wall clock when it asked; set by [`super::joiner`] at each attempt.
    pub clock: UnixMillis,
    /// The machine as it describes itself; `joined` and `condition` are set by the leader.
    pub node: Node,
    /// The networks that its `node.toml` names.
    pub networks: BTreeSet<NetworkName>,
    /// What it wants now.
    pub step: JoinStep,
}

/// What a joiner wants now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinStep {
    /// To know whether it may, and into what; changes nothing.
    Preflight,
    /// A node id and a certificate for this key.
    Claim(SigningRequest),
}

/// A cluster that would take the joiner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinOffer {
    /// Which cluster.
    pub cluster: ClusterId,
    /// What it is called.
    pub name: ClusterName,
    /// Which farmux its leader runs.
    pub version: Version,
    /// Its VIPs with their networks, for the joiner to check that it sits in the same ones.
    pub vips: BTreeMap<VipName, Vip>,
    /// Its members.
    pub members: BTreeMap<NodeId, Vec<SocketAddr>>,
}

/// What a joiner needs to start as a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Its id, never used again.
    pub node: NodeId,
    /// Which cluster.
    pub cluster: ClusterId,
    /// What it is called.
    pub name: ClusterName,
    /// The cluster's epoch.
    pub epoch: u64,
    /// The CA's certificate, DER.
    pub ca: Vec<u8>,
    /// The joiner's certificate, DER.
    pub leaf: Vec<u8>,
    /// Where the members answer, the leader among them.
    pub members: BTreeMap<NodeId, Vec<SocketAddr>>,
}

/// The answer to a [`JoinRequest`] that was not refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinAnswer {
    /// To `Preflight`.
    Offer(JoinOffer),
    /// To `Claim`.
    Welcome(Welcome),
}

/// Why a joiner is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum JoinRefusal {
    /// No such token here, or it was revoked.
    #[error("the cluster does not know this token")]
    TokenUnknown,
    /// Its time is over.
    #[error("the token expired")]
    TokenExpired,
    /// It made somebody a member already.
    #[error("the token is used up")]
    TokenUsed,
    /// Its first use bound it to another key.
    #[error("the token is in use by another machine")]
    TokenBound,
    /// It is for the other role.
    #[error("the token is for a {token}, not for a {asked}")]
    TokenRole {
        /// What the token is for.
        token: NodeRole,
        /// What was asked.
        asked: NodeRole,
    },
    /// The clocks differ by more than [`CLOCK_SKEW_MAX`].
    #[error("the clocks differ by {} s", difference_s(*.leader, *.joiner))]
    ClockSkew {
        /// The leader's.
        leader: UnixMillis,
        /// The joiner's.
        joiner: UnixMillis,
    },
    /// The two do not speak the same.
    #[error("the cluster runs farmux {leader}, this machine {joiner}")]
    VersionMismatch {
        /// The leader's.
        leader: Version,
        /// The joiner's.
        joiner: Version,
    },
    /// Another node has that name.
    #[error("a node named {0} is a member already")]
    NameTaken(NodeName),
    /// Somebody else has one of its addresses.
    #[error("the address {address} belongs to {owner} already")]
    AddressTaken {
        /// Which address.
        address: String,
        /// Whose it is.
        owner: String,
    },
    /// The cluster has as many nodes as it may.
    #[error("a cluster has at most {max} nodes")]
    Full {
        /// How many.
        max: usize,
    },
    /// A balancer must sit in every network that has a VIP.
    #[error("VIP {vip} lives in network {network}, which this machine does not have")]
    NetworkMissing {
        /// The VIP.
        vip: VipName,
        /// Its network.
        network: NetworkName,
    },
    /// Ask this one instead.
    #[error("this node does not lead")]
    NotLeader {
        /// Where the leader answers; empty while nobody leads.
        leader: Vec<SocketAddr>,
    },
    /// The cluster cannot decide anything now.
    #[error("the cluster has no majority")]
    NoQuorum,
    /// The request makes no sense: no proof of the key, or a bad description.
    #[error("the request is not valid: {0}")]
    Invalid(String),
}

/// Longest request or answer of a join, in bytes: a Welcome with two certificates and seven members
/// has 3,000, an Offer with a hundred VIPs 10,000.
const JOIN_BYTES_MAX: u64 = 60 << 10;

impl Record for JoinRequest {
    const FORMAT: u16 = codec::NEWEST;
    const SHARED: bool = true;
    const BYTES_MAX: u64 = JOIN_BYTES_MAX;
}

impl Record for Result<JoinAnswer, JoinRefusal> {
    const FORMAT: u16 = codec::NEWEST;
    const SHARED: bool = true;
    const BYTES_MAX: u64 = JOIN_BYTES_MAX;
}

fn difference_s(a: UnixMillis, b: UnixMillis) -> u64 {
    a.0.abs_diff(b.0) / 1000
}

impl JoinRefusal {
    /// Why that is so, or why it matters, in one sentence.
    pub fn why(&self) -> &'static str {
        match self {
            JoinRefusal::TokenUnknown => "it was revoked, or it belongs to another cluster",
            JoinRefusal::TokenExpired => "a token is good for an hour unless --ttl said otherwise",
            JoinRefusal::TokenUsed => "a token makes one machine a member, once",
            JoinRefusal::TokenBound => "the first machine that used it has it until it is a member",
            JoinRefusal::TokenRole { .. } => "the role was decided when the token was made",
            JoinRefusal::ClockSkew { .. } => "pages and certificates carry times",
            JoinRefusal::VersionMismatch { .. } => "it could not read what the cluster has written",
            JoinRefusal::NameTaken(_) => "names tell nodes apart",
            JoinRefusal::AddressTaken { .. } => "addresses tell nodes apart",
            JoinRefusal::Full { .. } => "each further voter only makes every majority slower",
            JoinRefusal::NetworkMissing { .. } => "a balancer must be able to hold every VIP",
            JoinRefusal::NotLeader { .. } => "only the leader can take a new node",
            JoinRefusal::NoQuorum => "a join is written to the log, which needs a majority",
            JoinRefusal::Invalid(_) => "the request was damaged, or made by another program",
        }
    }

    /// What to do about it.
    pub fn mend(&self) -> &'static str {
        match self {
            JoinRefusal::TokenUnknown
            | JoinRefusal::TokenExpired
            | JoinRefusal::TokenUsed
            | JoinRefusal::TokenBound => "on a member: farmux cluster token create",
            JoinRefusal::TokenRole {
                token: NodeRole::Witness,
                ..
            } => "join with --witness, or on a member: farmux cluster token create",
            JoinRefusal::TokenRole {
                token: NodeRole::Balancer,
                ..
            } => "join without --witness, or on a member: farmux cluster token create --witness",
            JoinRefusal::ClockSkew { .. } => "set the clock of this machine, for example with NTP",
            JoinRefusal::VersionMismatch { .. } => "install the farmux version of the cluster here",
            JoinRefusal::NameTaken(_) => {
                "change name in node.toml, or on a member: farmux cluster remove the old node"
            }
            JoinRefusal::Full { .. } => "on a member: farmux cluster remove a node first",
            JoinRefusal::AddressTaken { .. } => {
                "change peer in node.toml, or on a member: farmux cluster remove the old node"
            }
            JoinRefusal::NetworkMissing { .. } => "add it under [networks] in node.toml",
            JoinRefusal::NotLeader { .. } | JoinRefusal::NoQuorum => {
                "wait until `farmux status` on a member names a leader, then run join again"
            }
            JoinRefusal::Invalid(_) => "see the log of the leader",
        }
    }
}
