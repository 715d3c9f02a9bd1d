//! PURE. What the nodes write, and who holds a newer form back.

use std::collections::BTreeSet;

use farmux_raft::codec;
use farmux_raft::id::NodeId;
use farmux_raft::state::{Reader, State, held_back};

use super::View;
use crate::api::types::{FormatStatus, NodeStatus, Overall};

/// What is agreed on, and what keeps it there.
pub(super) fn format(view: &View<'_>) -> FormatStatus {
    let (agreed, newest) = (view.state.format, codec::reads());
    FormatStatus {
        agreed: agreed.number(),
        newest,
        held_back: held_back(agreed, newest, &readers(view)),
    }
}

/// Who must read what the cluster writes: everybody that a majority may ever count on, learners
/// and joiners too.
pub(crate) fn must_read(
    state: &State,
    voters: BTreeSet<NodeId>,
    learners: &BTreeSet<NodeId>,
) -> BTreeSet<NodeId> {
    let mut members = voters;
    members.extend(learners);
    members.extend(state.nodes.keys());
    members
}

/// Each of them, with what it reads.
fn readers(view: &View<'_>) -> Vec<Reader> {
    let members = must_read(view.state, view.voters(), &view.learners);
    let reader = |node| Reader {
        name: view.state.node_name(node),
        reads: view.reports.get(&node).map(|report| report.reads),
    };
    members.into_iter().map(reader).collect()
}

/// A note while an upgrade is under way; who is silent has a line of its own already.
pub(super) fn notice(
    format: &FormatStatus,
    nodes: &[NodeStatus],
    add: &mut impl FnMut(Overall, String),
) {
    let FormatStatus { agreed, newest, .. } = format;
    let older = |node: &&NodeStatus| node.reads.is_some_and(|reads| reads < *newest);
    let names: Vec<String> = nodes
        .iter()
        .filter(older)
        .map(|node| node.name.to_string())
        .collect();
    if agreed < newest && !names.is_empty() {
        let text = format!(
            "the cluster writes format {agreed}, so that {} can read it: upgrade what is older \
             (farmux version)",
            names.join(" and ")
        );
        add(Overall::Ok, text);
    }
}
