//! The hash chain over the log: each entry's link covers it and all before it, so that a log with
//! an entry missing, altered or exchanged does not reach its mark.

use farmux_raft::consensus::record::LogIdRecord;
use serde::{Deserialize, Serialize};

/// A link: SHA-256 over the link before and the entry's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chain(pub(crate) [u8; 32]);

/// Length of a link in bytes.
pub(crate) const CHAIN_BYTES: usize = 32;

impl Chain {
    /// Where a log begins: before its first entry, or after the one up to which it was purged.
    pub(crate) fn start(purged: Option<LogIdRecord>) -> Self {
        let text = match purged {
            None => "farmux log, from its beginning".to_owned(),
            Some(id) => format!("farmux log, after {}.{}.{}", id.term, id.node.0, id.index),
        };
        Chain(sha256(&[text.as_bytes()]))
    }

    /// The link of the next entry.
    pub(crate) fn next(&self, entry: &[u8]) -> Self {
        Chain(sha256(&[&self.0, entry]))
    }
}

/// SHA-256 over parts as if they were one.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// Puts a hash behind bytes that no chain covers.
pub(crate) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = sha256(&[&bytes]);
    bytes.extend_from_slice(&hash);
    bytes
}

/// Takes the hash off again; `None` if it does not fit.
pub(crate) fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (bytes, hash) = sealed.split_last_chunk::<32>()?;
    (sha256(&[bytes]) == *hash).then_some(bytes)
}
