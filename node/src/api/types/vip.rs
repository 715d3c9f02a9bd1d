//! Floating addresses: who shall take them first; and whether anything moves by itself.

use farmux_raft::id::{NodeName, VipName};
use serde::{Deserialize, Serialize};

use super::Moment;

/// `POST /v1/vips/VIP/prefer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreferRequest {
    /// Which node; null: none any more.
    pub node: Option<NodeName>,
    /// Why, for the history.
    #[serde(default)]
    pub note: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferAnswer {
    /// The VIP, and those that move with it.
    pub vips: Vec<VipName>,
    /// Whom they prefer now; null: nobody.
    pub prefer: Option<NodeName>,
    /// Who owns them; it stays so.
    pub owner: Option<NodeName>,
    /// What is different, one line each; empty where nothing is.
    pub diff: Vec<String>,
    /// The revision that was made; null where nothing is different.
    pub revision: Option<u64>,
}

/// `POST /v1/cluster/pause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Why; may be empty.
    pub why: String,
}

/// Nothing moves by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseReport {
    /// By whose order.
    pub by: String,
    /// Why; may be empty.
    pub why: String,
    /// Since when.
    pub since: Moment,
}
