//! Every phase with what may be known in it.

use std::time::Duration;

use farmux_raft::id::NodeId;

use super::super::sequence::{End, Known, Next, Phase, Right, Rules, Step, Target, next};

const ME: NodeId = NodeId(1);
const TO: NodeId = NodeId(2);
const THIRD: NodeId = NodeId(3);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The owner with nothing in hand and a target that was asked just now.
fn calm(lasted: u64) -> Known {
    Known {
        lasted: ms(lasted),
        right: Right::Lent,
        owner: Some(ME),
        in_hand: 0,
        open: 0,
        shown: true,
        fenced: false,
        target: Target::Fit(ms(10)),
    }
}

fn rules(wait: u64) -> Rules {
    Rules {
        me: ME,
        to: TO,
        wait: ms(wait),
    }
}

fn check(phase: Phase, table: &[(&str, Known, Next)]) {
    for (what, known, expected) in table {
        let got = next(phase, known, &rules(30_000));
        assert_eq!(got, *expected, "{phase:?}: {what}");
    }
}

const REFUSE: Next = Next::Go(Step::Refuse, Phase::Refusing);
const CUT: Next = Next::Go(Step::Cut, Phase::Cutting);
const WITHDRAW: Next = Next::Go(Step::Withdraw, Phase::Withdrawing);
const RELEASE: Next = Next::Go(Step::Release, Phase::Handing);

#[test]
fn work_is_waited_for_but_not_for_ever() {
    let busy = |lasted| Known {
        in_hand: 3,
        open: 5,
        ..calm(lasted)
    };
    let idle = Known {
        open: 5,
        ..calm(200)
    };
    let unfit = Known {
        target: Target::Unfit,
        ..calm(5_000)
    };
    let long_ago = Known {
        target: Target::Fit(ms(1_001)),
        ..calm(5_000)
    };
    check(
        Phase::Closing,
        &[
            (
                "clients at work hear it with their next answer",
                calm(199),
                Next::Wait,
            ),
            ("nothing in hand", calm(200), REFUSE),
            ("idle connections are no work", idle, REFUSE),
            ("work in hand", busy(29_999), Next::Wait),
            ("the wait is over", busy(30_000), REFUSE),
            (
                "a target that cannot ends it",
                unfit,
                Next::Over(End::Unfit),
            ),
            (
                "one that was asked long ago is asked first",
                long_ago,
                Next::Wait,
            ),
        ],
    );
    let at_once = next(Phase::Closing, &busy(0), &rules(0));
    assert_eq!(at_once, REFUSE, "--wait 0");
}

#[test]
fn a_lease_that_is_lost_ends_it_in_every_phase_before_the_release() {
    let lost = |owner| Known {
        right: Right::None,
        owner,
        ..calm(5)
    };
    for phase in [
        Phase::Closing,
        Phase::Refusing,
        Phase::Cutting,
        Phase::Withdrawing,
    ] {
        let table = [
            (
                "by a third",
                lost(Some(THIRD)),
                Next::Over(End::Lost(Some(THIRD))),
            ),
            ("by nobody", lost(None), Next::Over(End::Lost(None))),
            (
                "held without a majority: nobody else could have it",
                Known {
                    right: Right::Alone,
                    ..calm(5)
                },
                Next::Over(End::Alone),
            ),
            (
                "our acceptor is late",
                lost(Some(ME)),
                Next::Over(End::Lost(None)),
            ),
        ];
        check(phase, &table);
    }
}

#[test]
fn new_connections_are_refused_for_twenty_milliseconds_at_most() {
    let known = |in_hand, open, lasted| Known {
        in_hand,
        open,
        ..calm(lasted)
    };
    check(
        Phase::Refusing,
        &[
            ("the accept queues empty first", calm(3), Next::Wait),
            ("nothing is left", calm(4), WITHDRAW),
            (
                "nothing is left, behind a fence",
                Known {
                    fenced: true,
                    ..calm(4)
                },
                RELEASE,
            ),
            (
                "what was just accepted is answered",
                known(1, 2, 19),
                Next::Wait,
            ),
            ("only idle ones are left", known(0, 2, 4), CUT),
            ("the time is over", known(1, 2, 20), CUT),
        ],
    );
}

#[test]
fn connections_end_before_the_address_and_the_address_before_the_lease() {
    let open = |lasted| Known {
        in_hand: 1,
        open: 2,
        ..calm(lasted)
    };
    let fenced = Known {
        fenced: true,
        ..calm(0)
    };
    let hidden = Known {
        shown: false,
        ..calm(0)
    };
    check(
        Phase::Cutting,
        &[
            ("resets are on their way", open(9), Next::Wait),
            ("all are gone", calm(0), WITHDRAW),
            ("the fence closes with the lease", fenced, RELEASE),
            ("a runtime is slow", open(10), WITHDRAW),
        ],
    );
    check(
        Phase::Withdrawing,
        &[
            ("the address is still here", calm(99), Next::Wait),
            ("it is gone", hidden, RELEASE),
            ("the kernel is slow", calm(100), RELEASE),
        ],
    );
}

#[test]
fn it_is_over_when_somebody_has_it() {
    let seen = |owns, owner, lasted| Known {
        right: match owns {
            true => Right::Lent,
            false => Right::None,
        },
        owner,
        ..calm(lasted)
    };
    check(
        Phase::Handing,
        &[
            ("not given up yet", seen(true, Some(ME), 1), Next::Wait),
            ("nobody has it yet", seen(false, None, 2_999), Next::Wait),
            (
                "the other has it",
                seen(false, Some(TO), 12),
                Next::Over(End::Moved),
            ),
            (
                "a third one was faster",
                seen(false, Some(THIRD), 200),
                Next::Over(End::Elsewhere(THIRD)),
            ),
            (
                "it came back",
                seen(true, Some(ME), 460),
                Next::Over(End::Back),
            ),
            (
                "nobody took it",
                seen(false, None, 3_000),
                Next::Over(End::Nobody),
            ),
        ],
    );
}
