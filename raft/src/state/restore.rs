//! PURE. A state that was saved becomes the start of a cluster of one machine.
//!
//! ```text
//!   saved: lb1 lb2 w1, epoch 3        restored: lb9, epoch 4, a tag
//!   what operators decided, pages, uptime, administrators  ───▶  the same
//!   machines, tokens, owners of VIPs, the lease key        ───▶  new or none
//! ```
//!
//! The epoch has a tag of its own: whoever restores the same file twice makes two clusters that are
//! rivals, and neither takes the other for a member, or for one that was left behind.

use super::{LeaseKey, Node, NodeRole, Now, Reject, State};
use crate::epoch::Epoch;
use crate::id::{NodeId, UnixMillis};

/// What is new in a restored cluster; all of it is drawn by whoever restores.
#[derive(Debug, Clone)]
pub struct FreshStart {
    /// The machine that it starts on.
    pub node: Node,
    /// The lease key: datagrams of the old life count for nothing.
    pub lease_key: LeaseKey,
    /// The tag of the next epoch; random, so that two restores of one file differ.
    pub tag: u32,
    /// When, by the machine's wall clock.
    pub at: UnixMillis,
}

impl State {
    /// Makes a saved state the start of a cluster of one machine, and says which node it is: a
    /// number that nobody had before.
    ///
    /// **Errors**: a [`Reject`] with nothing changed: there was no cluster, the machine is a
    /// witness, or it is in the way of a VIP.
    pub fn restore(&mut self, fresh: FreshStart) -> Result<NodeId, Reject> {
        let now = Now {
            at: fresh.at,
            term: 0,
        };
        let mut next = self.clone();
        let id = NodeId(self.last_node.0.saturating_add(1));
        let cluster = next.cluster.as_mut().ok_or(Reject::NotInitialised)?;
        if fresh.node.role == NodeRole::Witness {
            return Err(Reject::Witness(id));
        }
        // Four thousand million recoveries: no cluster of ours wrote that.
        let next_epoch = Epoch(cluster.epoch).next(fresh.tag);
        cluster.epoch = next_epoch.ok_or(Reject::NotInitialised)?.0;
        // The machine may be one of the old ones: their names and addresses are free again.
        let old = std::mem::take(&mut next.nodes);
        next.check_node(id, &fresh.node)?;
        let gone: Vec<NodeId> = old.keys().copied().collect();
        next.nodes = old;
        next.last_node = id;
        next.admit(now, id, fresh.node);
        for node in gone {
            next.remove_node(now, node, fresh.lease_key)?;
        }
        next.tokens.clear();
        next.vips.clear();
        next.ballots.clear();
        // Whoever conducted it belongs to the old life.
        next.lose_drill(now);
        *self = next;
        Ok(id)
    }
}
