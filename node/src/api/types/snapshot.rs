//! `POST /v1/snapshot`; the answer is the file itself.

use farmux_raft::state::Secret;
use serde::{Deserialize, Serialize};

/// What is needed to save everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRequest {
    /// Seals it; never logged, never kept.
    pub passphrase: Secret,
}
