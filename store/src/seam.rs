//! What lies on the disk, for those who prove its codecs from outside of this crate. It hides what
//! the records say; nothing here is used by a node.

use std::fmt::Debug;

use farmux_raft::codec;

use crate::chain::{seal, unseal};
use crate::mark::{self, Mark};
use crate::record::{self, Single, StoredBase, StoredCommitted, StoredVote};
use crate::snapshot::{self, SnapshotRecord};

/// A snapshot file that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot(SnapshotRecord);

impl Snapshot {
    /// Reads a file; `None`: it is damaged, or of another version.
    pub fn read(bytes: &[u8]) -> Option<Snapshot> {
        snapshot::decode(bytes).ok().map(Snapshot)
    }

    /// Whether its state says nothing that is newer than the format it was agreed on: nothing is
    /// proposed that could make one which does, and what is written of it is less.
    pub fn is_agreed(&self) -> bool {
        let agreed = self.0.state.format.number();
        codec::encode(&self.0).is_ok_and(|bytes| codec::format_of(&bytes) <= Some(agreed))
    }

    /// Writes it anew.
    pub fn write(&self) -> Vec<u8> {
        snapshot::encode(&self.0).expect("what was read is within its bound")
    }
}

/// Puts the hash behind bytes that whoever damaged them could have put there as well.
pub fn sealed(bytes: &[u8]) -> Vec<u8> {
    seal(bytes.to_vec())
}

/// A slot of the mark that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot(Mark);

impl Slot {
    /// Reads a slot; `None`: nothing whole stands there.
    pub fn read(bytes: &[u8]) -> Option<Slot> {
        mark::read_slot(bytes)?.ok().map(Slot)
    }

    /// Writes it anew.
    pub fn write(&self) -> Vec<u8> {
        mark::write_slot(&self.0)
    }
}

/// The record of an entry's value in the database; `None`: it is not whole.
pub fn entry(value: &[u8]) -> Option<Vec<u8>> {
    record::whole(1, value).map(|entry| entry.bytes)
}

/// Reads bytes as each record that lies under a key of its own; how many of them they are.
///
/// **Panics**: what was written of one is not read as the same.
pub fn singles(sealed: &[u8]) -> usize {
    let read = [
        single::<StoredVote>(sealed),
        single::<StoredBase>(sealed),
        single::<StoredCommitted>(sealed),
    ];
    read.into_iter().filter(|read| *read).count()
}

fn single<S: Single + Debug + PartialEq>(sealed: &[u8]) -> bool {
    let Some(record) = unseal(sealed).and_then(|bytes| codec::decode::<S>(bytes).ok()) else {
        return false;
    };
    let written = codec::encode(&record).expect("what was read is within its bound");
    assert_eq!(codec::decode::<S>(&written).ok(), Some(record));
    true
}
