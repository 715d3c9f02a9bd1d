//! The proposer without a majority: every rule of section 5, a moment at a time.
//!
//! Words as beside it; `hold 1 until 743` is a deadline without a majority, `tell 1` says Holding
//! to everybody, and a hold that ends says why before `lost`.

use super::bench::{Bench, at, ballot};
use super::{LIVES, STRANGER};
use crate::lease::acceptor::{Answer, Refusal};
use crate::lease::hold::Pair;
use crate::lease::{MISSED_MAX, Vacancy, Wanted};

/// One that owns until 638 and then, unanswered, holds; asked at 608.
fn holder() -> Bench {
    let mut bench = Bench {
        hold: true,
        ..Bench::owner()
    };
    for millis in [533, 543, 553, 563, 573, 583, 593, 603] {
        bench.poll(millis);
    }
    bench.free_at = 654;
    assert_eq!(bench.due(604), Some(608), "R before its lease ends");
    assert_eq!(bench.poll(608), "hold 1 until 743, tell 1");
    bench
}

/// What the network says when nobody is in the way.
fn vacant(bench: &mut Bench, from: u64, to: u64) {
    bench.outlook.answered_at = Some(at(to));
    bench.outlook.missed = 0;
    bench.outlook.vacancy = Some(Vacancy {
        from: at(from),
        to: at(to),
    });
}

#[test]
fn h1_a_hold_continues_a_live_lease_and_never_more_than_nine_tenths_of_t_ahead() {
    let mut bench = holder();
    assert_eq!(bench.wanted(608), Wanted::EchoesFromVip);
    let mut until = 743;
    for millis in 609..3_000 {
        bench.outlook.answered_at = Some(at(millis));
        let did = bench.poll(millis);
        if did.contains("hold 1") {
            until = millis + 135;
            assert!(
                did.contains(&format!("hold 1 until {until}, tell 1")),
                "{did}"
            );
        }
        assert!(!did.contains("lost"), "at {millis}: {did}");
        assert!(until - millis > 135 - 31, "it is extended every R");
    }
}

#[test]
fn h1_no_deadline_outlives_the_gateways_last_answer_by_more_than_180_ms() {
    let mut bench = holder();
    bench.outlook.answered_at = Some(at(610));
    assert!(bench.poll(638).starts_with("hold 1 until 773, tell 1"));
    // From now on it is silent, and the misses are not counted: that thread is stuck.
    assert!(bench.poll(668).starts_with("hold 1 until 790, tell 1"));
    assert!(bench.poll(698).starts_with("hold 1 until 790, tell 1"));
    let did = bench.poll(790);
    assert!(did.contains("lost") && !did.contains("hold"), "{did}");
}

#[test]
fn h1_whoever_was_paused_over_the_end_of_its_lease_holds_nothing() {
    let mut bench = Bench {
        hold: true,
        free_at: 900,
        ..Bench::owner()
    };
    assert_eq!(bench.poll(638), "lost");
    vacant(&mut bench, 650, 710);
    assert_eq!(bench.poll(710), "-");
    assert_eq!(bench.wanted(710), Wanted::Nothing);
}

#[test]
fn with_release_the_deadline_passes() {
    let mut bench = Bench {
        hold: false,
        ..Bench::owner()
    };
    bench.free_at = 900;
    for millis in 506..638 {
        let did = bench.poll(millis);
        assert!(!did.contains("hold") && !did.contains("tell"), "{did}");
    }
    assert_eq!(bench.poll(638), "lost");
}

#[test]
fn h2_it_prepares_and_a_majority_makes_it_an_owner_again() {
    let mut bench = holder();
    // The renewal that was under way is over at 623; from then on it prepares every R.
    assert_eq!(bench.poll(623), "prepare 2 to 123");
    assert_eq!(bench.answer(624, 1, Answer::Promised), "-");
    assert_eq!(bench.answer(625, 3, Answer::Promised), "propose 2 to 123");
    assert_eq!(bench.answer(626, 1, Answer::Accepted), "-");
    assert_eq!(bench.answer(627, 3, Answer::Accepted), "own 2 until 760");
    assert_eq!(bench.wanted(627), Wanted::Nothing);
    assert_eq!(
        bench.proposer.lease().and_then(|held| held.alone_since),
        None
    );
}

#[test]
fn h2_a_higher_ballot_is_answered_with_the_next_round_not_with_a_chase() {
    let mut bench = holder();
    assert_eq!(bench.poll(623), "prepare 2 to 123");
    let higher = Answer::Refused(Refusal::HigherBallot(ballot(9, 2)));
    assert_eq!(bench.answer(624, 2, higher), "-");
    assert!(bench.poll(653).contains("prepare 10 to 123"));
}

#[test]
fn h3_each_reason_ends_it_at_once() {
    type Happens = fn(&mut Bench) -> String;
    let table: [(&str, Happens); 6] = [
        ("claimed, lost", |bench| {
            bench.outlook.claimed_at = Some(at(609));
            bench.poll(610)
        }),
        ("reference-silent, lost, release 1 to 123", |bench| {
            bench.outlook.missed = MISSED_MAX;
            bench.poll(610)
        }),
        ("reference-silent, lost, release 1 to 123", |bench| {
            bench.outlook.missed = MISSED_MAX - 1;
            bench.outlook.elsewhere = true;
            bench.poll(610)
        }),
        ("higher-holding, lost", |bench| {
            bench.hear_holding(610, ballot(2, 2))
        }),
        ("others-lease, lost", |bench| {
            bench.poll(623);
            bench.answer(624, 2, LIVES)
        }),
        ("not-a-voter, lost", |bench| {
            bench.poll(623);
            bench.answer(624, 2, STRANGER)
        }),
    ];
    for (wanted, happens) in table {
        let mut bench = holder();
        bench.free_at = 9_000;
        assert_eq!(happens(&mut bench), wanted);
        assert_eq!(bench.proposer.lease(), None);
    }
}

#[test]
fn h3_what_does_not_end_it() {
    let mut bench = holder();
    // A claim from before: a live lease defends.
    bench.outlook.claimed_at = Some(at(600));
    bench.outlook.missed = MISSED_MAX - 1;
    assert_eq!(bench.poll(610), "-");
    assert_eq!(
        bench.hear_holding(611, ballot(1, 0)),
        "-",
        "a lower one yields itself"
    );
    assert!(bench.proposer.lease().is_some());
}

#[test]
fn none_begins_against_a_silent_gateway_or_after_a_refusal() {
    let mut silent = Bench {
        hold: true,
        free_at: 654,
        ..Bench::owner()
    };
    silent.outlook.missed = MISSED_MAX;
    let mut refused = Bench {
        hold: true,
        free_at: 654,
        ..Bench::owner()
    };
    assert_eq!(refused.poll(533), "propose 1 to 123");
    assert_eq!(refused.answer(534, 2, LIVES), "-");
    for bench in [&mut silent, &mut refused] {
        for millis in 535..638 {
            let did = bench.poll(millis);
            assert!(!did.contains("hold"), "{did}");
        }
        assert_eq!(bench.poll(638), "lost");
    }
}

#[test]
fn h4_whoever_hears_holding_proposes_nothing_for_2_t() {
    let mut bench = Bench::new();
    assert_eq!(bench.hear_holding(490, ballot(5, 2)), "-");
    assert_eq!(bench.poll(789), "-");
    assert_eq!(bench.poll(790), "prepare 1 to 123");
}

#[test]
fn h4_the_quiet_ends_with_a_release_of_whoever_held_and_of_nobody_else() {
    let mut bench = Bench::new();
    bench.hear_holding(490, ballot(5, 2));
    bench.hear_holding(491, ballot(6, 3));
    bench.proposer.heard_release(ballot(5, 2));
    assert_eq!(bench.poll(700), "-", "3 holds");
    bench.proposer.heard_release(ballot(6, 3));
    assert_eq!(bench.poll(701), "prepare 1 to 123");
}

#[test]
fn an_owner_whose_renewal_nobody_answers_asks_the_gateway_before_it_has_to_hold() {
    let mut bench = Bench {
        hold: true,
        ..Bench::owner()
    };
    assert_eq!(bench.wanted(562), Wanted::Nothing, "renewed at 503");
    assert_eq!(bench.wanted(563), Wanted::EchoesFromVip);
    bench.hold = false;
    assert_eq!(bench.wanted(563), Wanted::Nothing);
}

#[test]
fn h5_it_resumes_where_the_gateway_answers_again_and_nobody_has_the_vip() {
    let lost = || {
        let mut bench = holder();
        bench.free_at = 654;
        bench.outlook.missed = MISSED_MAX;
        let over = "reference-silent, lost, release 1 to 123";
        assert_eq!(bench.poll(700), over);
        bench.poll(710);
        assert_eq!(bench.wanted(710), Wanted::Echoes, "first the gateway");
        bench.outlook.missed = 0;
        bench.outlook.answered_at = Some(at(2_000));
        bench.poll(2_000);
        assert_eq!(bench.wanted(2_000), Wanted::Probes, "then the VIP");
        bench
    };
    let mut bench = lost();
    vacant(&mut bench, 2_001, 2_061);
    let did = bench.poll(2_061);
    assert!(
        did.starts_with("hold 1 until 2196, tell 1, prepare "),
        "{did}"
    );

    let mut claimed = lost();
    vacant(&mut claimed, 2_001, 2_061);
    claimed.outlook.claimed_at = Some(at(1_000));
    let mut somebody = lost();
    somebody.outlook.answered_at = Some(at(2_061));
    let mut early = lost();
    vacant(&mut early, 650, 2_061);
    let mut stale = lost();
    vacant(&mut stale, 2_001, 1_900);
    stale.outlook.answered_at = Some(at(2_061));
    let mut other = lost();
    vacant(&mut other, 2_001, 2_061);
    other.hear_holding(2_050, ballot(1, 0));
    let mut lent = lost();
    vacant(&mut lent, 2_001, 2_061);
    lent.free_at = 9_000;
    for (why, mut bench) in [
        ("claimed since", claimed),
        ("the probes are not over", somebody),
        ("probes from before", early),
        ("probes of long ago", stale),
        ("another holds", other),
        ("lent to another", lent),
    ] {
        let did = bench.poll(2_061);
        assert!(!did.contains("hold"), "{why}: {did}");
    }
}

#[test]
fn h5_nothing_is_resumed_where_the_gateway_answers_this_machine_and_not_the_vip() {
    let mut bench = holder();
    bench.free_at = 654;
    bench.outlook.missed = MISSED_MAX;
    bench.outlook.elsewhere = true;
    bench.poll(700);
    bench.outlook.elsewhere = false;
    for millis in (2_000..2_100).step_by(10) {
        vacant(&mut bench, 1_990, millis);
        let did = bench.poll(millis);
        assert!(!did.contains("hold"), "at {millis}: {did}");
        assert_eq!(bench.wanted(millis), Wanted::Nothing);
    }
}

#[test]
fn h5_nothing_is_resumed_where_another_was_lent_it_or_the_thread_was_late_to_hear_of_another() {
    let mut lent = holder();
    lent.outlook.missed = MISSED_MAX;
    lent.poll(700);
    lent.proposer.heard_lent();
    let mut late = holder();
    late.outlook.elsewhere = true;
    assert_eq!(late.poll(743), "late, lost");
    for (why, mut bench) in [("lent", lent), ("late", late)] {
        bench.free_at = 654;
        bench.outlook.elsewhere = false;
        for millis in (2_000..2_100).step_by(10) {
            vacant(&mut bench, 1_990, millis);
            let did = bench.poll(millis);
            assert!(!did.contains("hold"), "{why} at {millis}: {did}");
        }
    }
}

#[test]
fn a_hold_that_is_let_go_says_so() {
    let mut bench = holder();
    assert_eq!(bench.release(610, None), "released, lost, release 1 to 123");
}

#[test]
fn h5_it_resumes_after_a_restart_within_the_same_boot() {
    let mut bench = Bench {
        hold: true,
        free_at: 1_600,
        ..Bench::new()
    };
    bench.remember(ballot(7, 1), 100);
    assert_eq!(bench.poll(460), "-", "its acceptor does not know yet");
    bench.poll(1_600);
    assert_eq!(bench.wanted(1_600), Wanted::Echoes);
    vacant(&mut bench, 1_601, 1_661);
    let did = bench.poll(1_661);
    assert!(
        did.starts_with("hold 7 until 1796, tell 7, prepare "),
        "{did}"
    );

    let mut claimed = Bench {
        hold: true,
        free_at: 1_600,
        ..Bench::new()
    };
    claimed.remember(ballot(7, 1), 100);
    claimed.outlook.claimed_at = Some(at(200));
    claimed.poll(1_600);
    vacant(&mut claimed, 1_601, 1_661);
    assert!(!claimed.poll(1_661).contains("hold"));
}

/// A stand-by of two whose peer was last heard at 500.
fn survivor() -> Bench {
    Bench {
        hold: true,
        roster: super::roster(1, 2, 0),
        free_at: 640,
        pair: Some(Pair {
            heard: Some(at(500)),
            cold_until: at(30_000),
        }),
        promised: ballot(4, 2),
        ..Bench::new()
    }
}

#[test]
fn the_survivor_of_a_pair_takes_when_everything_says_that_the_other_is_gone() {
    let mut bench = survivor();
    assert_eq!(bench.poll(640), "prepare 5 to 12");
    assert_eq!(bench.wanted(640), Wanted::Nothing, "silent for less than T");
    bench.poll(650);
    assert_eq!(bench.wanted(650), Wanted::Echoes);
    vacant(&mut bench, 652, 712);
    let did = bench.poll(712);
    assert!(
        did.contains("hold 6 until 847, tell 6, prepare 7 to 12"),
        "{did}"
    );
}

#[test]
fn the_survivor_takes_nothing_while_anything_speaks_against_it() {
    type Change = fn(&mut Bench);
    let table: [(&str, Change); 7] = [
        ("the other was heard", |bench| {
            bench.pair = Some(Pair {
                heard: Some(at(600)),
                cold_until: at(30_000),
            });
        }),
        ("no carrier", |bench| bench.outlook.carrier = false),
        ("the gateway answers too late", |bench| {
            bench.outlook.answered_at = Some(at(611));
        }),
        ("the gateway missed one", |bench| bench.outlook.missed = 1),
        ("somebody answers for the VIP", |bench| {
            bench.outlook.vacancy = None
        }),
        ("a claim", |bench| bench.outlook.claimed_at = Some(at(700))),
        ("a setting", |bench| bench.pair = None),
    ];
    for (why, change) in table {
        let mut bench = survivor();
        bench.poll(640);
        bench.poll(650);
        vacant(&mut bench, 652, 712);
        change(&mut bench);
        let did = bench.poll(712);
        assert!(!did.contains("hold"), "{why}: {did}");
    }
}

#[test]
fn whoever_takes_says_so_until_the_gateway_is_seen_to_know_another() {
    let mut bench = survivor();
    bench.poll(640);
    bench.poll(650);
    vacant(&mut bench, 652, 712);
    bench.poll(712);
    let taken = |bench: &Bench| bench.proposer.lease().is_some_and(|held| held.taken);
    assert!(taken(&bench));
    bench.outlook.elsewhere = true;
    bench.poll(742);
    assert!(!taken(&bench));
    bench.outlook.elsewhere = false;
    bench.poll(772);
    assert!(!taken(&bench), "and never again");
    let mut resumed = holder();
    resumed.poll(638);
    assert!(!taken(&resumed), "whoever goes on announces nothing");
}

#[test]
fn a_pair_that_starts_cold_waits_for_the_other() {
    let mut bench = survivor();
    bench.pair = Some(Pair {
        heard: None,
        cold_until: at(30_000),
    });
    for (millis, taken) in [
        (5_000, false),
        (29_980, false),
        (30_000, false),
        (30_070, true),
    ] {
        vacant(&mut bench, millis - 60, millis);
        let did = bench.poll(millis);
        assert_eq!(did.contains("hold"), taken, "at {millis}: {did}");
    }
}
