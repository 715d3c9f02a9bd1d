//! Golden texts of drills.

use farmux_raft::state::NodeRole::{Balancer, Witness};

use super::super::{
    drill_history, drill_over, drill_plan, drill_progress, drill_schedules, drills,
};
use super::*;
use crate::api::status::sample::{state, view};
use crate::api::types::{
    DrillDue, DrillEntry, DrillList, DrillLock, DrillPhase, DrillPlan, DrillProgress, DrillRun,
    DrillRunning, DrillScheduleReport, DrillVerdict, Freshness,
};
use crate::drill::{Consent, DrillKind, Numbers, Standing, plan};

/// One that passed.
pub(in crate::cli) fn run() -> DrillRun {
    let kind = DrillKind::OwnerCrash;
    DrillRun {
        run: 7,
        kind,
        target: "front".to_owned(),
        injection: "farmux on lb1 is killed".to_owned(),
        by: "anna".to_owned(),
        scheduled: false,
        began: Moment(THEN),
        ended: Moment(NOW),
        revision: 12,
        url: "http://10.0.0.100:80".to_owned(),
        client: "w1".parse().ok(),
        bounds: kind.bounds(),
        verdict: DrillVerdict::Pass,
        reasons: Vec::new(),
        numbers: Numbers {
            requests: 4_012,
            failed: 14,
            cut: 1,
            failed_in_outage: 14,
            outage_ms: 139,
            resolution_ms: 10,
            outages: 1,
            answers_again: true,
            ..Numbers::default()
        },
    }
}

fn failed() -> DrillRun {
    DrillRun {
        run: 8,
        scheduled: true,
        by: "owner-crash".to_owned(),
        verdict: DrillVerdict::Fail,
        reasons: vec!["an outage of 412 ms, 300 ms allowed".to_owned()],
        numbers: Numbers {
            outage_ms: 412,
            ..run().numbers
        },
        ..run()
    }
}

fn aborted() -> DrillRun {
    let kind = DrillKind::Restore;
    DrillRun {
        run: 9,
        kind,
        target: "lb2".to_owned(),
        bounds: kind.bounds(),
        verdict: DrillVerdict::Aborted,
        reasons: vec!["aborted by ben".to_owned()],
        numbers: Numbers::default(),
        ..run()
    }
}

fn reading<T>(data: T) -> Reading<T> {
    let fresh = Freshness {
        applied: 97,
        leader: Some("lb1".to_owned()),
        revision: 12,
    };
    Reading { fresh, data }
}

#[test]
fn golden_list_of_drills() {
    let entry = |kind: DrillKind| {
        let mut standing = (DrillDue::Never, None);
        if kind == DrillKind::OwnerCrash {
            standing = (DrillDue::Fresh(0), Some(run()));
        }
        if kind == DrillKind::VipMove {
            standing = (DrillDue::Old(120), Some(failed()));
        }
        let (due, last) = standing;
        DrillEntry {
            kind,
            hypothesis: kind.hypothesis().to_owned(),
            bounds: kind.bounds(),
            stop: kind.stop(),
            undo: kind.undo(),
            due,
            last,
        }
    };
    let list = DrillList {
        lock: Some(DrillLock {
            by: "ben".to_owned(),
            why: "sale".to_owned(),
        }),
        running: Some(DrillRunning {
            run: 9,
            kind: DrillKind::Restore,
            by: "anna".to_owned(),
            began: Moment(THEN),
        }),
        drills: DrillKind::ALL.into_iter().map(entry).collect(),
        schedules: Vec::new(),
    };
    let list = reading(list);
    golden("drill-list.txt", &drills(&list, Paint::Plain, NOW));
}

#[test]
fn golden_schedules_of_drills() {
    let list = |schedules: Vec<DrillScheduleReport>| {
        reading(DrillList {
            lock: None,
            running: None,
            drills: Vec::new(),
            schedules,
        })
    };
    let schedule = |kind: DrillKind, target: Option<&str>| DrillScheduleReport {
        name: kind.word().to_owned(),
        kind,
        weekly: "Tue 03:00".to_owned(),
        tz: "Europe/Berlin".to_owned(),
        target: target.map(str::to_owned),
        next: Some(Moment(NOW)),
    };
    let two = list(vec![
        schedule(DrillKind::OwnerCrash, None),
        schedule(DrillKind::ServerDown, Some("shop/s1")),
    ]);
    golden("drill-schedules.txt", &drill_schedules(&two, Paint::Plain));
    let none = list(Vec::new());
    golden(
        "drill-schedules-none.txt",
        &drill_schedules(&none, Paint::Plain),
    );
}

#[test]
fn golden_plan_of_a_drill() {
    let state = state(&[Balancer, Balancer, Witness]);
    let mut view = view(&state, &[1, 2, 3]);
    let applied = view.log.applied;
    let reports = view.reports.values_mut();
    reports.for_each(|report| report.applied = applied);
    let (standing, consent) = (Standing::default(), Consent::default());
    let plan = plan(DrillKind::OwnerCrash, &view, &standing, &consent).expect("it is well");
    golden("drill-plan.txt", &drill_plan(&DrillPlan::from(&plan)));
}

#[test]
fn golden_lines_of_a_run() {
    let mut progress = DrillProgress {
        run: 7,
        kind: DrillKind::OwnerCrash,
        target: "front".to_owned(),
        injection: "farmux on lb1 is killed".to_owned(),
        phase: DrillPhase::Steady,
        phase_ms: 200,
        elapsed_ms: 200,
        requests: 20,
        failed: 0,
        silent_ms: 3,
        longest_silent_ms: 12,
        pages: 0,
    };
    let mut text = drill_progress(&progress, Paint::Plain) + "\n";
    progress.phase = DrillPhase::Measuring;
    progress.elapsed_ms = 10_240;
    (progress.requests, progress.failed) = (1_010, 12);
    (progress.silent_ms, progress.longest_silent_ms) = (120, 120);
    text += &(drill_progress(&progress, Paint::Plain) + "\n");
    progress.phase = DrillPhase::Verifying;
    progress.elapsed_ms = 125_800;
    (progress.silent_ms, progress.longest_silent_ms) = (4, 139);
    text += &(drill_progress(&progress, Paint::Plain) + "\n");
    golden("drill-progress.txt", &text);
}

#[test]
fn golden_ends_of_runs() {
    let shown: Vec<String> = [run(), failed(), aborted()]
        .iter()
        .map(|run| drill_over(run, Paint::Plain))
        .collect();
    golden("drill-over.txt", &shown.join("\n"));
}

#[test]
fn golden_history_of_drills() {
    let runs = reading(vec![aborted(), failed(), run()]);
    golden("drill-history.txt", &drill_history(&runs, Paint::Plain));
    let none = reading(Vec::new());
    golden(
        "drill-history-none.txt",
        &drill_history(&none, Paint::Plain),
    );
}
