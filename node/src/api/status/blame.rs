//! PURE. Servers and watches that are down, and whose fault it is.
//!
//! A cause comes before what is down by itself, and the one that took most with it first; what is
//! unreachable is told with its cause, and has no line of its own.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use farmux_raft::state::{Health, HealthRecord, HoldKind, Parent, State};

use super::farms::is_watched;
use super::overall::incident;
use crate::api::types::Overall;

/// A line for everything that is down by itself, with what is unreachable because of it.
pub(super) fn blame(state: &State, add: &mut impl FnMut(Overall, String)) {
    let mut causes: BTreeMap<Parent, Vec<Parent>> = BTreeMap::new();
    for member in state.config.members().filter(|one| is_down(state, one)) {
        match state.cause_of(&member) {
            Some(cause) => causes.entry(cause).or_default().push(member),
            None => {
                causes.entry(member).or_default();
            }
        }
    }
    let mut causes: Vec<(Parent, Vec<Parent>)> = causes.into_iter().collect();
    // Stable: those that took equally many with them stay in the order of their names.
    causes.sort_by_key(|(_, behind)| Reverse(behind.len()));
    let more = causes.len().saturating_sub(LINES_MAX);
    for (cause, behind) in causes.into_iter().take(LINES_MAX) {
        add(Overall::Degraded, line(state, &cause, &behind));
    }
    if more > 0 {
        let text = format!("{more} more are down: farmux watch list --down, farmux farm list");
        add(Overall::Degraded, text);
    }
}

fn is_down(state: &State, member: &Parent) -> bool {
    let looked_after = match member {
        Parent::Watch(_) => true,
        Parent::Server(farm, server) => {
            let farm = state.config.farms.get(farm);
            farm.and_then(|farm| farm.servers.get(server))
                .is_some_and(is_watched)
        }
    };
    looked_after && state.member_health(member) == Health::Down
}

/// `watch fs1 is down: connection refused; because of it 143 are unreachable: shop/s1 shop/s2 …`.
fn line(state: &State, cause: &Parent, behind: &[Parent]) -> String {
    let what = match cause {
        Parent::Watch(_) => "watch",
        Parent::Server(..) => "server",
    };
    let behind = unreachable(behind);
    if !is_down(state, cause) {
        return format!("{what} {cause} is not down any more; for now {behind}");
    }
    let page = incident(state, &cause.subject()).map(|page| page.cause.as_str());
    let waits = waits(state, cause);
    let failed = |record: &&HealthRecord| record.health == Health::Down;
    let mut records = state.member_records(cause).map(|(_, record)| record);
    let seen = records.find(failed).map(|record| record.reason.as_str());
    let why = match page.or(waits.as_deref()).or(seen) {
        Some(why) if !why.is_empty() => format!(": {why}"),
        Some(_) | None => String::new(),
    };
    match behind.is_empty() {
        true => format!("{what} {cause} is down{why}"),
        false => format!("{what} {cause} is down{why}; because of it {behind}"),
    }
}

/// What the page of something that is down waits for.
pub(super) fn waits(state: &State, member: &Parent) -> Option<String> {
    match state.holds.get(member) {
        Some(HoldKind::Asking { .. }) => Some("what it depends on is asked first".to_owned()),
        Some(HoldKind::Doubted(doubt)) => {
            Some(format!("{} is asked too", state.node_name(doubt.asked)))
        }
        Some(HoldKind::Blind { node }) => {
            let name = state.node_name(*node);
            Some(format!("by the word of {name}, which suspects itself"))
        }
        Some(HoldKind::Sighted { node }) => {
            let name = state.node_name(*node);
            Some(format!("it may be coming back after the path of {name}"))
        }
        Some(HoldKind::Shadowed(_) | HoldKind::Recovering(_)) | None => None,
    }
}

/// `143 are unreachable: shop/s1 shop/s2 …`; nothing where nobody is.
fn unreachable(behind: &[Parent]) -> String {
    let names: Vec<String> = behind
        .iter()
        .take(NAMES_MAX)
        .map(Parent::to_string)
        .collect();
    let names = names.join(" ");
    match behind.len() {
        0 => String::new(),
        1 => format!("{names} is unreachable"),
        count if count > NAMES_MAX => format!("{count} are unreachable: {names} …"),
        count => format!("{count} are unreachable: {names}"),
    }
}

/// A status fits a screen; the lists have them all.
const LINES_MAX: usize = 20;

/// Names in a line; `farm show` and `watch show` have them all.
pub(super) const NAMES_MAX: usize = 8;
