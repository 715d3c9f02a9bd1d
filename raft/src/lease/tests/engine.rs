//! The engine: each reason to ignore a datagram, epochs, legs, and who is no voter.

mod limping;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ring::hmac;

use super::{front, roster};
use crate::id::{Ballot, ClusterId, NodeId};
use crate::lease::acceptor::Refusal;
use crate::lease::engine::{Drawn, Engine, Output, Source};
use crate::lease::wire::{Body, Datagram, Header, HelloKind, Kind, open, seal};
use crate::lease::{BootTime, Counters, HoldEnd, Ignored, Legs, Roster, Timing};
use crate::state::OnQuorumLoss;

const OURS: u64 = 50;
const THEIRS: u64 = 70;

/// Node 1 of three, two seconds after its start, with a proved peer 2.
pub(super) struct Bench {
    pub(super) engine: Engine,
    counters: Arc<Counters>,
    pub(super) now: BootTime,
    number: u64,
}

fn key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &roster(1, 3, 0).key.0)
}

fn ballot(counter: u64, node: u64) -> Ballot {
    Ballot {
        counter,
        node: NodeId(node),
    }
}

fn about(body: Body) -> Kind {
    Kind::About(front(), body)
}

impl Bench {
    pub(super) fn new(roster: Roster) -> Bench {
        let counters = Arc::new(Counters::default());
        let drawn = Drawn {
            nonce: OURS,
            seed: 1,
        };
        let start = BootTime(1_000_000_000);
        let mut engine = Engine::new(Timing::default(), Arc::clone(&counters), start, drawn);
        engine.set_roster(start, Some(roster));
        let mut bench = Bench {
            engine,
            counters,
            now: start,
            number: 0,
        };
        bench.prove(2);
        bench
    }

    /// Answers the greeting, as a peer that has started.
    fn prove(&mut self, node: u64) {
        self.engine.poll(self.now);
        let greeting = self.sent().into_iter().find(|datagram| {
            datagram.header.to == NodeId(node) && datagram.kind == Kind::Hello(HelloKind::Question)
        });
        let header = greeting.expect("everybody is greeted").header;
        let mut answer = self.peer_says(Kind::Hello(HelloKind::Answer));
        (answer.header.counter, answer.header.from) = (header.counter, NodeId(node));
        self.receive(&answer);
    }

    pub(super) fn peer_says(&mut self, kind: Kind) -> Datagram {
        self.number += 1;
        let header = Header {
            cluster: ClusterId(7),
            epoch: 1,
            from: NodeId(2),
            to: NodeId(1),
            from_nonce: THEIRS,
            to_nonce: OURS,
            counter: self.number,
            membership_index: 1,
            legs: Legs::ALL,
        };
        Datagram { header, kind }
    }

    pub(super) fn receive(&mut self, datagram: &Datagram) {
        self.receive_bytes(&seal(datagram, &key()));
    }

    fn receive_bytes(&mut self, bytes: &[u8]) {
        let source = Source {
            path: 0,
            address: ([127, 0, 0, 1], 9).into(),
        };
        self.engine.receive(self.now, source, bytes);
    }

    pub(super) fn sent(&mut self) -> Vec<Datagram> {
        let bytes = |output| match output {
            Output::Send(_, bytes) | Output::Reply(_, bytes) => Some(bytes),
            Output::Change(..) => None,
        };
        let all = self.engine.take_outputs().into_iter().filter_map(bytes);
        all.map(|bytes| open(&bytes, &key()).expect("what we send can be read"))
            .collect()
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// Asks as node 2 and returns the answer.
    fn ask(&mut self, body: Body) -> Option<Body> {
        self.engine.take_outputs();
        let question = self.peer_says(about(body));
        self.receive(&question);
        self.sent()
            .into_iter()
            .find_map(|answer| match answer.kind {
                Kind::About(_, body) if answer.header.counter == question.header.counter => {
                    Some(body)
                }
                Kind::About(..) | Kind::Hello(_) => None,
            })
    }

    /// Lets it come to own, with the votes of itself and node 2.
    pub(super) fn own(&mut self) {
        for _ in 0..4 {
            self.engine.poll(self.now);
            for question in self.sent() {
                let body = match question.kind {
                    Kind::About(_, Body::Prepare(ballot)) => Body::Promise(ballot),
                    Kind::About(_, Body::Propose(ballot, _)) => Body::Accepted(ballot),
                    Kind::About(..) | Kind::Hello(_) => continue,
                };
                let mut answer = self.peer_says(about(body));
                answer.header.counter = question.header.counter;
                self.receive(&answer);
            }
        }
        assert!(self.engine.held().contains_key(&front()), "it owns");
    }
}

pub(super) const SILENCE: Duration = Duration::from_millis(1_200);

#[test]
fn every_ignored_datagram_is_counted_under_its_reason() {
    type Change = fn(&mut Datagram);
    let prepare = || about(Body::Prepare(ballot(1, 2)));
    let promise = || about(Body::Promise(ballot(1, 1)));
    let other = || {
        Kind::About(
            "other".parse().expect("a name"),
            Body::Prepare(ballot(1, 2)),
        )
    };
    let long = || about(Body::Propose(ballot(1, 2), Duration::from_millis(1_001)));
    let table: [(Ignored, Kind, Change); 13] = [
        (Ignored::Cluster, prepare(), |d| {
            d.header.cluster = ClusterId(8)
        }),
        (Ignored::LowerEpoch, prepare(), |d| d.header.epoch = 0),
        (Ignored::HigherEpoch, prepare(), |d| d.header.epoch = 2),
        (Ignored::NotForUs, prepare(), |d| d.header.to = NodeId(3)),
        (
            Ignored::UnknownSender,
            Kind::Hello(HelloKind::Question),
            |d| d.header.from = NodeId(9),
        ),
        (
            Ignored::UnknownSender,
            Kind::Hello(HelloKind::Question),
            |d| d.header.from = NodeId(1),
        ),
        (Ignored::ReceiverNonce, prepare(), |d| {
            d.header.to_nonce = 49
        }),
        (Ignored::SenderNonce, prepare(), |d| {
            d.header.from_nonce = 71
        }),
        (Ignored::Counter, prepare(), |d| d.header.counter = 0),
        (Ignored::OldMembership, prepare(), |d| {
            d.header.membership_index = 0
        }),
        (Ignored::StaleAnswer, promise(), |_| {}),
        (Ignored::UnknownGroup, other(), |_| {}),
        (Ignored::LeaseTooLong, long(), |_| {}),
    ];
    for (reason, kind, change) in table {
        let mut bench = Bench::new(roster(1, 3, 0));
        bench.pass(SILENCE);
        let mut datagram = bench.peer_says(kind);
        change(&mut datagram);
        bench.receive(&datagram);
        assert_eq!(bench.counters.ignored(reason), 1, "{}", reason.label());
    }

    let mut bench = Bench::new(roster(1, 3, 0));
    let prepare = bench.peer_says(prepare());
    bench.receive(&prepare);
    assert_eq!(bench.counters.ignored(Ignored::Silent), 1);
    bench.receive_bytes(b"GET / HTTP/1.1");
    assert_eq!(bench.counters.ignored(Ignored::Malformed), 1);
    let mut bytes = seal(&prepare, &key());
    bytes[60] ^= 1;
    bench.receive_bytes(&bytes);
    assert_eq!(bench.counters.ignored(Ignored::Unauthenticated), 1);
    bytes[3] = 2;
    bench.receive_bytes(&bytes);
    assert_eq!(bench.counters.ignored(Ignored::Format), 1);
    bench.engine.set_roster(bench.now, None);
    bench.receive(&prepare);
    assert_eq!(bench.counters.ignored(Ignored::NoMembership), 1);
}

#[test]
fn whoever_is_no_voter_is_refused_and_a_learner_accepts() {
    let mut changed = roster(1, 3, 0);
    changed.halves[0].remove(&NodeId(2));
    let mut bench = Bench::new(changed);
    bench.pass(SILENCE);
    let refused = Body::Refuse(ballot(1, 2), Refusal::NotAVoter);
    assert_eq!(bench.ask(Body::Prepare(ballot(1, 2))), Some(refused));

    let mut learner = roster(1, 3, 0);
    learner.halves[0].remove(&NodeId(1));
    let mut bench = Bench::new(learner);
    bench.pass(SILENCE);
    let lease = Duration::from_millis(150);
    let accepted = Body::Accepted(ballot(1, 2));
    assert_eq!(
        bench.ask(Body::Propose(ballot(1, 2), lease)),
        Some(accepted)
    );
    assert_eq!(
        bench.engine.seen(bench.now)[&front()],
        (NodeId(2), ballot(1, 2))
    );
}

#[test]
fn a_higher_epoch_ends_every_lease() {
    let mut bench = Bench::new(roster(1, 3, 0));
    bench.pass(SILENCE);
    bench.own();
    let mut hello = bench.peer_says(Kind::Hello(HelloKind::Question));
    hello.header.epoch = 2;
    bench.receive(&hello);
    assert!(bench.engine.held().is_empty());
    assert!(
        bench
            .engine
            .take_outputs()
            .contains(&Output::Change(front(), None))
    );
    bench.pass(Duration::from_secs(5));
    bench.engine.poll(bench.now);
    let asks = bench
        .sent()
        .into_iter()
        .any(|datagram| datagram.kind != Kind::Hello(HelloKind::Question));
    assert!(!asks, "it proposes nothing in an epoch that is over");
    assert_eq!(
        bench.ask(Body::Prepare(ballot(9, 2))),
        None,
        "and answers nothing"
    );

    let recovered = Roster {
        epoch: 2,
        ..roster(1, 1, 0)
    };
    bench.engine.set_roster(bench.now, Some(recovered));
    bench.pass(SILENCE);
    bench.engine.poll(bench.now);
    assert!(
        bench.engine.held().contains_key(&front()),
        "the new epoch begins from nothing"
    );
}

/// Two survivors that were recovered apart: neither ends the other, and neither listens to it.
#[test]
fn equal_epochs_with_different_tags_refuse_each_other() {
    let mut bench = Bench::new(roster(1, 3, 0));
    bench.pass(SILENCE);
    let mut hello = bench.peer_says(Kind::Hello(HelloKind::Question));
    hello.header.epoch = 8 << 32 | 1;
    bench.engine.take_outputs();
    bench.receive(&hello);
    assert_eq!(bench.counters.ignored(Ignored::RivalEpoch), 1);
    assert!(bench.engine.take_outputs().is_empty(), "not a word");
    bench.engine.poll(bench.now);
    let prepares = |d: &Datagram| matches!(d.kind, Kind::About(_, Body::Prepare(_)));
    assert!(bench.sent().iter().any(prepares), "its own epoch goes on");
}

#[test]
fn a_hold_ends_with_its_epoch_and_says_so() {
    let mut holding = roster(1, 3, 0);
    let group = holding.groups.get_mut(&front()).expect("there");
    group.on_quorum_loss = OnQuorumLoss::Hold;
    let mut bench = Bench::new(holding);
    bench.pass(SILENCE);
    bench.own();
    bench.pass(Duration::from_millis(110));
    bench.engine.poll(bench.now);
    let held = bench.engine.held()[&front()];
    assert_eq!(held.alone_since, Some(bench.now), "nobody answers");
    let tells = |d: &Datagram| d.kind == about(Body::Holding(held.ballot));
    assert_eq!(
        bench.sent().iter().filter(|d| tells(d)).count(),
        2,
        "to both others"
    );
    // Whoever comes back and asks before it hears that does not win with the holder's own vote.
    assert_eq!(bench.ask(Body::Prepare(ballot(99, 2))), None);
    assert_eq!(bench.counters.ignored(Ignored::Holding), 1);
    let mut hello = bench.peer_says(Kind::Hello(HelloKind::Question));
    hello.header.epoch = 2;
    bench.receive(&hello);
    assert!(bench.engine.held().is_empty());
    assert_eq!(bench.counters.hold_ends(HoldEnd::Epoch), 1);
}

/// Whoever may not take is no reason to wait, however well its other legs are.
#[test]
fn a_node_whose_runtimes_are_stuck_outdoes_nobody() {
    let mut bench = Bench::new(roster(1, 3, 0));
    bench.pass(SILENCE);
    bench.engine.set_legs(Legs::CARRIER);
    let attempts = |bench: &Bench| bench.counters.attempts.load(Ordering::Relaxed);
    for (legs, tries) in [
        (Legs::ALL, false),
        (Legs::ALL.without(Legs::RUNTIMES), true),
    ] {
        let mut hello = bench.peer_says(Kind::Hello(HelloKind::Question));
        hello.header.legs = legs;
        bench.receive(&hello);
        let before = attempts(&bench);
        for _ in 0..50 {
            bench.pass(Duration::from_millis(10));
            bench.engine.poll(bench.now);
        }
        assert_eq!(attempts(&bench) > before, tries, "{legs:?}");
    }
}

/// A holder with bad legs would leave its VIP to somebody to whom no majority can lend it.
#[test]
fn a_holder_does_not_move_by_legs() {
    let mut holding = roster(1, 3, 0);
    let group = holding.groups.get_mut(&front()).expect("there");
    group.on_quorum_loss = OnQuorumLoss::Hold;
    let mut bench = Bench::new(holding);
    bench.pass(SILENCE);
    bench.own();
    bench.pass(Duration::from_millis(110));
    bench.engine.poll(bench.now);
    let hello = bench.peer_says(Kind::Hello(HelloKind::Question));
    bench.receive(&hello);
    bench.engine.set_legs(Legs::ALL.without(Legs::SERVER));
    bench.engine.poll(bench.now);
    assert!(
        bench.engine.held()[&front()].alone_since.is_some(),
        "it goes on"
    );
}

#[test]
fn a_pair_takes_only_over_two_disjoint_paths() {
    let with = |paths: &[[u8; 2]], voters: u64, witnesses: u64| {
        let mut roster = roster(1, voters, witnesses);
        for (node, member) in &mut roster.members {
            let last = u8::try_from(node.0).expect("small");
            let address = |net: &[u8; 2]| ([10, net[0], net[1], last], 7946).into();
            member.addresses = paths.iter().map(address).collect();
        }
        roster.other_of_pair()
    };
    assert_eq!(with(&[[0, 1], [0, 2]], 2, 0), Some(NodeId(2)));
    assert_eq!(with(&[[0, 1]], 2, 0), None, "one path");
    assert_eq!(with(&[[0, 1], [0, 1]], 2, 0), None, "one network");
    assert_eq!(with(&[[0, 1], [0, 2]], 3, 0), None, "three can agree");
    assert_eq!(
        with(&[[0, 1], [0, 2]], 1, 1),
        None,
        "a witness takes nothing"
    );
}

#[test]
fn whoever_is_left_in_a_lower_epoch_is_told() {
    let mut bench = Bench::new(
        Roster {
            epoch: 5,
            ..roster(1, 1, 0)
        }
        .with_peer(),
    );
    let old = bench.peer_says(about(Body::Prepare(ballot(1, 2))));
    bench.engine.take_outputs();
    bench.receive(&old);
    let told = bench
        .engine
        .take_outputs()
        .into_iter()
        .find_map(|output| match output {
            Output::Reply(_, bytes) => Some(open(&bytes, &key()).expect("readable").header.epoch),
            Output::Send(..) | Output::Change(..) => None,
        });
    assert_eq!(told, Some(5));
}

impl Roster {
    /// The same with node 2 as a learner, so that the bench has somebody to greet.
    fn with_peer(mut self) -> Roster {
        self.members = roster(1, 2, 0).members;
        self
    }
}

#[test]
fn a_roster_without_the_group_or_without_us_ends_the_lease() {
    let without_group = || Roster {
        groups: [].into(),
        ..roster(1, 3, 0)
    };
    let without_us = || {
        let mut roster = roster(1, 3, 0);
        roster.halves[0].remove(&NodeId(1));
        roster
    };
    for next in [Some(without_group()), Some(without_us()), None] {
        let mut bench = Bench::new(roster(1, 3, 0));
        bench.pass(SILENCE);
        bench.own();
        bench.engine.set_roster(bench.now, next);
        assert!(
            bench
                .engine
                .take_outputs()
                .contains(&Output::Change(front(), None))
        );
        assert!(bench.engine.held().is_empty());
    }
}
