//! PURE. How many failures the cluster survives from here on.
//!
//! A failure is one node that stops. What is served needs a balancer that is left and a majority of
//! each half of the membership; the scarcer of the two decides. A node that started a moment ago
//! agrees to changes at once, but votes on VIPs only after its silence: no VIP could move
//! meanwhile.

use std::collections::BTreeSet;

use farmux_raft::id::NodeId;

use super::View;
use crate::api::types::Survives;

/// How many nodes may fail, one after another, in the worst order.
pub(super) fn survives(view: &View<'_>) -> Survives {
    let answers = |node: &NodeId| view.answers(*node);
    let votes_on_vips = |node: &NodeId| answers(node) && !view.is_settling(*node);
    let voters = view.voters();
    let Some(spare) = spare_of(view, answers) else {
        return Survives {
            failures: None,
            hint: Some(silent_hint(view, &voters)),
        };
    };
    let failures = match view.state.config.vips.is_empty() {
        // What is only watched any node watches, a witness too.
        true => spare,
        false => {
            let movable = spare_of(view, votes_on_vips).unwrap_or(0);
            let balancers = view.balancers_answering();
            spare.min(movable).min(balancers.saturating_sub(1))
        }
    };
    let silent = voters.iter().filter(|node| !answers(node)).count();
    let hint = match (failures, voters.len(), silent) {
        (1.., _, _) => None,
        (0, 1, _) => Some(ALONE.to_owned()),
        (0, 2, 0) => Some(PAIR.to_owned()),
        (0, _, 0) if voters.iter().any(|node| view.is_settling(*node)) => Some(SETTLING.to_owned()),
        (0, _, 0) => Some(FEW_BALANCERS.to_owned()),
        (0, _, _) => Some(silent_hint(view, &voters)),
    };
    Survives {
        failures: Some(u32::try_from(failures).unwrap_or(u32::MAX)),
        hint,
    }
}

/// How many of the nodes that count are beyond the majority of each half; `None` without one.
fn spare_of(view: &View<'_>, counts: impl Fn(&NodeId) -> bool) -> Option<usize> {
    let spare = |half: &BTreeSet<NodeId>| {
        let majority = half.len() / 2 + 1;
        let counting = half.iter().filter(|node| counts(node)).count();
        counting.checked_sub(majority)
    };
    let spares: Option<Vec<usize>> = view.halves.iter().map(spare).collect();
    spares?.into_iter().min()
}

const SETTLING: &str = "a node started a moment ago and does not vote on VIPs yet; ask again in \
                        two seconds";

const ALONE: &str = "one node is a cluster without redundancy; add a second one and a witness: \
                     farmux cluster token create   (here), farmux cluster join TOKEN   (there)";

const PAIR: &str = "of two voters none may fail, because one is no majority; add a witness on any \
                    third machine: farmux cluster token create --witness   (here), farmux cluster \
                    join TOKEN --witness   (there)";

const FEW_BALANCERS: &str = "one balancer is left that could hold the VIPs (a witness only votes); \
                             add another: farmux cluster token create";

fn silent_hint(view: &View<'_>, voters: &BTreeSet<NodeId>) -> String {
    let silent = voters.iter().filter(|node| **node != view.me);
    let silent = silent.filter(|node| !view.reports.contains_key(node));
    let name = |node: &NodeId| view.node_name(*node).map_or(node.to_string(), String::from);
    let names: Vec<String> = silent.map(name).collect();
    match names.as_slice() {
        [] => "the membership is not known yet".to_owned(),
        [one] => format!("start {one}, or mend the network to it"),
        several => format!(
            "start {}, or mend the network to them",
            several.join(" and ")
        ),
    }
}
