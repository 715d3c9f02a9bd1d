//! Health: what probes observed, never what somebody ordered.

use serde::{Deserialize, Serialize};

use crate::id::{Ballot, FarmName, NodeId, ServerName, ServiceName, UnixMillis};

/// One check on one server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckKey {
    /// The farm.
    pub farm: FarmName,
    /// The server.
    pub server: ServerName,
    /// The service whose check it is.
    pub service: ServiceName,
}

/// What probes say. Not served and not paged while unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// No verdict yet.
    #[default]
    Unknown,
    /// Answers as it should.
    Up,
    /// Does not.
    Down,
}

/// The health of one check as the log remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRecord {
    /// The verdict.
    pub health: Health,
    /// Why, cleaned and at most 200 characters.
    pub reason: String,
    /// Since when, by the prober's clock.
    pub since: UnixMillis,
    /// Under which authority it was reported last; a lower one is refused.
    pub authority: Authority,
}

/// One verdict that differs from what the log remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChange {
    /// Which check.
    pub check: CheckKey,
    /// The new verdict.
    pub health: Health,
    /// Why.
    pub reason: String,
    /// When it was reached.
    pub at: UnixMillis,
}

/// By what right a node reports health.
///
/// **Source**: `vip-protocol.md`, section 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authority {
    /// The owner of the farm's VIP, under its lease's ballot.
    Owner(Ballot),
    /// The leader of this term, for a farm whose VIP nobody owns.
    Leader {
        /// Its term.
        term: u64,
        /// Who it is.
        node: NodeId,
    },
}
