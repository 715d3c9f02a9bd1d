//! PURE. Through which VIP a drill is measured, and by whom: never by the node that owns it, nor by
//! one that may take it meanwhile, for that one would ask itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use farmux_raft::id::{NodeId, NodeName, VipName};
use farmux_raft::state::{Service, ServiceKind};

use super::super::DrillKind;
use super::super::refusal::Refusal;
use super::loss::{could_take, vip_of};
use super::target::Hit;
use crate::api::status::View;

/// How it is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Through {
    /// What is asked, as `farmux probe` takes it.
    pub url: String,
    /// Who asks; `None`: somebody outside.
    pub client: Option<NodeName>,
}

pub(super) fn through(
    kind: DrillKind,
    view: &View<'_>,
    hit: &Hit,
    outside: bool,
) -> Result<Option<Through>, Refusal> {
    let asked = vip_of(view, hit).and_then(|vip| Some((url(view, &vip)?, vip)));
    let Some((url, vip)) = asked else {
        return Ok(None);
    };
    let client = client(kind, view, hit, &vip);
    match (client, outside) {
        (None, false) => Err(Refusal::NobodyMeasures),
        (client, _) => Ok(Some(Through { url, client })),
    }
}

/// The first service of a VIP, HTTP before the others: its answers say most.
fn url(view: &View<'_>, vip: &VipName) -> Option<String> {
    let address = view.state.config.vips.get(vip)?.address;
    let farms = view.state.config.farms.values();
    let farms = farms.filter(|farm| farm.vips().any(|name| name == vip));
    let services: Vec<&Service> = farms.flat_map(|farm| farm.services.values()).collect();
    let is_http = |service: &&&Service| service.kind == ServiceKind::Http;
    let service = services.iter().find(is_http).or(services.first())?;
    let scheme = match service.kind {
        ServiceKind::Http => "http",
        // A login needs an account; a connection shows whether anybody is there.
        ServiceKind::Tcp | ServiceKind::Ftp(_) => "tcp",
    };
    let place = SocketAddr::new(address, service.port.get());
    Some(format!("{scheme}://{place}"))
}

/// A node that answers, owns the VIP neither before nor after, and is not hit itself: a witness
/// first.
fn client(kind: DrillKind, view: &View<'_>, hit: &Hit, vip: &VipName) -> Option<NodeName> {
    let owner = view.owner(vip);
    let is_owner = hit.node.is_some_and(|node| Some(node) == owner);
    let vips = &view.state.config.vips;
    // Without a majority nobody takes it from one that holds it, but the other one of a pair.
    let is_held = kind == DrillKind::QuorumLoss
        && vips.get(vip).is_some_and(|vip| !vip.on_quorum_loss.takes());
    let moves = kind.takes_a_node() || (is_owner && !is_held);
    let takers = match moves {
        true => could_take(view, vip, hit),
        false => BTreeSet::new(),
    };
    let is_hit = |node: NodeId| {
        let name = view.node_name(node);
        name.is_none_or(|name| hit.injection.nodes().contains(&name))
    };
    let stands_by = |node: &NodeId| view.answers(*node) && Some(*node) != owner && !is_hit(*node);
    let nodes: Vec<NodeId> = view.state.nodes.keys().copied().filter(stands_by).collect();
    let idle = nodes.iter().find(|node| !takers.contains(node));
    // Of several that could take it the last in rank does so only when the others cannot.
    let last = nodes.last().filter(|_| takers.len() > 1);
    view.node_name(*idle.or(last)?)
}
