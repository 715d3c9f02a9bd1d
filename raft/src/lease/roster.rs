//! PURE. The roster: who takes part, as the effective membership and the state say it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::id::{ClusterId, NodeId, VipName};
use crate::state::{LeaseKey, NodeRole};

/// Who takes part in which leases; a whole new one replaces the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Rises with every `cluster recover`; a higher one ends every lease of a lower one.
    pub epoch: u64,
    /// This node.
    pub me: NodeId,
    /// Authenticates the datagrams; changes when a node is removed.
    pub key: LeaseKey,
    /// Log index of the effective membership: the last one in the log, committed or not.
    pub membership_index: u64,
    /// Its voters; two halves while it is joint. A majority is one of each.
    pub halves: Vec<BTreeSet<NodeId>>,
    /// Everybody who takes part: voters, and learners, which accept uncounted.
    pub members: BTreeMap<NodeId, Member>,
    /// What is lent: a VIP alone is a group of its own.
    pub groups: BTreeMap<VipName, Group>,
}

/// One node of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it is reached, one address a path: path *i* leaves by our socket *i*.
    pub addresses: Vec<SocketAddr>,
    /// A balancer may own; a witness only accepts.
    pub role: NodeRole,
}

/// What is lent as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Who takes it first where all are equally fit; whoever is not listed comes after.
    pub prefer: Vec<NodeId>,
}

impl Roster {
    /// Whether `node` votes, in either half.
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.halves.iter().any(|half| half.contains(&node))
    }

    /// Whether `node` may own: a voter, and a balancer.
    pub fn may_own(&self, node: NodeId) -> bool {
        let balancer = |member: &Member| member.role == NodeRole::Balancer;
        self.is_voter(node) && self.members.get(&node).is_some_and(balancer)
    }

    /// Whether `nodes` are a majority of each half.
    pub fn is_majority(&self, nodes: &BTreeSet<NodeId>) -> bool {
        let won = |half: &BTreeSet<NodeId>| half.intersection(nodes).count() * 2 > half.len();
        !self.halves.is_empty() && self.halves.iter().all(won)
    }

    /// Everybody but this node.
    pub fn others(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.keys().copied().filter(|node| *node != self.me)
    }
}
