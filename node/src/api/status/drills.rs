//! PURE. How drills stand: what runs, what is locked, what was proved last and when.

use farmux_raft::state::drill::{DrillKind, Due, Running, Verdict};

use super::View;
use crate::api::types::{DrillLine, DrillsStatus, Moment};

/// One line for each drill that ever ran or is scheduled; the others by name.
pub(super) fn drills(view: &View<'_>) -> DrillsStatus {
    let drills = &view.state.drills;
    let running = |running: &Running| {
        let order = &running.order;
        format!("{} {} by {}", order.kind, running.id, order.by)
    };
    let (told, never): (Vec<DrillKind>, Vec<DrillKind>) = DrillKind::ALL
        .into_iter()
        .partition(|kind| is_told(view, *kind));
    DrillsStatus {
        running: drills.running.as_ref().map(running),
        locked: drills
            .lock
            .as_ref()
            .map(|lock| format!("by {}: {}", lock.author.0, lock.why)),
        last: told.into_iter().map(|kind| line(view, kind)).collect(),
        never: never.iter().map(DrillKind::to_string).collect(),
    }
}

fn is_told(view: &View<'_>, kind: DrillKind) -> bool {
    let mut scheduled = view.state.config.drills.values();
    view.state.drills.past.last_of(kind).is_some() || scheduled.any(|drill| drill.kind == kind)
}

fn line(view: &View<'_>, kind: DrillKind) -> DrillLine {
    let past = &view.state.drills.past;
    let failed = |verdict: &Verdict| match verdict {
        Verdict::Fail(_) => true,
        Verdict::Pass | Verdict::Aborted(_) => false,
    };
    let schedules = view.state.config.drills.values();
    let schedules = schedules.filter(|drill| drill.kind == kind);
    DrillLine {
        drill: kind.to_string(),
        text: past.line(kind, view.now),
        due: match past.due(kind, view.now) {
            Due::Never | Due::Old(_) => true,
            Due::Fresh(_) => false,
        },
        failed: past.last_of(kind).is_some_and(|run| failed(&run.verdict)),
        next: schedules
            .filter_map(|drill| drill.next_due(view.now))
            .min()
            .map(Moment),
    }
}
