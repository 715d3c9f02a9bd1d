//! PURE. Who takes part in which leases, from what the log says: `State` and membership ->
//! `Roster`.
//!
//! The membership is the *effective* one, the last in the log, committed or not, so that a lease
//! and the log never count different majorities.

use std::collections::{BTreeMap, BTreeSet};

use farmux_raft::consensus::Effective;
use farmux_raft::id::NodeId;
use farmux_raft::lease::{Group, Member, Roster};
use farmux_raft::state::State;

/// The roster of `me`, or `None` while no membership is known: then nothing is answered.
///
/// A node that is in neither half nor a learner gets none either: it was removed.
pub(super) fn roster(state: &State, me: NodeId, voting: &Effective) -> Option<Roster> {
    let cluster = state.cluster.as_ref()?;
    let taking_part: BTreeSet<NodeId> = voting
        .halves
        .iter()
        .flatten()
        .chain(&voting.learners)
        .copied()
        .collect();
    if !taking_part.contains(&me) {
        return None;
    }
    let member = |id: &NodeId| {
        let node = state.nodes.get(id)?;
        Some((
            *id,
            Member {
                addresses: node.peer_addresses.clone(),
                role: node.role,
            },
        ))
    };
    let members: BTreeMap<NodeId, Member> = taking_part.iter().filter_map(member).collect();
    Some(Roster {
        cluster: cluster.id,
        epoch: cluster.epoch,
        me,
        key: cluster.secrets.lease_key,
        membership_index: voting.log_index,
        halves: voting.halves.clone(),
        members,
        groups: state
            .config
            .vips
            .keys()
            .map(|vip| (vip.clone(), Group::default()))
            .collect(),
    })
}
