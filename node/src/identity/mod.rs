//! Who this node is, as files in the data folder; nothing here knows what the files are used for.
//!
//! ```text
//!   <data>/             0700
//!     node.key          0600   the private key: made before joining, so that a join can resume
//!     identity.json     0600   cluster, epoch, certificate, CA: written whole, when there is one;
//!                              and where the members answered when it joined
//! ```
//!
//! A certificate is renewed by writing `identity.json` anew; the key stays. Both are replaced by a
//! rename, so that a power cut leaves the old file or the new one. A sum over its words tells a
//! bit that a disk flipped from what was written: an epoch, a name or an address that is another
//! one reads as well as the right one. The key needs none: it would not fit the certificate.

mod file;
mod renewal;

pub use file::is_full;
pub(crate) use file::replace;
pub use renewal::{RenewError, keep_renewed};

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use farmux_raft::id::ClusterName;
use farmux_raft::peer::certificate::{certificate_from_pem, certificate_to_pem};
use farmux_raft::peer::key::NodeKey;
use farmux_raft::peer::{Addresses, Identity, IdentityError};
use serde::{Deserialize, Serialize};

/// Only root may look: the key, and the log with the CA's key, are in there.
const FOLDER_MODE: u32 = 0o700;

const KEY_FILE: &str = "node.key";
const IDENTITY_FILE: &str = "identity.json";

/// Written and removed, to see whether there is room; temporary, so that it is in nobody's way.
const ROOM_FILE: &str = "room.new";

/// A few segments of the log's database (512 KiB each) and the first snapshots.
const ROOM_BYTES: usize = 4 << 20;

/// What an otherwise empty folder may contain: our own key, and what file systems put there.
const ALLOWED: [&str; 2] = [KEY_FILE, "lost+found"];

/// Why the data folder cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others than its owner could read a secret; the caller names `chmod`.
    #[error("{} may be read by others (mode {mode:04o})", path.display())]
    Loose {
        /// Which file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file is not what we wrote.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// In what way.
        why: String,
    },
    /// The parts do not belong together.
    #[error("{}: {source}", path.display())]
    Identity {
        /// Which file.
        path: PathBuf,
        /// In what way.
        source: IdentityError,
    },
    /// It holds something, and a node can only join with an empty one.
    #[error("{} is not empty: it holds {entry}", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// The first thing found in it.
        entry: String,
    },
}

/// The data folder.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

/// `identity.json`, first layout.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    format: u32,
    cluster_name: ClusterName,
    epoch: u64,
    certificate: String,
    ca: String,
    /// Whom to ask for a vote after a restart that came before the first entry of the log.
    #[serde(default)]
    members: Addresses,
    /// SHA-256 over all the others; what was written before there was one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sum: Option<String>,
}

impl Words {
    /// The sum that belongs to the others.
    fn right_sum(&self) -> String {
        let others = (
            self.format,
            &self.cluster_name,
            self.epoch,
            &self.certificate,
            &self.ca,
            &self.members,
        );
        let text = serde_json::to_vec(&others).expect("strings and numbers are JSON");
        let sum = ring::digest::digest(&ring::digest::SHA256, &text);
        sum.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The layout that this version writes and reads.
const FORMAT: u32 = 1;

impl Home {
    /// Opens the data folder, makes it where there is none, and closes it to others.
    ///
    /// **Errors**: `Io`.
    pub fn open(folder: &Path) -> Result<Home, HomeError> {
        let io = |source| HomeError::Io {
            path: folder.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder)
            .map_err(io)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(FOLDER_MODE)).map_err(io)?;
        Ok(Home {
            folder: folder.to_owned(),
        })
    }

    /// The data folder as it is: nothing is made and nothing closed.
    pub fn at(folder: &Path) -> Home {
        Home {
            folder: folder.to_owned(),
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// This node's key; the first call makes it.
    ///
    /// **Errors**: `Io`, `Loose`, `Damaged`.
    pub fn key(&self) -> Result<NodeKey, HomeError> {
        let path = self.folder.join(KEY_FILE);
        if let Some(text) = read_secret(&path)? {
            return NodeKey::from_pem(&text).map_err(|error| HomeError::Damaged {
                path,
                why: error.to_string(),
            });
        }
        let key = NodeKey::generate();
        file::replace(&path, key.to_pem().as_bytes())?;
        Ok(key)
    }

    /// Who this node is; `None` before it is part of a cluster.
    ///
    /// **Errors**: `Io`, `Loose`, `Damaged`, `Identity`: the node stops and names the file.
    pub fn load(&self) -> Result<Option<Identity>, HomeError> {
        let path = self.folder.join(IDENTITY_FILE);
        let Some(words) = self.words()? else {
            return Ok(None);
        };
        let damaged = |why: String| HomeError::Damaged {
            path: path.clone(),
            why,
        };
        let leaf = certificate_from_pem(&words.certificate).map_err(|e| damaged(e.to_string()))?;
        let ca = certificate_from_pem(&words.ca).map_err(|e| damaged(e.to_string()))?;
        let key_path = self.folder.join(KEY_FILE);
        let Some(key) = read_secret(&key_path)? else {
            let why = "it is missing, but there is an identity".to_owned();
            return Err(HomeError::Damaged {
                path: key_path,
                why,
            });
        };
        let key = NodeKey::from_pem(&key).map_err(|error| HomeError::Damaged {
            path: key_path,
            why: error.to_string(),
        })?;
        Identity::new(words.cluster_name, words.epoch, key, leaf, ca)
            .map(Some)
            .map_err(|source| HomeError::Identity {
                path: path.clone(),
                source,
            })
    }

    /// Where the members answered when this node joined; nobody for the first node.
    ///
    /// **Errors**: as [`Home::load`].
    pub fn members(&self) -> Result<Addresses, HomeError> {
        Ok(self
            .words()?
            .map_or_else(Addresses::new, |words| words.members))
    }

    fn words(&self) -> Result<Option<Words>, HomeError> {
        let path = self.folder.join(IDENTITY_FILE);
        let Some(text) = read_secret(&path)? else {
            return Ok(None);
        };
        let damaged = |why: String| HomeError::Damaged {
            path: path.clone(),
            why,
        };
        let words: Words = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        if words.format != FORMAT {
            let why = format!("format {}, where this version reads {FORMAT}", words.format);
            return Err(damaged(why));
        }
        if words
            .sum
            .as_ref()
            .is_some_and(|sum| *sum != words.right_sum())
        {
            return Err(damaged("its words are not what was written".to_owned()));
        }
        Ok(Some(words))
    }

    /// Checks that there is room for what a member writes next: it could not say what it lacks
    /// once it is in the middle of it.
    ///
    /// **Errors**: `Io`, which [`is_full`] tells from others.
    pub fn check_room(&self) -> Result<(), HomeError> {
        file::try_writing(&self.folder.join(ROOM_FILE), ROOM_BYTES)
    }

    /// Remembers who this node is, and where the others answer until the log says so; also after
    /// its certificate was renewed.
    ///
    /// **Errors**: `Io`: nothing changed.
    pub fn save(&self, identity: &Identity, members: &Addresses) -> Result<(), HomeError> {
        let path = self.folder.join(KEY_FILE);
        file::replace(&path, identity.key().to_pem().as_bytes())?;
        let mut words = Words {
            format: FORMAT,
            cluster_name: identity.cluster_name().clone(),
            epoch: identity.epoch(),
            certificate: certificate_to_pem(identity.leaf()),
            ca: certificate_to_pem(identity.ca()),
            members: members.clone(),
            sum: None,
        };
        words.sum = Some(words.right_sum());
        let text = serde_json::to_string_pretty(&words).expect("strings and numbers are JSON");
        file::replace(&self.folder.join(IDENTITY_FILE), text.as_bytes())
    }

    /// Forgets who this node was, after it left its cluster.
    ///
    /// **Errors**: `Io`.
    pub fn forget(&self) -> Result<(), HomeError> {
        file::remove(&self.folder.join(IDENTITY_FILE))?;
        file::remove(&self.folder.join(KEY_FILE))
    }

    /// Checks that nothing of a former life is here: a node joins empty.
    ///
    /// **Errors**: `NotEmpty`, `Io`.
    pub fn check_empty(&self) -> Result<(), HomeError> {
        let io = |source| HomeError::Io {
            path: self.folder.clone(),
            source,
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(io)? {
            entries.push(
                entry
                    .map_err(io)?
                    .file_name()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
        entries.sort();
        let strange =
            |entry: &String| !ALLOWED.contains(&entry.as_str()) && !file::is_temporary(entry);
        match entries.into_iter().find(strange) {
            Some(entry) => Err(HomeError::NotEmpty {
                path: self.folder.clone(),
                entry,
            }),
            None => Ok(()),
        }
    }
}

/// Reads a file that only its owner may read; `None` where there is none.
fn read_secret(path: &Path) -> Result<Option<String>, HomeError> {
    match fs::read_to_string(path) {
        Ok(text) => check_mode(path).map(|()| Some(text)),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) if source.kind() == ErrorKind::InvalidData => Err(HomeError::Damaged {
            path: path.to_owned(),
            why: "it is no text".to_owned(),
        }),
        Err(source) => Err(HomeError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

fn check_mode(path: &Path) -> Result<(), HomeError> {
    let metadata = fs::metadata(path).map_err(|source| HomeError::Io {
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(HomeError::Loose {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(test)]
mod tests;
