//! Runs from their beginning to their record, in worlds that are made up.

mod runs;
mod tasks;
mod tethers;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use farmux_raft::id::{NodeId, NodeName, UnixMillis};
use farmux_raft::state::drill::{DrillOrder, Running};

use super::places::Places;
use super::slate::{Lead, Slate};
use crate::drill::{DrillKind, Injection, Numbers, Plan, Radius, RunId, Target, Through};
use crate::measure::tally::Series;
use crate::rehearsal::Answer;

pub(super) const RUN: RunId = RunId(7);

/// Who measures.
const CLIENT: NodeId = NodeId(3);

/// Who is hit.
const OWNER: NodeId = NodeId(1);

fn name(text: &str) -> NodeName {
    text.parse().expect("a name")
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn begun(kind: DrillKind) -> Running {
    Running {
        id: RUN,
        order: DrillOrder {
            kind,
            target: None,
            outside: false,
            typed: None,
            bounds: None,
            by: "anna".to_owned(),
            scheduled: None,
            until: UnixMillis(600_000),
        },
        began: UnixMillis(1_000),
        revision: 12,
        aborted: None,
    }
}

fn slate(kind: DrillKind) -> Slate {
    Slate {
        lead: Lead::Here,
        lock: None,
        running: Some(begun(kind)),
    }
}

pub(super) fn planned(kind: DrillKind, injection: Injection) -> Plan {
    Plan {
        kind,
        target: Target::Node(name("lb1")),
        injection,
        radius: Radius::default(),
        through: Some(Through {
            url: "http://10.0.0.100:80".to_owned(),
            client: Some(name("w1")),
        }),
        steady: s(10),
        measured_for: kind.measured_for(),
        bounds: kind.bounds(),
        stop: kind.stop(),
        undo: kind.undo(),
        revision: 12,
    }
}

pub(super) fn crash() -> Plan {
    let injection = Injection::Crash { node: name("lb1") };
    planned(DrillKind::OwnerCrash, injection)
}

fn at(targets: &[NodeId]) -> Places {
    Places {
        client: Some(CLIENT),
        targets: targets.iter().copied().collect::<BTreeSet<_>>(),
        vip: "front".parse().ok(),
    }
}

fn reading(failed: u64, silent_ms: u64) -> Answer {
    Answer::Reading {
        requests: 1_000,
        failed,
        silent_ms,
        longest_silent_ms: silent_ms,
        failed_permille: 0,
    }
}

fn measured() -> Answer {
    let mut series = Series::default();
    series.add(s(1), true);
    Answer::Measured {
        numbers: Numbers {
            requests: 4_000,
            failed: 14,
            failed_in_outage: 14,
            outage_ms: 141,
            resolution_ms: 10,
            outages: 1,
            answers_again: true,
            ..Numbers::default()
        },
        series,
    }
}
