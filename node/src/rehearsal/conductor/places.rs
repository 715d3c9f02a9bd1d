//! PURE. Where a plan is carried out: who measures, and at which nodes the failure is made.

use std::collections::BTreeSet;
use std::net::IpAddr;

use farmux_raft::id::{NodeId, NodeName, VipName};

use crate::api::status::View;
use crate::drill::{DrillKind, Injection, Plan, Through};
use crate::measure::url::Target as Url;

/// Who does what in a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Places {
    /// Who measures; `None`: nobody of ours.
    pub(crate) client: Option<NodeId>,
    /// Who makes the failure.
    pub(crate) targets: BTreeSet<NodeId>,
    /// Through which VIP it is measured.
    pub(crate) vip: Option<VipName>,
}

/// Where a plan is carried out; `None`: a node that it names is not known any more.
pub(crate) fn places(plan: &Plan, view: &View<'_>) -> Option<Places> {
    let id = |name: &NodeName| {
        let mut nodes = view.state.nodes.iter();
        nodes
            .find(|(_, node)| node.name == *name)
            .map(|(id, _)| *id)
    };
    let client = match &plan.through {
        None | Some(Through { client: None, .. }) => None,
        Some(Through {
            client: Some(name), ..
        }) => Some(id(name)?),
    };
    let one = |node: Option<NodeId>| Some(BTreeSet::from([node?]));
    let targets = match &plan.injection {
        Injection::MoveVip { vip } => one(view.owner(vip)),
        Injection::Crash { node }
        | Injection::Pause { node }
        | Injection::Isolate { node }
        | Injection::LoseGateway { node, .. }
        | Injection::FillDisk { node }
        | Injection::Restore { node } => one(id(node)),
        Injection::CutMajority { nodes } => nodes.iter().map(id).collect(),
        // Whoever may probe or serve meanwhile must pretend as well.
        Injection::ServerDown { .. }
        | Injection::ServerSlow { .. }
        | Injection::ParentDown { .. } => {
            let nodes = view.state.nodes.keys().copied();
            Some(nodes.filter(|node| view.answers(*node)).collect())
        }
        Injection::Page { .. } => one(Some(view.me)),
    };
    Some(Places {
        client,
        targets: targets?,
        vip: plan
            .through
            .as_ref()
            .and_then(|through| asked(through, view)),
    })
}

/// The VIP behind a URL.
fn asked(through: &Through, view: &View<'_>) -> Option<VipName> {
    let url: Url = through.url.parse().ok()?;
    let address: IpAddr = url.host.parse().ok()?;
    let mut vips = view.state.config.vips.iter();
    let found = vips.find(|(_, vip)| vip.address == address);
    found.map(|(name, _)| name.clone())
}

/// Whether the one who leads must not be the one who is hit.
pub(super) fn takes_the_leader(plan: &Plan, places: &Places, me: NodeId) -> bool {
    let takes = plan.kind.takes_a_node() || plan.kind == DrillKind::QuorumLoss;
    takes && places.targets.contains(&me)
}

/// Who leads instead: only one that is not hit outlives the loss of the majority.
pub(super) fn successor(plan: &Plan, places: &Places) -> Option<NodeId> {
    match plan.kind == DrillKind::QuorumLoss {
        true => places.client,
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use farmux_raft::state::NodeRole::{Balancer, Witness};

    use super::*;
    use crate::api::status::sample::{state, view};
    use crate::drill::{Consent, Standing, plan};

    fn at(kind: DrillKind) -> (Plan, Places) {
        let mut state = state(&[Balancer, Balancer, Witness]);
        crate::api::status::sample::add_watches(&mut state);
        let mut view = view(&state, &[1, 2, 3]);
        let applied = view.log.applied;
        let reports = view.reports.values_mut();
        reports.for_each(|report| report.applied = applied);
        let plan = plan(kind, &view, &Standing::default(), &Consent::default());
        let plan = plan.expect("a healthy cluster");
        let places = places(&plan, &view).expect("all are known");
        (plan, places)
    }

    #[test]
    fn the_owner_is_hit_and_the_witness_measures() {
        let me = NodeId(1);
        for kind in [DrillKind::OwnerCrash, DrillKind::OwnerPause] {
            let (plan, places) = at(kind);
            assert_eq!(places.client, Some(NodeId(3)), "{kind}");
            assert_eq!(places.targets, BTreeSet::from([me]), "{kind}");
            assert_eq!(places.vip, "front".parse().ok());
            assert!(plan.injection.silences());
            // Nothing is injected while a run is young.
            assert!(super::super::slate::YOUNG * 2 <= plan.steady);
            assert!(takes_the_leader(&plan, &places, me));
            assert!(!takes_the_leader(&plan, &places, NodeId(2)));
        }
        let (plan, places) = at(DrillKind::VipMove);
        assert_eq!(places.targets, BTreeSet::from([me]));
        assert!(!takes_the_leader(&plan, &places, me), "it goes on leading");
    }

    #[test]
    fn everybody_pretends_that_a_server_is_down() {
        let (plan, places) = at(DrillKind::ServerDown);
        assert_eq!(places.targets, [1, 2, 3].map(NodeId).into());
        assert!(!plan.injection.silences());
    }
}
