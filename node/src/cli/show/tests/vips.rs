//! Golden texts of VIPs, of moves, and of nodes at rest.

use std::collections::BTreeMap;
use std::time::Duration;

use farmux_raft::id::{NodeId, UnixMillis, VipName};
use farmux_raft::state::NodeRole::{Balancer, Witness};
use farmux_raft::state::{Author, Rest};

use super::super::super::terminal::Paint;
use super::super::{all_vips, move_plan, status, vip, vips};
use super::{NOW, golden};
use crate::api::report::OwnVip;
use crate::api::status::sample::{THEN, state, view};
use crate::api::status::{assemble, vip_report, vip_reports};
use crate::api::types::{
    ClaimReport, FenceReport, LeaderMoved, Moment, MovePlan, PlannedMove, Reading, Right,
    WorkReport,
};

fn front() -> VipName {
    "front".parse().expect("a name")
}

fn work() -> WorkReport {
    WorkReport {
        http: 2,
        idle: 7,
        tcp: 0,
        ftp: 1,
    }
}

fn fence() -> FenceReport {
    FenceReport {
        mode: "tcx".to_owned(),
        drops: BTreeMap::from([("asked".to_owned(), 12), ("packet-in".to_owned(), 3)]),
        claims: 2,
        trouble: None,
        last_claim: Some(ClaimReport {
            at: Moment(UnixMillis(THEN.0 + 240_000)),
            mac: "02:00:00:00:00:09".to_owned(),
        }),
    }
}

#[test]
fn golden_vips() {
    let state = state(&[Balancer, Balancer, Witness]);
    let mut view = view(&state, &[1, 2, 3]);
    let own = OwnVip {
        ballot: "4.n1".to_owned(),
        right: Some(Right::Lease),
        work: work(),
        fence: Some(fence()),
    };
    let owner = view.reports.get_mut(&NodeId(1)).expect("it answers");
    owner.vips.insert(front(), own);
    let fresh = || view.freshness();
    let all = Reading {
        fresh: fresh(),
        data: vip_reports(&view),
    };
    golden("vip-list.txt", &vips(&all, Paint::Plain, NOW));
    let one = Reading {
        fresh: fresh(),
        data: vip_report(&view, &front()).expect("it is there"),
    };
    golden("vip-show.txt", &vip(&one, Paint::Plain, NOW));
}

#[test]
fn golden_a_vip_that_nobody_owns() {
    let state = state(&[Balancer, Balancer, Witness]);
    let mut view = view(&state, &[2, 3]);
    view.me = NodeId(2);
    view.leases.clear();
    let all = Reading {
        fresh: view.freshness(),
        data: vip_reports(&view),
    };
    golden("vip-nobody.txt", &all_vips(&all, Paint::Plain, NOW));
}

#[test]
fn golden_what_a_move_will_do() {
    let name = |text: &str| text.parse().expect("a name");
    let plan = MovePlan {
        moves: vec![PlannedMove {
            vip: front(),
            address: [10, 0, 0, 100].into(),
            from: name("lb1"),
            to: name("lb2"),
            in_flight: work(),
        }],
        leader: Some(LeaderMoved {
            from: name("lb1"),
            to: None,
        }),
    };
    golden("move-plan.txt", &move_plan(&plan, Duration::from_secs(30)));
}

#[test]
fn golden_a_node_in_maintenance() {
    let mut state = state(&[Balancer, Balancer, Witness]);
    let maintenance = |why: &str| Rest {
        since: THEN,
        author: Author("anna".to_owned()),
        why: why.to_owned(),
    };
    state.resting.insert(NodeId(1), maintenance(""));
    state.resting.insert(NodeId(2), maintenance("new fan"));
    let report = assemble(&view(&state, &[1, 2, 3]));
    golden(
        "status-maintenance.txt",
        &status(&report, Paint::Plain, NOW),
    );
}
