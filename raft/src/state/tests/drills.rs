//! Drills in the state: one at a time, never while they are locked, ended by whoever sees that
//! they shall, and remembered.

use super::*;
use crate::state::drill::{
    Aborted, DrillKind, DrillOrder, DrillRadius, DrillRecord, RunId, Running, Scheduled, Verdict,
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
    let mut house = House::full();
    let due = |due| Scheduled {
        name: name("weekly"),
        due: UnixMillis(due),
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
