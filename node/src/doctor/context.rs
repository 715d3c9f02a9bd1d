//! What the checks are made for: this machine's settings, and what the daemon knows if it answers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use farmux_raft::id::NetworkName;

use crate::api::types::{Answering, StatusReport};
use crate::identity::Home;
use crate::settings::Settings;

/// What the checks are made for.
#[derive(Debug, Clone)]
pub struct Context {
    /// This machine's settings.
    pub settings: Settings,
    /// What the daemon says, if it answers.
    pub status: Option<StatusReport>,
    /// The daemon's process.
    pub daemon: Option<u32>,
    /// The reference address of each network, as the configuration has it.
    pub gateways: BTreeMap<NetworkName, IpAddr>,
}

/// Another node, as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) name: String,
    pub(super) peer: Vec<SocketAddr>,
    /// How far its clock is from ours.
    pub(super) clock_offset_ms: Option<i64>,
}

impl Context {
    /// The other nodes: from the daemon, else from what this machine was told when it joined.
    pub(super) fn others(&self) -> Vec<Other> {
        let cluster = self
            .status
            .as_ref()
            .and_then(|status| status.cluster.as_ref());
        if let Some(cluster) = cluster {
            let others = cluster.nodes.iter();
            let others = others.filter(|node| node.answering != Answering::Itself);
            return others
                .map(|node| Other {
                    name: node.name.to_string(),
                    peer: node.peer.clone(),
                    clock_offset_ms: node.clock_offset_ms,
                })
                .collect();
        }
        let members = Home::at(&self.settings.data).members();
        let other = |(node, peer): (farmux_raft::id::NodeId, Vec<SocketAddr>)| Other {
            name: node.to_string(),
            peer,
            clock_offset_ms: None,
        };
        let ours = |other: &Other| {
            other
                .peer
                .iter()
                .any(|one| self.settings.peer.contains(one))
        };
        let others = members.unwrap_or_default().into_iter().map(other);
        others.filter(|other| !ours(other)).collect()
    }

    /// The folder of a process: the daemon's, or our own.
    pub(super) fn process(&self) -> PathBuf {
        match self.daemon {
            Some(daemon) => PathBuf::from(format!("/proc/{daemon}")),
            None => PathBuf::from("/proc/self"),
        }
    }
}
