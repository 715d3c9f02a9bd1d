//! The course of a run, message by message.

use super::super::course::{Course, Entry, Lane, Say};
use super::super::places::Places;
use super::world::*;
use super::*;
use crate::drill::{Aborted, DrillKind, Injection, Lapse, Mark, PageCount, Refusal, Verdict};
use crate::rehearsal::{Answer, Word};

#[test]
fn a_run_goes_through_all_its_phases() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    world.seen.owner = Some(name("lb1"));
    assert!(!world.until(s(11), &mut well));
    world.seen.owner = Some(name("lb2"));
    world.seen.paged.opened = vec!["[DRILL] lb1 is down".to_owned()];
    world.seen.paged.count.sent = 1;
    assert!(world.until(s(60), &mut well));
    assert_eq!(world.times("measure"), (Some(s(0)), 1));
    assert_eq!(world.times("inject"), (Some(ms(10_040)), 1));
    let (undo, undos) = world.times("undo");
    assert!(undo.is_some_and(|at| at >= s(25) && at < ms(25_100)));
    assert_eq!(undos, 1);
    assert_eq!(world.times("close").1, 1);
    let entries: Vec<Entry> = world.booked.iter().map(|(_, entry)| *entry).collect();
    assert_eq!(entries, [Entry::Injecting, Entry::Undone]);
    let looks = world.times("look").1;
    assert!((150..=180).contains(&looks), "five a second: {looks}");
    let (record, track) = world.end();
    assert_eq!(record.verdict, Verdict::Pass);
    assert_eq!(record.numbers.outage_ms, 141);
    assert_eq!(record.numbers.pages.sent, 1);
    assert_eq!((record.id, record.revision), (RUN, 12));
    assert_eq!(record.client, Some(name("w1")));
    let marks: Vec<&Mark> = track.marks().iter().map(|(_, mark)| mark).collect();
    let page = Mark::Page("[DRILL] lb1 is down".to_owned());
    assert_eq!(marks, [&Mark::Injected, &page, &Mark::Undone]);
    assert_eq!(track.owners().len(), 2);
    assert!(track.buckets().len() > 0);
}

#[test]
fn a_bound_of_one_millisecond_fails() {
    let mut begun = begun(DrillKind::OwnerCrash);
    let bounds = DrillKind::OwnerCrash.bounds();
    begun.order.bounds = Some(crate::drill::Bounds {
        outage_ms: 1,
        ..bounds
    });
    let mut world = World::new(crash(), &at(&[OWNER]));
    world.course = Course::begin(begun, crash(), &at(&[OWNER]));
    assert!(world.until(s(60), &mut well));
    let lapse = Lapse::Outage {
        ms: 141,
        bound_ms: 1,
    };
    assert_eq!(world.end().0.verdict, Verdict::Fail(vec![lapse]));
}

/// It says that it is about to be killed, and then nothing, until its supervisor starts it again.
#[test]
fn a_node_that_silences_itself_was_hit() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    let mut reply = |now: Duration, say: &Say| match word(&say.word) {
        "inject" if now < ms(10_100) => Ok(INJECTING),
        "inject" | "undo" if now < s(40) => Err("it is dead".to_owned()),
        "undo" => Ok(Answer::Unknown),
        _ => well(now, say),
    };
    assert!(world.until(s(90), &mut reply));
    let (record, track) = world.end();
    assert_eq!(record.verdict, Verdict::Pass, "its undo was told late");
    let marks = track.marks();
    assert!(matches!(marks[0], (10_000..10_100, Mark::Injected)));
    assert!(matches!(marks[1], (40_000..42_100, Mark::Undone)));
}

#[test]
fn a_target_that_never_answers_is_not_hit() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    let mut reply = |now: Duration, say: &Say| match say.to {
        OWNER => Err("no answer".to_owned()),
        _ => well(now, say),
    };
    assert!(world.until(s(120), &mut reply));
    let (undo, undos) = world.times("undo");
    assert!(undo.is_some_and(|at| at >= s(15) && at < ms(15_100)));
    assert!(
        (33..=36).contains(&undos),
        "until its timer is over: {undos}"
    );
    let verdict = world.end().0.verdict;
    let Verdict::Aborted(Aborted::NotInjected { why }) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(why, "no confirmation within 5 s");
}

/// A page of it would not be marked.
#[test]
fn nothing_is_injected_before_the_log_knows() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    world.log_fails_until = s(13);
    assert!(world.until(s(60), &mut well));
    assert!(
        world
            .times("inject")
            .0
            .is_some_and(|at| at >= s(13) && at < ms(13_500))
    );
    assert_eq!(world.end().0.verdict, Verdict::Pass);
    let mut world = World::new(crash(), &at(&[OWNER]));
    world.log_fails_until = s(16);
    assert!(world.until(s(60), &mut well));
    assert_eq!(world.times("inject").1, 0);
    let verdict = world.end().0.verdict;
    assert!(matches!(
        verdict,
        Verdict::Aborted(Aborted::NotInjected { .. })
    ));
}

/// While all was looked at from the client only, another node went, or the VIP moved.
#[test]
fn what_is_not_as_planned_any_more_is_not_injected() {
    let why = "w1 does not answer".to_owned();
    let refused = Err(Refusal::NotHealthy(vec![why]));
    let (moved, mut other) = (Ok((crash(), at(&[NodeId(2)]))), crash());
    other.radius.survives += 1;
    let other = Ok((other, at(&[OWNER])));
    for again in [refused, moved, other] {
        let mut world = World::new(crash(), &at(&[OWNER]));
        world.again = again;
        assert!(world.until(s(60), &mut well));
        assert_eq!(world.times("inject").1, 0);
        assert!(
            !world
                .booked
                .iter()
                .any(|(_, entry)| *entry == Entry::Injecting)
        );
        let verdict = world.end().0.verdict;
        assert!(matches!(
            verdict,
            Verdict::Aborted(Aborted::NotInjected { .. })
        ));
    }
}

#[test]
fn what_cannot_be_injected_is_undone_all_the_same() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    let mut reply = |now: Duration, say: &Say| match word(&say.word) {
        "inject" => Ok(Answer::Failed {
            why: "no supervisor".to_owned(),
        }),
        _ => well(now, say),
    };
    assert!(world.until(s(60), &mut reply));
    assert_eq!(world.times("undo").1, 1);
    let why = "no supervisor".to_owned();
    let wanted = Verdict::Aborted(Aborted::NotInjected { why });
    assert_eq!(world.end().0.verdict, wanted);
}

#[test]
fn a_lock_and_an_abort_are_obeyed_within_a_second() {
    for locked in [true, false] {
        for when in [s(3), s(12), s(20)] {
            let mut world = World::new(crash(), &at(&[OWNER]));
            assert!(!world.until(when, &mut well));
            match (locked, &mut world.slate.running) {
                (true, _) => world.slate.lock = Some(("ben".to_owned(), "sale".to_owned())),
                (false, Some(running)) => running.aborted = Some("ben".to_owned()),
                (false, None) => {}
            }
            assert!(world.until(when + s(13), &mut well), "{when:?}");
            let (undo, undos) = world.times("undo");
            match when < s(10) {
                true => assert_eq!((undo, undos), (None, 0), "nothing was injected"),
                false => assert!(undo.is_some_and(|at| at < when + ms(100)), "{undo:?}"),
            }
            let injects = world.times("inject").1;
            assert_eq!(injects, usize::from(when > s(10)));
            let who = "ben".to_owned();
            let wanted = match locked {
                true => Aborted::Locked {
                    who,
                    why: "sale".to_owned(),
                },
                false => Aborted::By { who },
            };
            assert_eq!(world.end().0.verdict, Verdict::Aborted(wanted));
        }
    }
}

#[test]
fn the_stop_condition_ends_it() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    let mut reply = |now: Duration, say: &Say| match word(&say.word) {
        "look" if now > s(10) && now < s(20) => {
            let silent = now.saturating_sub(s(10)).as_millis();
            Ok(reading(600, u64::try_from(silent).unwrap_or(u64::MAX)))
        }
        "look" if now >= s(20) => Ok(reading(600, 5)),
        _ => well(now, say),
    };
    assert!(world.until(s(60), &mut reply));
    let (undo, _) = world.times("undo");
    assert!(
        undo.is_some_and(|at| at > s(15) && at < ms(15_500)),
        "{undo:?}"
    );
    let verdict = world.end().0.verdict;
    assert_eq!(verdict, Verdict::Fail(vec![Lapse::Stopped]));
}

#[test]
fn an_undo_is_ordered_until_it_is_confirmed() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    let mut reply = |now: Duration, say: &Say| match word(&say.word) {
        "undo" if now < s(30) => Ok(Answer::Undoing),
        _ => well(now, say),
    };
    assert!(world.until(s(60), &mut reply));
    let undos = world.times("undo").1;
    assert!((5..=7).contains(&undos), "once a second: {undos}");
    assert_eq!(world.end().0.verdict, Verdict::Pass);
}

/// An overlay is made on every node, and the failure is there when the last one has it.
#[test]
fn everybody_pretends() {
    let injection = Injection::ServerDown {
        farm: "shop".parse().expect("a name"),
        server: "s1".parse().expect("a name"),
    };
    let plan = planned(DrillKind::ServerDown, injection);
    let all = [1, 2, 3].map(NodeId);
    let mut world = World::new(plan, &at(&all));
    let mut reply = |now: Duration, say: &Say| match (word(&say.word), say.to) {
        ("inject", NodeId(2)) if now < s(12) => Ok(INJECTING),
        ("undo", NodeId(3)) if now < s(60) => Ok(Answer::Undoing),
        _ => well(now, say),
    };
    world.seen.paged.count.sent = 1;
    assert!(world.until(s(120), &mut reply));
    for node in all {
        let told = |wanted| {
            let mut said = world.said.iter();
            said.any(|(_, to, word)| *to == node && *word == wanted)
        };
        assert!(told("inject") && told("undo"), "{node}");
    }
    let (record, track) = world.end();
    assert_eq!(record.verdict, Verdict::Pass);
    assert!(matches!(track.marks()[0], (12_000..12_500, Mark::Injected)));
    assert!(matches!(track.marks()[1], (60_000..61_500, Mark::Undone)));
}

/// What it saw before is lost, and with it the failure: that is no pass.
#[test]
fn a_client_that_was_started_again_has_measured_nothing() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    let mut reply = |now: Duration, say: &Say| match word(&say.word) {
        "look" | "close" if now > s(12) => Ok(Answer::Unknown),
        _ => well(now, say),
    };
    assert!(world.until(s(60), &mut reply));
    assert_eq!(world.times("measure").1, 1, "it is not begun again");
    let verdict = world.end().0.verdict;
    assert_eq!(verdict, Verdict::Fail(vec![Lapse::Unmeasured]));
}

#[test]
fn without_a_client_nothing_is_injected() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    let mut reply = |_: Duration, _: &Say| Err("no answer".to_owned());
    assert!(world.until(s(30), &mut reply));
    assert_eq!(world.times("inject").1, 0);
    let verdict = world.end().0.verdict;
    assert_eq!(verdict, Verdict::Aborted(Aborted::NotSteady));
}

/// A failure that is made while its end is ordered is told too late to be measured.
#[test]
fn what_was_called_off_is_not_measured() {
    let mut world = World::new(crash(), &at(&[OWNER]));
    let mut slow = |now: Duration, say: &Say| match word(&say.word) {
        "inject" => Ok(INJECTING),
        "undo" => Ok(Answer::Undoing),
        _ => well(now, say),
    };
    assert!(!world.until(ms(10_100), &mut slow));
    world.slate.lock = Some(("ben".to_owned(), "sale".to_owned()));
    world
        .on_the_way
        .push((ms(10_300), OWNER, Lane::Inject, Ok(Answer::Injected)));
    assert!(!world.until(s(12), &mut slow));
    assert!(world.until(s(30), &mut well));
    let (_, track) = world.end();
    let marks: Vec<&Mark> = track.marks().iter().map(|(_, mark)| mark).collect();
    assert_eq!(marks, [&Mark::Undone]);
}

#[test]
fn a_page_that_nobody_takes_on_has_not_arrived() {
    let injection = Injection::Page { contacts: vec![] };
    let plan = planned(DrillKind::PageTest, injection);
    let pages = PageCount {
        sent: 1,
        ..PageCount::default()
    };
    for taken in [true, false] {
        let mut world = World::new(plan.clone(), &at(&[OWNER]));
        world.seen.paged.count = pages;
        assert!(!world.until(s(20), &mut well));
        world.seen.paged.count.acknowledged = u64::from(taken);
        let over = world.until(s(60), &mut well);
        assert_eq!(over, taken, "it waits for somebody");
        assert!(world.until(s(1_000), &mut well));
        let wanted = match taken {
            true => Verdict::Pass,
            false => Verdict::Fail(vec![Lapse::Unacknowledged]),
        };
        let mut record = world.end().0;
        // Its requests are not what this is about.
        if let Verdict::Fail(lapses) = &mut record.verdict {
            lapses.retain(|lapse| !matches!(lapse, Lapse::Outage { .. }));
            if lapses.is_empty() {
                record.verdict = Verdict::Pass;
            }
        }
        assert_eq!(record.verdict, wanted);
    }
}

/// A move takes its time, and there is no timer that would call it over.
#[test]
fn what_needs_no_undo_has_the_whole_run() {
    let vip = "front".parse().expect("a name");
    let plan = planned(DrillKind::VipMove, Injection::MoveVip { vip });
    let longest = plan.longest();
    let mut world = World::new(plan, &at(&[OWNER]));
    let mut given = None;
    let mut reply = |now: Duration, say: &Say| {
        if let Word::Inject { timer_ms, .. } = say.word {
            given = Some(ms(timer_ms));
        }
        well(now, say)
    };
    assert!(world.until(s(60), &mut reply));
    assert_eq!(given, Some(longest));
    assert_eq!(world.times("undo").1, 0);
}

#[test]
fn what_is_measured_outside_is_conducted_without_a_client() {
    let mut plan = crash();
    if let Some(through) = &mut plan.through {
        through.client = None;
    }
    let places = Places {
        client: None,
        ..at(&[OWNER])
    };
    let mut world = World::new(plan, &places);
    assert!(world.until(s(60), &mut well));
    assert_eq!(world.times("measure").1 + world.times("close").1, 0);
    let (record, _) = world.end();
    let unmeasured = Verdict::Aborted(Aborted::Unmeasured);
    assert_eq!(record.verdict, unmeasured, "it proved nothing here");
    assert_eq!((record.client, record.numbers.requests), (None, 0));
}

/// On a disk that takes its time.
#[test]
fn a_restore_may_take_a_minute() {
    let node = name("lb1");
    let mut plan = planned(DrillKind::Restore, Injection::Restore { node });
    plan.through = None;
    let places = Places {
        client: None,
        ..at(&[OWNER])
    };
    let mut world = World::new(plan, &places);
    let mut reply = |now: Duration, say: &Say| match word(&say.word) {
        "inject" if now < s(50) => Ok(INJECTING),
        _ => well(now, say),
    };
    assert!(world.until(s(90), &mut reply));
    assert_eq!(world.end().0.verdict, Verdict::Pass);
}

#[test]
fn what_is_not_about_an_outage_needs_no_client() {
    let node = name("lb1");
    let mut plan = planned(DrillKind::Restore, Injection::Restore { node });
    plan.through = None;
    let places = Places {
        client: None,
        ..at(&[OWNER])
    };
    let mut world = World::new(plan, &places);
    assert!(world.until(s(60), &mut well));
    assert_eq!(world.end().0.verdict, Verdict::Pass);
}
