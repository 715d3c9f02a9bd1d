//! PURE. The layout of a snapshot file: what everybody may read, and what is sealed.
//!
//! ```text
//!   0        8        10       14           14+n                  end-32
//!   | magic  | format | n      | header, n  | sealed state …      | SHA-256 of all before |
//! ```
//!
//! All numbers are big-endian. The header is JSON, and part of what the seal vouches for: nobody
//! without the passphrase can put another header on a state. The checksum needs no passphrase: it
//! tells a damaged file from a wrong passphrase.

use std::net::SocketAddr;

use farmux_raft::id::NodeName;
use farmux_raft::state::{NodeRole, State};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::api::types::Moment;

/// How a file begins: no text editor's, no archive's.
const MAGIC: [u8; 8] = *b"FMXSNAP\n";

/// The layout of the file; the state in it has a format of its own.
pub(super) const FILE_FORMAT: u16 = 1;

const START_BYTES: usize = 14;
const HASH_BYTES: usize = 32;

/// Seven members with four addresses each are 2 KiB; this bounds what a damaged length can claim.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// What everybody may read of a snapshot.
///
/// **Shape** (JSON): as the fields say; what is added later is optional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the cluster is called.
    pub cluster: String,
    /// Its identity, 32 hexadecimal digits.
    pub cluster_id: String,
    /// Its epoch; a restored cluster has a higher one.
    pub epoch: u64,
    /// The revision of the configuration.
    pub revision: u64,
    /// The log index up to which the state is applied.
    pub applied: u64,
    /// Whether that is all that was decided before it was saved: false where no majority confirmed
    /// it; null where nobody could be asked, as some node is of a version without the question.
    #[serde(default)]
    pub newest: Option<bool>,
    /// When it was saved, by the clock of the node that did.
    pub saved: Moment,
    /// Which node that was.
    pub saved_by: NodeName,
    /// Which version of farmux it runs.
    pub version: String,
    /// The machines.
    pub members: Vec<MemberLine>,
    /// How much there is of what.
    pub counts: Counts,
    /// How the state is sealed.
    pub sealing: Sealing,
}

/// A machine of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLine {
    /// What it is called.
    pub name: NodeName,
    /// What it may do.
    pub role: NodeRole,
    /// Where its peers reach it.
    pub peer: Vec<SocketAddr>,
}

/// How much there is of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Floating addresses.
    pub vips: usize,
    /// Farms.
    pub farms: usize,
    /// Their servers.
    pub servers: usize,
    /// Watches.
    pub watches: usize,
    /// Contacts.
    pub contacts: usize,
    /// Administrators.
    pub admins: usize,
    /// Pages that are remembered.
    pub pages: usize,
    /// Configurations to go back to.
    pub revisions: usize,
}

/// How the state is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealing {
    /// `pbkdf2-hmac-sha256`: from the passphrase to the key.
    pub key: String,
    /// How many rounds.
    pub rounds: u32,
    /// Salt, hexadecimal.
    pub salt: String,
    /// `chacha20-poly1305`.
    pub cipher: String,
    /// Nonce, hexadecimal.
    pub nonce: String,
}

/// Why bytes are no snapshot, or not one for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It does not begin like one.
    #[error("it is no farmux snapshot")]
    Foreign,
    /// A newer farmux wrote it.
    #[error("{0}")]
    Version(String),
    /// It is cut off, or not what was written.
    #[error("{0}")]
    Damaged(String),
    /// It is whole, and does not open with this passphrase.
    #[error("the passphrase does not open it")]
    Passphrase,
}

/// A snapshot in its parts.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) header: Header,
    /// Everything before the sealed state: the seal vouches for it.
    pub(super) vouched: &'a [u8],
    pub(super) sealed: &'a [u8],
}

impl Counts {
    /// Of a state.
    pub fn of(state: &State) -> Counts {
        let config = &state.config;
        Counts {
            vips: config.vips.len(),
            farms: config.farms.len(),
            servers: config.farms.values().map(|farm| farm.servers.len()).sum(),
            watches: config.watches.len(),
            contacts: config.contacts.len(),
            admins: state.admins.len(),
            pages: state.pages.len(),
            revisions: state.revisions.len(),
        }
    }
}

/// The start of a file, up to where the sealed state begins.
pub(super) fn start(header: &Header) -> Vec<u8> {
    let text = serde_json::to_vec(header).expect("strings and numbers are JSON");
    let length = u32::try_from(text.len()).expect("a header is short");
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FILE_FORMAT.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&text);
    bytes
}

/// Puts the checksum behind a file.
pub(super) fn finish(mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = digest(&SHA256, &bytes);
    bytes.extend_from_slice(hash.as_ref());
    bytes
}

/// What everybody may read of a file, after its checksum was found right.
///
/// **Errors**: every [`FileError`] but `Passphrase`.
pub fn inspect(bytes: &[u8]) -> Result<Header, FileError> {
    take_apart(bytes).map(|parts| parts.header)
}

/// A file in its parts.
///
/// **Errors**: every [`FileError`] but `Passphrase`.
pub(super) fn take_apart(bytes: &[u8]) -> Result<Parts<'_>, FileError> {
    let damaged = |why: &str| FileError::Damaged(why.to_owned());
    if bytes.len() < START_BYTES + HASH_BYTES {
        return Err(match bytes.starts_with(&MAGIC) {
            true => damaged("it ends after its first bytes"),
            false => FileError::Foreign,
        });
    }
    if !bytes.starts_with(&MAGIC) {
        return Err(FileError::Foreign);
    }
    // The version first: a newer layout may have its checksum elsewhere.
    let format = u16::from_be_bytes([bytes[8], bytes[9]]);
    if format > FILE_FORMAT {
        return Err(FileError::Version(format!(
            "the file has format {format}, where this version reads {FILE_FORMAT}"
        )));
    }
    let (all, hash) = bytes
        .split_last_chunk::<HASH_BYTES>()
        .ok_or_else(|| damaged("it has no checksum"))?;
    if digest(&SHA256, all).as_ref() != hash {
        return Err(damaged(
            "its checksum is wrong: it is cut off, or was changed",
        ));
    }
    let length = u32::from_be_bytes([bytes[10], bytes[11], bytes[12], bytes[13]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > HEADER_BYTES_MAX {
        return Err(damaged("its header is too long"));
    }
    let end = START_BYTES + length;
    let (Some(text), Some(sealed)) = (all.get(START_BYTES..end), all.get(end..)) else {
        return Err(damaged("its header is longer than the file"));
    };
    let header = serde_json::from_slice(text)
        .map_err(|error| FileError::Damaged(format!("its header: {error}")))?;
    Ok(Parts {
        header,
        vouched: &all[..end],
        sealed,
    })
}
