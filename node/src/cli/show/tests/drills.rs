//! Drills in the status: what runs, what is locked, what was proved and how long ago.

use farmux_raft::state::drill::{
    Aborted, Drill, DrillKind, DrillLock, DrillOrder, Lapse, RunId, Running, Verdict,
};

use super::*;
use crate::drill::tests::record;

/// Three runs: a failed one a day ago, one of 139 ms 12 days ago, and one of 95 days ago.
fn rehearsed() -> State {
    let mut state = state(&[Balancer, Balancer, Witness]);
    let past = &mut state.drills.past;
    let mut ran = |id: u64, days: u64, kind: DrillKind, verdict: Verdict| {
        let mut run = record(id);
        run.kind = kind;
        run.ended = UnixMillis(NOW.0 - days * 86_400_000 - 60_000);
        run.verdict = verdict;
        past.add(run);
    };
    ran(1, 95, DrillKind::GatewayLoss, Verdict::Pass);
    ran(2, 12, DrillKind::OwnerCrash, Verdict::Pass);
    ran(
        3,
        1,
        DrillKind::ServerDown,
        Verdict::Fail(vec![Lapse::Silent]),
    );
    let aborted = Verdict::Aborted(Aborted::NotSteady);
    ran(4, 0, DrillKind::OwnerCrash, aborted);
    let weekly = Drill {
        kind: DrillKind::OwnerPause,
        target: None,
        weekly: "Tue 03:00".parse().expect("a time"),
        tz: "Europe/Berlin".parse().expect("a zone"),
    };
    let name = "weekly".parse().expect("a name");
    Arc::make_mut(&mut state.config).drills.insert(name, weekly);
    state
}

#[test]
fn golden_status_with_drills() {
    let mut state = rehearsed();
    state.drills.lock = Some(DrillLock {
        author: Author("bob".to_owned()),
        why: "the fair".to_owned(),
        since: THEN,
    });
    state.drills.running = Some(Running {
        id: RunId(5),
        order: DrillOrder {
            kind: DrillKind::VipMove,
            target: None,
            outside: false,
            typed: None,
            bounds: None,
            by: "anna".to_owned(),
            scheduled: None,
            until: NOW,
        },
        began: THEN,
        revision: 1,
        aborted: None,
    });
    let mut view = view(&state, &[1, 2, 3]);
    view.now = NOW;
    let report = assemble(&view);
    assert!(report.reasons.is_empty(), "a remark, and no reason");
    golden("status-drills.txt", &status(&report, Paint::Plain, NOW));
    let json = serde_json::to_value(&report).expect("JSON");
    let shown = serde_json::to_string_pretty(&json["cluster"]["drills"]).expect("JSON");
    golden("status-drills.json", &format!("{shown}\n"));
}

#[test]
fn what_is_due_is_amber_and_what_failed_is_red() {
    let state = rehearsed();
    let mut view = view(&state, &[1, 2, 3]);
    view.now = NOW;
    let text = status(&assemble(&view), Paint::Colour, NOW);
    let plain = status(&assemble(&view), Paint::Plain, NOW);
    for (start, painted) in [
        ("last owner-crash", false),
        ("last owner-pause: never", true),
        ("last gateway-loss", true),
        ("last server-down", true),
        ("never: vip-move", true),
    ] {
        let line = plain.lines().find(|line| line.contains(start));
        let line = line.unwrap_or_else(|| panic!("{start} is not in\n{plain}"));
        let is_plain = text.lines().any(|own| own == line);
        assert_eq!(is_plain, !painted, "{line}");
    }
}
