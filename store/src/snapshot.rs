//! Snapshots as plain files: the whole state up to an entry, sealed with its hash.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farmux_raft::clockwork;
use farmux_raft::codec::{self, EncodeError, Record};
use farmux_raft::consensus::Room;
use farmux_raft::consensus::record::{LogIdRecord, SNAPSHOT_BYTES_MAX, SnapshotMetaRecord};
use farmux_raft::state::State;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::chain::{seal, unseal};
use crate::error::OpenError;
use crate::media::Media;
use crate::room;

fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// How soon a snapshot for which there was no room is tried again.
const FULL_PAUSE: Duration = Duration::from_secs(2);

/// A snapshot, in its file and on its way to another node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    /// What it contains.
    pub(crate) meta: SnapshotMetaRecord,
    /// The state.
    pub(crate) state: State,
}

impl Record for SnapshotRecord {
    const FORMAT: u16 = codec::NEWEST;
    const SHARED: bool = true;
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

/// A snapshot as bytes that every member reads: in the format that the state says.
pub(crate) fn encode(record: &SnapshotRecord) -> Result<Vec<u8>, SnapshotError> {
    let agreed = record.state.format.number().min(codec::reads());
    match codec::encode_as(record, agreed) {
        Err(EncodeError::Inexpressible { what, .. }) if agreed < codec::reads() => {
            // It is kept for this node; one that reads less says so, and does not take it.
            tracing::warn!(
                agreed,
                what,
                "a snapshot is newer than what the cluster agreed on"
            );
            Ok(seal(codec::encode(record)?))
        }
        encoded => Ok(seal(encoded?)),
    }
}

/// A snapshot from bytes.
pub(crate) fn decode(sealed: &[u8]) -> Result<SnapshotRecord, SnapshotError> {
    Ok(codec::decode(
        unseal(sealed).ok_or(SnapshotError::Altered)?,
    )?)
}

/// The newest snapshot in its file.
pub(crate) struct SnapshotFile {
    media: Arc<dyn Media>,
    path: PathBuf,
    newest: Mutex<Option<SnapshotMetaRecord>>,
}

impl SnapshotFile {
    /// Reads what is there.
    pub(crate) fn open(
        media: Arc<dyn Media>,
        path: &Path,
    ) -> Result<(Self, Option<SnapshotRecord>), OpenError> {
        let record = match media.read(path) {
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
                media,
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
        self.media.replace(&self.path, bytes)?;
        *newest = Some(meta.clone());
        Ok(())
    }

    /// The same, as soon as there is room for it: what has to be kept is not given up.
    pub(crate) async fn replace_with_room(
        self: &Arc<Self>,
        room: &watch::Receiver<Room>,
        meta: SnapshotMetaRecord,
        bytes: Arc<Vec<u8>>,
    ) -> Result<(), SnapshotError> {
        loop {
            room::wait_for(room, Room::Enough).await;
            let (file, meta, bytes) = (Arc::clone(self), meta.clone(), Arc::clone(&bytes));
            match clockwork::blocking(move || file.replace(&meta, &bytes)).await {
                Err(SnapshotError::Io(error)) if is_full(error.kind()) => {
                    tracing::warn!("no room for a snapshot; it is tried again");
                    clockwork::sleep(FULL_PAUSE).await;
                }
                replaced => return replaced,
            }
        }
    }

    /// The newest snapshot, if there is one.
    pub(crate) fn read(&self) -> Result<Option<(SnapshotMetaRecord, Vec<u8>)>, SnapshotError> {
        let newest = self
            .newest
            .lock()
            .expect("no holder of this lock can panic");
        match newest.as_ref() {
            Some(meta) => Ok(Some((meta.clone(), self.media.read(&self.path)?))),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = include_bytes!("../tests/golden/1-snapshot.bin");

    /// While the cluster agrees on the first format, its nodes of both releases exchange snapshots.
    #[test]
    fn a_snapshot_in_the_agreed_format_has_the_bytes_of_its_release() {
        let record: SnapshotRecord = codec::decode(FIRST).expect("0.1.0 wrote it");
        assert_eq!(record.state.format.number(), 1);
        assert_eq!(encode(&record).expect("it is small"), seal(FIRST.to_vec()));
    }

    #[test]
    fn after_it_was_raised_snapshots_are_of_the_newest() {
        use farmux_raft::id::{RequestId, UnixMillis};
        use farmux_raft::state::{Command, Proposal};
        let mut record: SnapshotRecord = codec::decode(FIRST).expect("0.1.0 wrote it");
        let raise = Proposal {
            id: RequestId(77),
            at: UnixMillis(1),
            command: Command::RaiseFormat(codec::NEWEST),
        };
        record.state.apply(3, raise).expect("it is raised");
        let bytes = encode(&record).expect("it is small");
        assert_eq!(codec::format_of(&bytes), Some(codec::NEWEST));
        assert_eq!(decode(&bytes).expect("it is ours"), record);
    }
}
