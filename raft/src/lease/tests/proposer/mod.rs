//! The proposer: every rule of section 4, a question and an answer at a time.
//!
//! Times are milliseconds. What it does is written as text: `prepare 1 to 123` asks the nodes 1, 2
//! and 3 to promise the ballot with the counter 1; `own 1 until 638`; `lost`; `-` for nothing.

mod bench;
mod hold;

use std::collections::BTreeSet;
use std::time::Duration;

use self::bench::{Bench, at, ballot};
use super::roster;
use crate::id::{Ballot, NodeId};
use crate::lease::acceptor::{Answer, Refusal};
use crate::lease::{Ignored, Member, Roster, Timing};
use crate::state::NodeRole;

const HIGHER: Answer = Answer::Refused(Refusal::HigherBallot(Ballot {
    counter: 7,
    node: NodeId(2),
}));
const LIVES: Answer = Answer::Refused(Refusal::LiveLease(Ballot {
    counter: 7,
    node: NodeId(2),
}));
const STRANGER: Answer = Answer::Refused(Refusal::NotAVoter);

#[test]
fn every_answer_in_every_state() {
    let stale = "stale-answer";
    let releasing = || {
        let mut bench = Bench::owner();
        assert_eq!(bench.release(510, None), "lost, release 1 to 123");
        bench
    };
    let contested = || {
        let mut bench = Bench::owner();
        assert_eq!(bench.answer(507, 3, HIGHER), "prepare 8 to 123");
        bench
    };
    // A second Promised or Accepted is the one that makes a majority.
    type Make = fn() -> Bench;
    let table: [(&str, Make, [&str; 5]); 6] = [
        // state                          Promised x 2        Accepted x 2  higher  lives  stranger
        (
            "preparing",
            Bench::preparing,
            ["propose 1 to 123", stale, "-", "-", "-"],
        ),
        (
            "proposing",
            Bench::proposing,
            // A no: whoever said yes, its own acceptor first of all, is to forget it.
            [
                stale,
                "own 1 until 638",
                "release 1 to 123",
                "release 1 to 123",
                "release 1 to 123",
            ],
        ),
        (
            "owner",
            Bench::owner,
            [stale, "-", "prepare 8 to 123", "-", "-"],
        ),
        (
            "contested",
            contested,
            ["propose 8 to 123", stale, "prepare 9 to 123", "-", "-"],
        ),
        ("releasing", releasing, [stale, "-", "-", "-", "-"]),
        (
            "refused",
            || {
                let mut bench = Bench::preparing();
                assert_eq!(bench.answer(502, 2, LIVES), "-");
                bench
            },
            [stale, stale, stale, stale, stale],
        ),
    ];
    for (state, make, [promised, accepted, higher, lives, stranger]) in table {
        for (answer, expected) in [(Answer::Promised, promised), (Answer::Accepted, accepted)] {
            let mut bench = make();
            bench.answer(511, 2, answer);
            assert_eq!(
                bench.answer(511, 3, answer),
                expected,
                "{state}: {answer:?}"
            );
        }
        for (answer, expected) in [(HIGHER, higher), (LIVES, lives), (STRANGER, stranger)] {
            assert_eq!(
                make().answer(511, 3, answer),
                expected,
                "{state}: {answer:?}"
            );
        }
    }
}

#[test]
fn it_is_quiet_after_its_start_then_waits_for_its_acceptor_and_its_rank() {
    for (free_at, rank, first) in [(0, 0, 450), (0, 2, 466), (500, 0, 500), (500, 1, 508)] {
        let mut bench = Bench {
            free_at,
            rank,
            ..Bench::new()
        };
        assert_eq!(bench.due(0), Some(first));
        assert_eq!(bench.poll(first - 1), "-");
        assert_eq!(
            bench.poll(first),
            "prepare 1 to 123",
            "free at {free_at}, rank {rank}"
        );
    }
}

#[test]
fn who_is_unfit_a_witness_or_no_voter_proposes_nothing() {
    let unfit = Bench {
        fit: false,
        ..Bench::new()
    };
    let witness = Bench {
        roster: roster(3, 2, 1),
        ..Bench::new()
    };
    let mut stranger = Bench::new();
    stranger.roster.halves[0].remove(&NodeId(1));
    for mut bench in [unfit, witness, stranger] {
        assert_eq!(
            (bench.poll(9_000), bench.due(9_000)),
            ("-".to_owned(), None)
        );
    }
}

#[test]
fn the_ballot_is_above_all_that_it_heard() {
    let mut bench = Bench {
        promised: ballot(6, 3),
        ..Bench::new()
    };
    assert_eq!(bench.poll(500), "prepare 7 to 123");
    let mut logged = Bench {
        floor: ballot(11, 3),
        ..Bench::new()
    };
    assert_eq!(logged.poll(500), "prepare 12 to 123");
    let mut refused = Bench::preparing();
    assert_eq!(refused.answer(501, 2, HIGHER), "-");
    assert_eq!(
        refused.poll(521),
        "prepare 8 to 123",
        "after 10 to 20 ms at random"
    );
    let mut lives = Bench::preparing();
    assert_eq!(lives.answer(501, 2, LIVES), "-");
    assert_eq!(lives.poll(510), "-");
    assert_eq!(lives.poll(521), "prepare 8 to 123");
}

#[test]
fn what_a_stand_by_proposed_in_vain_is_given_back() {
    let mut refused = Bench::proposing();
    assert_eq!(refused.answer(504, 1, Answer::Accepted), "-");
    let taken_back = "release 1 to 123";
    assert_eq!(refused.answer(505, 2, HIGHER), taken_back);
    assert_eq!(
        refused.answer(506, 3, Answer::Accepted),
        "stale-answer",
        "it was given up, and owns nothing by it"
    );
    let mut alone = Bench::proposing();
    alone.answer(504, 1, Answer::Accepted);
    for millis in 505..533 {
        let did = alone.poll(millis);
        assert!(!did.contains("release"), "at {millis}: {did}");
    }
    assert_eq!(alone.poll(533), taken_back, "nobody else answered within R");
}

#[test]
fn whoever_did_not_answer_is_asked_again_until_the_round_is_over() {
    let mut bench = Bench::preparing();
    assert_eq!(bench.answer(501, 1, Answer::Promised), "-");
    assert_eq!(bench.due(501), Some(510));
    assert_eq!(bench.poll(509), "-");
    assert_eq!(bench.poll(510), "prepare 1 to 23");
    assert_eq!(bench.poll(520), "prepare 1 to 23");
    assert_eq!(bench.poll(530), "-", "the round is over after R");
    let mut owner = Bench::proposing();
    owner.answer(504, 1, Answer::Accepted);
    assert_eq!(owner.answer(505, 2, Answer::Accepted), "own 1 until 638");
    assert_eq!(
        owner.poll(513),
        "propose 1 to 3",
        "the third is asked even after the majority"
    );
}

#[test]
fn pauses_grow_to_a_second_while_nobody_answers_and_shrink_when_somebody_does() {
    let mut bench = Bench::new();
    let mut attempts = Vec::new();
    let mut asked = 0;
    for millis in 500..20_000 {
        let did = bench.poll(millis);
        if did.starts_with("prepare") && did != format!("prepare {asked} to 123") {
            asked += 1;
            attempts.push(millis);
        }
    }
    let pauses: Vec<u64> = attempts
        .windows(2)
        .map(|pair| pair[1] - pair[0] - 30)
        .collect();
    assert!((10..=20).contains(&pauses[0]), "{pauses:?}");
    assert!((20..=40).contains(&pauses[1]), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 1_000), "{pauses:?}");
    assert_eq!(pauses.last(), Some(&1_000), "{pauses:?}");
    let now = attempts[attempts.len() - 1] + 2_000;
    while !bench.poll(now).starts_with("prepare") {}
    bench.answer(now, 2, LIVES);
    assert_eq!(bench.poll(now + 9), "-");
    assert!(bench.poll(now + 21).starts_with("prepare"));
}

#[test]
fn an_owner_owns_for_nine_tenths_of_t_from_before_its_question() {
    let mut bench = Bench::owner();
    assert_eq!(
        bench.poll(533),
        "propose 1 to 123",
        "R after the last, with the same ballot"
    );
    assert_eq!(bench.answer(534, 1, Answer::Accepted), "-");
    assert_eq!(
        bench.answer(540, 3, Answer::Accepted),
        "own 1 until 668",
        "533 + 135"
    );
    assert_eq!(bench.poll(563), "propose 1 to 123");
    for millis in [593, 623, 653] {
        assert_eq!(bench.poll(millis), "prepare 1 to 123");
    }
    bench.free_at = 800;
    assert_eq!(bench.due(653), Some(663));
    assert_eq!(bench.poll(663), "prepare 1 to 123");
    assert_eq!(bench.due(663), Some(668), "it wakes up for the end");
    assert_eq!(bench.poll(668), "lost");
    assert_eq!(
        bench.poll(799),
        "-",
        "without a live lease nobody sends Propose as a renewal"
    );
    assert_eq!(bench.poll(800), "prepare 2 to 123");
}

/// Whoever hears nothing and is heard would lend the VIP to itself for ever: the first round that
/// nobody answers is the last that lends.
#[test]
fn an_owner_that_nobody_answered_asks_for_a_promise_first() {
    let mut bench = Bench::owner();
    assert_eq!(bench.poll(533), "propose 1 to 123");
    assert_eq!(bench.poll(563), "prepare 1 to 123");
    assert_eq!(bench.answer(564, 1, Answer::Promised), "-");
    assert_eq!(bench.answer(564, 3, Answer::Promised), "propose 1 to 123");
    assert_eq!(bench.answer(565, 1, Answer::Accepted), "-");
    assert_eq!(bench.answer(565, 3, Answer::Accepted), "own 1 until 699");
    assert_eq!(bench.poll(594), "propose 1 to 123", "it is heard again");
    let mut alone = Bench::owner();
    alone.roster = roster(1, 1, 0);
    assert_eq!(alone.poll(533), "propose 1 to 1");
    assert_eq!(alone.answer(534, 1, Answer::Accepted), "own 1 until 668");
    assert_eq!(alone.poll(563), "propose 1 to 1", "there is nobody to hear");
}

#[test]
fn an_acceptance_that_comes_too_late_is_worth_nothing() {
    let mut bench = Bench::proposing();
    assert_eq!(bench.answer(504, 1, Answer::Accepted), "-");
    assert_eq!(bench.answer(638, 2, Answer::Accepted), "-");
    let mut timely = Bench::proposing();
    assert_eq!(timely.answer(504, 1, Answer::Accepted), "-");
    assert_eq!(timely.answer(637, 2, Answer::Accepted), "own 1 until 638");
}

#[test]
fn a_contested_owner_keeps_its_lease_and_prepares_above() {
    let mut bench = Bench::owner();
    assert_eq!(bench.poll(533), "propose 1 to 123");
    assert_eq!(bench.answer(534, 3, HIGHER), "prepare 8 to 123");
    assert_eq!(bench.proposer.lease().map(|held| held.until), Some(at(638)));
    assert_eq!(bench.answer(535, 1, Answer::Promised), "-");
    assert_eq!(bench.answer(536, 2, Answer::Promised), "propose 8 to 123");
    assert_eq!(bench.answer(537, 1, Answer::Accepted), "-");
    assert_eq!(bench.answer(538, 2, Answer::Accepted), "own 8 until 671");
    assert_eq!(bench.poll(566), "propose 8 to 123");
}

/// Two of three acceptors were restarted while the leader of the log stayed: they lent under
/// ballots from one again, and within that term the log refused all that their owner reported.
#[test]
fn an_owner_below_the_ballot_of_the_log_keeps_its_lease_and_prepares_above() {
    let mut bench = Bench::owner();
    bench.floor = ballot(7, 2);
    assert_eq!(bench.poll(533), "prepare 8 to 123");
    assert_eq!(bench.proposer.lease().map(|held| held.until), Some(at(638)));
    assert_eq!(bench.answer(535, 1, Answer::Promised), "-");
    assert_eq!(bench.answer(536, 2, Answer::Promised), "propose 8 to 123");
    assert_eq!(bench.answer(537, 1, Answer::Accepted), "-");
    assert_eq!(bench.answer(538, 2, Answer::Accepted), "own 8 until 671");
    bench.floor = ballot(8, 1);
    assert_eq!(bench.poll(566), "propose 8 to 123", "its own report");
}

#[test]
fn another_lease_or_no_vote_ends_it_at_its_own_time() {
    for refusal in [LIVES, STRANGER] {
        let mut bench = Bench::owner();
        assert_eq!(bench.poll(533), "propose 1 to 123");
        assert_eq!(bench.answer(534, 2, refusal), "-");
        assert_eq!(bench.answer(534, 3, refusal), "-");
        assert_eq!(bench.poll(563), "propose 1 to 123", "its time is not over");
        bench.free_at = 900;
        assert_eq!(bench.poll(638), "lost");
    }
}

#[test]
fn answers_count_for_their_own_question_only() {
    let mut bench = Bench::proposing();
    let first = bench.counter - 1;
    let mut stale = |question, answer| bench.try_answer(504, 2, question, answer).err();
    assert_eq!(
        stale((first - 1, ballot(1, 1)), Answer::Accepted),
        Some(Ignored::StaleAnswer)
    );
    assert_eq!(
        stale((first, ballot(2, 1)), Answer::Accepted),
        Some(Ignored::StaleAnswer)
    );
    assert_eq!(
        stale((first, ballot(1, 1)), Answer::Promised),
        Some(Ignored::StaleAnswer)
    );
    assert_eq!(stale((first, ballot(1, 1)), Answer::Accepted), None);
}

#[test]
fn an_owner_that_nobody_answered_stands_back_for_half_of_t() {
    let mut deaf = Bench::owner();
    let mut heard = Bench::owner();
    for millis in (533..638).step_by(5) {
        deaf.poll(millis);
        heard.poll(millis);
        heard.answer(millis + 1, 2, STRANGER);
    }
    assert_eq!(deaf.poll(638), "lost");
    assert_eq!(deaf.poll(712), "-");
    assert_eq!(deaf.poll(713), "prepare 2 to 123");
    assert_eq!(heard.poll(638), "lost, prepare 2 to 123");
}

#[test]
fn whoever_was_cut_off_listens_before_it_proposes_where_somebody_may_hold() {
    for hold in [true, false] {
        let mut bench = Bench {
            hold,
            ..Bench::preparing()
        };
        assert_eq!(bench.poll(530), "-", "nobody answered within R");
        let again = bench.poll(551);
        assert!(again.starts_with("prepare"), "{again}");
        bench.answer(552, 1, Answer::Promised);
        let first = bench.answer(553, 3, Answer::Promised);
        if hold {
            assert_eq!(first, "-", "it is heard again, and would win");
            assert_eq!(bench.poll(612), "-");
            let did = bench.poll(613);
            assert!(did.starts_with("prepare"), "nobody holds: {did}");
        } else {
            assert!(first.starts_with("propose"), "{first}");
        }
    }
}

#[test]
fn a_majority_is_one_of_each_half_and_a_learner_counts_in_none() {
    let nodes = |ids: &[u64]| ids.iter().map(|id| NodeId(*id)).collect::<BTreeSet<_>>();
    let joint = Roster {
        halves: vec![nodes(&[1, 2, 3]), nodes(&[3, 4, 5])],
        ..roster(1, 5, 0)
    };
    for (granted, won) in [
        (&[1, 2][..], false),
        (&[4, 5], false),
        (&[1, 3], false),
        (&[1, 2, 4, 5], true),
        (&[1, 3, 4], true),
    ] {
        assert_eq!(joint.is_majority(&nodes(granted)), won, "{granted:?}");
    }
    assert!(
        !Roster {
            halves: Vec::new(),
            ..joint
        }
        .is_majority(&nodes(&[1, 2, 3]))
    );

    let mut bench = Bench::new();
    let learner = Member {
        addresses: Vec::new(),
        role: NodeRole::Balancer,
    };
    bench.roster.members.insert(NodeId(4), learner);
    assert_eq!(bench.poll(500), "prepare 1 to 1234", "a learner is asked");
    assert_eq!(bench.answer(501, 1, Answer::Promised), "-");
    assert_eq!(
        bench.answer(501, 4, Answer::Promised),
        "-",
        "and not counted"
    );
    assert_eq!(bench.answer(501, 4, HIGHER), "-", "nor is its refusal");
    assert_eq!(bench.answer(502, 2, Answer::Promised), "propose 1 to 1234");
}

#[test]
fn a_release_is_lost_first_then_said_and_followed_by_quiet() {
    let mut bench = Bench::owner();
    assert_eq!(bench.release(510, Some(3)), "lost, release 1 for n3 to 123");
    assert_eq!(bench.answer(511, 1, Answer::Accepted), "-");
    assert_eq!(
        bench.poll(520),
        "release 1 for n3 to 23",
        "it is a question like any other"
    );
    bench.free_at = 510;
    assert_eq!(bench.poll(550), "-");
    assert_eq!(bench.poll(959), "-", "quiet for 3 T");
    assert_eq!(bench.poll(960), "prepare 2 to 123");
    assert_eq!(
        Bench::proposing().release(504, None),
        "release 1 to 123",
        "it may be lent already"
    );
    assert_eq!(Bench::new().release(504, None), "-", "nothing to release");
}

#[test]
fn whoever_is_named_in_a_release_proposes_at_once() {
    let mut bench = Bench {
        invited: true,
        rank: 5,
        free_at: 9_000,
        ..Bench::new()
    };
    assert_eq!(bench.poll(600), "prepare 1 to 123");
}

/// A VIP that is moved away and back at once stays on nobody for no longer than the first time.
#[test]
fn whoever_let_go_takes_again_what_is_left_to_it() {
    let mut bench = Bench::owner();
    assert_eq!(bench.release(510, Some(3)), "lost, release 1 for n3 to 123");
    assert_eq!(bench.poll(540), "-");
    bench.invited = true;
    assert_eq!(bench.poll(600), "prepare 2 to 123");
    let mut fresh = Bench {
        invited: true,
        ..Bench::new()
    };
    assert_eq!(fresh.poll(449), "-", "in its first 3 T it may not");
    assert_eq!(fresh.poll(450), "prepare 1 to 123");
}

#[test]
fn who_hears_holding_proposes_nothing_for_two_t() {
    let mut bench = Bench::new();
    assert_eq!(bench.hear_holding(480, ballot(1, 2)), "-");
    assert_eq!(bench.poll(779), "-");
    assert_eq!(bench.poll(780), "prepare 1 to 123");
    assert_eq!(
        Timing::default().holding_quiet(),
        Duration::from_millis(300)
    );
}
