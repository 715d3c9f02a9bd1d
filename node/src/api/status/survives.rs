//! PURE. How many failures the cluster survives from here on.
//!
//! A failure is one node that stops. What is served needs a balancer that is left and a majority of
//! each half of the membership; the scarcer of the two decides. A node that started a moment ago
//! agrees to changes at once, but votes on VIPs only after its silence: no VIP could move
//! meanwhile.

use std::collections::BTreeSet;

use farmux_raft::id::NodeId;

use super::View;
use super::alone::alone;
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
            whose: String::new(),
            alone: alone(view),
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
        whose: whose(view, failures),
        alone: alone(view),
    }
}

/// Whose loss is survived, in words; empty where nobody's.
fn whose(view: &View<'_>, failures: usize) -> String {
    let answering: Vec<NodeId> = view
        .voters()
        .into_iter()
        .filter(|node| view.answers(*node))
        .collect();
    let (spared, needed): (Vec<NodeId>, Vec<NodeId>) = answering
        .into_iter()
        .partition(|node| is_spared(view, *node));
    let names = |nodes: &[NodeId], last: &str| {
        let names = nodes.iter().map(|node| view.state.node_name(*node));
        list(names.collect(), last)
    };
    if spared.is_empty() {
        return String::new();
    }
    let mut text = match (failures, spared.len()) {
        (2.., _) => format!(
            "the loss of any {failures} of {}; not of {}",
            names(&spared, "and"),
            failures + 1
        ),
        (_, 1) => format!("the loss of {}", names(&spared, "or")),
        (_, 2) => format!("the loss of {}; not of both", names(&spared, "or")),
        (_, _) => format!("the loss of {}; not of two of them", names(&spared, "or")),
    };
    if !needed.is_empty() {
        text.push_str(&format!("; not of {}", names(&needed, "or")));
    }
    text
}

/// Whether a majority is left without this node, and a balancer where one is needed.
fn is_spared(view: &View<'_>, lost: NodeId) -> bool {
    let without_vips = view.state.config.vips.is_empty();
    let counts = |node: &NodeId| {
        let votes = without_vips || !view.is_settling(*node);
        *node != lost && view.answers(*node) && votes
    };
    // It may rest or be silent itself: then it is none of those that are left.
    let left = view.balancers().any(|node| node != lost);
    spare_of(view, counts).is_some() && (without_vips || left)
}

/// `a, b or c`.
pub(super) fn list(mut names: Vec<String>, word: &str) -> String {
    match names.pop() {
        None => String::new(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} {word} {last}", names.join(", ")),
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
