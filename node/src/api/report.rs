//! What one node tells another about itself: what it holds, what it serves, how far its log is.
//!
//! ```text
//!   face on n1 --peer channel: Status--> n2: NodeReport::encode --opaque bytes--> n1: decode
//! ```
//!
//! The peer channel carries it as opaque bytes; only this file knows what is in them.

use std::collections::{BTreeMap, BTreeSet};

use farmux_raft::id::{FarmName, NodeId, ServerName, ServiceName, VipName};
use farmux_raft::lease::Legs;
use serde::{Deserialize, Serialize};

use super::types::{FenceReport, Right, WorkReport};

/// What a node says of itself.
///
/// **Shape**: JSON, so that a newer node may say more to an older one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its version.
    pub version: String,
    /// The newest format that it reads; a node that does not say reads the first.
    #[serde(default = "first")]
    pub reads: u16,
    /// Its wall clock when it answered, in milliseconds since 1970; 0: it does not say.
    #[serde(default)]
    pub clock_ms: u64,
    /// How far its clock is before ours; found by whoever asked.
    #[serde(skip)]
    pub clock_offset_ms: Option<i64>,
    /// The term of its log.
    pub term: u64,
    /// Who it thinks leads.
    pub leader: Option<NodeId>,
    /// The log index up to which its state is applied.
    pub applied: u64,
    /// It started a moment ago and does not vote on VIPs yet.
    #[serde(default)]
    pub settling: bool,
    /// VIPs that it answers for now.
    pub held: BTreeSet<VipName>,
    /// Of them, those that it goes on with although no majority lends them, and for how long, in
    /// milliseconds.
    #[serde(default)]
    pub alone_ms: BTreeMap<VipName, u64>,
    /// What stands in the way of a VIP on it, in an operator's words.
    #[serde(default)]
    pub troubles: BTreeMap<VipName, String>,
    /// What is lost where the kernel does not fence a VIP on it, or not all of it.
    #[serde(default)]
    pub unfenced: BTreeMap<VipName, Unfenced>,
    /// What disturbs its VIPs, and what it lacks beside others, each in one line.
    #[serde(default)]
    pub disturbances: Vec<String>,
    /// Of what it has too little for its checks, each in one line with what mends it.
    #[serde(default)]
    pub shortages: Vec<String>,
    /// The folder on whose disk no room is left, so that it keeps no change.
    #[serde(default)]
    pub full: Option<String>,
    /// How many checks it cannot make, so that their verdicts are old ones.
    #[serde(default)]
    pub blind: usize,
    /// Some of them, each with its reason.
    #[serde(default)]
    pub blind_some: Vec<String>,
    /// What it serves, for each server of each service.
    pub servers: Vec<ServerCount>,
    /// More of the VIPs that it answers for.
    #[serde(default)]
    pub vips: BTreeMap<VipName, OwnVip>,
    /// What it stands on, as the bits of a lease datagram; nothing: it does not say.
    #[serde(default)]
    pub legs: Option<u8>,
}

/// What an owner says of a VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnVip {
    /// Under which ballot it owns.
    pub ballot: String,
    /// By what right.
    #[serde(default)]
    pub right: Option<Right>,
    /// What clients have in hand.
    #[serde(default)]
    pub work: WorkReport,
    /// What its kernel guards.
    #[serde(default)]
    pub fence: Option<FenceReport>,
}

/// What is lost of a fence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfenced {
    /// Whether there is none at all.
    pub at_all: bool,
    /// What is lost and what mends it, in an operator's words.
    pub why: String,
}

/// Version 0.1.0 says nothing of formats.
fn first() -> u16 {
    1
}

/// What a node serves with one server in one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCount {
    /// The farm.
    pub farm: FarmName,
    /// The service.
    pub service: ServiceName,
    /// The server.
    pub server: ServerName,
    /// Connections (TCP) and requests (HTTP) in flight.
    pub active: u64,
    /// All since the daemon started.
    pub total: u64,
}

/// The longest report that is read: 10,000 servers at about 100 bytes each.
pub const REPORT_BYTES_MAX: usize = 1 << 20;

/// Why a report is not one.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Longer than [`REPORT_BYTES_MAX`]; the node counts as silent.
    #[error("a report of {0} bytes is too long")]
    TooLong(usize),
    /// Not of the form; the node counts as silent.
    #[error("not a report: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl NodeReport {
    /// As bytes for the peer channel.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data with text keys always becomes JSON")
    }

    /// From the bytes of another node.
    ///
    /// **Errors**: [`ReportError`]; the caller counts the node as silent.
    pub fn decode(bytes: &[u8]) -> Result<NodeReport, ReportError> {
        if bytes.len() > REPORT_BYTES_MAX {
            return Err(ReportError::TooLong(bytes.len()));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// What it stands on, if it says so.
    pub fn stands_on(&self) -> Option<Legs> {
        self.legs.map(Legs::from_bits)
    }

    /// What is in flight at one server, all services together.
    pub fn active(&self, farm: &FarmName, server: &ServerName) -> u64 {
        let of_it = |count: &&ServerCount| count.farm == *farm && count.server == *server;
        self.servers
            .iter()
            .filter(of_it)
            .map(|count| count.active)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(service: &str, server: &str, active: u64) -> ServerCount {
        ServerCount {
            farm: "shop".parse().expect("a name"),
            service: service.parse().expect("a name"),
            server: server.parse().expect("a name"),
            active,
            total: 100,
        }
    }

    #[test]
    fn it_comes_back_and_sums_over_services() {
        let report = NodeReport {
            version: "0.1.0".to_owned(),
            term: 3,
            servers: vec![
                count("web", "s1", 2),
                count("api", "s1", 3),
                count("web", "s2", 7),
            ],
            ..NodeReport::default()
        };
        let back = NodeReport::decode(&report.encode()).expect("what was encoded");
        assert_eq!(back, report);
        let (farm, server) = (
            "shop".parse().expect("a name"),
            "s1".parse().expect("a name"),
        );
        assert_eq!(back.active(&farm, &server), 5);
    }

    #[test]
    fn who_says_nothing_of_formats_reads_the_first() {
        let old = NodeReport {
            reads: 9,
            ..NodeReport::default()
        };
        let mut value = serde_json::to_value(&old).expect("plain data");
        let fields = value.as_object_mut().expect("an object");
        assert!(fields.remove("reads").is_some());
        let text = serde_json::to_vec(&value).expect("plain data");
        assert_eq!(NodeReport::decode(&text).expect("it is one").reads, 1);
    }

    #[test]
    fn bytes_of_another_are_not_trusted() {
        assert!(NodeReport::decode(b"").is_err());
        assert!(NodeReport::decode(b"{\"held\":[\"../etc\"]}").is_err());
        let long = vec![b' '; REPORT_BYTES_MAX + 1];
        assert!(matches!(
            NodeReport::decode(&long),
            Err(ReportError::TooLong(_))
        ));
    }
}
