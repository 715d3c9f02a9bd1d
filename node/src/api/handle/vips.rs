//! VIPs, one by one.

use axum::extract::{Path, State as Shared};
use farmux_raft::id::VipName;
use farmux_raft::state::Reject;

use super::super::answer::{Answer, answer, parse};
use super::super::gather::gather;
use super::super::status::{vip_report, vip_reports};
use super::super::types::{Reading, VipReport};
use super::{Daemon, member};
use crate::fault::Fault;

/// `GET /v1/vips`.
pub(crate) async fn list(Shared(node): Daemon) -> Answer<Reading<Vec<VipReport>>> {
    let gathered = gather(&node, &*member(&node)?).await;
    let view = gathered.view();
    answer(Reading {
        fresh: view.freshness(),
        data: vip_reports(&view),
    })
}

/// `GET /v1/vips/VIP`.
pub(crate) async fn show(
    Shared(node): Daemon,
    Path(vip): Path<String>,
) -> Answer<Reading<VipReport>> {
    let vip: VipName = parse(&vip)?;
    let gathered = gather(&node, &*member(&node)?).await;
    let view = gathered.view();
    let data = vip_report(&view, &vip).ok_or(Fault::from(Reject::UnknownVip(vip)))?;
    answer(Reading {
        fresh: view.freshness(),
        data,
    })
}
