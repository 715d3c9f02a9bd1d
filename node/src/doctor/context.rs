//! What the checks are made for: this machine's settings, and what the daemon knows if it answers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use farmux_raft::id::{NetworkName, VipName};

use crate::api::types::{Answering, FarmReport, FenceReport, StatusReport, VipReport};
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
    /// The VIPs, as the daemon tells them.
    pub vips: Vec<VipReport>,
    /// The farms, as the daemon tells them.
    pub farms: Vec<FarmReport>,
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

    /// The reference addresses of a network's VIPs.
    pub(super) fn gateways(&self, network: &NetworkName) -> BTreeSet<IpAddr> {
        let vips = self.vips.iter().filter(|vip| vip.network == *network);
        vips.filter_map(|vip| vip.gateway).collect()
    }

    /// What the kernel guards for the VIPs that this machine owns.
    pub(super) fn fences(&self) -> impl Iterator<Item = (&VipName, &FenceReport)> {
        let me = self.status.as_ref().map(|status| &status.node);
        let ours = move |vip: &&VipReport| me.is_some() && vip.owner.as_ref() == me;
        let vips = self.vips.iter().filter(ours);
        vips.filter_map(|vip| Some((&vip.name, vip.fence.as_ref()?)))
    }

    /// The folder of a process: the daemon's, or our own.
    pub(super) fn process(&self) -> PathBuf {
        match self.daemon {
            Some(daemon) => PathBuf::from(format!("/proc/{daemon}")),
            None => PathBuf::from("/proc/self"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use farmux_raft::state::NodeRole::Balancer;

    use super::*;
    use crate::api::status::{sample, vip_reports};

    #[test]
    fn each_gateway_of_a_network_is_known_once() {
        let mut state = sample::state(&[Balancer]);
        let config = Arc::make_mut(&mut state.config);
        let front = config.vips["front"].clone();
        for (name, network, gateway) in [
            ("a", "lan", "10.0.0.1"),
            ("b", "lan", "10.0.0.2"),
            ("c", "lan", "10.0.0.1"),
            ("d", "dmz", "10.0.9.1"),
        ] {
            let mut vip = front.clone();
            vip.network = network.parse().expect("a name");
            vip.gateway = Some(gateway.parse().expect("an address"));
            config.vips.insert(name.parse().expect("a name"), vip);
        }
        let context = Context {
            settings: Settings::parse(
                "name = \"lb1\"\npeer = [\"10.0.0.11:7946\"]\nadmin = \"10.0.0.11:9443\"\n",
            )
            .expect("good settings"),
            status: None,
            daemon: None,
            vips: vip_reports(&sample::view(&state, &[1])),
            farms: Vec::new(),
        };
        let of = |network: &str| {
            let all = context.gateways(&network.parse().expect("a name"));
            let words = all.into_iter().map(|one| one.to_string());
            words.collect::<Vec<String>>()
        };
        assert_eq!(of("lan"), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(of("dmz"), ["10.0.9.1"]);
        assert_eq!(of("wan"), [""; 0]);
    }
}
