//! PURE. What drills came to, as metrics; nothing for one that never proved anything.

use std::time::Duration;

use farmux_raft::state::drill::{DrillKind, DrillRecord, Verdict};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::wire::counters;
use super::{Labels, gauges, number};
use crate::api::status::View;

pub(super) fn expose(registry: &mut Registry, view: &View<'_>) {
    let past = &view.state.drills.past;
    let last = || {
        let all = DrillKind::ALL.into_iter();
        all.filter_map(|kind| past.last_of(kind))
    };
    outages(registry, last());
    let passed = last().map(|run| {
        let passed = run.verdict == Verdict::Pass;
        (labels(run.kind), i64::from(passed))
    });
    let help = "1 where the last drill that proved something passed";
    gauges(registry, "drill_last_passed", help, passed);
    let ages = last().map(|run| {
        let age_ms = view.now.0.saturating_sub(run.ended.0);
        (labels(run.kind), number(age_ms / 1_000))
    });
    let help = "How long ago the last drill that proved something was over";
    gauges(registry, "drill_age_seconds", help, ages);
    let runs = past.ended().flat_map(|(kind, ended)| {
        let verdicts = [
            ("pass", ended.passed),
            ("fail", ended.failed),
            ("aborted", ended.aborted),
        ];
        verdicts.map(|(verdict, count)| {
            let mut labels = labels(kind);
            labels.push(("verdict", verdict.to_owned()));
            (labels, count)
        })
    });
    let help = "Drills that are over, by what they proved";
    counters(registry, "drill_runs", help, runs);
}

/// Milliseconds would be none of Prometheus' units, whole seconds would all be 0.
fn outages<'a>(registry: &mut Registry, last: impl Iterator<Item = &'a DrillRecord>) {
    let family = Family::<Labels, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    for run in last {
        let outage = Duration::from_millis(run.numbers.outage_ms);
        family
            .get_or_create(&labels(run.kind))
            .set(outage.as_secs_f64());
    }
    let help = "The longest outage of the last drill that proved something";
    registry.register("drill_last_outage_seconds", help, family);
}

fn labels(kind: DrillKind) -> Labels {
    vec![("drill", kind.to_string())]
}
