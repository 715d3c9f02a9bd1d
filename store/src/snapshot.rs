//! Snapshots as plain files: the whole state up to an entry, sealed with its hash.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use farmux_raft::codec::{self, Record};
use farmux_raft::consensus::record::{LogIdRecord, SNAPSHOT_BYTES_MAX, SnapshotMetaRecord};
use farmux_raft::state::State;
use serde::{Deserialize, Serialize};

use crate::chain::{seal, unseal};
use crate::error::OpenError;
use crate::files;

/// A snapshot, in its file and on its way to another node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    /// What it contains.
    pub(crate) meta: SnapshotMetaRecord,
    /// The state.
    pub(crate) state: State,
}

impl Record for SnapshotRecord {
    const FORMAT: u16 = 1;
    const BYTES_MAX: u64 = SNAPSHOT_BYTES_MAX;
}

/// Why bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// They are not what was written.
    #[error("its bytes are not what was written")]
    Altered,
    /// They are no record.
    #[error(transparent)]
    Decode(#[from] codec::DecodeError),
    /// Too large a state, or one that cannot be written.
    #[error(transparent)]
    Encode(#[from] codec::EncodeError),
    /// The file could not be written or read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A snapshot as bytes.
pub(crate) fn encode(record: &SnapshotRecord) -> Result<Vec<u8>, SnapshotError> {
    Ok(seal(codec::encode(record)?))
}

/// A snapshot from bytes.
pub(crate) fn decode(sealed: &[u8]) -> Result<SnapshotRecord, SnapshotError> {
    Ok(codec::decode(
        unseal(sealed).ok_or(SnapshotError::Altered)?,
    )?)
}

/// The newest snapshot in its file.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    path: PathBuf,
    newest: Mutex<Option<SnapshotMetaRecord>>,
}

impl SnapshotFile {
    /// Reads what is there.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<SnapshotRecord>), OpenError> {
        let record = match std::fs::read(path) {
            Ok(bytes) => Some(decode(&bytes).map_err(|error| match error {
                SnapshotError::Decode(error) => OpenError::undecodable(path, error),
                error @ (SnapshotError::Altered
                | SnapshotError::Encode(_)
                | SnapshotError::Io(_)) => OpenError::damaged(path, error),
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(OpenError::io(path)(error)),
        };
        let newest = Mutex::new(record.as_ref().map(|record| record.meta.clone()));
        Ok((
            SnapshotFile {
                path: path.to_owned(),
                newest,
            },
            record,
        ))
    }

    /// Replaces the snapshot, unless a newer one came first. Durable when it returns.
    pub(crate) fn replace(
        &self,
        meta: &SnapshotMetaRecord,
        bytes: &[u8],
    ) -> Result<(), SnapshotError> {
        let mut newest = self
            .newest
            .lock()
            .expect("no holder of this lock can panic");
        let last = |meta: &SnapshotMetaRecord| -> Option<LogIdRecord> { meta.last };
        if newest
            .as_ref()
            .is_some_and(|newest| last(newest) > last(meta))
        {
            return Ok(());
        }
        files::replace(&self.path, bytes)?;
        *newest = Some(meta.clone());
        Ok(())
    }

    /// The newest snapshot, if there is one.
    pub(crate) fn read(&self) -> Result<Option<(SnapshotMetaRecord, Vec<u8>)>, SnapshotError> {
        let newest = self
            .newest
            .lock()
            .expect("no holder of this lock can panic");
        match newest.as_ref() {
            Some(meta) => Ok(Some((meta.clone(), std::fs::read(&self.path)?))),
            None => Ok(None),
        }
    }
}
