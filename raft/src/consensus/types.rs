//! The types with which openraft is used, so that nobody else has to name it.

use openraft::EmptyNode;

use super::runtime::Runtime;
use crate::id::NodeId;
use crate::state::{Applied, Proposal, Reject};

openraft::declare_raft_types!(
    /// Our openraft: proposals in, answers of `apply` out; addresses are in the state, not in the
    /// membership; a snapshot is small enough (megabytes) to be held in memory while it travels.
    pub TypeConfig:
        D = Proposal,
        R = Result<Applied, Reject>,
        NodeId = NodeId,
        Node = EmptyNode,
        SnapshotData = std::io::Cursor<Vec<u8>>,
        AsyncRuntime = Runtime,
);

pub(super) type Raft = openraft::Raft<TypeConfig>;
pub(super) type Metrics = openraft::RaftMetrics<NodeId, EmptyNode>;
