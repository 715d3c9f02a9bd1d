//! Nodes in maintenance: what they own they keep, and they take nothing.

use std::time::Duration;

use super::engine::{Bench, SILENCE};
use super::{front, roster};
use crate::id::NodeId;
use crate::lease::wire::{Body, Datagram, HelloKind, Kind};
use crate::lease::{Legs, Roster};

#[test]
fn a_resting_node_keeps_what_it_owns_and_takes_nothing() {
    let resting = |node: u64| Roster {
        resting: [NodeId(node)].into(),
        ..roster(1, 3, 0)
    };
    let mut owner = Bench::new(roster(1, 3, 0));
    owner.pass(SILENCE);
    owner.own();
    owner.engine.set_roster(owner.now, Some(resting(1)));
    let renews = |bench: &mut Bench| {
        bench.pass(Duration::from_millis(30));
        bench.engine.poll(bench.now);
        let renewal = |d: &Datagram| matches!(d.kind, Kind::About(_, Body::Propose(..)));
        bench.sent().iter().any(renewal)
    };
    assert!(owner.engine.held().contains_key(&front()));
    assert!(renews(&mut owner), "until it has handed it over");

    let prepares = |roster: Roster| {
        let mut bench = Bench::new(roster);
        bench.pass(Duration::from_secs(5));
        bench.engine.poll(bench.now);
        let asks = |d: &Datagram| matches!(d.kind, Kind::About(_, Body::Prepare(_)));
        bench.sent().iter().any(asks)
    };
    assert!(prepares(roster(1, 3, 0)));
    assert!(!prepares(resting(1)), "not even what nobody has");
    assert!(prepares(resting(2)), "the rest of another is no concern");

    // Its better legs help nobody: an owner with bad ones keeps the VIP.
    let mut owner = Bench::new(resting(2));
    owner.pass(SILENCE);
    owner.own();
    let hello = owner.peer_says(Kind::Hello(HelloKind::Question));
    owner.receive(&hello);
    owner.engine.set_legs(Legs::ALL.without(Legs::CARRIER));
    owner.engine.poll(owner.now);
    assert!(owner.engine.held().contains_key(&front()));
}
