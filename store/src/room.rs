//! Room: whether the disk still takes what will be written, looked at before it is handed to sled.
//!
//! ```text
//!   flusher ─look─▶ Reserve: blocks behind the end of sled's file, which are ours already
//!                            free space of the file system
//!           ─Room (watch)──▶ log, machine: wait;  consensus: takes no entries, lets others lead
//! ```
//!
//! sled that meets a full disk refuses everything from then on, and the process has to end. So it
//! never shall: the blocks for what it writes next are taken beforehand, and while they cannot be,
//! no entry is taken. Of the reserve that is left then, votes are kept. Where a file system cannot
//! set blocks aside, free space is all there is to go by, and another program may be faster: then
//! the process ends, as after every failed write, and starts again once there is room.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use farmux_raft::clockwork::now;
use farmux_raft::consensus::Room;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use tokio::sync::watch;

use crate::error::OpenError;

/// Finds out how much room there is.
pub trait Reserve: Send {
    /// Takes blocks beforehand where some are missing, and says how much room there is then.
    fn look(&mut self) -> Room;
}

/// Bytes for sled that are taken beforehand: a batch of the longest entries and all that sled moves
/// because of it, or votes for years.
const AHEAD_BYTES: u64 = 8 << 20;

/// Blocks are taken when so many are missing: two of sled's segments, so that it is rarely done.
const STEP_BYTES: u64 = 1 << 20;

/// With less than this ahead nothing is handed to sled at all: four of its segments.
const LAST_BYTES: u64 = 2 << 20;

/// So much has to be free beside it: renewed certificates, and what lies beside the log. The next
/// snapshot comes on top, because the last one is replaced only when the new one is there.
pub const FREE_BYTES: u64 = 4 << 20;

/// The reserve of a database on this machine's own disk.
pub(crate) struct DiskReserve {
    file: File,
    snapshot: PathBuf,
    /// Up to where blocks were taken; nothing on a file system that cannot.
    taken: Option<u64>,
    /// The length of the database when it was looked at last.
    length: u64,
    room: Room,
}

/// What was found.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// Bytes that sled can write for sure.
    ahead: u64,
    /// Bytes that anybody can.
    free: u64,
    /// Of them, those that must stay.
    wanted: u64,
}

impl DiskReserve {
    /// The reserve of the database in `folder`, beside a snapshot.
    pub(crate) fn open(folder: &Path, snapshot: &Path) -> Result<Self, OpenError> {
        let path = folder.join("db");
        let opened = File::options().read(true).write(true).open(&path);
        Ok(DiskReserve {
            file: opened.map_err(OpenError::io(&path))?,
            snapshot: snapshot.to_owned(),
            taken: Some(0),
            length: 0,
            room: Room::Enough,
        })
    }

    fn find(&mut self) -> std::io::Result<Found> {
        let length = self.file.metadata()?.len();
        if length < self.length {
            // What stood behind the old end went with it.
            self.taken = self.taken.map(|_| length);
        }
        self.length = length;
        self.take(length);
        let disk = statvfs(crate::files::parent(&self.snapshot))?;
        let free = match disk.f_blocks {
            // Some file systems do not say.
            0 => u64::MAX,
            _ => disk.f_bavail.saturating_mul(disk.f_frsize),
        };
        let snapshot = std::fs::metadata(&self.snapshot).map_or(0, |file| file.len());
        Ok(Found {
            ahead: self
                .taken
                .map_or(free, |taken| taken.saturating_sub(length)),
            free,
            wanted: FREE_BYTES.saturating_add(snapshot),
        })
    }

    /// Takes the blocks up to so many bytes behind the end, holes before it included.
    fn take(&mut self, length: u64) {
        let Some(taken) = self.taken else { return };
        let end = length.saturating_add(AHEAD_BYTES);
        if taken.saturating_add(STEP_BYTES) > end {
            return;
        }
        // What is there is better than nothing, and the rest is tried again with the next look.
        for part in [AHEAD_BYTES, AHEAD_BYTES / 2, LAST_BYTES] {
            let end = length.saturating_add(part);
            if taken >= end {
                return;
            }
            match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, end) {
                Ok(()) => {
                    self.taken = Some(end);
                    return;
                }
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                    self.taken = None;
                    return;
                }
                Err(error) => tracing::debug!(%error, part, "no blocks can be taken beforehand"),
            }
        }
    }
}

/// Pretends in a drill that the disk is full, for a while at most: the end is in this process's
/// memory. Everything above the disk goes the way it goes when that is true; nothing is filled.
#[derive(Debug, Clone, Default)]
pub struct PretendFull(Arc<Mutex<Option<Instant>>>);

impl PretendFull {
    /// Pretends from the next look on, which comes within half a second.
    pub fn begin(&self, lasts: Duration) {
        *self.until() = Some(now() + lasts);
    }

    /// Pretends no more.
    pub fn end(&self) {
        *self.until() = None;
    }

    /// What is said of the room that was found. Of a disk that fills, the reserve is the last to
    /// go: votes are kept, entries are not.
    pub(crate) fn over(&self, found: Room) -> Room {
        let mut until = self.until();
        *until = until.filter(|until| now() < *until);
        match *until {
            Some(_) => found.min(Room::Short),
            None => found,
        }
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until there is at least so much room.
pub(crate) async fn wait_for(room: &watch::Receiver<Room>, least: Room) {
    // Nobody looks any more where the store is being closed: then writing tells.
    _ = room.clone().wait_for(|room| *room >= least).await;
}

impl Reserve for DiskReserve {
    fn look(&mut self) -> Room {
        let room = match self.find() {
            Ok(found) => judge(self.room, found),
            Err(error) => {
                // A disk that does not answer is not a full one: writing to it will tell.
                tracing::debug!(%error, "its room is not known");
                self.room
            }
        };
        self.room = room;
        room
    }
}

/// PURE. How much room there is; more is asked for before it is enough again, so that it does not
/// come and go with each entry.
fn judge(before: Room, found: Found) -> Room {
    let Found {
        ahead,
        free,
        wanted,
    } = found;
    let wanted = match before {
        Room::Enough => wanted,
        Room::Short | Room::Gone => wanted.saturating_add(FREE_BYTES / 2),
    };
    match (ahead, free >= wanted) {
        (..LAST_BYTES, _) => Room::Gone,
        (ahead, true) if ahead >= AHEAD_BYTES - STEP_BYTES => Room::Enough,
        (LAST_BYTES.., _) => Room::Short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn room_is_what_is_ahead_and_what_is_free() {
        use Room::{Enough, Gone, Short};
        let wanted = FREE_BYTES + MIB;
        let table = [
            (Enough, AHEAD_BYTES, wanted, Enough),
            (Enough, AHEAD_BYTES - STEP_BYTES, wanted, Enough),
            (Enough, AHEAD_BYTES - STEP_BYTES - 1, u64::MAX, Short),
            (Enough, AHEAD_BYTES, wanted - 1, Short),
            (Short, AHEAD_BYTES, wanted, Short),
            (Short, AHEAD_BYTES, wanted + 2 * MIB, Enough),
            (Gone, AHEAD_BYTES, wanted + 2 * MIB, Enough),
            (Enough, LAST_BYTES, 0, Short),
            (Enough, LAST_BYTES - 1, u64::MAX, Gone),
            (Gone, LAST_BYTES, 0, Short),
        ];
        for (before, ahead, free, expected) in table {
            let found = Found {
                ahead,
                free,
                wanted,
            };
            assert_eq!(judge(before, found), expected, "{before:?} {found:?}");
        }
    }

    #[test]
    fn what_is_pretended_ends_with_its_deadline_and_hides_nothing_worse() {
        let full = PretendFull::default();
        assert_eq!(full.over(Room::Enough), Room::Enough);
        full.begin(Duration::from_secs(60));
        assert_eq!(full.over(Room::Enough), Room::Short);
        assert_eq!(full.over(Room::Gone), Room::Gone);
        full.end();
        assert_eq!(full.over(Room::Enough), Room::Enough);
        full.begin(Duration::ZERO);
        assert_eq!(full.over(Room::Enough), Room::Enough, "it was over at once");
    }

    #[test]
    fn blocks_are_taken_beforehand_and_anew_when_the_file_shrank() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("db");
        let file = File::create(&path).expect("a file");
        file.set_len(3 * MIB).expect("it grows");
        let mut reserve =
            DiskReserve::open(folder.path(), &folder.path().join("snapshot")).expect("it opens");
        assert_eq!(reserve.look(), Room::Enough);
        if reserve.taken.is_none() {
            // This file system cannot, and free space is all there is to go by.
            return;
        }
        assert_eq!(reserve.taken, Some(3 * MIB + AHEAD_BYTES));
        assert_eq!(file.metadata().expect("it is there").len(), 3 * MIB);
        file.set_len(3 * MIB + STEP_BYTES / 2).expect("it grows");
        assert_eq!(reserve.look(), Room::Enough);
        assert_eq!(reserve.taken, Some(3 * MIB + AHEAD_BYTES), "not yet");
        file.set_len(4 * MIB).expect("it grows");
        assert_eq!(reserve.look(), Room::Enough);
        assert_eq!(reserve.taken, Some(4 * MIB + AHEAD_BYTES));
        file.set_len(MIB).expect("it shrinks");
        assert_eq!(reserve.look(), Room::Enough);
        assert_eq!(reserve.taken, Some(MIB + AHEAD_BYTES));
    }
}
