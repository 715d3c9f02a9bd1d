//! PURE. The roster: who takes part, as the effective membership and the state say it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::id::{Ballot, ClusterId, NodeId, VipName};
use crate::majority::is_majority;
use crate::state::{LeaseKey, NodeRole, OnQuorumLoss};

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
    /// Nodes in maintenance: they keep what they own until they have handed it over, and take
    /// nothing.
    pub resting: BTreeSet<NodeId>,
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

/// What is lent as one. Its lease has another name whenever other VIPs belong to it: nobody may
/// own what a node that knows less still owns by the old one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Who takes it first where all are equally fit; whoever is not listed comes after.
    pub prefer: Vec<NodeId>,
    /// What its owner does when no majority answers.
    pub on_quorum_loss: OnQuorumLoss,
    /// The VIPs that are lent as one; none: the one that the lease is called by.
    pub vips: BTreeSet<VipName>,
    /// The VIP of them whose network is asked about; none: the one that the lease is called by.
    pub reference: Option<VipName>,
    /// Whoever owns it keeps it while it lives, whatever its legs are.
    pub stays: bool,
    /// The newest ballot under which the log heard of it: there a lower one counts for nothing,
    /// though the acceptors may have forgotten it.
    pub floor: Ballot,
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

    /// Whether `node` may begin to own.
    pub fn may_take(&self, node: NodeId) -> bool {
        self.may_own(node) && !self.resting.contains(&node)
    }

    /// Whether `nodes` are a majority of each half.
    pub fn is_majority(&self, nodes: &BTreeSet<NodeId>) -> bool {
        is_majority(&self.halves, nodes)
    }

    /// Whether the owner of `group` goes on when no majority answers.
    pub fn holds(&self, group: &VipName) -> bool {
        self.groups
            .get(group)
            .is_some_and(|group| group.on_quorum_loss.holds())
    }

    /// Whether the survivor of a pair may take `group`.
    pub(crate) fn takes(&self, group: &VipName) -> bool {
        let taken = |group: &Group| group.on_quorum_loss.takes();
        self.groups.get(group).is_some_and(taken)
    }

    /// The other balancer where there are two voters and no more, with at least two disjoint paths
    /// between them; `None` where the silence of one proves less than that.
    ///
    /// **Source**: `vip-protocol.md`, section 5, a pair without a witness.
    pub fn other_of_pair(&self) -> Option<NodeId> {
        let [half] = self.halves.as_slice() else {
            return None;
        };
        let other = self.others().find(|node| half.contains(node))?;
        let two = half.len() == 2 && self.may_own(self.me) && self.may_own(other);
        let addresses = |node: NodeId| {
            let member = self.members.get(&node);
            member.map_or(&[][..], |member| member.addresses.as_slice())
        };
        let paths = disjoint_paths(addresses(self.me), addresses(other));
        (two && paths >= PAIR_PATHS_MIN).then_some(other)
    }

    /// Whether this node comes before `other` where nothing else parts them: by `prefer`, then id.
    pub(crate) fn comes_first(&self, group: &VipName, other: NodeId) -> bool {
        (self.wish(group, self.me), self.me) < (self.wish(group, other), other)
    }

    /// How far back operators put `node` for `group`: its place in `prefer`, or behind all of it.
    pub(crate) fn wish(&self, group: &VipName, node: NodeId) -> usize {
        let prefer = self
            .groups
            .get(group)
            .map_or(&[][..], |group| &group.prefer);
        let place = prefer.iter().position(|wanted| *wanted == node);
        place.unwrap_or(prefer.len())
    }

    /// The VIPs that are lent by a lease.
    pub fn vips_of(&self, lease: &VipName) -> BTreeSet<VipName> {
        let group = self.groups.get(lease);
        match group.filter(|group| !group.vips.is_empty()) {
            Some(group) => group.vips.clone(),
            None => [lease.clone()].into(),
        }
    }

    /// The VIP by which the network of a lease is looked at.
    pub(crate) fn reference_of(&self, lease: &VipName) -> VipName {
        let group = self.groups.get(lease);
        let reference = group.and_then(|group| group.reference.clone());
        reference.unwrap_or_else(|| lease.clone())
    }

    /// The VIPs of every lease.
    pub(crate) fn vips(&self) -> BTreeMap<VipName, BTreeSet<VipName>> {
        let leases = self.groups.keys();
        leases
            .map(|lease| (lease.clone(), self.vips_of(lease)))
            .collect()
    }

    /// Everybody but this node.
    pub fn others(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.keys().copied().filter(|node| *node != self.me)
    }
}

/// How many paths between two nodes share no network with each other: their addresses lie in
/// different /24 or /64 at both ends. Whether cables are shared nobody here can see.
pub fn disjoint_paths(ours: &[SocketAddr], theirs: &[SocketAddr]) -> usize {
    let (mut our_side, mut their_side) = (BTreeSet::new(), BTreeSet::new());
    let ends = ours.iter().zip(theirs);
    ends.filter(|(our, their)| {
        our_side.insert(network(our.ip())) & their_side.insert(network(their.ip()))
    })
    .count()
}

/// With one path its own failure looks like the other's death.
///
/// **Source**: `vip-protocol.md`, section 5.
pub const PAIR_PATHS_MIN: usize = 2;

/// The first bits of an address, which those of one network have in common.
fn network(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits() >> (32 - NETWORK_BITS_V4)),
        IpAddr::V6(v6) => v6.to_bits() >> (128 - NETWORK_BITS_V6),
    }
}

/// The usual size of a LAN. Two networks of one machine that share it are taken for one: then a
/// pair waits for its operator, which is the safe mistake.
const NETWORK_BITS_V4: u32 = 24;
/// The size of every LAN. **Source**: RFC 4291, 2.5.4.
const NETWORK_BITS_V6: u32 = 64;
