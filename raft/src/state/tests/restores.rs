//! A saved state as the start of a new cluster.

use super::*;
use crate::epoch::{Epoch, Era};

fn fresh(node: Node, tag: u32) -> FreshStart {
    FreshStart {
        node,
        lease_key: LeaseKey([9; 32]),
        tag,
        at: UnixMillis(START_MS + 7),
    }
}

#[test]
fn what_was_decided_stays_and_whoever_was_there_is_gone() {
    let mut house = House::up();
    house.state.ballots.insert(
        "front".parse().expect("a name"),
        BallotFloor {
            term: 1,
            ballot: Ballot::default(),
        },
    );
    let before = house.state.clone();
    let mut state = before.clone();
    // It may be one of the old machines, with its name and addresses.
    let node = state
        .restore(fresh(balancer("lb1", 1), 41))
        .expect("it fits");
    assert_eq!(node, NodeId(before.last_node.0 + 1), "a number nobody had");
    assert_eq!(state.nodes.keys().collect::<Vec<_>>(), [&node]);
    assert_eq!(state.config, before.config);
    assert_eq!(state.revisions, before.revisions);
    assert_eq!(state.health, before.health);
    assert!(state.tokens.is_empty() && state.vips.is_empty() && state.ballots.is_empty());
    let (old, new) = (
        before.cluster.clone().expect("there is one"),
        state.cluster.clone().expect("there is one"),
    );
    assert_eq!((new.id, &new.name), (old.id, &old.name));
    let (was, is) = (Epoch(old.epoch), Epoch(new.epoch));
    assert_eq!(is.beside(was), Era::Newer);
    let mut again = before.clone();
    again
        .restore(fresh(balancer("lb8", 8), 43))
        .expect("it fits");
    let other = again.cluster.map(|cluster| Epoch(cluster.epoch));
    assert_eq!(other.map(|other| other.beside(is)), Some(Era::Rival));
    assert_eq!(new.secrets.lease_key, LeaseKey([9; 32]));
    assert_eq!(new.secrets.ca_certificate, old.secrets.ca_certificate);
}

#[test]
fn a_machine_that_cannot_lead_it_is_refused_and_nothing_changes() {
    let house = House::full();
    let witness = Node {
        role: NodeRole::Witness,
        ..balancer("w9", 9)
    };
    let vip = house.state.config.vips["front"].address;
    let in_the_way = Node {
        admin_address: (vip, 9443).into(),
        ..balancer("lb9", 9)
    };
    for node in [witness, in_the_way] {
        let mut state = house.state.clone();
        state.restore(fresh(node, 0)).expect_err("it does not fit");
        assert_eq!(state, house.state);
    }
    let nothing = State::default().restore(fresh(balancer("lb9", 9), 0));
    assert_eq!(nothing, Err(Reject::NotInitialised));
}
