//! Nodes: the machines of the cluster.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{NodeName, UnixMillis};

/// A machine of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it is called.
    pub name: NodeName,
    /// What it may do.
    pub role: NodeRole,
    /// Where peers reach it, TCP and UDP; the first is tried first. 1 to 4.
    pub peer_addresses: Vec<SocketAddr>,
    /// Where administrators reach it.
    pub admin_address: SocketAddr,
    /// When it joined.
    pub joined: UnixMillis,
    /// Whether the leader reaches it, as last reported.
    pub condition: NodeCondition,
    /// How often that changed; numbers the pages about it.
    pub transition: u64,
}

/// What a node may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// Votes, holds VIPs, balances.
    Balancer,
    /// Votes only.
    Witness,
}

/// Whether a node is there, as the leader last reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeCondition {
    /// Answers.
    Reachable,
    /// Does not.
    Lost {
        /// Since when.
        since: UnixMillis,
    },
}
