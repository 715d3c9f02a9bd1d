//! The mark: a small file of its own that says how far the log reached when it was last answered
//! for.
//!
//! ```text
//!   0          512            4096        4608
//!   | slot 0   | …            | slot 1    |        slot: length u16, record, SHA-256
//! ```
//!
//! The two slots are written in turn, a page apart, each followed by `fdatasync`: a torn write
//! costs the one that was never answered for, never the other.

use std::path::{Path, PathBuf};

use farmux_raft::codec::{self, DecodeError, Record};
use farmux_raft::consensus::record::{LogIdRecord, VoteRecord};
use farmux_raft::id::NodeId;
use serde::{Deserialize, Serialize};

use crate::chain::{Chain, seal, unseal};
use crate::error::OpenError;
use crate::media::{Media, Slots};

/// How far the log reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Rises by one with each mark; the higher of two is the newer.
    pub(crate) number: u64,
    /// Whose log it is.
    pub(crate) node: NodeId,
    /// The vote that was given.
    pub(crate) vote: Option<VoteRecord>,
    /// The last entry, with its link; or where the log was purged up to.
    pub(crate) last: Option<(LogIdRecord, Chain)>,
}

impl Record for Mark {
    const FORMAT: u16 = 1;
    const BYTES_MAX: u64 = 400;
}

/// Bytes of a slot: a sector, which a disk writes as a whole or not at all.
const SLOT_BYTES: usize = 512;

/// Where the slots begin: a page apart, so that one torn page never holds both.
const SLOT_OFFSETS: [u64; 2] = [0, 4096];

/// The file, and which mark it holds.
pub(crate) struct MarkFile {
    path: PathBuf,
    slots: Box<dyn Slots>,
    newest: Mark,
}

impl MarkFile {
    /// Opens the file; `None` where there is none.
    ///
    /// **Errors**: [`OpenError`], damaged when neither slot holds a mark.
    pub(crate) fn open(media: &dyn Media, path: &Path) -> Result<Option<Self>, OpenError> {
        let slots = match media.open(path) {
            Ok(slots) => slots,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::io(path)(error)),
        };
        let mut newest: Option<Mark> = None;
        for offset in SLOT_OFFSETS {
            let mut slot = [0; SLOT_BYTES];
            // Short only where the second slot was never written; the rest stays zero.
            _ = slots
                .read_at(&mut slot, offset)
                .map_err(OpenError::io(path))?;
            match read_slot(&slot) {
                Some(Ok(mark)) if newest.as_ref().is_none_or(|n| n.number < mark.number) => {
                    newest = Some(mark);
                }
                Some(Ok(_)) | None => {}
                Some(Err(error)) => return Err(OpenError::undecodable(path, error)),
            }
        }
        let newest = newest.ok_or_else(|| OpenError::damaged(path, "neither mark is whole"))?;
        Ok(Some(MarkFile {
            path: path.to_owned(),
            slots,
            newest,
        }))
    }

    /// Makes the file of a new store.
    pub(crate) fn create(media: &dyn Media, path: &Path, node: NodeId) -> Result<Self, OpenError> {
        let first = Mark {
            number: 0,
            node,
            vote: None,
            last: None,
        };
        media
            .replace(path, &write_slot(&first))
            .map_err(OpenError::io(path))?;
        Self::open(media, path)?.ok_or_else(|| OpenError::damaged(path, "it vanished"))
    }

    /// The mark it holds.
    pub(crate) fn newest(&self) -> &Mark {
        &self.newest
    }

    /// Sets the mark; when it returns, it survives a power cut.
    pub(crate) fn set(
        &mut self,
        vote: Option<VoteRecord>,
        last: Option<(LogIdRecord, Chain)>,
    ) -> std::io::Result<()> {
        let mark = Mark {
            number: self.newest.number + 1,
            vote,
            last,
            ..self.newest.clone()
        };
        let offset = SLOT_OFFSETS[usize::from(mark.number % 2 == 1)];
        self.slots.write_all_at(&write_slot(&mark), offset)?;
        self.slots.sync_data()?;
        self.newest = mark;
        Ok(())
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

pub(crate) fn write_slot(mark: &Mark) -> Vec<u8> {
    let sealed = seal(codec::encode(mark).expect("a mark has a bounded size"));
    let length = u16::try_from(sealed.len()).expect("a mark has a bounded size");
    let mut slot = length.to_be_bytes().to_vec();
    slot.extend_from_slice(&sealed);
    assert!(slot.len() <= SLOT_BYTES, "a mark fits into its slot");
    slot.resize(SLOT_BYTES, 0);
    slot
}

/// `None`: nothing whole stands here.
pub(crate) fn read_slot(slot: &[u8]) -> Option<Result<Mark, DecodeError>> {
    let (length, rest) = slot.split_first_chunk::<2>()?;
    let sealed = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    Some(codec::decode(unseal(sealed)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::System;

    fn at(index: u64) -> Option<(LogIdRecord, Chain)> {
        Some((
            LogIdRecord {
                term: 1,
                node: NodeId(1),
                index,
            },
            Chain([7; 32]),
        ))
    }

    fn flip(path: &Path, offset: usize) {
        let mut bytes = std::fs::read(path).expect("the mark is there");
        bytes[offset] ^= 1;
        std::fs::write(path, bytes).expect("the mark can be written");
    }

    #[test]
    fn a_torn_mark_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mark");
        let mut file = MarkFile::create(&System, &path, NodeId(3)).expect("a new mark");
        for index in 1..=4 {
            file.set(None, at(index)).expect("it is written");
        }
        let reopened = MarkFile::open(&System, &path)
            .expect("it opens")
            .expect("it is there");
        assert_eq!(reopened.newest().last, at(4));
        flip(&path, 20); // number 4 is even: slot 0
        let torn = MarkFile::open(&System, &path)
            .expect("it opens")
            .expect("it is there");
        assert_eq!(torn.newest().last, at(3));
        assert_eq!(torn.newest().node, NodeId(3));
        flip(&path, 4096 + 20);
        assert!(matches!(
            MarkFile::open(&System, &path),
            Err(OpenError::Damaged { .. })
        ));
    }

    #[test]
    fn bytes_are_golden() {
        let vote = VoteRecord {
            term: 300,
            node: NodeId(2),
            committed: true,
        };
        let mark = Mark {
            number: 5,
            node: NodeId(2),
            vote: Some(vote),
            last: at(9),
        };
        let bytes = codec::encode(&mark).expect("a mark has a bounded size");
        let expected = [&[0, 1, 5, 2, 1, 251, 44, 1, 2, 1, 1, 1, 1, 9][..], &[7; 32]].concat();
        assert_eq!(bytes, expected);
    }
}
