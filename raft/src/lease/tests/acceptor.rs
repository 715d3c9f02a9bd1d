//! The acceptor: every question in every state.

use std::time::Duration;

use super::front;
use crate::id::{Ballot, NodeId};
use crate::lease::acceptor::{Acceptor, Answer, Refusal, Request};
use crate::lease::{BootTime, Ignored, LEASE_MAX};

const T: Duration = Duration::from_millis(150);
const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

fn at(millis: u64) -> BootTime {
    BootTime(millis * 1_000_000)
}

fn ballot(counter: u64, node: NodeId) -> Ballot {
    Ballot { counter, node }
}

fn ask(acceptor: &mut Acceptor, millis: u64, request: Request) -> Answer {
    acceptor
        .handle(at(millis), &front(), request)
        .expect("it is not silent")
}

/// The states, all at the time 100 ms, made by what was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    /// Promised (5, A).
    Promised,
    /// Lent to A under (5, A) until 200 ms.
    Lent,
    /// The same, run out.
    RanOut,
    /// Released by A, to nobody.
    Released,
    /// Released by A to B.
    Kept,
}

fn acceptor(state: State) -> Acceptor {
    let mut acceptor = Acceptor::new(at(0));
    let propose = Request::Propose(ballot(5, A), T);
    let start = if state == State::RanOut { 0 } else { 50 };
    let before: &[(u64, Request)] = match state {
        State::Empty => &[],
        State::Promised => &[(start, Request::Prepare(ballot(5, A)))],
        State::Lent => &[(start, propose)],
        State::RanOut => &[(start, Request::Propose(ballot(5, A), T / 2))],
        State::Released => &[(start, propose), (60, Request::Release(ballot(5, A), None))],
        State::Kept => &[
            (start, propose),
            (60, Request::Release(ballot(5, A), Some(B))),
        ],
    };
    for (millis, request) in before {
        ask(&mut acceptor, *millis, *request);
    }
    acceptor
}

#[test]
fn every_question_in_every_state() {
    use Answer::{Accepted, Promised, Refused};
    let higher = |counter, node| Refused(Refusal::HigherBallot(ballot(counter, node)));
    let lives = |counter, node| Refused(Refusal::LiveLease(ballot(counter, node)));
    // Prepare and Propose are refused for the same reasons: the columns are ballots.
    let table = [
        //                (4, A)         (5, A)          (4, B)        (5, B)        (6, B)
        (State::Empty, [None, None, None, None, None]),
        (
            State::Promised,
            [Some(higher(5, A)), None, Some(higher(5, A)), None, None],
        ),
        (State::Lent, {
            let other = Some(lives(5, A));
            [Some(higher(5, A)), None, other, other, other]
        }),
        (
            State::RanOut,
            [Some(higher(5, A)), None, Some(higher(5, A)), None, None],
        ),
        (State::Released, {
            let late = Some(higher(6, NodeId(0)));
            [late, late, late, late, None]
        }),
        (State::Kept, {
            let other = Some(lives(6, B));
            let late = Some(higher(6, NodeId(0)));
            [other, other, late, late, None]
        }),
    ];
    let ballots = [
        ballot(4, A),
        ballot(5, A),
        ballot(4, B),
        ballot(5, B),
        ballot(6, B),
    ];
    for (state, refusals) in table {
        for (ballot, refusal) in ballots.into_iter().zip(refusals) {
            let prepared = ask(&mut acceptor(state), 100, Request::Prepare(ballot));
            assert_eq!(
                prepared,
                refusal.unwrap_or(Promised),
                "{state:?} Prepare {ballot}"
            );
            let proposed = ask(&mut acceptor(state), 100, Request::Propose(ballot, T));
            assert_eq!(
                proposed,
                refusal.unwrap_or(Accepted),
                "{state:?} Propose {ballot}"
            );
        }
    }
}

#[test]
fn release_counts_for_the_live_lease_of_its_ballot_only() {
    for state in [State::Empty, State::Promised, State::Lent, State::RanOut] {
        for (counter, node) in [(4, A), (5, A), (5, B), (6, A)] {
            let mut acceptor = acceptor(state);
            let was_lent = acceptor.live(at(100)).count();
            let request = Request::Release(ballot(counter, node), Some(B));
            assert_eq!(ask(&mut acceptor, 100, request), Answer::Accepted);
            let releases = state == State::Lent && (counter, node) == (5, A);
            let left = if releases { 0 } else { was_lent };
            assert_eq!(
                acceptor.live(at(100)).count(),
                left,
                "{state:?} Release {counter}.{node}"
            );
            assert_eq!(
                acceptor.is_reserved_for(&front(), B, at(100)),
                releases,
                "{state:?}"
            );
        }
    }
}

#[test]
fn a_lease_ends_at_receipt_plus_t() {
    let mut acceptor = acceptor(State::Lent);
    let other = Request::Prepare(ballot(6, B));
    assert_eq!(acceptor.free_at(&front(), B), at(200));
    assert_ne!(ask(&mut acceptor, 199, other), Answer::Promised);
    assert_eq!(ask(&mut acceptor, 200, other), Answer::Promised);
    let mut renewed = self::acceptor(State::Lent);
    ask(&mut renewed, 80, Request::Propose(ballot(5, A), T));
    assert_ne!(ask(&mut renewed, 229, other), Answer::Promised);
    assert_eq!(ask(&mut renewed, 230, other), Answer::Promised);
}

#[test]
fn what_was_released_is_free_from_then_on_and_not_since_ever() {
    let mut acceptor = acceptor(State::Lent);
    ask(&mut acceptor, 90, Request::Release(ballot(5, A), None));
    assert_eq!(
        acceptor.free_at(&front(), B),
        at(90),
        "from then on ranks count"
    );
}

#[test]
fn a_release_to_somebody_is_honoured_for_one_t() {
    let mut acceptor = acceptor(State::Kept);
    let third = Request::Prepare(ballot(9, NodeId(3)));
    assert_eq!(acceptor.free_at(&front(), NodeId(3)), at(210));
    assert!(
        acceptor.free_at(&front(), B) <= at(60),
        "free for whoever is named"
    );
    assert_ne!(ask(&mut acceptor, 209, third), Answer::Promised);
    assert_eq!(ask(&mut acceptor, 210, third), Answer::Promised);
}

#[test]
fn a_started_acceptor_is_silent() {
    let mut acceptor = Acceptor::new(at(1_100));
    for request in [
        Request::Prepare(ballot(1, A)),
        Request::Propose(ballot(1, A), T),
        Request::Release(ballot(1, A), None),
    ] {
        assert_eq!(
            acceptor.handle(at(1_099), &front(), request),
            Err(Ignored::Silent)
        );
    }
    assert_eq!(
        acceptor.free_at(&front(), A),
        at(1_100),
        "it cannot tell before"
    );
    assert_eq!(
        ask(&mut acceptor, 1_100, Request::Prepare(ballot(1, A))),
        Answer::Promised
    );
}

#[test]
fn nobody_gets_more_than_the_longest_lease() {
    let mut acceptor = Acceptor::new(at(0));
    let long = Request::Propose(ballot(1, A), LEASE_MAX + Duration::from_millis(1));
    assert_eq!(
        acceptor.handle(at(0), &front(), long),
        Err(Ignored::LeaseTooLong)
    );
    assert_eq!(acceptor.live(at(0)).count(), 0);
    assert_eq!(
        ask(&mut acceptor, 0, Request::Propose(ballot(1, A), LEASE_MAX)),
        Answer::Accepted
    );
}

#[test]
fn a_removed_group_is_forgotten_once_its_lease_has_run_out() {
    let mut acceptor = acceptor(State::Lent);
    acceptor.adopt(at(199), [].into());
    assert_eq!(acceptor.live(at(199)).count(), 1);
    acceptor.adopt(at(200), [].into());
    assert_eq!(acceptor.promised(&front()), Ballot::default());
}
