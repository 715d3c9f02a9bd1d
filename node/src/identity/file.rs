//! Small secret files, replaced whole: temporary, fsync, rename, fsync the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::HomeError;

/// Only root may read what we write.
const FILE_MODE: u32 = 0o600;

const TEMPORARY: &str = ".new";

/// Whether a file name is one of a write that was cut short.
pub(super) fn is_temporary(name: &str) -> bool {
    name.ends_with(TEMPORARY)
}

/// Replaces a file: after a power cut there is the old content or the new one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), HomeError> {
    let io = |source| HomeError::Io {
        path: path.to_owned(),
        source,
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY);
    let temporary = Path::new(&temporary);
    // One that a crash left behind may have any mode: it goes first.
    remove(temporary)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(temporary)
        .map_err(io)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(io)?;
    fs::rename(temporary, path).map_err(io)?;
    sync_folder(path)
}

/// Removes a file for good; one that is not there is removed already.
pub(super) fn remove(path: &Path) -> Result<(), HomeError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(HomeError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Whether the system said that a disk, or somebody's share of it, is full.
pub fn is_full(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

/// Writes a file of so many bytes and removes it again.
pub(super) fn try_writing(path: &Path, bytes: usize) -> Result<(), HomeError> {
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(path)
        .and_then(|mut file| {
            file.write_all(&vec![0; bytes])?;
            // Some file systems find out late.
            file.sync_all()
        });
    let removed = remove(path);
    written.map_err(|source| HomeError::Io {
        path: path.parent().expect("our files lie in a folder").to_owned(),
        source,
    })?;
    removed
}

fn sync_folder(path: &Path) -> Result<(), HomeError> {
    let folder = path.parent().expect("our files lie in a folder");
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| HomeError::Io {
            path: folder.to_owned(),
            source,
        })
}
