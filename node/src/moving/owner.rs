//! Carries an order out on the node that owns: which VIPs go where, and who leads after it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use farmux_raft::consensus::Change;
use farmux_raft::id::{NodeId, NodeName, VipName};
use farmux_raft::state::{NodeRole, State};
use tokio::task::JoinSet;

use super::desk::Teller;
use super::fitness::{Candidates, kept_from_leading};
use super::order::{MoveOrder, Verdict, What};
use super::walk::{Moving, together};
use crate::api::ask_report;
use crate::api::report::NodeReport;
use crate::api::types::{LeaderMoved, MoveReport, VipLeft};
use crate::daemon::Member;
use crate::fault::{Code, Fault};

/// Carries an order out, to its end.
pub(super) async fn carry_out(member: &Arc<Member>, order: &MoveOrder, teller: &Teller) -> Verdict {
    let mut report = MoveReport::default();
    let fault = match &order.what {
        What::Vip { vip, to } => {
            let moving = Moving::new(member, vip, *to, order.wait());
            moving.run(teller, &mut report).await.err()
        }
        What::Away { to } => away(member, *to, order.wait(), teller, &mut report).await,
    };
    Verdict { report, fault }
}

/// Gives away all that this node has: VIPs first, for they serve; then the leadership.
async fn away(
    member: &Arc<Member>,
    to: Option<NodeId>,
    wait: Duration,
    teller: &Teller,
    report: &mut MoveReport,
) -> Option<Fault> {
    let reports = ask_all(member).await;
    let mut faults = Vec::new();
    let mut moves = JoinSet::new();
    let mut places = Places::new(member, reports);
    let mut held: BTreeSet<VipName> = member.held().into_keys().collect();
    while let Some(vip) = held.pop_first() {
        held.retain(|other| !together(&places.state, &vip).contains_key(other));
        match to.map_or_else(|| places.choose(&vip), Ok) {
            Err(why) => {
                let left = left(member, &vip, why.clone());
                teller.say(format!("VIP {vip} stays: {why}"));
                report.left.push(left);
                faults.push(Fault::new(Code::NowhereToGo).why(format!("VIP {vip}: {why}")));
            }
            Ok(to) => {
                let moving = Moving::new(member, &vip, to, wait);
                let teller = teller.clone();
                moves.spawn(async move {
                    let mut report = MoveReport::default();
                    let moved = moving.run(&teller, &mut report).await;
                    (report, moved.err())
                });
            }
        }
    }
    while let Some(ended) = moves.join_next().await {
        // A panic has ended the process already.
        let Ok((part, fault)) = ended else { continue };
        report.moved.extend(part.moved);
        report.left.extend(part.left);
        faults.extend(fault);
    }
    faults.extend(hand_over(member, to, teller, report).await.err());
    faults.into_iter().next()
}

/// Who takes a VIP of this node best.
///
/// **Errors**: in words: nobody can, or it is not here.
pub(super) async fn choose(member: &Arc<Member>, vip: &VipName) -> Result<NodeId, String> {
    if !member.held().contains_key(vip) {
        return Err(format!("VIP {vip} is not on this node"));
    }
    Places::new(member, ask_all(member).await).choose(vip)
}

/// Where the VIPs of this node may go; each goes to whoever has least by then.
pub(super) struct Places<'a> {
    member: &'a Member,
    state: Arc<State>,
    voters: BTreeSet<NodeId>,
    reports: BTreeMap<NodeId, NodeReport>,
}

impl<'a> Places<'a> {
    pub(super) fn new(member: &'a Member, reports: BTreeMap<NodeId, NodeReport>) -> Places<'a> {
        Places {
            member,
            state: member.state(),
            voters: member.consensus().membership().borrow().voters(),
            reports,
        }
    }

    pub(super) fn candidates(&self) -> Candidates<'_> {
        Candidates {
            state: &self.state,
            applied: applied(self.member),
            voters: self.voters.clone(),
            reports: &self.reports,
            legs: Some(self.member.legs()),
        }
    }

    fn choose(&mut self, vip: &VipName) -> Result<NodeId, String> {
        let candidates = self.candidates();
        let to = candidates
            .choose(vip, self.member.me())
            .map_err(|unable| candidates.in_words(&unable))?;
        if let Some(report) = self.reports.get_mut(&to) {
            report.held.insert(vip.clone());
        }
        Ok(to)
    }
}

/// Has another voter lead, where this node does: the one that is named, or whoever can.
async fn hand_over(
    member: &Member,
    to: Option<NodeId>,
    teller: &Teller,
    report: &mut MoveReport,
) -> Result<(), Fault> {
    let standing = member.consensus().standing().borrow().clone();
    let me = member.me();
    if standing.leads().is_none() || to == Some(me) {
        return Ok(());
    }
    let state = member.state();
    let voters = member.consensus().membership().borrow().voters();
    let others = voters.into_iter().filter(|node| *node != me);
    let others = others.map(|node| (node, standing.lag.get(&node).copied().flatten()));
    let mut last = String::new();
    let able = successors(&state, &others.collect(), to);
    let able = able.unwrap_or_else(|why| {
        last = why;
        Vec::new()
    });
    for successor in able {
        let (from, to) = (name(&state, me), name(&state, successor));
        match give_to(member, successor).await {
            Ok(()) => {
                teller.say(format!("leadership: {from} -> {to}"));
                report.leader = Some(LeaderMoved { from, to: Some(to) });
                return Ok(());
            }
            Err(why) => last = format!("{to}: {why}"),
        }
    }
    teller.say(format!("the leadership stays here: {last}"));
    Err(Fault::new(Code::MoveFailed)
        .what("the leadership did not move")
        .why(last))
}

/// PURE. Who is asked to lead, one after the other: the one that is named and nobody else; else
/// those that lack least of the log. `others` are the voters beside this node, each with what it
/// lacks as far as that is known.
pub(super) fn successors(
    state: &State,
    others: &BTreeMap<NodeId, Option<u64>>,
    to: Option<NodeId>,
) -> Result<Vec<NodeId>, String> {
    let voters: BTreeSet<NodeId> = others.keys().copied().collect();
    if let Some(to) = to {
        return match kept_from_leading(state, &voters, to) {
            None => Ok(vec![to]),
            Some(unfit) => Err(format!("{}: {unfit}", state.node_name(to))),
        };
    }
    let mut able: Vec<(u64, NodeId)> = others
        .iter()
        .filter(|(node, _)| kept_from_leading(state, &voters, **node).is_none())
        .map(|(node, lag)| (lag.unwrap_or(u64::MAX), *node))
        .collect();
    able.sort();
    match able.is_empty() {
        true => Err("no other node that votes may lead".to_owned()),
        false => Ok(able
            .into_iter()
            .map(|(_, node)| node)
            .take(ASKED_MAX)
            .collect()),
    }
}

async fn give_to(member: &Member, successor: NodeId) -> Result<(), String> {
    let changing = member.consensus().change(Change::HandOver(Some(successor)));
    match tokio::time::timeout(HAND_OVER_WITHIN, changing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", HAND_OVER_WITHIN.as_secs())),
    }
}

pub(super) fn left(member: &Member, vip: &VipName, why: String) -> VipLeft {
    VipLeft {
        vip: vip.clone(),
        node: name(&member.state(), member.me()),
        why,
    }
}

pub(super) fn name(state: &State, node: NodeId) -> NodeName {
    let known = state.nodes.get(&node).map(|known| known.name.clone());
    known.unwrap_or_else(|| {
        let number = node.to_string();
        number.parse().expect("n and digits are a name")
    })
}

fn applied(member: &Member) -> u64 {
    let standing = member.consensus().standing();
    standing.borrow().applied_index.unwrap_or(0)
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What the other balancers say of themselves, of those that answer.
async fn ask_all(member: &Arc<Member>) -> BTreeMap<NodeId, NodeReport> {
    let mut questions = JoinSet::new();
    for (id, node) in &member.state().nodes {
        if *id != member.me() && node.role == NodeRole::Balancer {
            let (member, id) = (Arc::clone(member), *id);
            questions.spawn(async move { (id, ask(&member, id).await) });
        }
    }
    let mut reports = BTreeMap::new();
    while let Some(answer) = questions.join_next().await {
        if let Ok((id, Some(report))) = answer {
            reports.insert(id, report);
        }
    }
    reports
}

/// A node's report; one that is silent or makes no sense has none.
pub(super) async fn ask(member: &Member, node: NodeId) -> Option<NodeReport> {
    ask_report(member.peers(), node, ANSWERED_WITHIN).await
}

/// A healthy node needs two milliseconds.
const ANSWERED_WITHIN: Duration = Duration::from_millis(500);

/// An election, and the successor's last entries before it.
pub(super) const HAND_OVER_WITHIN: Duration = Duration::from_secs(5);

/// How many are asked to lead: so many hand-overs fit into what whoever gave the order waits.
pub(super) const ASKED_MAX: usize = 3;
