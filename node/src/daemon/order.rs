//! What an operator can order of a daemon, and why an order may fail.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use farmux_raft::id::{ClusterName, NetworkName, NodeId, NodeName, VipName};
use farmux_raft::state::{NodeRole, Reject};

/// `cluster init`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitOrder {
    /// What the cluster shall be called.
    pub name: ClusterName,
    /// Its first VIP, if it shall have one at once.
    pub vip: Option<InitVip>,
}

/// The first VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitVip {
    /// What it shall be called.
    pub name: VipName,
    /// The address.
    pub address: IpAddr,
    /// Its network, as `node.toml` names it.
    pub network: NetworkName,
    /// The reference address; the default route's where none is given.
    pub gateway: Option<IpAddr>,
}

/// `cluster join`.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinOrder {
    /// The token, as text; never logged.
    pub token: String,
    /// As what it joins; must be what the token is for.
    pub role: NodeRole,
}

/// How a join ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// This machine is a member now, as this node.
    Now(NodeId),
    /// It was one before.
    Before(NodeId),
}

/// `cluster token create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenOrder {
    /// As what its user joins.
    pub role: NodeRole,
    /// How long it is good; one minute to seven days.
    pub ttl: Duration,
}

/// How long a token may live: long enough to be typed on another machine, and a week.
pub const TOKEN_TTL: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 3600);

/// Why an order failed. The faces turn each variant into what, why, a mend and a code.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OrderError {
    /// This machine is not in a cluster.
    #[error("this node is not in a cluster yet")]
    NoCluster,
    /// This machine is in a cluster already.
    #[error("this node is in cluster {0} already")]
    InCluster(ClusterName),
    /// Another order that changes this machine's membership is under way.
    #[error("another init, join or leave is under way on this node")]
    Busy,
    /// `node.toml` does not fit the order.
    #[error("{0}")]
    Settings(String),
    /// A token would live too short or too long.
    #[error("a token lives one minute to seven days")]
    Lifetime,
    /// The disk has no room for what a member keeps.
    #[error("no space is left in {}", .0.display())]
    NoRoom(PathBuf),
    /// No such node.
    #[error("there is no node {0}")]
    UnknownNode(NodeName),
    /// The last voter cannot go.
    #[error("node {0} is the last one: stop its daemon instead")]
    LastNode(NodeId),
    /// The state refused it.
    #[error(transparent)]
    Rejected(#[from] Reject),
    /// No majority answered in time; nothing was changed, or the outcome is unknown.
    #[error("{0}")]
    Agreement(String),
    /// Disks are full, so that nothing can be decided; nothing was changed.
    #[error("{0}")]
    Full(String),
    /// The cluster refused the joiner, or could not be reached.
    #[error("{what}")]
    Join {
        /// What happened.
        what: String,
        /// What the operator does about it.
        mend: String,
    },
    /// Something local failed; the daemon's log says more.
    #[error("{0}")]
    Local(String),
}
