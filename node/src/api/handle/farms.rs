//! Farms and their servers.

use axum::Extension;
use axum::extract::{Path, State as Shared};
use farmux_raft::id::{FarmName, NodeId, NodeName, ServerName};
use farmux_raft::state::{AdminOrder, Command, NodeRole, Ordered, Reject};

use super::super::answer::{Answer, Order, answer, parse};
use super::super::caller::Caller;
use super::super::gather::gather;
use super::super::status::{View, farm_report};
use super::super::types::{AdminRequest, ConnectionsReport, Done, FarmReport, Reading};
use super::{Daemon, change, member};
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

/// `POST /v1/farms/FARM/servers/SERVER/admin`.
pub(crate) async fn order(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Path((farm, server)): Path<(String, String)>,
    Order(request): Order<AdminRequest>,
) -> Answer<Done> {
    let order = AdminOrder {
        author: caller.author(),
        servers: Ordered::One(parse(&farm)?, parse(&server)?),
        admin: request.admin,
        allow_empty: request.allow_empty,
    };
    answer(change(&node, Command::SetAdmin(order)).await?)
}

/// `GET /v1/farms/FARM/servers/SERVER/connections`.
pub(crate) async fn connections(
    Shared(node): Daemon,
    Path((farm, server)): Path<(String, String)>,
) -> Answer<ConnectionsReport> {
    let (farm, server) = (parse(&farm)?, parse(&server)?);
    let gathered = gather(&node, &*member(&node)?).await;
    answer(in_flight(&gathered.view(), &farm, &server)?)
}

/// What is in flight at a server: at the owner of its VIP, and at whoever owned it before.
fn in_flight(
    view: &View<'_>,
    name: &FarmName,
    server: &ServerName,
) -> Result<ConnectionsReport, Reject> {
    let farm = view.state.config.farms.get(name);
    let farm = farm.ok_or_else(|| Reject::UnknownFarm(name.clone()))?;
    if !farm.servers.contains_key(server) {
        return Err(Reject::UnknownServer {
            farm: name.clone(),
            server: server.clone(),
        });
    }
    let balancers = view
        .state
        .nodes
        .iter()
        .filter(|(_, node)| node.role == NodeRole::Balancer);
    let silent = balancers.filter(|(id, _)| !view.answers(**id));
    let owner: Option<NodeId> = view.owner(&farm.vip);
    Ok(ConnectionsReport {
        active: view
            .reports
            .values()
            .map(|report| report.active(name, server))
            .sum(),
        silent: silent
            .map(|(_, node)| node.name.clone())
            .collect::<Vec<NodeName>>(),
        owner_answered: owner.is_none_or(|owner| view.answers(owner)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::report::ServerCount;
    use super::super::super::status::sample::{state, view};
    use super::*;

    #[test]
    fn what_is_in_flight_is_summed_over_all_that_answer() {
        let state = state(&[NodeRole::Balancer, NodeRole::Balancer, NodeRole::Witness]);
        let (farm, server) = (
            "shop".parse().expect("a name"),
            "s1".parse().expect("a name"),
        );
        let count = |active| ServerCount {
            farm: "shop".parse().expect("a name"),
            service: "web".parse().expect("a name"),
            server: "s1".parse().expect("a name"),
            active,
            total: active,
        };
        let mut all = view(&state, &[1, 2, 3]);
        for (node, active) in [(1, 3), (2, 1)] {
            let report = all.reports.get_mut(&NodeId(node)).expect("it answers");
            report.servers = vec![count(active)];
        }
        let report = in_flight(&all, &farm, &server).expect("it is there");
        assert_eq!((report.active, report.owner_answered), (4, true));
        assert!(report.silent.is_empty());

        // A dead balancer that is not the owner is named, and holds no drain up.
        let report = in_flight(&view(&state, &[1]), &farm, &server).expect("it is there");
        assert_eq!((report.active, report.owner_answered), (0, true));
        assert_eq!(report.silent, ["lb2".parse().expect("a name")]);

        let mut owner_silent = view(&state, &[1, 3]);
        owner_silent
            .reports
            .values_mut()
            .for_each(|report| report.held.clear());
        let front = "front".parse().expect("a name");
        owner_silent.leases.insert(front, NodeId(2));
        let report = in_flight(&owner_silent, &farm, &server).expect("it is there");
        assert!(!report.owner_answered);

        let nowhere = "s9".parse().expect("a name");
        assert!(in_flight(&all, &farm, &nowhere).is_err());
        assert!(in_flight(&all, &nowhere.to_string().parse().expect("a name"), &server).is_err());
    }
}
