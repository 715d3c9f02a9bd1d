//! How a snapshot gets on a disk: piece by piece into a temporary file beside it, which takes its
//! name when all of it is there, is whole, and is synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::file::{FileError, Header, inspect};

/// Why there is no file; what was there before is there still.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What came is no whole snapshot.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A file that is being written; it goes when this is dropped before its end.
pub struct Draft {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    kept: bool,
}

impl Draft {
    /// Begins, mode 0600.
    ///
    /// **Errors**: `Io`.
    pub fn begin(path: &Path) -> Result<Draft, WriteError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        // One that was left behind may have any mode: it goes first.
        let _ = fs::remove_file(&temporary);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(io(&temporary))?;
        Ok(Draft {
            path: path.to_owned(),
            temporary,
            file,
            kept: false,
        })
    }

    /// Adds a piece.
    ///
    /// **Errors**: `Io`.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write_all(bytes).map_err(io(&self.temporary))
    }

    /// Reads what was written once more, and gives it its name. It survives a power cut then.
    ///
    /// **Errors**: [`WriteError`].
    pub fn keep(mut self) -> Result<Header, WriteError> {
        self.file.sync_all().map_err(io(&self.temporary))?;
        let written = fs::read(&self.temporary).map_err(io(&self.temporary))?;
        let header = inspect(&written)?;
        fs::rename(&self.temporary, &self.path).map_err(io(&self.path))?;
        self.kept = true;
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            Some(_) | None => Path::new("."),
        };
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(io(folder))?;
        Ok(header)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io { path, source }
}
