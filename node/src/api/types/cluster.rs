//! The cluster itself: making it, joining it, leaving it, and who may.

use std::net::IpAddr;

use farmux_raft::id::{AdminName, ClusterName, NetworkName, NodeName, VipName};
use farmux_raft::state::NodeRole;
use serde::{Deserialize, Serialize};

use super::Moment;
use crate::fault::Fault;

/// `POST /v1/cluster/init`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitRequest {
    /// What the cluster shall be called.
    pub name: ClusterName,
    /// Its first VIP.
    pub vip: Option<InitVipRequest>,
}

/// The first VIP of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitVipRequest {
    /// What it shall be called.
    pub name: VipName,
    /// The address.
    pub address: IpAddr,
    /// Its network, as `node.toml` names it.
    pub network: NetworkName,
    /// The reference address; the default route's where there is none.
    pub gateway: Option<IpAddr>,
}

/// `POST /v1/cluster/join`; answered by a line of JSON for each [`JoinEvent`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The token as it was shown; never logged.
    pub token: String,
    /// As what the machine joins.
    pub role: NodeRole,
}

/// One line of the answer to a join; the last one is `joined`, `joined-already` or `failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JoinEvent {
    /// A step was taken.
    Progress(String),
    /// The machine is a member.
    Joined,
    /// It was one before, of this very cluster.
    JoinedAlready,
    /// It is not.
    Failed(Fault),
}

/// `POST /v1/tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// As what its user joins.
    pub role: NodeRole,
    /// How long it is good, in seconds; one minute to seven days.
    pub ttl_s: u64,
}

/// A new token: the one time that it is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// The token.
    pub token: String,
    /// As what its user joins.
    pub role: NodeRole,
    /// How long it is good, in seconds.
    pub ttl_s: u64,
}

/// What the cluster remembers of a token: one item of `GET /v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenReport {
    /// Its public name, 16 hexadecimal digits.
    pub id: String,
    /// As what its user joins.
    pub role: NodeRole,
    /// When it was made.
    pub created: Moment,
    /// Until when it is good.
    pub expires: Moment,
    /// What became of it.
    pub state: TokenState,
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenState {
    /// Nobody has used it yet.
    Open,
    /// A machine is joining with it.
    Claimed,
    /// A machine has joined with it.
    Used,
    /// Its time is over.
    Expired,
}

/// `POST /v1/admin-certs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminCertRequest {
    /// Whose it shall be; written as author of what they change.
    pub name: AdminName,
}

/// `POST /v1/cluster/remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveRequest {
    /// Which node.
    pub node: NodeName,
}

/// A new administrator's certificate: the one time that its key is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminCertAnswer {
    /// Whose it is.
    pub name: AdminName,
    /// Until when it is good.
    pub expires: Moment,
    /// Certificate, key and the cluster's CA, PEM, as `--cert` takes them.
    pub pem: String,
}

/// Whose certificates open the admin port: one item of `GET /v1/admin-certs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminCertReport {
    /// The name in them.
    pub name: String,
    /// When the newest was made.
    pub issued: Moment,
    /// When the last of them runs out.
    pub expires: Moment,
    /// Since when none of them is taken any more; null: they were not revoked.
    pub revoked: Option<Moment>,
    /// What they are worth.
    pub state: AdminCertState,
}

/// What an administrator's certificates are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdminCertState {
    /// They open the admin port of every node.
    Good,
    /// They were revoked.
    Revoked,
    /// Their time is over.
    Expired,
}
