//! Nodes that hear no words any more, and what is known of them.

use super::super::course::Say;
use super::world::*;
use super::*;
use crate::drill::{Aborted, Verdict};
use crate::rehearsal::Tether;
use crate::rehearsal::tether::{TOKEN_BYTES, Token};

const TIED: Answer = Answer::Injecting {
    tether: Some(Tether {
        port: 40_000,
        token: Token([7; TOKEN_BYTES]),
    }),
};

/// A node that is silent until its tether is pulled; `pulled`: when it was, if it was.
fn silent_until(pulled: Option<Duration>) -> impl FnMut(Duration, &Say) -> Reply {
    move |now, say| match word(&say.word) {
        "inject" if now < ms(10_100) => Ok(TIED),
        "inject" => Err("no answer".to_owned()),
        "undo" if pulled.is_none_or(|pulled| now < pulled) => Err("no answer".to_owned()),
        _ => well(now, say),
    }
}

#[test]
fn whoever_hears_no_word_is_pulled_at_until_it_answers() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    assert!(!world.until(s(14), &mut silent_until(None)));
    assert_eq!(world.times("pull").1, 0, "it is to last");
    world.slate.lock = Some(("ben".to_owned(), "sale".to_owned()));
    assert!(!world.until(ms(15_100), &mut silent_until(None)));
    assert_eq!(world.times("pull").0, Some(s(14)), "at once");
    let ten = world.times("pull").1;
    assert!(
        (10..=12).contains(&ten),
        "ten a second, for some are lost: {ten}"
    );
    assert!(world.until(s(40), &mut silent_until(Some(ms(15_200)))));
    let all = world.times("pull").1;
    assert!(all <= ten + 15, "until it says that it is over: {all}");
    let verdict = world.end().0.verdict;
    assert!(matches!(verdict, Verdict::Aborted(Aborted::Locked { .. })));
}

/// It said that it would be silent, was so for another reason, and was never hit.
#[test]
fn a_failure_that_never_was_proves_nothing() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    let mut reply = |now: Duration, say: &Say| match word(&say.word) {
        "inject" if now < ms(10_100) => Ok(TIED),
        "inject" => Err("no answer".to_owned()),
        "undo" => Ok(Answer::Failed {
            why: "the guard does not start".to_owned(),
        }),
        _ => well(now, say),
    };
    assert!(world.until(s(60), &mut reply));
    let why = "the guard does not start".to_owned();
    let verdict = world.end().0.verdict;
    assert_eq!(verdict, Verdict::Aborted(Aborted::NotInjected { why }));
}

#[test]
fn only_what_takes_the_majority_outlives_its_lead() {
    let nodes = vec![name("lb1"), name("lb3")];
    let cut = Injection::CutMajority { nodes };
    let quorum = planned(DrillKind::QuorumLoss, cut);
    for (plan, outlives) in [(crash(), false), (quorum, true)] {
        let mut world = World::new(plan, &at(&[OWNER]));
        assert!(!world.until(s(9), &mut well));
        assert!(!world.course.outlives_its_lead(), "nothing is lost yet");
        assert!(!world.until(s(12), &mut well));
        assert_eq!(world.course.outlives_its_lead(), outlives);
    }
}

#[test]
fn it_can_be_called_off_where_it_is_conducted() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    assert!(!world.until(s(14), &mut well));
    world.course.called_off(s(14), "anna".to_owned());
    world.course.called_off(s(14), "ben".to_owned());
    assert!(world.until(s(40), &mut well));
    let who = "anna".to_owned();
    let verdict = world.end().0.verdict;
    assert_eq!(verdict, Verdict::Aborted(Aborted::By { who }));
}
