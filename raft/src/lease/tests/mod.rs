//! Proof of the lease: tables of the pure parts, random schedules of whole engines, real sockets.

mod acceptor;
mod engine;
mod groups;
mod holding;
mod lan;
mod loopback;
mod proposer;
mod resting;
mod session;
mod simulation;
mod wire;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use super::{Group, Member, Roster};
use crate::id::{ClusterId, NodeId, VipName};
use crate::state::{LeaseKey, NodeRole};

/// The one group of most tests.
fn front() -> VipName {
    "front".parse().expect("a name")
}

/// The roster as node `me` sees it: balancers 1.., the last of them a witness if wanted.
fn roster(me: u64, balancers: u64, witnesses: u64) -> Roster {
    let member = |node: u64| {
        let role = if node <= balancers {
            NodeRole::Balancer
        } else {
            NodeRole::Witness
        };
        (
            NodeId(node),
            Member {
                addresses: Vec::new(),
                role,
            },
        )
    };
    let members: BTreeMap<NodeId, Member> = (1..=balancers + witnesses).map(member).collect();
    Roster {
        cluster: ClusterId(7),
        epoch: 1,
        me: NodeId(me),
        key: LeaseKey([9; 32]),
        membership_index: 1,
        halves: vec![members.keys().copied().collect::<BTreeSet<NodeId>>()],
        members,
        resting: [].into(),
        groups: [(front(), Group::default())].into(),
    }
}
