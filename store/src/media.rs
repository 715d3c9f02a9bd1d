//! What a store lies on: a database, and plain files beside it. This machine's disk is one; a disk
//! that loses, tears and delays writes, for the simulation, is another.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::error::OpenError;
use crate::files;
use crate::kv::Kv;
use crate::room::{DiskReserve, Reserve};
use crate::sled_kv::SledKv;

/// A place for stores.
pub trait Media: Send + Sync + 'static {
    /// Opens the database, or makes one where there is none.
    ///
    /// **Errors**: [`OpenError`].
    fn database(&self, path: &Path) -> Result<Arc<dyn Kv>, OpenError>;

    /// The content of a file.
    ///
    /// **Errors**: those of the system; `NotFound` where there is none.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Replaces a file; when it returns, the new content survives a power cut, and before that the
    /// old one does.
    ///
    /// **Errors**: those of the system.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Opens a file whose parts are overwritten in place.
    ///
    /// **Errors**: those of the system; `NotFound` where there is none.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Slots>>;

    /// What keeps room for an open database, beside a snapshot; nothing: there is always room.
    ///
    /// **Errors**: [`OpenError`].
    fn reserve(&self, _: &Path, _: &Path) -> Result<Option<Box<dyn Reserve>>, OpenError> {
        Ok(None)
    }
}

/// A file whose parts are overwritten in place.
pub trait Slots: Send + Sync {
    /// Reads from there on; how many bytes.
    ///
    /// **Errors**: those of the system.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes there.
    ///
    /// **Errors**: those of the system.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// When it returns, what was written survives a power cut.
    ///
    /// **Errors**: those of the system.
    fn sync_data(&self) -> io::Result<()>;
}

/// This machine's own disk.
pub(crate) struct System;

impl Media for System {
    fn database(&self, path: &Path) -> Result<Arc<dyn Kv>, OpenError> {
        Ok(Arc::new(SledKv::open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        files::replace(path, content)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Slots>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(file))
    }

    fn reserve(
        &self,
        database: &Path,
        snapshot: &Path,
    ) -> Result<Option<Box<dyn Reserve>>, OpenError> {
        Ok(Some(Box::new(DiskReserve::open(database, snapshot)?)))
    }
}

impl Slots for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}
