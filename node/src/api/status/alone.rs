//! PURE. What becomes of the VIPs without a majority, in a sentence each.

use farmux_raft::id::{NodeId, VipName};
use farmux_raft::lease::{PAIR_PATHS_MIN, disjoint_paths};
use farmux_raft::state::{NodeRole, OnQuorumLoss, Vip};

use super::View;
use super::survives::list;

/// One sentence for each kind of setting that a VIP has, the VIPs of a kind together.
pub(super) fn alone(view: &View<'_>) -> Vec<String> {
    let pair = pair(view);
    let mut sentences = Vec::new();
    for policy in [
        OnQuorumLoss::Release,
        OnQuorumLoss::Hold,
        OnQuorumLoss::HoldOrTake,
    ] {
        let of_it = |(_, vip): &(&VipName, &Vip)| vip.on_quorum_loss == policy;
        let vips = view.state.config.vips.iter().filter(of_it);
        let names: Vec<String> = vips.map(|(name, _)| name.to_string()).collect();
        let Some(vips) = few(names) else { continue };
        let stays = "stays with its owner while the gateway answers (hold)";
        sentences.push(match (policy, &pair) {
            (OnQuorumLoss::Release, _) => {
                format!("without a majority {vips} goes at once (release)")
            }
            (OnQuorumLoss::Hold, _) => {
                format!("without a majority {vips} {stays}; nobody takes it")
            }
            (OnQuorumLoss::HoldOrTake, Ok((one, other))) => format!(
                "without a majority {vips} {stays}, and whichever of {one} and {other} is left \
                 takes it (pair_takeover)"
            ),
            (OnQuorumLoss::HoldOrTake, Err(why)) => format!(
                "without a majority {vips} {stays}; pair_takeover = \"gateway\" does nothing: {why}"
            ),
        });
    }
    sentences
}

/// The two whose survivor may take, or why there are none.
fn pair(view: &View<'_>) -> Result<(String, String), String> {
    let voters: Vec<NodeId> = view.voters().into_iter().collect();
    let &[one, other] = voters.as_slice() else {
        let count = voters.len();
        return Err(format!("it is for two voters, and there are {count}"));
    };
    let nodes = (view.state.nodes.get(&one), view.state.nodes.get(&other));
    let (Some(first), Some(second)) = nodes else {
        return Err("the two are not known yet".to_owned());
    };
    if [first, second]
        .iter()
        .any(|node| node.role == NodeRole::Witness)
    {
        return Err("one of the two is a witness".to_owned());
    }
    let paths = disjoint_paths(&first.peer_addresses, &second.peer_addresses);
    if paths < PAIR_PATHS_MIN {
        return Err(format!(
            "{} and {} need two disjoint paths, and have {paths}; give both a second `peer` \
             address in another network",
            first.name, second.name
        ));
    }
    Ok((first.name.to_string(), second.name.to_string()))
}

/// `VIP front`, `VIPs front and back`, or their number where they are many.
fn few(names: Vec<String>) -> Option<String> {
    match names.len() {
        0 => None,
        1 => Some(format!("VIP {}", names[0])),
        2..=NAMES_MAX => Some(format!("each of the VIPs {}", list(names, "and"))),
        many => Some(format!("each of {many} VIPs")),
    }
}

/// More in one line nobody reads.
const NAMES_MAX: usize = 3;
