//! Floating addresses, one by one: `GET /v1/vips` and `GET /v1/vips/VIP`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use farmux_raft::id::{NetworkName, NodeName, VipName};
use farmux_raft::state::OnQuorumLoss;
use serde::{Deserialize, Serialize};

use super::{Moment, WorkReport};

/// A VIP, its owner, and what guards it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipReport {
    /// What it is called.
    pub name: VipName,
    /// The address.
    pub address: IpAddr,
    /// Its network.
    pub network: NetworkName,
    /// Its reference address.
    pub gateway: Option<IpAddr>,
    /// What its owner does without a majority.
    pub on_quorum_loss: OnQuorumLoss,
    /// Who answers for it now; null: nobody that the asked node knows of.
    pub owner: Option<NodeName>,
    /// Under which ballot; null where the owner does not say.
    pub ballot: Option<String>,
    /// Since when, as the log has it; null where the log names another or none.
    pub since: Option<Moment>,
    /// By what right the owner has it; null where it does not say.
    pub right: Option<Right>,
    /// What its clients have in hand; null where the owner does not say.
    pub in_flight: Option<WorkReport>,
    /// Who could take it, and who not and why, the owner left out.
    pub others: Vec<OtherReport>,
    /// What the kernel of the owner guards; null: there is no fence, or the owner does not say.
    pub fence: Option<FenceReport>,
}

/// By what right an owner has a VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// A majority lends it.
    Lease,
    /// It had it when the majority was lost, and goes on.
    Hold,
}

/// Another balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherReport {
    /// Which.
    pub node: NodeName,
    /// Why it could not take the VIP; null: it could.
    pub unfit: Option<String>,
}

/// What the kernel guards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceReport {
    /// How: `tcx`, `clsact`, or `none`.
    pub mode: String,
    /// What it dropped since the VIP came into its plan, by the reason's name; only reasons that
    /// occurred.
    pub drops: BTreeMap<String, u64>,
    /// How often another machine said the VIP were its own, since then.
    pub claims: u64,
    /// The last machine that said the VIP were its own.
    pub last_claim: Option<ClaimReport>,
    /// What is lost and what mends it; null: nothing.
    pub trouble: Option<String>,
}

/// A claim of a VIP by a machine that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimReport {
    /// When.
    pub at: Moment,
    /// Its MAC address.
    pub mac: String,
}
