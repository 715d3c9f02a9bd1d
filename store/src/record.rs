//! Keys and values: how entries, vote and purge point lie in the database.
//!
//! ```text
//!   e | index (u64) | part (u16)   ->  a piece of: length u32 | link, 32 bytes | entry's record
//!   m/vote   m/base   m/committed  ->  a record and its SHA-256
//! ```

use std::ops::ControlFlow;

use farmux_raft::codec::{self, DecodeError, Record};
use farmux_raft::consensus::record::{LogIdRecord, VoteRecord};
use serde::{Deserialize, Serialize};

use crate::chain::{CHAIN_BYTES, Chain, seal, unseal};
use crate::kv::{Batch, Kv, KvError, VALUE_BYTES_MAX};

/// A vote in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredVote(pub(crate) VoteRecord);

/// Up to where the log was purged, with the link there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredBase(pub(crate) LogIdRecord, pub(crate) Chain);

/// What is known to be committed; `None` was written by openraft as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredCommitted(pub(crate) Option<LogIdRecord>);

/// A record that lies in the database under a key of its own.
pub(crate) trait Single: Record {
    const KEY: &'static [u8];
}

macro_rules! singles {
    ($($name:ident $key:literal;)*) => {$(
        impl Record for $name {
            const FORMAT: u16 = 1;
            const BYTES_MAX: u64 = 256;
        }
        impl Single for $name {
            const KEY: &'static [u8] = $key;
        }
    )*};
}

singles! {
    StoredVote b"m/vote";
    StoredBase b"m/base";
    StoredCommitted b"m/committed";
}

/// Why the database did not give out what was stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// It gave other bytes.
    #[error("{what}: its bytes are not what was written")]
    Altered {
        /// Which record.
        what: String,
    },
    /// Its bytes are no record.
    #[error("{what}: {error}")]
    Decode {
        /// Which record.
        what: String,
        /// Why not.
        error: DecodeError,
    },
}

/// Writes a single record.
pub(crate) fn put_single<S: Single>(batch: &mut Batch, record: &S) {
    let bytes = codec::encode(record).expect("a record of its own has a bounded size");
    batch.put(S::KEY.to_vec(), seal(bytes));
}

/// Reads a single record.
pub(crate) fn get_single<S: Single>(kv: &dyn Kv) -> Result<Option<S>, ReadError> {
    let Some(sealed) = kv.get(S::KEY)? else {
        return Ok(None);
    };
    let what = || String::from_utf8_lossy(S::KEY).into_owned();
    let bytes = unseal(&sealed).ok_or_else(|| ReadError::Altered { what: what() })?;
    codec::decode(bytes)
        .map(Some)
        .map_err(|error| ReadError::Decode {
            what: what(),
            error,
        })
}

/// An entry as it lies in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredEntry {
    /// Its index.
    pub(crate) index: u64,
    /// Its link.
    pub(crate) chain: Chain,
    /// Its record.
    pub(crate) bytes: Vec<u8>,
}

const HEADER_BYTES: usize = 4 + CHAIN_BYTES;

/// The first key of an entry.
pub(crate) fn entry_key(index: u64) -> Vec<u8> {
    let mut key = vec![b'e'];
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// The key behind those of all entries up to and with `index`.
pub(crate) fn entry_key_behind(index: u64) -> Vec<u8> {
    match index.checked_add(1) {
        Some(next) => entry_key(next),
        None => vec![b'e' + 1],
    }
}

/// Writes an entry, in as many pieces as it takes.
pub(crate) fn put_entry(batch: &mut Batch, entry: &StoredEntry) {
    let length = u32::try_from(entry.bytes.len()).expect("an entry has a bounded size");
    let mut value = length.to_be_bytes().to_vec();
    value.extend_from_slice(&entry.chain.0);
    value.extend_from_slice(&entry.bytes);
    for (part, piece) in value.chunks(VALUE_BYTES_MAX).enumerate() {
        let part = u16::try_from(part).expect("an entry has a bounded size");
        let mut key = entry_key(entry.index);
        key.extend_from_slice(&part.to_be_bytes());
        batch.put(key, piece.to_vec());
    }
}

/// Visits the whole entries from `from` to `to`, both included, in order. An entry with a piece
/// missing, and whatever stands at a key of no entry, is passed over: what lacks is noticed by
/// index.
pub(crate) fn scan_entries(
    kv: &dyn Kv,
    from: u64,
    to: u64,
    mut visit: impl FnMut(StoredEntry) -> ControlFlow<()>,
) -> Result<(), KvError> {
    let mut open: Option<(u64, u16, Vec<u8>)> = None;
    kv.scan(
        &entry_key(from),
        &entry_key_behind(to),
        &mut |key, value| {
            let Some((index, part)) = parse_key(key) else {
                return ControlFlow::Continue(());
            };
            match &mut open {
                Some((at, parts, bytes)) if *at == index && *parts == part => {
                    *parts += 1;
                    bytes.extend_from_slice(value);
                }
                _ if part == 0 => open = Some((index, 1, value.to_vec())),
                _ => open = None,
            }
            match open
                .as_ref()
                .and_then(|(index, _, bytes)| whole(*index, bytes))
            {
                Some(entry) => {
                    open = None;
                    visit(entry)
                }
                None => ControlFlow::Continue(()),
            }
        },
    )
}

fn parse_key(key: &[u8]) -> Option<(u64, u16)> {
    let rest = key.strip_prefix(b"e")?;
    let (index, part) = rest.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*index),
        u16::from_be_bytes(part.try_into().ok()?),
    ))
}

pub(crate) fn whole(index: u64, value: &[u8]) -> Option<StoredEntry> {
    let (length, rest) = value.split_first_chunk::<4>()?;
    let (chain, bytes) = rest.split_first_chunk::<CHAIN_BYTES>()?;
    let complete = u32::try_from(bytes.len()).ok()? == u32::from_be_bytes(*length);
    complete.then(|| StoredEntry {
        index,
        chain: Chain(*chain),
        bytes: bytes.to_vec(),
    })
}

/// Keys in one batch of deletions: bounds its memory, and how long a barrier may wait behind it.
const DELETE_KEYS_MAX: usize = 1_000;

/// Deletes the entries from `from` to `to`, both included: the last ones first, so that at any
/// moment what is left has no gap (`Order::FromEnd`), or the first ones first, after a purge.
pub(crate) fn delete_entries(kv: &dyn Kv, from: u64, to: u64, order: Order) -> Result<(), KvError> {
    let mut keys = Vec::new();
    kv.scan(&entry_key(from), &entry_key_behind(to), &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    if order == Order::FromEnd {
        keys.reverse();
    }
    for some in keys.chunks(DELETE_KEYS_MAX) {
        let mut batch = Batch::default();
        some.iter().for_each(|key| batch.delete(key.clone()));
        kv.write(batch)?;
    }
    Ok(())
}

/// From which side entries are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// A purge.
    FromStart,
    /// A truncation.
    FromEnd,
}

const _: () = assert!(HEADER_BYTES < VALUE_BYTES_MAX);
