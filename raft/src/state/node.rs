//! Nodes: the machines of the cluster.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::incident::Event;
use super::text::{REASON_CHARS_MAX, clean};
use super::{Applied, Fault, FaultKind, LeaseKey, Now, Reject, State, Subject, address};
use crate::epoch::{Epoch, Era};
use crate::id::{NodeId, NodeName, UnixMillis};

/// A machine of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it is called.
    pub name: NodeName,
    /// What it may do.
    pub role: NodeRole,
    /// Where peers reach it, TCP and UDP; the first is tried first. 1 to 4.
    pub peer_addresses: Vec<SocketAddr>,
    /// Where administrators reach it.
    pub admin_address: SocketAddr,
    /// When it joined.
    pub joined: UnixMillis,
    /// Whether the leader reaches it, as last reported.
    pub condition: NodeCondition,
}

/// What a node may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// Votes, holds VIPs, balances.
    Balancer,
    /// Votes only.
    Witness,
}

/// Whether a node is there, as the leader last reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeCondition {
    /// Answers.
    Reachable,
    /// Does not.
    Lost {
        /// Since when.
        since: UnixMillis,
    },
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            NodeRole::Balancer => "balancer",
            NodeRole::Witness => "witness",
        })
    }
}

impl Node {
    /// All its addresses: of peers first, then the administrators'.
    fn addresses(&self) -> impl Iterator<Item = &SocketAddr> {
        self.peer_addresses.iter().chain([&self.admin_address])
    }

    /// What is wrong with it by itself.
    fn check(&self) -> Result<(), Reject> {
        let bad = |at: String, kind| Reject::BadNode {
            name: self.name.clone(),
            fault: Fault { at, kind },
        };
        let have = self.peer_addresses.len();
        if have == 0 {
            return Err(bad("peer".to_owned(), FaultKind::Missing));
        }
        if have > PEER_ADDRESSES_MAX {
            let kind = FaultKind::TooMany {
                have,
                max: PEER_ADDRESSES_MAX,
            };
            return Err(bad("peer".to_owned(), kind));
        }
        for socket in self.addresses() {
            address::own(socket.ip()).map_err(|kind| bad(socket.to_string(), kind))?;
            if socket.port() == 0 {
                return Err(bad(socket.to_string(), FaultKind::PortZero));
            }
        }
        Ok(())
    }
}

impl State {
    /// Whether a machine can be this node: whole by itself, and in nobody's way.
    pub(super) fn check_node(&self, id: NodeId, node: &Node) -> Result<(), Reject> {
        node.check()?;
        for (other_id, other) in self.nodes.iter().filter(|(other, _)| **other != id) {
            if other.name == node.name {
                return Err(Reject::NodeNameTaken {
                    node: *other_id,
                    name: node.name.clone(),
                });
            }
            let taken = node
                .addresses()
                .find(|ours| other.addresses().any(|a| a == *ours));
            if let Some(socket) = taken {
                return Err(Reject::NodeAddressTaken {
                    address: socket.to_string(),
                    owner: format!("node {}", other.name),
                });
            }
        }
        for (name, vip) in &self.config.vips {
            if node.addresses().any(|socket| socket.ip() == vip.address) {
                return Err(Reject::NodeAddressTaken {
                    address: vip.address.to_string(),
                    owner: format!("VIP {name}"),
                });
            }
        }
        Ok(())
    }

    /// Takes a checked node in.
    pub(super) fn admit(&mut self, now: Now, id: NodeId, node: Node) {
        let joined = now.at;
        self.nodes.insert(
            id,
            Node {
                joined,
                condition: NodeCondition::Reachable,
                ..node
            },
        );
    }

    pub(super) fn remove_node(
        &mut self,
        now: Now,
        id: NodeId,
        lease_key: LeaseKey,
    ) -> Result<Applied, Reject> {
        let node = self.nodes.get(&id).ok_or(Reject::UnknownNode(id))?;
        let balancers = self
            .nodes
            .values()
            .filter(|n| n.role == NodeRole::Balancer)
            .count();
        if node.role == NodeRole::Balancer && balancers == 1 {
            return Err(Reject::LastBalancer(id));
        }
        self.forget_node(now, id);
        if let Some(cluster) = &mut self.cluster {
            cluster.secrets.lease_key = lease_key;
        }
        Ok(Applied::Done)
    }

    /// One node is all that is left. An epoch that is not newer was recovered already.
    pub(super) fn recover(
        &mut self,
        now: Now,
        survivor: NodeId,
        epoch: u64,
    ) -> Result<Applied, Reject> {
        if !self.nodes.contains_key(&survivor) {
            return Err(Reject::UnknownNode(survivor));
        }
        let cluster = self.cluster.as_mut().ok_or(Reject::NotInitialised)?;
        if Epoch(epoch).beside(Epoch(cluster.epoch)) != Era::Newer {
            return Ok(Applied::Unchanged);
        }
        cluster.epoch = epoch;
        let others: Vec<NodeId> = self.nodes.keys().copied().collect();
        for node in others.into_iter().filter(|node| *node != survivor) {
            self.forget_node(now, node);
        }
        Ok(Applied::Done)
    }

    /// A node is gone for good; its number is never used again.
    fn forget_node(&mut self, now: Now, id: NodeId) {
        self.nodes.remove(&id);
        // Its token would let it resume as a node that is gone.
        self.tokens
            .retain(|_, token| token.claimed.is_none_or(|(_, claimant)| claimant != id));
        self.forget_incident(&Subject::Node(id), now.at);
        self.forget_suspicion(id, now.at);
        self.forget_troubles(now, id);
        self.resting.remove(&id);
        let gone = [Subject::Node(id), Subject::Path(id)];
        Arc::make_mut(&mut self.transitions).retain(|subject| !gone.contains(subject));
    }

    pub(super) fn report_node(
        &mut self,
        now: Now,
        id: NodeId,
        reachable: bool,
        reason: &str,
    ) -> Result<Applied, Reject> {
        let node = self.nodes.get_mut(&id).ok_or(Reject::UnknownNode(id))?;
        let since = match (&node.condition, reachable) {
            (NodeCondition::Reachable, true) | (NodeCondition::Lost { .. }, false) => {
                return Ok(Applied::Unchanged);
            }
            (NodeCondition::Reachable, false) => None,
            (NodeCondition::Lost { since }, true) => Some(*since),
        };
        node.condition = match reachable {
            true => NodeCondition::Reachable,
            false => NodeCondition::Lost { since: now.at },
        };
        let subject = Subject::Node(id);
        let left = self.nodes_left();
        match since {
            None => {
                let cause = match clean(reason, REASON_CHARS_MAX) {
                    empty if empty.is_empty() => "does not answer".to_owned(),
                    reason => reason,
                };
                self.open_incident(
                    subject,
                    Event {
                        left,
                        ..Event::plain(now.at, cause)
                    },
                );
            }
            Some(since) => {
                let cause = super::incident::back_after("answers again", since, now.at);
                self.close_incident(
                    subject,
                    Event {
                        left,
                        ..Event::plain(now.at, cause)
                    },
                );
            }
        }
        Ok(Applied::Done)
    }

    /// How many nodes are there: `2 of 3 nodes`.
    pub(super) fn nodes_left(&self) -> String {
        let reachable = self
            .nodes
            .values()
            .filter(|n| n.condition == NodeCondition::Reachable)
            .count();
        format!("{reachable} of {} nodes", self.nodes.len())
    }

    /// What a node is called, or its id when it is gone.
    pub fn node_name(&self, id: NodeId) -> String {
        self.nodes
            .get(&id)
            .map_or_else(|| id.to_string(), |node| node.name.to_string())
    }
}

/// Two interfaces with both address families each.
const PEER_ADDRESSES_MAX: usize = 4;
