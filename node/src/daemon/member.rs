//! This machine as a member of a cluster: consensus, leases and wire, and the tasks between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use farmux_netplane::probe::Probing;
use farmux_netplane::serve::Serving;
use farmux_netplane::vip::Vips;
use farmux_raft::consensus::{Consensus, ProposeError};
use farmux_raft::id::{Ballot, NodeId, RequestId, UnixMillis, VipName};
use farmux_raft::lease::LeaseHandle;
use farmux_raft::state::{Applied, Command, NodeRole, Proposal, State};

/// A running member.
pub struct Member {
    pub(super) me: NodeId,
    pub(super) role: NodeRole,
    pub(super) consensus: Consensus,
    pub(super) lease: LeaseHandle,
    pub(super) wire: Option<Wire>,
}

/// What a balancer shows on the wire; a witness has none.
pub struct Wire {
    /// The addresses.
    pub vips: Vips,
    /// The services.
    pub serving: Serving,
    /// The checks.
    pub probing: Probing,
}

impl Member {
    /// Which node this is.
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// As what it joined.
    pub fn role(&self) -> NodeRole {
        self.role
    }

    /// The agreement.
    pub fn consensus(&self) -> &Consensus {
        &self.consensus
    }

    /// The newest applied state.
    pub fn state(&self) -> Arc<State> {
        self.consensus.state().borrow().clone()
    }

    /// The leases.
    pub fn lease(&self) -> &LeaseHandle {
        &self.lease
    }

    /// VIPs that are lent to this node.
    pub fn held(&self) -> BTreeMap<VipName, Ballot> {
        self.lease.held().borrow().clone()
    }

    /// What this node shows on the wire; `None` on a witness.
    pub fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    /// Has a change decided, here or by the leader.
    ///
    /// **Errors**: see [`Consensus::propose`].
    pub async fn change(&self, command: Command) -> Result<Applied, ProposeError> {
        self.consensus.propose(proposal(command)).await
    }
}

/// A command as a new proposal, made now.
pub fn proposal(command: Command) -> Proposal {
    Proposal {
        id: RequestId::random(),
        at: wall_clock(),
        command,
    }
}

/// The wall clock, for people and pages.
pub fn wall_clock() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
