//! Orders to servers, one by one or all of an address, and what they still have in hand.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::{Path, State as Shared};
use farmux_raft::id::{FarmName, NodeName, ServerName, UnixMillis};
use farmux_raft::state::{AdminOrder, Command, Farm, NodeRole, Ordered};

use super::super::answer::{Answer, Order, answer, parse};
use super::super::caller::Caller;
use super::super::gather::gather;
use super::super::status::View;
use super::super::types::{AdminRequest, ConnectionsReport, Done};
use super::{Daemon, change, member};
use crate::daemon::wall_clock;
use crate::fault::Fault;

/// `POST /v1/farms/FARM/servers/SERVER/admin`.
pub(crate) async fn order_one(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Path((farm, server)): Path<(String, String)>,
    Order(request): Order<AdminRequest>,
) -> Answer<Done> {
    let one = Ordered::One(parse(&farm)?, parse(&server)?);
    answer(change(&node, command(&caller, one, request)).await?)
}

/// `POST /v1/servers/ADDRESS/admin`.
pub(crate) async fn order_everywhere(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    Order(request): Order<AdminRequest>,
) -> Answer<Done> {
    let all = Ordered::Everywhere(parse(&address)?);
    answer(change(&node, command(&caller, all, request)).await?)
}

fn command(caller: &Caller, servers: Ordered, request: AdminRequest) -> Command {
    Command::SetAdmin(AdminOrder {
        author: caller.author(),
        servers,
        admin: request.admin,
        allow_empty: request.allow_empty,
        comment: request.comment,
        until: request.lasts_s.map(|seconds| {
            let now = wall_clock();
            UnixMillis(now.0.saturating_add(seconds.saturating_mul(1_000)))
        }),
    })
}

/// `GET /v1/farms/FARM/servers/SERVER/connections`.
pub(crate) async fn connections_of_one(
    Shared(node): Daemon,
    Path((farm, server)): Path<(String, String)>,
) -> Answer<ConnectionsReport> {
    connections(Shared(node), Ordered::One(parse(&farm)?, parse(&server)?)).await
}

/// `GET /v1/servers/ADDRESS/connections`.
pub(crate) async fn connections_everywhere(
    Shared(node): Daemon,
    Path(address): Path<String>,
) -> Answer<ConnectionsReport> {
    let address: IpAddr = parse(&address)?;
    connections(Shared(node), Ordered::Everywhere(address)).await
}

async fn connections(Shared(node): Daemon, servers: Ordered) -> Answer<ConnectionsReport> {
    let gathered = gather(&node, &*member(&node)?).await;
    let view = gathered.view();
    let servers = view.state.ordered(&servers).map_err(Fault::from)?;
    answer(in_flight(&view, &servers))
}

/// What is in flight at servers that are there: at the owners of their VIPs, and at whoever owned
/// those before.
fn in_flight(view: &View<'_>, servers: &[(FarmName, ServerName)]) -> ConnectionsReport {
    let reports = || view.reports.values();
    let active = servers.iter().map(|(farm, server)| {
        let active = reports().map(|report| report.active(farm, server));
        active.sum::<u64>()
    });
    let farms = &view.state.config.farms;
    let mut owners = servers
        .iter()
        .flat_map(|(farm, _)| farms.get(farm).into_iter().flat_map(Farm::vips))
        .filter_map(|vip| view.owner(vip));
    let balancers = view
        .state
        .nodes
        .iter()
        .filter(|(_, node)| node.role == NodeRole::Balancer);
    let silent = balancers.filter(|(id, _)| !view.answers(**id));
    ConnectionsReport {
        servers: servers
            .iter()
            .map(|(farm, server)| format!("{farm}/{server}"))
            .collect(),
        active: active.sum(),
        silent: silent
            .map(|(_, node)| node.name.clone())
            .collect::<Vec<NodeName>>(),
        owner_answered: owners.all(|owner| view.answers(owner)),
    }
}

#[cfg(test)]
mod tests {
    use farmux_raft::id::NodeId;

    use super::super::super::report::ServerCount;
    use super::super::super::status::sample::{state, view};
    use super::*;

    #[test]
    fn what_is_in_flight_is_summed_over_all_that_answer() {
        let state = state(&[NodeRole::Balancer, NodeRole::Balancer, NodeRole::Witness]);
        let place = |server: &str| {
            let farm = "shop".parse().expect("a name");
            (farm, server.parse().expect("a name"))
        };
        let s1 = [place("s1")];
        let count = |server: &str, active| ServerCount {
            farm: "shop".parse().expect("a name"),
            service: "web".parse().expect("a name"),
            server: server.parse().expect("a name"),
            active,
            total: active,
        };
        let mut all = view(&state, &[1, 2, 3]);
        for (node, active) in [(1, 3), (2, 1)] {
            let report = all.reports.get_mut(&NodeId(node)).expect("it answers");
            report.servers = vec![count("s1", active), count("s2", 5)];
        }
        let report = in_flight(&all, &s1);
        assert_eq!((report.active, report.owner_answered), (4, true));
        assert!(report.silent.is_empty());
        assert_eq!(report.servers, ["shop/s1"]);
        let both = in_flight(&all, &[place("s1"), place("s2")]);
        assert_eq!(both.active, 14, "of several servers all together");

        // A dead balancer that is not the owner is named, and holds no drain up.
        let report = in_flight(&view(&state, &[1]), &s1);
        assert_eq!((report.active, report.owner_answered), (0, true));
        assert_eq!(report.silent, ["lb2".parse().expect("a name")]);

        let mut owner_silent = view(&state, &[1, 3]);
        owner_silent
            .reports
            .values_mut()
            .for_each(|report| report.held.clear());
        let front = "front".parse().expect("a name");
        owner_silent.leases.insert(front, NodeId(2));
        let report = in_flight(&owner_silent, &s1);
        assert!(!report.owner_answered);
    }
}
