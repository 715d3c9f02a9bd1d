//! Sessions: restarts are proved, repetitions are not believed.

use std::time::Duration;

use crate::id::{Ballot, ClusterId, NodeId};
use crate::lease::session::{Session, Verdict};
use crate::lease::wire::{Body, Header, HelloKind, Kind};
use crate::lease::{BootTime, Ignored, Legs};

const OURS: u64 = 50;
const QUESTION: Kind = Kind::Hello(HelloKind::Question);
const ANSWER: Kind = Kind::Hello(HelloKind::Answer);

fn header(from_nonce: u64, to_nonce: u64, counter: u64) -> Header {
    Header {
        cluster: ClusterId(1),
        epoch: 1,
        from: NodeId(2),
        to: NodeId(1),
        from_nonce,
        to_nonce,
        counter,
        membership_index: 1,
        legs: Legs::ALL,
    }
}

fn prepare() -> Kind {
    let ballot = Ballot {
        counter: 1,
        node: NodeId(2),
    };
    Kind::About(super::front(), Body::Prepare(ballot))
}

fn promise() -> Kind {
    let ballot = Ballot {
        counter: 1,
        node: NodeId(1),
    };
    Kind::About(super::front(), Body::Promise(ballot))
}

/// A session with a peer whose start 70 was proved when we had used the numbers up to 10.
fn proved() -> Session {
    let mut session = Session::default();
    let verdict = session.judge(BootTime(0), &header(70, OURS, 10), &ANSWER, (OURS, 10));
    assert_eq!((verdict, session.theirs()), (Verdict::Take, 70));
    session
}

#[test]
fn every_kind_of_datagram_to_a_proved_session() {
    let ignore = Verdict::Ignore;
    let tell = Verdict::TellNonce(Ignored::ReceiverNonce);
    let ask = Verdict::AskNonce(Ignored::SenderNonce);
    let table = [
        ("a question", header(70, OURS, 1), prepare(), Verdict::Take),
        ("an answer", header(70, OURS, 1), promise(), Verdict::Take),
        ("a greeting", header(70, OURS, 1), QUESTION, Verdict::Take),
        (
            "a greeting answered",
            header(70, OURS, 12),
            ANSWER,
            Verdict::Take,
        ),
        ("to an earlier start", header(70, 49, 1), prepare(), tell),
        ("to nobody yet", header(70, 0, 1), QUESTION, tell),
        (
            "answer to an earlier start",
            header(70, 49, 1),
            promise(),
            ignore(Ignored::ReceiverNonce),
        ),
        (
            "Hello to an earlier start",
            header(70, 49, 1),
            ANSWER,
            ignore(Ignored::ReceiverNonce),
        ),
        ("from another start", header(71, OURS, 1), prepare(), ask),
        (
            "answer from another start",
            header(71, OURS, 1),
            promise(),
            ask,
        ),
        (
            "proof, number not above",
            header(71, OURS, 10),
            ANSWER,
            ignore(Ignored::StaleAnswer),
        ),
        (
            "proof, number not used",
            header(71, OURS, 13),
            ANSWER,
            ignore(Ignored::StaleAnswer),
        ),
        ("proof", header(71, OURS, 12), ANSWER, Verdict::Take),
    ];
    for (what, header, kind, verdict) in table {
        let mut session = proved();
        assert_eq!(
            session.judge(BootTime(0), &header, &kind, (OURS, 12)),
            verdict,
            "{what}"
        );
        let believed = if what == "proof" { 71 } else { 70 };
        assert_eq!(session.theirs(), believed, "{what}");
    }
}

#[test]
fn a_number_counts_once_and_answers_repeat_ours() {
    let mut session = proved();
    let mut judge = |counter, kind: &Kind| {
        session.judge(BootTime(0), &header(70, OURS, counter), kind, (OURS, 12))
    };
    assert_eq!(judge(5, &prepare()), Verdict::Take);
    assert_eq!(
        judge(5, &prepare()),
        Verdict::Ignore(Ignored::Counter),
        "a second path"
    );
    assert_eq!(
        judge(4, &prepare()),
        Verdict::Ignore(Ignored::Counter),
        "late"
    );
    assert_eq!(
        judge(3, &promise()),
        Verdict::Take,
        "the number of an answer is ours"
    );
    assert_eq!(judge(6, &prepare()), Verdict::Take);
}

#[test]
fn a_new_start_counts_from_the_beginning() {
    let mut session = proved();
    let far = header(70, OURS, 900);
    assert_eq!(
        session.judge(BootTime(0), &far, &prepare(), (OURS, 12)),
        Verdict::Take
    );
    session.judge(BootTime(0), &header(71, OURS, 12), &ANSWER, (OURS, 12));
    let first = header(71, OURS, 1);
    assert_eq!(
        session.judge(BootTime(0), &first, &prepare(), (OURS, 12)),
        Verdict::Take
    );
}

#[test]
fn proofs_are_asked_for_at_a_bounded_rate() {
    let mut session = proved();
    let mut judge = |at: Duration| {
        let now = BootTime(1_000_000_000) + at;
        session.judge(now, &header(71, OURS, 1), &prepare(), (OURS, 12))
    };
    let millis = Duration::from_millis;
    assert_eq!(judge(millis(0)), Verdict::AskNonce(Ignored::SenderNonce));
    assert_eq!(judge(millis(9)), Verdict::Ignore(Ignored::SenderNonce));
    assert_eq!(judge(millis(10)), Verdict::AskNonce(Ignored::SenderNonce));
}
