//! PURE. Who takes part in which leases, from what the log says: `State` and membership ->
//! `Roster`.
//!
//! The membership is the *effective* one, the last in the log, committed or not, so that a lease
//! and the log never count different majorities.

use std::collections::{BTreeMap, BTreeSet};

use farmux_raft::consensus::Effective;
use farmux_raft::id::{NodeId, VipName};
use farmux_raft::lease::{Group, Member, Roster};
use farmux_raft::state::{LentVips, State};

/// The roster of `me`, or `None` while no membership is known: then nothing is answered.
///
/// A node that is in neither half nor a learner gets none either: it was removed.
pub fn roster(state: &State, me: NodeId, voting: &Effective) -> Option<Roster> {
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
        resting: state.resting.keys().copied().collect(),
        groups: groups(state),
    })
}

/// Everything that is lent, by the name of its lease.
fn groups(state: &State) -> BTreeMap<VipName, Group> {
    let lent = state.config.lent().into_iter();
    let group = |(lease, lent): (VipName, LentVips)| {
        let known = lent.vips.iter().filter_map(|vip| state.ballots.get(vip));
        let group = Group {
            floor: known.map(|known| known.ballot).max().unwrap_or_default(),
            prefer: lent.preferred(&state.nodes).into_iter().collect(),
            on_quorum_loss: lent.on_quorum_loss,
            reference: lent.reference,
            vips: lent.vips,
            stays: state.pause.is_some(),
        };
        (lease, group)
    };
    lent.map(group).collect()
}

#[cfg(test)]
mod tests {
    use farmux_raft::id::UnixMillis;
    use farmux_raft::state::{Cluster, LeaseKey, Node, NodeCondition, NodeRole, Secret, Secrets};

    use super::*;

    fn state() -> State {
        let mut state = State::default();
        for id in 1..=3 {
            let node = Node {
                name: format!("n{id}").parse().expect("a name"),
                role: if id == 3 {
                    NodeRole::Witness
                } else {
                    NodeRole::Balancer
                },
                peer_addresses: vec![format!("10.0.0.1{id}:7946").parse().expect("an address")],
                admin_address: format!("10.0.0.1{id}:9443").parse().expect("an address"),
                joined: UnixMillis(0),
                condition: NodeCondition::Reachable,
            };
            state.nodes.insert(NodeId(id), node);
        }
        state.cluster = Some(Cluster {
            id: farmux_raft::id::ClusterId(7),
            name: "prod".parse().expect("a name"),
            epoch: 2,
            secrets: Secrets {
                ca_certificate: String::new(),
                ca_key: Secret::new(String::new()),
                lease_key: LeaseKey([9; 32]),
            },
        });
        state
    }

    fn voting(voters: &[u64], learners: &[u64]) -> Effective {
        let ids = |all: &[u64]| all.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        Effective {
            log_index: 5,
            halves: vec![ids(voters)],
            learners: ids(learners),
        }
    }

    #[test]
    fn voters_and_learners_take_part_and_nobody_else() {
        let roster = roster(&state(), NodeId(1), &voting(&[1], &[3])).expect("we vote");
        assert_eq!(
            roster.members.keys().copied().collect::<Vec<_>>(),
            [NodeId(1), NodeId(3)]
        );
        assert_eq!((roster.epoch, roster.membership_index), (2, 5));
        assert_eq!(roster.key, LeaseKey([9; 32]));
        assert!(!roster.is_voter(NodeId(3)), "a learner accepts uncounted");
    }

    #[test]
    fn what_is_lent_knows_the_newest_ballot_of_the_log() {
        use farmux_raft::id::Ballot;
        use farmux_raft::state::{BallotFloor, OnQuorumLoss, Vip};
        let mut state = state();
        let name = |name: &str| -> VipName { name.parse().expect("a name") };
        let vip = Vip {
            address: [10, 0, 1, 200].into(),
            network: "lan".parse().expect("a name"),
            gateway: None,
            on_quorum_loss: OnQuorumLoss::Release,
            group: Some("pair".parse().expect("a name")),
            prefer: None,
        };
        let config = std::sync::Arc::make_mut(&mut state.config);
        config.vips = [(name("a"), vip.clone()), (name("b"), vip)].into();
        let floors = |state: &State| -> Vec<Ballot> {
            let roster = roster(state, NodeId(1), &voting(&[1, 2], &[])).expect("we vote");
            roster.groups.values().map(|group| group.floor).collect()
        };
        assert_eq!(floors(&state), [Ballot::default()], "nobody reported");
        let ballot = |counter| Ballot {
            counter,
            node: NodeId(2),
        };
        for (vip, counter) in [("a", 7), ("b", 4)] {
            let floor = BallotFloor {
                term: 3,
                ballot: ballot(counter),
            };
            state.ballots.insert(name(vip), floor);
        }
        assert_eq!(floors(&state), [ballot(7)]);
    }

    #[test]
    fn without_a_part_in_it_there_is_no_roster() {
        assert_eq!(
            roster(&state(), NodeId(2), &voting(&[1, 3], &[])),
            None,
            "removed"
        );
        assert_eq!(
            roster(&state(), NodeId(1), &Effective::default()),
            None,
            "no membership known"
        );
        assert_eq!(
            roster(&State::default(), NodeId(1), &voting(&[1], &[])),
            None,
            "no cluster"
        );
    }
}
