//! PURE. Watches as they are shown.

use farmux_raft::id::{UnixMillis, WatchName};
use farmux_raft::state::{CheckKey, Health, MonthUptime, Parent, State, Watch};

use super::blame::waits;
use super::farms::{check_words, words};
use super::overall::incident;
use crate::api::types::{Moment, MonthReport, WatchCounts, WatchReport};

/// Every watch.
pub fn watch_reports(state: &State) -> Vec<WatchReport> {
    let watches = state.config.watches.iter();
    watches
        .filter_map(|(name, watch)| report(state, name, watch))
        .collect()
}

/// One of them.
pub fn watch_report(state: &State, name: &WatchName) -> Option<WatchReport> {
    let watch = state.config.watches.get(name)?;
    report(state, name, watch)
}

fn report(state: &State, name: &WatchName, watch: &Watch) -> Option<WatchReport> {
    let key = CheckKey::Watch(name.clone());
    let record = state.health.get(&key);
    let member = Parent::Watch(name.clone());
    let check = state.config.check_of(watch)?;
    Some(WatchReport {
        name: name.clone(),
        target: watch.target(check),
        group: watch.group.as_ref().map(ToString::to_string),
        labels: state.config.labels_of(watch),
        check: check_words(check),
        health: state.check_health(&key),
        advice: state.check_advice(&key),
        reason: record.map_or(String::new(), |record| record.reason.clone()),
        since: record.map(|record| Moment(record.since)),
        unreachable_because: state.cause_of(&member).map(|cause| cause.to_string()),
        page_waits: waits(state, &member),
        verdict: incident(state, &member.subject()).and_then(|page| page.verdict),
        depends_on: words(&state.config.parents_of(&member)),
        dependants: words(&state.dependants_of(&member)),
    })
}

/// How a watch was, month by month, the newest first, up to now.
pub fn uptime_of(state: &State, name: &WatchName, now: UnixMillis) -> Vec<MonthReport> {
    let months = state.uptime.months_of(&CheckKey::Watch(name.clone()), now);
    let report = |month: MonthUptime| MonthReport {
        month: month.month.to_string(),
        up_ms: month.up_ms.into(),
        down_ms: month.down_ms.into(),
        unknown_ms: month.unknown_ms.into(),
        downs: month.downs,
        up_per_100_000: month.up_per_100_000(),
    };
    months.into_iter().map(report).collect()
}

/// How many are in which condition.
pub(super) fn watch_counts(state: &State) -> WatchCounts {
    let mut counts = WatchCounts::default();
    for name in state.config.watches.keys() {
        let member = Parent::Watch(name.clone());
        match state.member_health(&member) {
            Health::Up => counts.up += 1,
            Health::Unknown => counts.unknown += 1,
            Health::Down if state.cause_of(&member).is_some() => counts.unreachable += 1,
            Health::Down => counts.down += 1,
        }
    }
    counts
}
