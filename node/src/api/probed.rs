//! The last probes of a check, from the node that makes them.
//!
//! ```text
//!   face on n1 --peer channel: Probes(check)--> leader: here, encode --opaque bytes--> n1: decode
//! ```

use farmux_netplane::probe::{Ending, Probed};
use farmux_raft::id::{NodeId, NodeName, UnixMillis};
use farmux_raft::peer::{PeerReply, PeerRequest};
use farmux_raft::state::CheckKey;

use super::gather::ANSWER_DEADLINE;
use super::types::{Moment, ProbeReport};
use crate::daemon::Member;
use crate::plan::probe_key;

/// What this node found.
pub(super) fn here(member: &Member, check: &CheckKey) -> Vec<ProbeReport> {
    let probed = member.probing().history(&probe_key(check));
    probed.into_iter().map(report).collect()
}

fn report(probed: Probed) -> ProbeReport {
    let found = match probed.found {
        Ending::Well => "well",
        Ending::Refused => "refused",
        Ending::Timeout => "timeout",
        Ending::Unreachable => "unreachable",
        Ending::Unwell => "unwell",
        Ending::Nothing => "nothing",
    };
    ProbeReport {
        at: Moment(UnixMillis(probed.at_ms)),
        took_us: probed.took_us,
        found: found.to_owned(),
    }
}

/// As bytes for the peer channel.
pub(super) fn encode(probed: &[ProbeReport]) -> Vec<u8> {
    serde_json::to_vec(probed).expect("plain data always becomes JSON")
}

/// What the leader, who probes all watches, found, and its name; nothing where it is silent.
pub(super) async fn of_leader(
    member: &Member,
    check: &CheckKey,
) -> (Option<NodeName>, Vec<ProbeReport>) {
    let leader = member.consensus().standing().borrow().leader;
    let Some(leader) = leader else {
        return (None, Vec::new());
    };
    let name = member
        .state()
        .nodes
        .get(&leader)
        .map(|node| node.name.clone());
    if leader == member.me() {
        return (name, here(member, check));
    }
    match ask(member, leader, check).await {
        Some(probed) => (name, probed),
        None => (None, Vec::new()),
    }
}

async fn ask(member: &Member, leader: NodeId, check: &CheckKey) -> Option<Vec<ProbeReport>> {
    let question = PeerRequest::Probes(check.clone());
    let answer = member.peers().ask(leader, &question, ANSWER_DEADLINE).await;
    match answer {
        Ok(PeerReply::Probes(bytes)) => {
            let probed: Vec<ProbeReport> = serde_json::from_slice(&bytes).ok()?;
            Some(probed.into_iter().take(RESULTS_MAX).collect())
        }
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%leader, %error, "it does not say how the check went");
            None
        }
    }
}

/// A node of another version may keep more.
const RESULTS_MAX: usize = 100;
