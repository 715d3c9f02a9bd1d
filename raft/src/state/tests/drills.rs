//! Drills in the state: one at a time, never while they are locked, ended by whoever sees that
//! they shall, and remembered.

use super::*;
use crate::state::drill::{
    Aborted, Drill, DrillKind, DrillOrder, DrillRadius, DrillRecord, Lapse, RunId, Running,
    Scheduled, Verdict,
};

/// An order that is over ten minutes after the house's clock.
pub(super) fn order_of(house: &House, kind: DrillKind) -> DrillOrder {
    DrillOrder {
        kind,
        target: Some("front".to_owned()),
        outside: false,
        typed: None,
        bounds: None,
        by: "ada".to_owned(),
        scheduled: None,
        until: UnixMillis(house.at + 600_000),
    }
}

fn begin(house: &mut House, kind: DrillKind) -> Result<Applied, Reject> {
    let order = order_of(house, kind);
    house.order(Command::BeginDrill(Box::new(order)))
}

fn running(house: &House) -> Running {
    house.state.drills.running.clone().expect("one runs")
}

/// What its conductor would record.
fn record(house: &House, verdict: Verdict) -> DrillRecord {
    DrillRecord {
        verdict,
        ..running(house).lost(UnixMillis(house.at))
    }
}

fn end(house: &mut House, verdict: Verdict) -> Result<Applied, Reject> {
    let record = record(house, verdict);
    house.order(Command::RecordDrill(Box::new(record)))
}

fn lock(by: &str) -> Command {
    Command::LockDrills {
        author: Author(by.to_owned()),
        why: "the fair".to_owned(),
    }
}

fn journal(house: &House) -> Vec<String> {
    let entries = house.state.journal.after(0);
    let ours = entries.filter(|entry| entry.event.kind() == EventKind::Drill);
    ours.map(|entry| {
        let (about, words) = house.state.journal_words(entry);
        format!("{about}: {words}")
    })
    .collect()
}

#[test]
fn one_runs_at_a_time_and_is_remembered() {
    let mut house = House::full();
    let crash = DrillKind::OwnerCrash;
    assert_eq!(begin(&mut house, crash), Ok(Applied::Drill(RunId(1))));
    let busy = Reject::DrillRunning {
        run: RunId(1),
        kind: crash,
    };
    assert_eq!(begin(&mut house, DrillKind::VipMove), Err(busy));
    let radius = DrillRadius {
        nodes: [NodeId(1)].into(),
        ..DrillRadius::default()
    };
    let injecting = |run| Command::DrillInjecting {
        run: RunId(run),
        radius: radius.clone(),
    };
    assert_eq!(house.order(injecting(1)), Ok(Applied::Done));
    assert_eq!(house.order(injecting(1)), Ok(Applied::Unchanged));
    let unknown = Err(Reject::UnknownDrill(RunId(2)));
    assert_eq!(house.order(injecting(2)), unknown);
    let undone = Command::DrillUndone { run: RunId(1) };
    assert_eq!(house.order(undone.clone()), Ok(Applied::Done));
    assert_eq!(house.order(undone), Ok(Applied::Unchanged));
    let recorded = Command::RecordDrill(Box::new(record(&house, Verdict::Pass)));
    assert_eq!(house.order(recorded.clone()), Ok(Applied::Done));
    assert_eq!(house.order(recorded), Ok(Applied::Unchanged));
    assert_eq!(house.state.drills.running, None);
    assert_eq!(begin(&mut house, crash), Ok(Applied::Drill(RunId(2))));
    assert_eq!(
        journal(&house),
        [
            "drill owner-crash 1: begun by ada",
            "drill owner-crash 1: makes its failure now",
            "drill owner-crash 1: its failure is over",
            "drill owner-crash 1: PASS",
            "drill owner-crash 2: begun by ada",
        ]
    );
}

#[test]
fn a_dead_conductor_never_blocks_drills() {
    let mut house = House::full();
    begin(&mut house, DrillKind::OwnerCrash).expect("nothing is in its way");
    let until = running(&house).order.until;
    house.at = until.0 - 1_001;
    begin(&mut house, DrillKind::VipMove).expect_err("a millisecond early");
    house.at = until.0;
    assert_eq!(
        begin(&mut house, DrillKind::VipMove),
        Ok(Applied::Drill(RunId(2)))
    );
    let lost = house.state.drills.past.get(RunId(1)).expect("it was");
    assert_eq!(lost.verdict, Verdict::Aborted(Aborted::LeaderLost));
}

#[test]
fn nobody_blocks_drills_for_longer_than_two_hours() {
    let mut house = House::full();
    let order = DrillOrder {
        until: UnixMillis(u64::MAX),
        ..order_of(&house, DrillKind::VipMove)
    };
    house
        .order(Command::BeginDrill(Box::new(order)))
        .expect("nothing is in its way");
    assert_eq!(running(&house).order.until.0, house.at + 7_200_000);
}

#[test]
fn a_lock_keeps_them_from_beginning_and_shows_to_whoever_conducts() {
    let mut house = House::full();
    begin(&mut house, DrillKind::OwnerCrash).expect("nothing is in its way");
    assert_eq!(house.order(lock("bob")), Ok(Applied::Done));
    assert_eq!(house.order(lock("eve")), Ok(Applied::Unchanged));
    let kept = house.state.drills.lock.clone().expect("it is locked");
    assert_eq!((kept.author.0.as_str(), kept.since.0 % 1_000), ("bob", 0));
    end(&mut house, Verdict::Aborted(Aborted::NotSteady)).expect("it is over");
    let locked = Reject::DrillsLocked {
        by: "bob".to_owned(),
        why: "the fair".to_owned(),
    };
    assert_eq!(begin(&mut house, DrillKind::VipMove), Err(locked));
    let unlock = Command::UnlockDrills {
        author: Author("eve".to_owned()),
    };
    assert_eq!(house.order(unlock.clone()), Ok(Applied::Done));
    assert_eq!(house.order(unlock), Ok(Applied::Unchanged));
    begin(&mut house, DrillKind::VipMove).expect("unlocked");
}

#[test]
fn the_first_who_aborts_is_named() {
    let mut house = House::full();
    let abort = |run, who: &str| Command::AbortDrill {
        run: RunId(run),
        who: who.to_owned(),
    };
    let unknown = Err(Reject::UnknownDrill(RunId(1)));
    assert_eq!(house.order(abort(1, "ada")), unknown);
    begin(&mut house, DrillKind::OwnerCrash).expect("nothing is in its way");
    assert_eq!(house.order(abort(1, "ada")), Ok(Applied::Done));
    assert_eq!(house.order(abort(1, "bob")), Ok(Applied::Unchanged));
    assert_eq!(running(&house).aborted.as_deref(), Some("ada"));
    end(&mut house, Verdict::Pass).expect("it is over");
    assert_eq!(house.order(abort(1, "bob")), Ok(Applied::Unchanged));
}

#[test]
fn texts_that_cannot_be_shown_are_refused() {
    let mut house = House::full();
    let long = "x".repeat(201);
    let order = |change: fn(&mut DrillOrder)| {
        let mut order = order_of(&House::full(), DrillKind::VipMove);
        change(&mut order);
        Command::BeginDrill(Box::new(order))
    };
    let bad = [
        order(|order| order.by.clear()),
        order(|order| order.by = "a\nb".to_owned()),
        order(|order| order.target = Some("x".repeat(161))),
        order(|order| order.typed = Some("\u{202e}".to_owned())),
        Command::LockDrills {
            author: Author("ada".to_owned()),
            why: String::new(),
        },
        Command::LockDrills {
            author: Author("ada".to_owned()),
            why: long,
        },
        Command::UnlockDrills {
            author: Author(String::new()),
        },
        Command::AbortDrill {
            run: RunId(1),
            who: String::new(),
        },
    ];
    for command in bad {
        let refused = house.order(command.clone()).expect_err("a bad text");
        assert!(matches!(refused, Reject::BadText { .. }), "{command:?}");
    }
}

#[test]
fn each_time_of_a_schedule_is_used_once() {
    let mut house = scheduled();
    let start = house.at;
    let due = |due| Scheduled {
        name: name("weekly"),
        due: UnixMillis(start + due),
    };
    let begin = |house: &House, at| {
        Command::BeginDrill(Box::new(DrillOrder {
            scheduled: Some(due(at)),
            ..order_of(house, DrillKind::VipMove)
        }))
    };
    let skip = |at| Command::SkipDrill {
        scheduled: due(at),
        why: String::new(),
    };
    let first = begin(&house, 5_000);
    house.order(first).expect("nothing is in its way");
    end(&mut house, Verdict::Pass).expect("it is over");
    let again = begin(&house, 5_000);
    let settled = Reject::DrillSettled(name("weekly"));
    assert_eq!(house.order(again), Err(settled.clone()));
    assert_eq!(house.order(skip(4_000)), Ok(Applied::Unchanged));
    assert_eq!(house.order(skip(6_000)), Ok(Applied::Done));
    let skipped = begin(&house, 6_000);
    assert_eq!(house.order(skipped), Err(settled));
    let next = begin(&house, 7_000);
    house.order(next).expect("it is due");
}

/// `weekly` on Tuesdays at three, in Berlin.
fn schedule() -> Drill {
    Drill {
        kind: DrillKind::OwnerCrash,
        target: Some("front".to_owned()),
        weekly: "Tue 03:00".parse().expect("a time"),
        tz: "Europe/Berlin".parse().expect("a zone"),
    }
}

fn scheduled() -> House {
    let mut house = House::full();
    let mut config = shop(4);
    config.drills.insert(name("weekly"), schedule());
    house.configure(config).expect("it is valid");
    house
}

#[test]
fn it_is_due_within_the_hour_once_and_not_before_it_was_written() {
    let mut house = scheduled();
    let now = UnixMillis(house.at);
    let next = schedule().next_due(now).expect("a week is not long");
    let due = |house: &House, at: u64| house.state.due_drill(UnixMillis(at));
    let hour = 3_600_000;
    assert_eq!(
        due(&house, house.at),
        None,
        "what lies behind it is no debt"
    );
    assert_eq!(due(&house, next.0 - 1), None);
    let found = due(&house, next.0).expect("it is due");
    assert_eq!(
        (found.kind, found.scheduled.due),
        (DrillKind::OwnerCrash, next)
    );
    assert_eq!(due(&house, next.0 + hour), Some(found.clone()));
    assert_eq!(due(&house, next.0 + hour + 1), None, "it was missed");
    assert!(due(&house, next.0 + 168 * hour).is_some(), "a week later");
    house.at = next.0;
    let order = DrillOrder {
        scheduled: Some(found.scheduled),
        ..order_of(&house, found.kind)
    };
    house
        .order(Command::BeginDrill(Box::new(order)))
        .expect("it is due");
    assert_eq!(due(&house, next.0 + 2_000), None, "it was begun");
}

#[test]
fn another_time_for_the_same_schedule_is_a_new_one() {
    let mut house = scheduled();
    let next = schedule().next_due(UnixMillis(house.at)).expect("a week");
    house.at = next.0 + 600_000;
    let mut config = shop(4);
    let earlier = Drill {
        weekly: "Tue 03:05".parse().expect("a time"),
        ..schedule()
    };
    config.drills.insert(name("weekly"), earlier);
    house.configure(config).expect("it is valid");
    assert_eq!(house.state.due_drill(UnixMillis(house.at)), None);
    house.configure(shop(4)).expect("it is valid");
    assert!(house.state.drills.settled.is_empty());
}

#[test]
fn a_schedule_that_cannot_be_is_refused() {
    for change in [
        |drill: &mut Drill| drill.kind = DrillKind::QuorumLoss,
        |drill: &mut Drill| drill.target = Some(String::new()),
        |drill: &mut Drill| drill.weekly.minute = 1_440,
    ] {
        let mut config = shop(4);
        let mut drill = schedule();
        change(&mut drill);
        config.drills.insert(name("weekly"), drill);
        let refused = House::full().configure(config).expect_err("it cannot be");
        assert!(
            matches!(&refused, Reject::InvalidConfig(all) if all.len() == 1),
            "{refused}"
        );
    }
}

#[test]
fn a_schedule_that_proved_nothing_is_a_page_and_a_real_one() {
    let refused = |why: &str| {
        Verdict::Aborted(Aborted::Refused {
            why: why.to_owned(),
        })
    };
    let by = Verdict::Aborted(Aborted::By {
        who: "ada".to_owned(),
    });
    let fail = Verdict::Fail(vec![Lapse::Silent]);
    for (verdict, told) in [
        (Verdict::Pass, None),
        (by, None),
        (fail, Some("FAILED: nothing answered when it ended")),
        (refused("not healthy"), Some("refused: not healthy")),
    ] {
        let mut house = scheduled();
        let due = UnixMillis(house.at + 5_000);
        let order = DrillOrder {
            scheduled: Some(Scheduled {
                name: name("weekly"),
                due,
            }),
            ..order_of(&house, DrillKind::OwnerCrash)
        };
        house
            .order(Command::BeginDrill(Box::new(order)))
            .expect("it is due");
        end(&mut house, verdict).expect("it is over");
        let told = told.map(|told| format!("NOTICE drill owner-crash: {told} ()"));
        assert_eq!(house.pages().last(), told.as_ref());
        assert!(house.state.pages.iter().all(|page| page.drill.is_none()));
    }
    let mut house = scheduled();
    let skip = Command::SkipDrill {
        scheduled: Scheduled {
            name: name("weekly"),
            due: UnixMillis(house.at + 5_000),
        },
        why: "drills are locked by bob".to_owned(),
    };
    assert_eq!(house.order(skip), Ok(Applied::Done));
    let told = "NOTICE drill owner-crash: refused: drills are locked by bob ()";
    assert_eq!(house.pages(), [told]);
}

#[test]
fn one_that_failed_by_hand_is_told_to_whoever_gets_drills_and_one_that_was_stopped_is_not() {
    let by = Verdict::Aborted(Aborted::By {
        who: "ada".to_owned(),
    });
    let fail = Verdict::Fail(vec![Lapse::Silent]);
    for (verdict, told) in [(Verdict::Pass, 0), (by, 0), (fail, 1)] {
        let mut house = House::up();
        let order = order_of(&house, DrillKind::OwnerCrash);
        house
            .order(Command::BeginDrill(Box::new(order)))
            .expect("nothing runs");
        end(&mut house, verdict).expect("it is over");
        let marked = house.state.pages.iter();
        let marked = marked.filter(|page| page.drill == Some(RunId(1)));
        assert_eq!(marked.count(), told);
    }
}
