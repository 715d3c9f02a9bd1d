//! The replicated state outside of a store: as bytes to keep elsewhere, and as the seed of a new
//! store.
//!
//! ```text
//!   State ─Saved─> bytes ──(a file, years later)──> Saved ─seed─> FOLDER/snapshot, vote ─> Store
//! ```

use std::path::Path;

use farmux_raft::codec::{self, DecodeError, EncodeError, Record};
use farmux_raft::consensus::record::{
    LogIdRecord, MembershipRecord, SNAPSHOT_BYTES_MAX, SnapshotMetaRecord,
};
use farmux_raft::id::NodeId;
use farmux_raft::state::State;
use openraft::Vote;
use openraft::storage::RaftLogStorage;
use serde::{Deserialize, Serialize};

use crate::error::OpenError;
use crate::files;
use crate::open::Store;
use crate::snapshot::{self, SnapshotRecord};

/// The state as it was after an entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Which entry.
    pub at: LogIdRecord,
    /// The state.
    pub state: State,
}

impl Record for Saved {
    const FORMAT: u16 = codec::NEWEST;
    const SHARED: bool = true;
    const BYTES_MAX: u64 = SNAPSHOT_BYTES_MAX;
}

/// Why a store was not seeded; what was written of it is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// There is something already.
    #[error("{0} is there already")]
    Occupied(String),
    /// It could not be written or opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The state is too large.
    #[error("{0}")]
    Part(String),
}

impl Saved {
    /// As bytes to keep.
    ///
    /// **Errors**: longer than [`SNAPSHOT_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        codec::encode(self)
    }

    /// From bytes that were kept.
    ///
    /// **Errors**: of another version, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Saved, DecodeError> {
        codec::decode(bytes)
    }

    /// Makes a store of it in a folder that is not there yet: its log begins behind the state, and
    /// `me` is the one voter.
    ///
    /// **Errors**: [`SeedError`]; the caller removes the folder.
    pub async fn seed(self, folder: &Path, me: NodeId) -> Result<(), SeedError> {
        if folder.exists() {
            return Err(SeedError::Occupied(folder.display().to_string()));
        }
        files::make_folder(folder).map_err(OpenError::io(folder))?;
        let at = self.at;
        let record = SnapshotRecord {
            meta: SnapshotMetaRecord {
                last: Some(at),
                membership_at: Some(at),
                membership: MembershipRecord {
                    halves: vec![[me].into()],
                    learners: [].into(),
                },
                id: format!("restored-{}-{}", at.term, at.index),
            },
            state: self.state,
        };
        let part = |error: &dyn std::fmt::Display| SeedError::Part(error.to_string());
        let bytes = snapshot::encode(&record).map_err(|error| part(&error))?;
        let path = folder.join("snapshot");
        files::replace(&path, &bytes).map_err(OpenError::io(&path))?;
        let mut store = Store::open(folder, me)?;
        // The next term must lie above those of the old log: reports are ordered by it.
        let vote = Vote::new(at.term, me);
        let voted = store.log.save_vote(&vote).await;
        voted.map_err(|error| part(&error))
    }
}
