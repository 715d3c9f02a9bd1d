//! Farms.

use axum::extract::{Path, State as Shared};
use farmux_raft::id::FarmName;
use farmux_raft::state::Reject;

use super::super::answer::{Answer, answer, parse};
use super::super::gather::gather;
use super::super::status::farm_report;
use super::super::types::{FarmReport, Reading};
use super::{Daemon, member};
use crate::fault::Fault;

/// `GET /v1/farms`.
pub(crate) async fn list(Shared(node): Daemon) -> Answer<Reading<Vec<FarmReport>>> {
    let gathered = gather(&node, &*member(&node)?).await;
    let view = gathered.view();
    let farms = view.state.config.farms.keys();
    let data = farms.filter_map(|name| farm_report(&view, name)).collect();
    answer(Reading {
        fresh: view.freshness(),
        data,
    })
}

/// `GET /v1/farms/FARM`.
pub(crate) async fn show(
    Shared(node): Daemon,
    Path(farm): Path<String>,
) -> Answer<Reading<FarmReport>> {
    let farm: FarmName = parse(&farm)?;
    let gathered = gather(&node, &*member(&node)?).await;
    let view = gathered.view();
    let data = farm_report(&view, &farm).ok_or(Fault::from(Reject::UnknownFarm(farm)))?;
    answer(Reading {
        fresh: view.freshness(),
        data,
    })
}
