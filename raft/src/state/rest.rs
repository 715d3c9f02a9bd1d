//! Nodes that an operator works on: they take neither a VIP nor the leadership until told so.
//!
//! What such a node owns it keeps until it has handed it over: an order moves nothing by force.

use serde::{Deserialize, Serialize};

use super::text::{REASON_CHARS_MAX, clean};
use super::{Applied, Author, NodeCondition, NodeRole, Now, Reject, State};
use crate::id::{NodeId, UnixMillis};

/// Why a node takes nothing on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Since when.
    pub since: UnixMillis,
    /// By whose order.
    pub author: Author,
    /// What for; may be empty.
    pub why: String,
}

/// What an operator orders for a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestOrder {
    /// Who orders.
    pub author: Author,
    /// For which node.
    pub node: NodeId,
    /// Whether it shall rest, or work again.
    pub on: bool,
    /// What for.
    pub why: String,
}

impl State {
    /// Whether a node is in maintenance.
    pub fn rests(&self, node: NodeId) -> bool {
        self.resting.contains_key(&node)
    }

    pub(super) fn set_rest(&mut self, now: Now, order: RestOrder) -> Result<Applied, Reject> {
        order.author.check()?;
        let node = order.node;
        if !self.nodes.contains_key(&node) {
            return Err(Reject::UnknownNode(node));
        }
        if !order.on {
            return Ok(match self.resting.remove(&node) {
                Some(_) => Applied::Done,
                None => Applied::Unchanged,
            });
        }
        let why = clean(&order.why, REASON_CHARS_MAX);
        let before = self.resting.get(&node);
        if before.is_some_and(|before| before.why == why) {
            return Ok(Applied::Unchanged);
        }
        if before.is_none() && !self.works_without(node) {
            return Err(Reject::LastBalancer(node));
        }
        let since = before.map_or(now.at, |before| before.since);
        let rest = Rest {
            since,
            author: order.author,
            why,
        };
        self.resting.insert(node, rest);
        Ok(Applied::Done)
    }

    /// Whether another balancer answers and does not rest; where nothing is balanced, none has to.
    fn works_without(&self, node: NodeId) -> bool {
        let mut others = self.nodes.iter().filter(|(id, other)| {
            **id != node && other.role == NodeRole::Balancer && !self.rests(**id)
        });
        self.config.vips.is_empty()
            || self.nodes.get(&node).map(|node| node.role) == Some(NodeRole::Witness)
            || others.any(|(_, other)| other.condition == NodeCondition::Reachable)
    }
}
