//! PURE. What a drill takes away, and whether enough is left without it.

use std::collections::BTreeSet;

use farmux_raft::id::{FarmName, NodeId, NodeName, VipName};
use farmux_raft::state::{OnParentDown, Parent};

use super::super::DrillKind;
use super::super::refusal::Refusal;
use super::target::{Hit, Target};
use super::{Injection, Radius};
use crate::api::status::View;

/// Whom it hits.
///
/// **Errors**: [`Refusal::LastRedundancy`]: what is lost would take down what is served, or the
/// majority; [`Refusal::Target`]: there is no such thing.
pub(super) fn radius(kind: DrillKind, view: &View<'_>, hit: &Hit) -> Result<Radius, Refusal> {
    let mut radius = Radius {
        survives: spare(view, None).unwrap_or(0),
        ..Radius::default()
    };
    if let Some(node) = hit.node.filter(|_| kind.takes_a_node()) {
        radius.nodes = view.node_name(node).into_iter().collect();
        radius.survives = spare(view, Some(node)).ok_or_else(|| lost_majority(view, node))?;
    }
    match &hit.injection {
        Injection::Crash { .. }
        | Injection::Pause { .. }
        | Injection::Isolate { .. }
        | Injection::FillDisk { .. }
        | Injection::LoseGateway { .. } => {
            radius.vips = owned_by(view, hit.node);
        }
        Injection::MoveVip { vip } => {
            radius.vips = view.state.config.lent_with(vip).into_iter().collect();
        }
        // Its VIPs stay, for nobody else has a majority either; but those go that need one.
        Injection::CutMajority { nodes } => {
            if nodes.len() == view.voters().len() {
                return Err(Refusal::LastRedundancy(
                    "no other node votes: there is no majority to lose".to_owned(),
                ));
            }
            radius.nodes.clone_from(nodes);
            radius.survives = 0;
            let vips = view.state.config.vips.iter();
            let go = vips.filter(|(_, vip)| !vip.on_quorum_loss.holds());
            radius.vips = go.map(|(name, _)| name.clone()).collect();
        }
        Injection::ServerDown { farm, server } | Injection::ServerSlow { farm, server } => {
            enough_servers(view, farm)?;
            radius.servers = vec![(farm.clone(), server.clone())];
        }
        Injection::ParentDown { watch } => {
            radius.behind = behind(view, &Parent::Watch(watch.clone()))?;
        }
        Injection::Page { .. } | Injection::Restore { .. } => {}
    }
    for vip in &radius.vips {
        takers(view, vip, hit)?;
    }
    Ok(radius)
}

/// How many voters are beyond the majority of each half, without one; `None`: there is no majority.
fn spare(view: &View<'_>, lost: Option<NodeId>) -> Option<u32> {
    let votes =
        |node: &&NodeId| Some(**node) != lost && view.answers(**node) && !view.is_settling(**node);
    let spare = |half: &BTreeSet<NodeId>| {
        let left = half.iter().filter(votes).count();
        left.checked_sub(half.len() / 2 + 1)
    };
    let spares: Option<Vec<usize>> = view.halves.iter().map(spare).collect();
    spares?
        .into_iter()
        .min()
        .map(|spare| u32::try_from(spare).unwrap_or(u32::MAX))
}

/// Who must be cut off from all others so that nobody has a majority: every voter but one, the
/// owner first. Spared is the one who leads, or the first other: it conducts, and measures.
pub(super) fn cut_from_all(view: &View<'_>, owner: NodeId) -> Vec<NodeName> {
    let voters = view.voters();
    let others = || voters.iter().copied().filter(|node| *node != owner);
    let leads = others().find(|node| view.log.leader == Some(*node));
    let spared = leads.or_else(|| others().find(|node| view.answers(*node)));
    let cut = others().filter(|node| Some(*node) != spared);
    let cut = std::iter::once(owner).chain(cut);
    cut.filter_map(|node| view.node_name(node)).collect()
}

fn lost_majority(view: &View<'_>, node: NodeId) -> Refusal {
    Refusal::LastRedundancy(format!(
        "without {} no majority of the {} voters is left",
        view.state.node_name(node),
        view.voters().len()
    ))
}

fn owned_by(view: &View<'_>, node: Option<NodeId>) -> Vec<VipName> {
    let vips = view.state.config.vips.keys();
    let owned = vips.filter(|vip| node.is_some() && view.owner(vip) == node);
    owned.cloned().collect()
}

/// Somebody else can take it.
fn takers(view: &View<'_>, vip: &VipName, hit: &Hit) -> Result<(), Refusal> {
    let candidates = view.candidates(vip);
    let owner = hit.node.or_else(|| view.owner(vip)).unwrap_or(view.me);
    match candidates.choose(vip, owner) {
        Ok(_) => Ok(()),
        Err(unable) => Err(Refusal::LastRedundancy(format!(
            "no other node could take {vip}: {}",
            candidates.in_words(&unable)
        ))),
    }
}

/// One server less, and the farm still serves as it should.
fn enough_servers(view: &View<'_>, farm: &FarmName) -> Result<(), Refusal> {
    let Some(known) = view.state.config.farms.get(farm) else {
        return Err(Refusal::Target(format!("there is no farm {farm}")));
    };
    let standing = view.state.farm_standing(farm);
    let needed = known.down_below.get().max(known.degraded_below);
    let needed = usize::try_from(needed).unwrap_or(usize::MAX).max(1);
    match standing.up > needed {
        true => Ok(()),
        false => Err(Refusal::LastRedundancy(format!(
            "farm {farm} has {standing}, and {needed} are needed without the one that is hit"
        ))),
    }
}

/// What is behind a file server: only what is kept serving may seem unreachable.
fn behind(view: &View<'_>, parent: &Parent) -> Result<usize, Refusal> {
    let dependants = dependants_of(view, parent);
    for child in &dependants {
        if let Parent::Server(farm, server) = child
            && would_go(view, farm)
        {
            return Err(Refusal::LastRedundancy(format!(
                "farm {farm} has on_parent_down = \"remove\": it would lose {farm}/{server}"
            )));
        }
    }
    Ok(dependants.len())
}

/// Everything that depends on a thing, near or far.
pub(super) fn dependants_of(view: &View<'_>, parent: &Parent) -> BTreeSet<Parent> {
    let config = &view.state.config;
    let depends = |member: &Parent| config.ancestors_of(member).contains(parent);
    config.members().filter(depends).collect()
}

fn would_go(view: &View<'_>, farm: &FarmName) -> bool {
    let known = view.state.config.farms.get(farm);
    known.is_some_and(|known| known.on_parent_down == OnParentDown::Remove)
}

/// The nodes that could take a VIP from another.
pub(super) fn could_take(view: &View<'_>, vip: &VipName, hit: &Hit) -> BTreeSet<NodeId> {
    let candidates = view.candidates(vip);
    let nodes = view.state.nodes.keys().copied();
    nodes
        .filter(|node| Some(*node) != hit.node && candidates.judge(vip, *node).is_ok())
        .collect()
}

/// The VIP that a target is about, if it is about one.
pub(super) fn vip_of(view: &View<'_>, hit: &Hit) -> Option<VipName> {
    let config = &view.state.config;
    match &hit.target {
        Target::Vip(vip) => Some(vip.clone()),
        Target::Server(farm, _) => config.farms.get(farm).map(|farm| farm.vip.clone()),
        Target::Node(_) => {
            let own = owned_by(view, hit.node).into_iter().next();
            own.or_else(|| config.vips.keys().next().cloned())
        }
        Target::Watch(_) | Target::Contacts(_) => config.vips.keys().next().cloned(),
    }
}
