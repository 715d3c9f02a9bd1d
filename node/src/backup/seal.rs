//! Sealing and opening a snapshot: PBKDF2 from the passphrase to the key, ChaCha20-Poly1305 over
//! the state; both are ring's. The key is used for one file only: each has a salt of its own.

use std::num::NonZeroU32;

use farmux_raft::codec::DecodeError;
use farmux_raft::id::NodeName;
use farmux_raft::peer::key::random;
use farmux_store::Saved;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::pbkdf2::{PBKDF2_HMAC_SHA256, derive};

use super::file::{Counts, FileError, Header, MemberLine, Sealing, finish, start, take_apart};
use crate::api::status::VERSION;
use crate::api::types::Moment;
use crate::daemon::wall_clock;

/// What OWASP asks of PBKDF2-HMAC-SHA256 (Password Storage Cheat Sheet, 2023); 0.3 s here.
const ROUNDS: u32 = 600_000;

/// A file that claims more would keep the reader busy for minutes.
const ROUNDS_MAX: u32 = 10_000_000;

/// A shorter passphrase is guessed faster than the rounds slow a guesser down.
pub const PASSPHRASE_CHARS_MIN: usize = 12;

const KEY_WORDS: &str = "pbkdf2-hmac-sha256";
const CIPHER_WORDS: &str = "chacha20-poly1305";

/// Seals a state with a passphrase; `newest` is as in [`Header`]. Takes a
/// third of a second, for the guesser's sake.
///
/// **Errors**: the state is larger than any snapshot may be, or there is no cluster in it.
pub fn seal(
    saved: &Saved,
    newest: Option<bool>,
    by: &NodeName,
    passphrase: &str,
) -> Result<Vec<u8>, String> {
    let state = &saved.state;
    let cluster = state.cluster.as_ref().ok_or("there is no cluster")?;
    let (salt, nonce): ([u8; 16], [u8; 12]) = (random(), random());
    let member = |node: &farmux_raft::state::Node| MemberLine {
        name: node.name.clone(),
        role: node.role,
        peer: node.peer_addresses.clone(),
    };
    let header = Header {
        cluster: cluster.name.to_string(),
        cluster_id: cluster.id.to_string(),
        epoch: cluster.epoch,
        revision: state.revision.0,
        applied: saved.at.index,
        newest,
        saved: Moment(wall_clock()),
        saved_by: by.clone(),
        version: VERSION.to_owned(),
        members: state.nodes.values().map(member).collect(),
        counts: Counts::of(state),
        sealing: Sealing {
            key: KEY_WORDS.to_owned(),
            rounds: ROUNDS,
            salt: hex(&salt),
            cipher: CIPHER_WORDS.to_owned(),
            nonce: hex(&nonce),
        },
    };
    let mut bytes = start(&header);
    let mut sealed = saved.encode().map_err(|error| error.to_string())?;
    let key = key_of(passphrase, &salt, ROUNDS);
    let aad = Aad::from(bytes.clone());
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
        .map_err(|_| "the state is too large to be sealed")?;
    bytes.append(&mut sealed);
    Ok(finish(bytes))
}

/// Opens a file with the passphrase that it was sealed with.
///
/// **Errors**: every [`FileError`].
pub fn open(bytes: &[u8], passphrase: &str) -> Result<(Header, Saved), FileError> {
    let parts = take_apart(bytes)?;
    let Sealing {
        key,
        rounds,
        salt,
        cipher,
        nonce,
    } = &parts.header.sealing;
    if key != KEY_WORDS || cipher != CIPHER_WORDS {
        let how = format!("it is sealed with {key} and {cipher}, which this version does not know");
        return Err(FileError::Version(how));
    }
    let bad = || FileError::Damaged("its header says nothing sensible of the seal".to_owned());
    if !(ROUNDS..=ROUNDS_MAX).contains(rounds) {
        return Err(bad());
    }
    let salt: [u8; 16] = unhex(salt).ok_or_else(bad)?;
    let nonce: [u8; 12] = unhex(nonce).ok_or_else(bad)?;
    let mut sealed = parts.sealed.to_vec();
    let aad = Aad::from(parts.vouched);
    let opened = key_of(passphrase, &salt, *rounds)
        .open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
        .map_err(|_| FileError::Passphrase)?;
    let saved = Saved::decode(opened).map_err(|error| match error {
        DecodeError::Format { .. } => FileError::Version(error.to_string()),
        DecodeError::Short(_) | DecodeError::TooLarge { .. } | DecodeError::Content(_) => {
            FileError::Damaged(error.to_string())
        }
    })?;
    Ok((parts.header, saved))
}

fn key_of(passphrase: &str, salt: &[u8], rounds: u32) -> LessSafeKey {
    let mut key = [0; 32];
    let rounds = NonZeroU32::new(rounds).expect("it was checked against its bounds");
    let secret = passphrase.as_bytes();
    derive(PBKDF2_HMAC_SHA256, rounds, salt, secret, &mut key);
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).expect("it has 32 bytes"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}
