//! Watches.

use axum::extract::{Path, State as Shared};
use farmux_raft::id::WatchName;

use super::super::answer::{Answer, answer, parse};
use super::super::status::{watch_report, watch_reports};
use super::super::types::{Reading, WatchReport};
use super::{Daemon, freshness, member};
use crate::fault::{Code, Fault};

/// `GET /v1/watches`.
pub(crate) async fn list(Shared(node): Daemon) -> Answer<Reading<Vec<WatchReport>>> {
    let member = member(&node)?;
    answer(Reading {
        fresh: freshness(&node, &member),
        data: watch_reports(&member.state()),
    })
}

/// `GET /v1/watches/NAME`.
pub(crate) async fn show(
    Shared(node): Daemon,
    Path(name): Path<String>,
) -> Answer<Reading<WatchReport>> {
    let name: WatchName = parse(&name)?;
    let member = member(&node)?;
    let unknown = || Fault::new(Code::WatchUnknown).what(format!("there is no watch {name}"));
    let data = watch_report(&member.state(), &name).ok_or_else(unknown)?;
    answer(Reading {
        fresh: freshness(&node, &member),
        data,
    })
}
