//! Every phase with every event, and what must hold whatever happens.

use std::time::Duration;

use proptest::prelude::*;

use super::super::DrillKind;
use super::super::Numbers;
use super::super::plan::{Injection, Plan, Radius, Target, Through};
use super::super::tests::golden;
use super::*;

fn plan(kind: DrillKind) -> Plan {
    let node = || "lb1".parse().expect("a name");
    Plan {
        kind,
        target: Target::Node(node()),
        injection: Injection::Crash { node: node() },
        radius: Radius::default(),
        through: Some(Through {
            url: "http://10.0.0.100:80".to_owned(),
            client: None,
        }),
        steady: Duration::from_secs(10),
        measured_for: kind.measured_for(),
        bounds: kind.bounds(),
        stop: kind.stop(),
        undo: kind.undo(),
        revision: 7,
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn well(requests: u64) -> Event {
    Event::Reading(Reading {
        requests,
        ..Reading::default()
    })
}

fn failing(failed: u64, silent: Duration) -> Event {
    Event::Reading(Reading {
        requests: 1_000,
        failed,
        silent,
        longest_silent: silent,
        failed_permille: 0,
    })
}

const GOOD: Numbers = Numbers {
    requests: 4_000,
    failed: 14,
    cut: 0,
    failed_in_outage: 14,
    outage_ms: 141,
    resolution_ms: 10,
    outages: 1,
    answers_again: true,
    gap_ms: 151,
    half_us: 600,
    ninety_nine_us: 2_000,
    pages: super::super::PageCount {
        sent: 0,
        doubled: 0,
        late: 0,
        acknowledged: 0,
    },
};

/// A run that was brought into a phase; `0`: steady, `1`: injecting, … `5`: done.
fn at_phase(phase: u8) -> (Run, Duration) {
    let (mut run, _) = Run::begin(&plan(DrillKind::OwnerCrash));
    for second in 0..=10 {
        if phase == 0 && second == 5 {
            return (run, s(5));
        }
        run.on(well(100 * second), s(second));
        run.on(Event::Tick, s(second));
    }
    let steps = [
        (Event::Injected, s(10)),
        (Event::Seen, s(12)),
        (Event::Undone, s(13)),
        (
            Event::Abort {
                who: "x".to_owned(),
            },
            s(14),
        ),
    ];
    let mut now = s(10);
    for (event, at) in steps.into_iter().take(usize::from(phase.saturating_sub(1))) {
        run.on(event, at);
        now = at;
    }
    (run, now)
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Steady { .. } => "steady",
        Phase::Injecting { .. } => "injecting",
        Phase::Measuring { .. } => "measuring",
        Phase::Undoing { .. } => "undoing",
        Phase::Verifying { .. } => "verifying",
        Phase::Done => "done",
    }
}

/// Every (phase, event) pair: the phase after it and what is ordered.
#[test]
fn golden_table_of_every_phase_with_every_event() {
    let events = [
        ("tick", Event::Tick),
        ("a failure", failing(1, s(0))),
        ("it hurts", failing(600, s(6))),
        ("injected", Event::Injected),
        (
            "not injected",
            Event::NotInjected {
                why: "no".to_owned(),
            },
        ),
        ("seen", Event::Seen),
        ("undone", Event::Undone),
        (
            "abort",
            Event::Abort {
                who: "anna".to_owned(),
            },
        ),
        (
            "lock",
            Event::Lock {
                who: "anna".to_owned(),
                why: "sale".to_owned(),
            },
        ),
    ];
    let mut shown = String::new();
    for phase in 0..=5 {
        for (word, event) in &events {
            let (mut run, now) = at_phase(phase);
            let before = name(run.phase());
            let orders = run.on(event.clone(), now + Duration::from_millis(100));
            let line = format!("{before} + {word}: {} {orders:?}\n", name(run.phase()));
            shown.push_str(&line);
        }
    }
    golden("run/table.txt", &shown);
}

#[test]
fn a_run_that_goes_well_passes() {
    let plan = plan(DrillKind::OwnerCrash);
    let (mut run, orders) = Run::begin(&plan);
    assert_eq!(orders, [Order::Measure]);
    let mut all = Vec::new();
    for tenth in 0..600_u64 {
        let now = Duration::from_millis(tenth * 100);
        let failed = if tenth > 105 { 14 } else { 0 };
        let orders = run.on(failing(failed, s(0)), now);
        let more = run.on(Event::Tick, now);
        for order in orders.into_iter().chain(more) {
            all.push((tenth, order));
            match order {
                Order::Inject => assert!(run.on(Event::Injected, now).is_empty()),
                Order::Undo => assert!(run.on(Event::Undone, now).is_empty()),
                Order::Measure | Order::End => {}
            }
        }
    }
    assert_eq!(
        all,
        [(100, Order::Inject), (250, Order::Undo), (350, Order::End)]
    );
    assert_eq!(run.verdict(&GOOD, &plan), Verdict::Pass);
    let nothing = Numbers {
        requests: 0,
        ..GOOD
    };
    assert_eq!(
        run.verdict(&nothing, &plan),
        Verdict::Fail(vec![Lapse::Unmeasured])
    );
}

/// The node that is hit is dead: the undo is ordered again and again, and its timer ends it.
#[test]
fn an_undo_that_is_not_confirmed_is_a_lapse() {
    let (mut run, now) = at_phase(2);
    let mut undos = 0;
    for tenth in 0..1_000 {
        let now = now + Duration::from_millis(tenth * 100);
        let failed = u64::from(tenth > 200);
        let mut orders = run.on(failing(failed, s(0)), now);
        orders.extend(run.on(Event::Tick, now));
        undos += orders.iter().filter(|order| **order == Order::Undo).count();
    }
    assert_eq!(run.phase(), Phase::Done);
    assert_eq!(undos, 25, "from 15 s after the injection to 40 s after it");
    let verdict = run.verdict(&GOOD, &plan(DrillKind::OwnerCrash));
    assert_eq!(verdict, Verdict::Fail(vec![Lapse::NotUndone]));
}

#[test]
fn what_was_found_before_an_abort_counts_more() {
    let (mut run, now) = at_phase(2);
    assert_eq!(run.on(failing(600, s(6)), now), [Order::Undo]);
    assert!(
        run.on(
            Event::Abort {
                who: "anna".to_owned()
            },
            now
        )
        .is_empty()
    );
    let verdict = run.verdict(&GOOD, &plan(DrillKind::OwnerCrash));
    assert_eq!(verdict, Verdict::Fail(vec![Lapse::Stopped]));
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Tick),
        4 => (0_u64..50, 0_u64..6_000, 0_u64..700).prop_map(|(failed, silent, permille)| {
            let silent = Duration::from_millis(silent);
            Event::Reading(Reading {
                requests: 1_000,
                failed,
                silent,
                longest_silent: silent,
                failed_permille: permille,
            })
        }),
        2 => Just(well(1_000)),
        2 => Just(Event::Injected),
        1 => Just(Event::NotInjected { why: "no".to_owned() }),
        1 => Just(Event::Seen),
        2 => Just(Event::Undone),
        1 => Just(Event::Abort { who: "anna".to_owned() }),
        1 => Just(Event::Lock { who: "anna".to_owned(), why: "sale".to_owned() }),
    ]
}

proptest! {
    /// Whatever happens: what was injected is undone before it is over; nothing is injected after
    /// somebody said no; it ends once, and within a bounded time.
    #[test]
    fn it_ends_what_it_began(
        events in prop::collection::vec((event(), 0_u64..3_000), 0..60),
        kind in prop::sample::select(&DrillKind::ALL[..]),
    ) {
        let plan = plan(kind);
        let (mut run, _) = Run::begin(&plan);
        let mut now = Duration::ZERO;
        let (mut injected, mut undone, mut ended, mut refused) = (false, false, 0, false);
        let ticks = (0..12_000).map(|_| (Event::Tick, 100));
        for (event, pause) in events.into_iter().chain(ticks) {
            now += Duration::from_millis(pause);
            let no = matches!(event, Event::Abort { .. } | Event::Lock { .. });
            let confirmed = event == Event::Undone;
            let before = run.phase();
            let orders = run.on(event, now);
            refused |= no;
            undone |= confirmed && injected;
            for order in orders {
                match order {
                    Order::Inject => {
                        prop_assert!(!refused && !injected);
                        injected = true;
                    }
                    Order::Undo => undone = true,
                    Order::End => {
                        ended += 1;
                        let must = injected && plan.undo.holder != UndoHolder::Nobody;
                        prop_assert!(!must || undone);
                    }
                    Order::Measure => {}
                }
            }
            if no && matches!(before, Phase::Injecting { .. } | Phase::Measuring { .. }) {
                let quiet = matches!(
                    run.phase(), Phase::Undoing { .. } | Phase::Verifying { .. }
                );
                prop_assert!(quiet);
            }
        }
        prop_assert_eq!(run.phase(), Phase::Done);
        prop_assert_eq!(ended, 1);
    }
}
