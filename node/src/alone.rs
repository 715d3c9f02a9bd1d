//! Whether anybody else of a cluster is there, before a machine becomes its only node: by a
//! restore, or by a recovery. Two of them would fight over the VIPs.
//!
//! ```text
//!   peer addresses --TCP, all at once--> a node answers
//!   VIPs           --ARP, one by one---> a machine has one, perhaps a node that peers cannot reach
//! ```

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use farmux_netplane::reference::{ProbeError, Sender, who_has};
use farmux_netplane::vip::mac_text;
use farmux_raft::id::{NodeId, VipName};
use farmux_raft::state::{State, Vip};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fault::{Code, Fault};
use crate::settings::Settings;

/// Who else is there, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Somebody {
    /// Nodes that answer on a peer address.
    Nodes(String),
    /// A machine that has a VIP; or nobody could be asked, which is no better.
    Vip(String),
}

impl Somebody {
    /// What an operator reads; the code for a node that answers is the caller's.
    pub(crate) fn fault(self, nodes: Code) -> Fault {
        match self {
            Somebody::Nodes(why) => Fault::new(nodes).why(why),
            Somebody::Vip(why) => Fault::new(Code::VipAnswers).why(why),
        }
    }
}

/// Makes sure that none of these nodes answers, and that no other machine has a VIP.
///
/// **Errors**: [`Somebody`]; two clusters would go on.
pub(crate) async fn nobody_else(
    settings: &Settings,
    state: &State,
    nodes: impl IntoIterator<Item = NodeId>,
) -> Result<(), Somebody> {
    let mut asking = JoinSet::new();
    for node in nodes {
        let known = state.nodes.get(&node);
        let addresses = known.map_or(&[][..], |node| node.peer_addresses.as_slice());
        for &at in addresses {
            asking.spawn(async move { reach(at).await.is_ok().then_some((node, at)) });
        }
    }
    let mut alive: Vec<(NodeId, SocketAddr)> = Vec::new();
    while let Some(answer) = asking.join_next().await {
        alive.extend(answer.ok().flatten());
    }
    alive.sort();
    if !alive.is_empty() {
        let words = |(node, at): &(NodeId, SocketAddr)| {
            let name = state.node_name(*node);
            format!("{name} answers at {at}")
        };
        let words: Vec<String> = alive.iter().map(words).collect();
        return Err(Somebody::Nodes(words.join(", ")));
    }
    for (name, vip) in &state.config.vips {
        ask_for(settings, name, vip).await.map_err(Somebody::Vip)?;
    }
    Ok(())
}

async fn ask_for(settings: &Settings, name: &VipName, vip: &Vip) -> Result<(), String> {
    // Where there is no such network here, this node cannot show the VIP either.
    let Some(interface) = settings.networks.get(&vip.network) else {
        return Ok(());
    };
    let address = vip.address;
    match who_has(interface, address, Sender::Nobody).await {
        // Nobody can be asked in this way about an IPv6 address; its owner would be a voter.
        Ok(None) | Err(ProbeError::NoIpv4(_)) => Ok(()),
        Ok(Some(mac)) => {
            let mac = mac_text(mac);
            Err(format!(
                "{mac} answers for VIP {name} ({address}) on {interface}"
            ))
        }
        Err(error) => Err(format!("VIP {name} cannot be asked for: {error}")),
    }
}

/// Whether somebody listens there.
///
/// **Errors**: `ConnectionRefused`: the machine is there; `TimedOut`: nothing is; or anything else.
pub(crate) async fn reach(at: SocketAddr) -> io::Result<()> {
    match timeout(ANSWERED_WITHIN, TcpStream::connect(at)).await {
        Ok(connected) => connected.map(|_| ()),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A living node accepts within a millisecond; a lost packet is sent again after one second.
const ANSWERED_WITHIN: Duration = Duration::from_millis(1_500);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use farmux_raft::state::NodeRole::Balancer;
    use tokio::net::TcpListener;

    use super::*;
    use crate::api::status::sample;
    use crate::reserved::reserve;

    fn settings(networks: &str) -> Settings {
        let text = format!(
            "name = \"lb1\"\npeer = [\"127.0.0.1:7946\"]\nadmin = \"127.0.0.1:9443\"\n\
             [networks]\n{networks}"
        );
        Settings::parse(&text).expect("good settings")
    }

    #[tokio::test]
    async fn a_node_that_answers_is_found() {
        let mut state = sample::state(&[Balancer, Balancer]);
        let there = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = there.local_addr().expect("it has one");
        let second = state.nodes.get_mut(&NodeId(2)).expect("there are two");
        second.peer_addresses = vec![at];
        let found = nobody_else(&settings(""), &state, [NodeId(2)]).await;
        let found = found.expect_err("it listens");
        assert_eq!(found, Somebody::Nodes(format!("lb2 answers at {at}")));
        assert_eq!(found.fault(Code::VoterAnswers).code, "FMX-232");
        let second = state.nodes.get_mut(&NodeId(2)).expect("there are two");
        second.peer_addresses = vec![reserve(Ipv4Addr::LOCALHOST.into())];
        assert_eq!(
            nobody_else(&settings(""), &state, [NodeId(2)]).await,
            Ok(())
        );
    }

    #[tokio::test]
    async fn a_vip_that_cannot_be_asked_for_may_be_anybodys() {
        let state = sample::state(&[Balancer]);
        let here = settings("lan = \"moon0\"");
        let found = nobody_else(&here, &state, []).await.expect_err("no moon0");
        assert_eq!(found.clone().fault(Code::VoterAnswers).code, "FMX-233");
        let Somebody::Vip(why) = found else {
            panic!("nobody was asked by TCP");
        };
        assert!(why.contains("VIP front cannot be asked for"), "{why}");
    }
}
