//! Golden texts of silences and maintenance, where they are shown beside other things.

use farmux_raft::id::UnixMillis;
use farmux_raft::state::NodeRole::Balancer;

use super::super::super::terminal::Paint;
use super::super::{farm, preview};
use super::golden;
use crate::api::status::farm_report;
use crate::api::status::sample::{THEN, maintain, state, view};
use crate::api::types::{Moment, PreviewReport, Reading, SilencedReport};

/// A silence with an end.
pub(super) fn silenced_report() -> SilencedReport {
    SilencedReport {
        number: 7,
        matcher: "watch=fs*".to_owned(),
        comment: "moving house".to_owned(),
        author: "anna".to_owned(),
        until: Moment(UnixMillis(THEN.0 + 7_200_000)),
    }
}

/// In the farm, and in the preview of a page; with an end, and forgotten.
#[test]
fn golden_maintenance() {
    let mut state = state(&[Balancer]);
    for (server, comment, until) in [
        ("s1", "new disks", Some(UnixMillis(THEN.0 + 7_200_000))),
        ("s2", "", None),
    ] {
        maintain(&mut state, server, comment, until);
    }
    let later = UnixMillis(THEN.0 + 25 * 3_600_000);
    let mut view = view(&state, &[1]);
    view.now = later;
    let report = farm_report(&view, &"shop".parse().expect("a name")).expect("it is there");
    let maintenance = report.servers[0].maintenance.clone();
    let one = Reading {
        fresh: view.freshness(),
        data: report,
    };
    let mut shown = farm(&one, Paint::Plain, later);
    for (silenced, maintenance, held) in [
        (Some(silenced_report()), None, ""),
        (None, maintenance, "it is in maintenance by order"),
    ] {
        let one = Reading {
            fresh: view.freshness(),
            data: PreviewReport {
                subject: "shop/s1".to_owned(),
                ladder: None,
                held: held.to_owned(),
                silenced,
                maintenance,
                calls: vec![],
            },
        };
        shown += &preview(&one, Paint::Plain, later);
    }
    golden("maintenance.txt", &shown);
}
