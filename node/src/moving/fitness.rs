//! PURE. Who can take a VIP, and who cannot and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use farmux_raft::id::{NodeId, VipName};
use farmux_raft::lease::Legs;
use farmux_raft::state::{NodeRole, State};

use crate::api::report::NodeReport;

/// Whom there is to choose from, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Candidates<'a> {
    /// Our copy of the state.
    pub(crate) state: &'a State,
    /// How far it is applied.
    pub(crate) applied: u64,
    /// Everybody who votes.
    pub(crate) voters: BTreeSet<NodeId>,
    /// What those say of themselves that answered just now.
    pub(crate) reports: &'a BTreeMap<NodeId, NodeReport>,
    /// What the owner stands on, where it says so.
    pub(crate) legs: Option<Legs>,
}

/// Why a node cannot take a VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The state does not know it.
    Unknown,
    /// A witness holds nothing.
    Witness,
    /// It is no voter.
    NoVoter,
    /// It is in maintenance.
    Rests,
    /// It does not answer.
    Silent,
    /// It started a moment ago.
    Settling,
    /// Something stands in the way there.
    Trouble(String),
    /// It stands on less than the owner, and would not take it.
    Legs(Legs),
    /// Its copy of the state is so many entries older than ours.
    Behind(u64),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Unknown => f.write_str("there is no such node"),
            Unfit::Witness => f.write_str("it is a witness, which holds no VIP"),
            Unfit::NoVoter => f.write_str("it does not vote yet"),
            Unfit::Rests => f.write_str("it is in maintenance"),
            Unfit::Silent => f.write_str("it does not answer"),
            Unfit::Settling => f.write_str("it started a moment ago; ask again in two seconds"),
            Unfit::Trouble(trouble) => f.write_str(trouble),
            Unfit::Legs(legs) => write!(f, "it stands on less than the owner: {}", legs.words()),
            Unfit::Behind(entries) => {
                write!(f, "its copy of the state is {entries} log entries behind")
            }
        }
    }
}

impl Candidates<'_> {
    /// Whether a node can take a VIP.
    ///
    /// **Errors**: why not.
    pub(crate) fn judge(&self, vip: &VipName, node: NodeId) -> Result<(), Unfit> {
        let known = self.state.nodes.get(&node).ok_or(Unfit::Unknown)?;
        if known.role == NodeRole::Witness {
            return Err(Unfit::Witness);
        }
        if !self.voters.contains(&node) {
            return Err(Unfit::NoVoter);
        }
        if self.state.rests(node) {
            return Err(Unfit::Rests);
        }
        let report = self.reports.get(&node).ok_or(Unfit::Silent)?;
        if report.settling {
            return Err(Unfit::Settling);
        }
        if let Some(trouble) = report.troubles.get(vip) {
            return Err(Unfit::Trouble(trouble.clone()));
        }
        if let (Some(ours), Some(theirs)) = (self.legs, report.stands_on())
            && theirs.count() < ours.count()
        {
            return Err(Unfit::Legs(theirs));
        }
        let behind = self.applied.saturating_sub(report.applied);
        match behind > BEHIND_MAX {
            true => Err(Unfit::Behind(behind)),
            false => Ok(()),
        }
    }

    /// The node that shall take a VIP from `from`: of those that can, the one that holds least.
    ///
    /// **Errors**: why none of the other balancers can, one after the other.
    pub(crate) fn choose(
        &self,
        vip: &VipName,
        from: NodeId,
    ) -> Result<NodeId, Vec<(NodeId, Unfit)>> {
        let held = |node: &NodeId| self.reports.get(node).map_or(0, |report| report.held.len());
        let others = self.state.nodes.iter();
        let others = others.filter(|(id, node)| **id != from && node.role == NodeRole::Balancer);
        let (mut able, mut unable) = (BTreeSet::new(), Vec::new());
        for (id, _) in others {
            match self.judge(vip, *id) {
                Ok(()) => {
                    able.insert((held(id), *id));
                }
                Err(why) => unable.push((*id, why)),
            }
        }
        able.first().map(|(_, id)| *id).ok_or(unable)
    }

    /// In words, why nobody can.
    pub(crate) fn in_words(&self, unable: &[(NodeId, Unfit)]) -> String {
        let words = |(id, why): &(NodeId, Unfit)| format!("{}: {why}", self.state.node_name(*id));
        match unable {
            [] => "there is no other balancer".to_owned(),
            some => some.iter().map(words).collect::<Vec<_>>().join("; "),
        }
    }
}

/// What keeps a node from leading the log, whether it answers or not; a witness may lead.
pub(super) fn kept_from_leading(
    state: &State,
    voters: &BTreeSet<NodeId>,
    node: NodeId,
) -> Option<Unfit> {
    match (voters.contains(&node), state.rests(node)) {
        (false, _) => Some(Unfit::NoVoter),
        (true, true) => Some(Unfit::Rests),
        (true, false) => None,
    }
}

/// As the membership has it for a learner that caught up: the rest arrives with the next heartbeat.
const BEHIND_MAX: u64 = 16;
