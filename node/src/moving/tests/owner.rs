//! Who is asked to lead after a node that goes.

use std::collections::BTreeMap;
use std::time::Duration;

use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::state::NodeRole::{Balancer, Witness};
use farmux_raft::state::{Author, Rest, State};

use super::super::errand::ENDS_WITHIN;
use super::super::owner::{ASKED_MAX, HAND_OVER_WITHIN, successors};
use crate::api::status::sample;

/// n1 goes; n2, a balancer, and n3, a witness, vote; n4 does not.
fn cluster() -> (State, BTreeMap<NodeId, Option<u64>>) {
    let state = sample::state(&[Balancer, Balancer, Witness, Balancer]);
    let others = [(NodeId(2), Some(3)), (NodeId(3), Some(0))];
    (state, others.into())
}

fn rest(state: &mut State, node: u64) {
    let maintenance = Rest {
        since: UnixMillis(1),
        author: Author("anna".to_owned()),
        why: String::new(),
    };
    state.resting.insert(NodeId(node), maintenance);
}

#[test]
fn whoever_is_named_leads_or_nobody_does() {
    let (mut state, others) = cluster();
    let named = |state: &State, node| successors(state, &others, Some(NodeId(node)));
    assert_eq!(named(&state, 2), Ok(vec![NodeId(2)]));
    let learner = named(&state, 4).expect_err("it does not vote");
    assert!(learner.contains("lb4: it does not vote"), "{learner}");
    rest(&mut state, 2);
    let resting = named(&state, 2).expect_err("it shall take nothing on");
    assert!(resting.contains("maintenance"), "{resting}");
}

#[test]
fn else_those_that_lack_least_are_asked_and_not_too_many() {
    let (mut state, mut others) = cluster();
    let asked = successors(&state, &others, None);
    assert_eq!(asked, Ok(vec![NodeId(3), NodeId(2)]));
    rest(&mut state, 3);
    assert_eq!(successors(&state, &others, None), Ok(vec![NodeId(2)]));
    rest(&mut state, 2);
    assert!(successors(&state, &others, None).is_err(), "nobody is left");

    let more = [(4, None), (5, Some(9)), (6, Some(1)), (7, Some(2))];
    others = more.map(|(node, lag)| (NodeId(node), lag)).into();
    let asked = successors(&state, &others, None);
    assert_eq!(asked, Ok(vec![NodeId(6), NodeId(7), NodeId(5)]));
}

/// Whoever gave the order hears of the last one's answer: VIPs take four seconds before it.
#[test]
fn all_that_are_asked_fit_into_the_patience_for_an_order() {
    let asked = u32::try_from(ASKED_MAX).expect("it is small");
    assert!(HAND_OVER_WITHIN * asked + Duration::from_secs(4) < ENDS_WITHIN);
}
