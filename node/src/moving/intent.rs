//! PURE. From what an operator wants moved to who is ordered what, and what is said before.

use std::collections::{BTreeMap, BTreeSet};

use farmux_raft::id::{NodeId, NodeName, VipName};
use farmux_raft::state::Reject;

use super::fitness::{Candidates, Unfit, kept_from_leading};
use super::order::What;
use crate::api::status::View;
use crate::api::types::{LeaderMoved, MovePlan, MoveWish, PlannedMove, WorkReport};
use crate::fault::{Code, Fault};

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    /// For the operator.
    pub(crate) plan: MovePlan,
    /// At which node what is ordered, one after the other.
    pub(crate) orders: Vec<(NodeId, What)>,
}

/// What a wish comes to, as things stand.
///
/// **Errors**: it cannot be: no such node or VIP, nobody owns it, nobody can take it.
pub(crate) fn intent(view: &View<'_>, wish: &MoveWish) -> Result<Intent, Fault> {
    let intent = as_things_stand(view, wish)?;
    match &view.state.pause {
        Some(pause) if !intent.plan.moves.is_empty() => {
            let by = &pause.author.0;
            Err(Fault::new(Code::MovesPaused).why(format!("by order of {by}")))
        }
        Some(_) | None => Ok(intent),
    }
}

fn as_things_stand(view: &View<'_>, wish: &MoveWish) -> Result<Intent, Fault> {
    match wish {
        MoveWish::Vip { vip, to } => one_vip(view, vip, find(view, to)?),
        MoveWish::Switchover { to } => {
            let to = to.as_ref().map(|to| find(view, to)).transpose()?;
            switchover(view, to)
        }
        MoveWish::Away { node } => away(view, find(view, node)?),
    }
}

fn one_vip(view: &View<'_>, vip: &VipName, to: NodeId) -> Result<Intent, Fault> {
    if !view.state.config.vips.contains_key(vip) {
        return Err(Reject::UnknownVip(vip.clone()).into());
    }
    let from = owner(view, vip)?;
    let mut intent = Intent::nothing();
    if from == to {
        return Ok(intent);
    }
    judge(view, vip, to)?;
    for one in view.state.config.lent_with(vip) {
        intent.moves(view, &one, from, to);
    }
    let vip = vip.clone();
    intent.orders.push((from, What::Vip { vip, to }));
    Ok(intent)
}

fn switchover(view: &View<'_>, to: Option<NodeId>) -> Result<Intent, Fault> {
    let vips: Vec<&VipName> = view.state.config.vips.keys().collect();
    let mut owners = BTreeMap::new();
    for vip in &vips {
        owners.insert(*vip, owner(view, vip)?);
    }
    let to = match (to, vips.first()) {
        (Some(to), _) => to,
        (None, Some(vip)) => successor(view, vip, &owners)?,
        (None, None) => return leader_only(view, None),
    };
    if vips.is_empty() {
        return leader_only(view, Some(to));
    }
    let mut intent = Intent::nothing();
    let mut leaving = BTreeSet::new();
    for (vip, from) in owners.into_iter().filter(|(_, from)| *from != to) {
        judge(view, vip, to)?;
        intent.moves(view, vip, from, to);
        leaving.insert(from);
    }
    for from in leaving {
        if view.log.leader == Some(from) {
            intent.leads(view, from, Some(to));
        }
        intent.orders.push((from, What::Away { to: Some(to) }));
    }
    Ok(intent)
}

/// Who takes everything where nobody is named: a balancer that can, and owns nothing yet.
fn successor(
    view: &View<'_>,
    vip: &VipName,
    owners: &BTreeMap<&VipName, NodeId>,
) -> Result<NodeId, Fault> {
    let candidates = view.candidates(vip);
    let Some(from) = owners.get(vip) else {
        return Err(Fault::new(Code::VipOwnerless));
    };
    let chosen = candidates.choose(vip, *from);
    let to = chosen.map_err(|unable| {
        Fault::new(Code::NowhereToGo)
            .what(format!("no other node can take VIP {vip}"))
            .why(candidates.in_words(&unable))
    })?;
    match owners.values().any(|owner| *owner == to) {
        false => Ok(to),
        true => Err(Fault::new(Code::NowhereToGo)
            .what("every node that can take a VIP owns one already")
            .mend("say to whom: farmux cluster switchover --to NODE")),
    }
}

fn leader_only(view: &View<'_>, to: Option<NodeId>) -> Result<Intent, Fault> {
    let leader = view.log.leader.ok_or_else(|| Fault::new(Code::NoLeader))?;
    let mut intent = Intent::nothing();
    if Some(leader) != to {
        to.map_or(Ok(()), |to| judge_leader(view, to))?;
        intent.leads(view, leader, to);
        intent.orders.push((leader, What::Away { to }));
    }
    Ok(intent)
}

fn away(view: &View<'_>, node: NodeId) -> Result<Intent, Fault> {
    let mut candidates_held = view.reports.clone();
    let mut intent = Intent::nothing();
    for vip in view.state.config.vips.keys() {
        if view.owner(vip) != Some(node) {
            continue;
        }
        owner(view, vip)?;
        let candidates = Candidates {
            reports: &candidates_held,
            ..view.candidates(vip)
        };
        let to = candidates.choose(vip, node).map_err(|unable| {
            Fault::new(Code::NowhereToGo)
                .what(format!("no other node can take VIP {vip}"))
                .why(candidates.in_words(&unable))
        })?;
        intent.moves(view, vip, node, to);
        // The next one goes to whoever has least by then.
        if let Some(report) = candidates_held.get_mut(&to) {
            report.held.insert(vip.clone());
        }
    }
    if view.log.leader == Some(node) && view.voters().len() > 1 {
        intent.leads(view, node, None);
    }
    if !intent.plan.is_empty() {
        intent.orders.push((node, What::Away { to: None }));
    }
    Ok(intent)
}

fn judge(view: &View<'_>, vip: &VipName, to: NodeId) -> Result<(), Fault> {
    view.candidates(vip).judge(vip, to).map_err(|why| {
        let node = view.state.node_name(to);
        Fault::new(Code::TargetUnfit)
            .what(format!("{node} cannot take VIP {vip}"))
            .why(why)
    })
}

fn judge_leader(view: &View<'_>, to: NodeId) -> Result<(), Fault> {
    let silent = (!view.answers(to)).then_some(Unfit::Silent);
    match kept_from_leading(view.state, &view.voters(), to).or(silent) {
        None => Ok(()),
        Some(unfit) => {
            let node = view.state.node_name(to);
            Err(Fault::new(Code::TargetUnfit)
                .what(format!("{node} cannot lead"))
                .why(unfit)
                .mend("farmux status   (then name another node, or none)"))
        }
    }
}

/// Who owns it, and answers.
fn owner(view: &View<'_>, vip: &VipName) -> Result<NodeId, Fault> {
    let none = || Fault::new(Code::VipOwnerless).what(format!("nobody owns VIP {vip} now"));
    let owner = view.owner(vip).ok_or_else(none)?;
    match view.answers(owner) {
        true => Ok(owner),
        false => {
            let node = view.state.node_name(owner);
            Err(Fault::new(Code::OwnerSilent)
                .what(format!("{node}, which owns VIP {vip}, does not answer")))
        }
    }
}

fn find(view: &View<'_>, name: &NodeName) -> Result<NodeId, Fault> {
    let mut nodes = view.state.nodes.iter();
    let found = nodes.find(|(_, node)| node.name == *name);
    found.map(|(id, _)| *id).ok_or_else(|| {
        Fault::new(Code::NodeUnknown).what(format!("there is no node {name} in this cluster"))
    })
}

impl Intent {
    fn nothing() -> Intent {
        Intent {
            plan: MovePlan::default(),
            orders: Vec::new(),
        }
    }

    fn moves(&mut self, view: &View<'_>, vip: &VipName, from: NodeId, to: NodeId) {
        let names = view.node_name(from).zip(view.node_name(to));
        let known = view.state.config.vips.get(vip).zip(names);
        let Some((address, (from_name, to))) = known.map(|(vip, names)| (vip.address, names))
        else {
            return;
        };
        let own = view.reports.get(&from);
        let work = own.and_then(|report| report.vips.get(vip));
        self.plan.moves.push(PlannedMove {
            vip: vip.clone(),
            address,
            from: from_name,
            to,
            in_flight: work.map_or(WorkReport::default(), |own| own.work),
        });
    }

    fn leads(&mut self, view: &View<'_>, from: NodeId, to: Option<NodeId>) {
        let to = to.and_then(|to| view.node_name(to));
        self.plan.leader = view.node_name(from).map(|from| LeaderMoved { from, to });
    }
}
