//! Carries an order out on the node that owns: which VIPs go where, and who leads after it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use farmux_raft::consensus::Change;
use farmux_raft::id::{NodeId, NodeName, VipName};
use farmux_raft::state::{NodeRole, State};
use tokio::task::JoinSet;

use super::desk::Teller;
use super::fitness::Candidates;
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

/// Has another voter lead, where this node does.
async fn hand_over(
    member: &Member,
    to: Option<NodeId>,
    teller: &Teller,
    report: &mut MoveReport,
) -> Result<(), Fault> {
    if member.consensus().standing().borrow().leads().is_none() {
        return Ok(());
    }
    let state = member.state();
    let voters = member.consensus().membership().borrow().voters();
    let mut able: Vec<NodeId> = to.into_iter().collect();
    let works = |node: &NodeId| *node != member.me() && !state.rests(*node);
    able.extend(voters.into_iter().filter(works));
    let mut last = "no other node that votes may lead".to_owned();
    for successor in able {
        let change = Change::HandOver(Some(successor));
        let changing = member.consensus().change(change);
        match tokio::time::timeout(HAND_OVER_WITHIN, changing).await {
            Ok(Ok(())) => {
                let moved = LeaderMoved {
                    from: name(&state, member.me()),
                    to: Some(name(&state, successor)),
                };
                let names = (&moved.from, state.node_name(successor));
                teller.say(format!("leadership: {} -> {}", names.0, names.1));
                report.leader = Some(moved);
                return Ok(());
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("no answer within {} s", HAND_OVER_WITHIN.as_secs()),
        }
    }
    teller.say(format!("the leadership stays here: {last}"));
    Err(Fault::new(Code::MoveFailed)
        .what("the leadership did not move")
        .why(last))
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
const HAND_OVER_WITHIN: Duration = Duration::from_secs(5);
