//! A floating address and what the cluster knows of who answers for it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{Ballot, NetworkName, NodeId, UnixMillis};

/// A floating address; at most one node answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    /// Becomes a /32 or /128 on its owner's interface.
    pub address: IpAddr,
    /// The layer-2 network it lives in; `node.toml` maps it to an interface.
    pub network: NetworkName,
    /// The reference address of that network.
    pub gateway: Option<IpAddr>,
    /// What its owner does when no majority answers.
    pub on_quorum_loss: OnQuorumLoss,
}

/// What an owner does without a majority.
///
/// **Source**: `vip-protocol.md`, section 5. `hold` comes with the kernel fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnQuorumLoss {
    /// The deadline passes and the address goes.
    #[default]
    Release,
}

/// Who was last reported to own a VIP. For people and pages; the lease itself is never in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipStanding {
    /// The owner that reported itself.
    pub owner: NodeId,
    /// Under which ballot.
    pub ballot: Ballot,
    /// Since when.
    pub since: UnixMillis,
    /// How often the owner changed; numbers the pages about it.
    pub transition: u64,
}
