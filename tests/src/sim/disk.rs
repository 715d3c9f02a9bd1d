//! A simulated disk: it forgets what was not synced when the power goes, tears what it was
//! writing, fills up and fails.
//!
//! ```text
//!   write ──> pending (seen by readers; survives a killed process) ──barrier, sync──> kept
//!                └── power cut: a part of it, from its beginning, is kept; the rest is gone
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use farmux_store::{Batch, Kv, KvError, Media, OpenError, Slots, Visit};

use super::dice::Dice;

/// One node's disk.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Plates>>);

type Change = (Vec<u8>, Option<Vec<u8>>);

#[derive(Default)]
struct Plates {
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
    seen: BTreeMap<Vec<u8>, Vec<u8>>,
    pending: Vec<Vec<Change>>,
    files: BTreeMap<PathBuf, Plain>,
    trouble: Trouble,
}

#[derive(Default, Clone)]
struct Plain {
    kept: Vec<u8>,
    seen: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

/// What a disk suffers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// Nothing more can be written; what is there can be synced.
    Full,
    /// Syncing fails.
    Broken,
}

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Plates> {
        self.0.lock().expect("no holder of this lock can panic")
    }

    /// From now on it suffers from this.
    pub(super) fn suffer(&self, trouble: Trouble) {
        self.lock().trouble = trouble;
    }

    /// The power goes; how many writes were forgotten.
    pub(super) fn power_cut(&self, dice: &mut Dice) -> usize {
        let mut plates = self.lock();
        let pending = std::mem::take(&mut plates.pending);
        let kept = dice.below(pending.len() + 1);
        let mut forgotten = pending.len() - kept;
        for batch in pending.into_iter().take(kept) {
            batch
                .into_iter()
                .for_each(|change| put(&mut plates.kept, change));
        }
        plates.seen = plates.kept.clone();
        for file in plates.files.values_mut() {
            for (offset, bytes) in std::mem::take(&mut file.pending) {
                let upto = dice.below(bytes.len() + 1);
                forgotten += usize::from(upto < bytes.len());
                overwrite(&mut file.kept, offset, &bytes[..upto]);
            }
            file.seen = file.kept.clone();
        }
        forgotten
    }
}

fn put(map: &mut BTreeMap<Vec<u8>, Vec<u8>>, (key, value): Change) {
    match value {
        Some(value) => _ = map.insert(key, value),
        None => _ = map.remove(&key),
    }
}

fn overwrite(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

impl Plates {
    fn check_room(&self) -> io::Result<()> {
        match self.trouble {
            Trouble::None => Ok(()),
            Trouble::Full => Err(io::ErrorKind::StorageFull.into()),
            Trouble::Broken => Err(io::Error::other("Input/output error")),
        }
    }

    fn check_sync(&self) -> io::Result<()> {
        match self.trouble {
            Trouble::None | Trouble::Full => Ok(()),
            Trouble::Broken => Err(io::Error::other("Input/output error")),
        }
    }
}

fn failed(error: &io::Error) -> KvError {
    KvError(error.to_string())
}

impl Kv for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.lock().seen.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), KvError> {
        let plates = self.lock();
        for (key, value) in plates.seen.range(from.to_vec()..to.to_vec()) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: Batch) -> Result<(), KvError> {
        let mut plates = self.lock();
        plates.check_room().map_err(|e| failed(&e))?;
        let changes: Vec<Change> = batch.into_changes().collect();
        for change in changes.clone() {
            put(&mut plates.seen, change);
        }
        plates.pending.push(changes);
        Ok(())
    }

    fn barrier(&self) -> Result<(), KvError> {
        let mut plates = self.lock();
        plates.check_sync().map_err(|e| failed(&e))?;
        for batch in std::mem::take(&mut plates.pending) {
            batch
                .into_iter()
                .for_each(|change| put(&mut plates.kept, change));
        }
        Ok(())
    }
}

impl Media for Disk {
    fn database(&self, _path: &Path) -> Result<Arc<dyn Kv>, OpenError> {
        Ok(Arc::new(self.clone()))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let plates = self.lock();
        let file = plates.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(file.seen.clone())
    }

    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut plates = self.lock();
        plates.check_room()?;
        let file = Plain {
            kept: content.to_vec(),
            seen: content.to_vec(),
            pending: Vec::new(),
        };
        plates.files.insert(path.to_owned(), file);
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Slots>> {
        if !self.lock().files.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Box::new(Opened {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }
}

struct Opened {
    disk: Disk,
    path: PathBuf,
}

impl Slots for Opened {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let plates = self.disk.lock();
        let file = plates
            .files
            .get(&self.path)
            .ok_or(io::ErrorKind::NotFound)?;
        let from = usize::try_from(offset).expect("small").min(file.seen.len());
        let count = bytes.len().min(file.seen.len() - from);
        bytes[..count].copy_from_slice(&file.seen[from..from + count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut plates = self.disk.lock();
        // What is overwritten in place needs no room.
        plates.check_sync()?;
        let offset = usize::try_from(offset).expect("small");
        let file = plates.files.get_mut(&self.path);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        overwrite(&mut file.seen, offset, bytes);
        file.pending.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut plates = self.disk.lock();
        plates.check_sync()?;
        let file = plates.files.get_mut(&self.path);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        for (offset, bytes) in std::mem::take(&mut file.pending) {
            overwrite(&mut file.kept, offset, &bytes);
        }
        Ok(())
    }
}
