//! PURE. VIPs, one by one: who owns each, by what right, and who else could.

use farmux_raft::id::{NodeId, VipName};
use farmux_raft::state::{NodeRole, Vip};

use super::View;
use crate::api::types::{Moment, OtherReport, VipReport};

/// All of them, by name.
pub fn vip_reports(view: &View<'_>) -> Vec<VipReport> {
    let vips = view.state.config.vips.iter();
    vips.map(|(name, vip)| of(view, name, vip)).collect()
}

/// One of them, if it is there.
pub fn vip_report(view: &View<'_>, name: &VipName) -> Option<VipReport> {
    let vip = view.state.config.vips.get(name)?;
    Some(of(view, name, vip))
}

fn of(view: &View<'_>, name: &VipName, vip: &Vip) -> VipReport {
    let owner = view.owner(name);
    let standing = view.state.vips.get(name);
    let reported = standing.filter(|standing| Some(standing.owner) == owner);
    let report = owner.and_then(|owner| view.reports.get(&owner));
    let own = report.and_then(|report| report.vips.get(name));
    VipReport {
        name: name.clone(),
        address: vip.address,
        network: vip.network.clone(),
        gateway: vip.gateway,
        on_quorum_loss: vip.on_quorum_loss,
        owner: owner.and_then(|owner| view.node_name(owner)),
        ballot: own.map(|own| own.ballot.clone()),
        since: reported.map(|standing| Moment(standing.since)),
        right: own.and_then(|own| own.right),
        in_flight: own.map(|own| own.work),
        others: others(view, name, owner),
        fence: own.and_then(|own| own.fence.clone()),
    }
}

fn others(view: &View<'_>, vip: &VipName, owner: Option<NodeId>) -> Vec<OtherReport> {
    let candidates = view.candidates(vip);
    let others = view.state.nodes.iter();
    let others = others.filter(|(id, node)| Some(**id) != owner && node.role == NodeRole::Balancer);
    let report = |(id, node): (&NodeId, &farmux_raft::state::Node)| OtherReport {
        node: node.name.clone(),
        unfit: candidates.judge(vip, *id).err().map(|why| why.to_string()),
    };
    others.map(report).collect()
}
