//! PURE. What stands and what does not: one function from what a node knows to what it shows.
//!
//! ```text
//!   View (state, log, membership, leases, reports) --assemble--> StatusReport
//!                                                  --farms-----> FarmReports
//!                                                  --watches---> WatchReports
//! ```
//!
//! No clock, no socket: whoever gathers the view has asked the other nodes already.

mod alone;
mod blame;
mod drills;
mod farms;
mod format;
mod overall;
mod room;
mod survives;
mod vips;
mod watches;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use farms::{active_at, farm_report, maintenance_report};
pub(crate) use format::must_read;
pub use vips::{vip_report, vip_reports};
pub use watches::{uptime_of, watch_report, watch_reports};

use std::collections::{BTreeMap, BTreeSet};

use farmux_raft::id::{ContactName, NodeId, NodeName, UnixMillis, VipName};
use farmux_raft::state::{
    Canary, CanaryTry, DeliveryOutcome, DueMessage, Node, NodeRole, State, Vip,
};

use super::report::NodeReport;
use super::types::{
    Answering, CanaryStatus, ChannelTest, ClusterStatus, Freshness, MaintenanceStatus, MemberKind,
    Moment, NodeStatus, Overall, PageStatus, PauseReport, Reason, StatusReport, VipStatus,
};
use crate::moving::Candidates;

/// Everything that one node knows when it is asked how things stand.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// The node itself.
    pub me: NodeId,
    /// What it is called.
    pub name: &'a NodeName,
    /// Its copy of the state.
    pub state: &'a State,
    /// This node's wall clock, for ages.
    pub now: UnixMillis,
    /// How its log stands.
    pub log: LogView,
    /// The voters of the effective membership, both halves while joint.
    pub halves: Vec<BTreeSet<NodeId>>,
    /// Who copies the log and does not vote yet.
    pub learners: BTreeSet<NodeId>,
    /// Whose lease its own acceptor granted, VIP by VIP.
    pub leases: BTreeMap<VipName, NodeId>,
    /// What the nodes that answer say of themselves, its own report included.
    pub reports: BTreeMap<NodeId, NodeReport>,
}

/// How a node's log stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogView {
    /// Its term.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// The index up to which its state is applied.
    pub applied: u64,
    /// Whether another node said that this one was removed from the cluster.
    pub removed: bool,
    /// On a leader: how many entries each follower is behind.
    pub lag: BTreeMap<NodeId, u64>,
}

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a node without a cluster shows.
pub fn without_cluster(name: &NodeName) -> StatusReport {
    StatusReport {
        version: VERSION.to_owned(),
        node: name.clone(),
        overall: Overall::NoCluster,
        reasons: vec![Reason {
            level: Overall::NoCluster,
            text: "this node is in no cluster: farmux cluster init --name NAME, or farmux cluster \
                   join TOKEN"
                .to_owned(),
        }],
        cluster: None,
    }
}

/// What a member shows.
pub fn assemble(view: &View<'_>) -> StatusReport {
    let Some(cluster) = &view.state.cluster else {
        return without_cluster(view.name);
    };
    let status = ClusterStatus {
        name: cluster.name.to_string(),
        id: cluster.id.to_string(),
        leader: view.log.leader.and_then(|node| view.node_name(node)),
        term: view.log.term,
        survives: survives::survives(view),
        fresh: view.freshness(),
        format: format::format(view),
        nodes: view.nodes(),
        vips: view.vips(),
        farms: farms::farm_lines(view),
        watches: watches::watch_counts(view.state),
        pages: pages(view.state),
        paused: view.state.pause.as_ref().map(|pause| PauseReport {
            by: pause.author.0.clone(),
            why: pause.why.clone(),
            since: Moment(pause.since),
        }),
        drills: drills::drills(view),
    };
    let reasons = overall::reasons(view, &status);
    let overall = reasons.iter().map(|reason| reason.level).max();
    StatusReport {
        version: VERSION.to_owned(),
        node: view.name.clone(),
        overall: overall.unwrap_or(Overall::Ok),
        reasons,
        cluster: Some(status),
    }
}

impl View<'_> {
    /// How fresh everything is that is read from this view.
    pub fn freshness(&self) -> Freshness {
        let leader = self.log.leader.and_then(|node| self.node_name(node));
        Freshness {
            applied: self.log.applied,
            leader: leader.map(String::from),
            revision: self.state.revision.0,
        }
    }

    /// Who answers for a VIP now: whoever says so; where the others are silent, whoever holds the
    /// lease that our own acceptor granted. Two that say so are told apart by [`View::holders`].
    pub fn owner(&self, vip: &VipName) -> Option<NodeId> {
        let holder = self.holders(vip).next();
        holder.or_else(|| self.leases.get(vip).copied())
    }

    /// All nodes that say they answer for a VIP now.
    pub fn holders(&self, vip: &VipName) -> impl Iterator<Item = NodeId> {
        let holds = move |(node, report): (&NodeId, &NodeReport)| {
            report.held.contains(vip).then_some(*node)
        };
        self.reports.iter().filter_map(holds)
    }

    /// Who goes on with a VIP without a majority, and for how many milliseconds.
    pub(super) fn alone_for(&self, vip: &VipName) -> Option<(NodeId, u64)> {
        let alone =
            |(node, report): (&NodeId, &NodeReport)| Some((*node, *report.alone_ms.get(vip)?));
        self.reports.iter().find_map(alone)
    }

    /// Whether a node says that it does not vote on VIPs yet.
    pub fn is_settling(&self, node: NodeId) -> bool {
        self.reports
            .get(&node)
            .is_some_and(|report| report.settling)
    }

    /// Whether a node answers; the one that is asked does.
    pub fn answers(&self, node: NodeId) -> bool {
        node == self.me || self.reports.contains_key(&node)
    }

    /// Everybody who votes, in either half.
    pub fn voters(&self) -> BTreeSet<NodeId> {
        self.halves.iter().flatten().copied().collect()
    }

    /// Whom a VIP could go to, and who stands against it.
    pub(crate) fn candidates(&self, vip: &VipName) -> Candidates<'_> {
        let owner = self.owner(vip).and_then(|owner| self.reports.get(&owner));
        Candidates {
            state: self.state,
            applied: self.log.applied,
            voters: self.voters(),
            reports: &self.reports,
            legs: owner.and_then(NodeReport::stands_on),
        }
    }

    /// What a node is called, if the state knows it.
    pub fn node_name(&self, node: NodeId) -> Option<NodeName> {
        self.state.nodes.get(&node).map(|known| known.name.clone())
    }

    fn nodes(&self) -> Vec<NodeStatus> {
        let voters = self.voters();
        let status = |(&id, node): (&NodeId, &Node)| NodeStatus {
            id: id.0,
            name: node.name.clone(),
            role: node.role,
            member: if voters.contains(&id) {
                MemberKind::Voter
            } else if self.learners.contains(&id) {
                MemberKind::Learner
            } else {
                MemberKind::Outside
            },
            leads: self.log.leader == Some(id),
            answering: match self.reports.contains_key(&id) {
                _ if id == self.me => Answering::Itself,
                true => Answering::Yes,
                false => Answering::No,
            },
            version: self.reports.get(&id).map(|report| report.version.clone()),
            reads: self.reports.get(&id).map(|report| report.reads),
            clock_offset_ms: self
                .reports
                .get(&id)
                .and_then(|report| report.clock_offset_ms),
            lag_entries: self.log.lag.get(&id).copied(),
            peer: node.peer_addresses.clone(),
            admin: node.admin_address,
            maintenance: self.state.resting.get(&id).map(|order| MaintenanceStatus {
                since: Moment(order.since),
                author: order.author.0.clone(),
                why: order.why.clone(),
            }),
        };
        self.state.nodes.iter().map(status).collect()
    }

    fn vips(&self) -> Vec<VipStatus> {
        let lent = self.state.config.lent();
        let together = |name: &VipName| -> Vec<VipName> {
            let group = lent.values().find(|lent| lent.vips.contains(name));
            let others = group.into_iter().flat_map(|lent| &lent.vips);
            others.filter(|other| *other != name).cloned().collect()
        };
        let status = |(name, vip): (&VipName, &Vip)| {
            let owner = self.owner(name);
            let standing = self.state.vips.get(name);
            let reported = standing.filter(|standing| Some(standing.owner) == owner);
            VipStatus {
                name: name.clone(),
                address: vip.address,
                network: vip.network.clone(),
                owner: owner.and_then(|node| self.node_name(node)),
                since: reported.map(|standing| Moment(standing.since)),
                moves_with: together(name),
                prefer: vip.prefer.clone(),
                alone_since: self
                    .alone_for(name)
                    .map(|(_, millis)| Moment(UnixMillis(self.now.0.saturating_sub(millis)))),
            }
        };
        self.state.config.vips.iter().map(status).collect()
    }

    /// Balancers among those that answer and may take a VIP.
    fn balancers_answering(&self) -> usize {
        self.balancers().count()
    }

    /// The same as node by node.
    fn balancers(&self) -> impl Iterator<Item = NodeId> {
        let voters = self.voters();
        let counts = move |(id, node): &(&NodeId, &Node)| {
            node.role == NodeRole::Balancer
                && !self.state.rests(**id)
                && voters.contains(id)
                && (self.reports.contains_key(id) || **id == self.me)
        };
        let nodes = self.state.nodes.iter().filter(counts);
        nodes.map(|(id, _)| *id)
    }
}

fn pages(state: &State) -> PageStatus {
    let canaries = state.canaries.iter();
    let canaries = canaries.filter(|(contact, _)| state.config.contacts.contains_key(*contact));
    let first = || state.due_messages().filter(|due| due.open.round == 0);
    let pages = |due: DueMessage<'_>| due.open.pages.len();
    let failing = |due: &DueMessage<'_>| due.open.failures > 0;
    PageStatus {
        incidents: state.incidents.len(),
        due: first().map(pages).sum(),
        failing: state.due_messages().filter(failing).map(pages).sum(),
        heartbeat_failing: state.heartbeat_failing.map(Moment),
        canaries: canaries.map(canary).collect(),
    }
}

fn canary((contact, canary): (&ContactName, &Canary)) -> CanaryStatus {
    let channel = |one: &CanaryTry| ChannelTest {
        channel: one.channel,
        taken: one.outcome == DeliveryOutcome::Delivered,
        words: one.words.clone(),
    };
    CanaryStatus {
        contact: contact.to_string(),
        at: Moment(canary.at),
        channels: canary.tries.iter().map(channel).collect(),
    }
}
