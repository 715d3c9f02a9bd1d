//! PURE. Watches as they are shown.

use farmux_raft::id::WatchName;
use farmux_raft::state::{CheckKey, Health, Parent, State, Watch};

use super::farms::{check_words, words};
use crate::api::types::{Moment, WatchCounts, WatchReport};

/// Every watch.
pub fn watch_reports(state: &State) -> Vec<WatchReport> {
    let watches = state.config.watches.iter();
    watches
        .map(|(name, watch)| report(state, name, watch))
        .collect()
}

/// One of them.
pub fn watch_report(state: &State, name: &WatchName) -> Option<WatchReport> {
    let watch = state.config.watches.get(name)?;
    Some(report(state, name, watch))
}

fn report(state: &State, name: &WatchName, watch: &Watch) -> WatchReport {
    let key = CheckKey::Watch(name.clone());
    let record = state.health.get(&key);
    let member = Parent::Watch(name.clone());
    WatchReport {
        name: name.clone(),
        target: watch.target(),
        labels: watch.labels.clone(),
        check: check_words(&watch.check),
        health: state.check_health(&key),
        advice: state.check_advice(&key),
        reason: record.map_or(String::new(), |record| record.reason.clone()),
        since: record.map(|record| Moment(record.since)),
        unreachable_because: state.cause_of(&member).map(|cause| cause.to_string()),
        depends_on: words(&watch.depends_on),
        dependants: words(&state.dependants_of(&member)),
    }
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
