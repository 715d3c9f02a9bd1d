//! What other nodes and joiners send: each message has one meaning, and is written anew as it was
//! read.

use std::fmt::Debug;

use farmux_raft::codec::{self, Record};
use farmux_raft::consensus::{Rpc, RpcReply};
use farmux_raft::lease::seam as lease_seam;
use farmux_raft::peer::join::{JoinAnswer, JoinRefusal, JoinRequest};
use farmux_raft::peer::seam::{FRAME_HEADER_BYTES, FrameHeader, fault_again, greeting_again};
use farmux_raft::peer::token::JoinToken;
use farmux_raft::peer::{PeerReply, PeerRequest};
use ring::digest::{SHA256, digest};

use super::meter::Meter;

pub(super) fn lease(meter: &Meter, input: &[u8]) {
    // Without the key nothing opens.
    assert_eq!(meter.within(|| lease_seam::open(input)), None);
    let sealed = lease_seam::sealed(input);
    let Some(opened) = meter.within(|| lease_seam::open(&sealed)) else {
        return;
    };
    let written = opened.seal();
    assert_eq!(lease_seam::open(&written), Some(opened));
    assert_eq!(written.len(), sealed.len(), "it has one length");
    let mut altered = sealed;
    if let Some(byte) = altered.last_mut() {
        *byte ^= 1;
    }
    assert_eq!(lease_seam::open(&altered), None);
}

pub(super) fn frame(meter: &Meter, input: &[u8]) {
    warm();
    let Some((header, rest)) = input.split_first_chunk::<FRAME_HEADER_BYTES>() else {
        return;
    };
    let [member, joiner] = [false, true].map(|joining| {
        let read = meter.within(|| FrameHeader::read(header, joining));
        if let Some(read) = read {
            assert_eq!(read.write(), *header, "it has one spelling");
        }
        read
    });
    assert!(joiner.is_none() || joiner == member);
    meter.within(|| greeting_again(rest));
    meter.within(|| fault_again(rest));
}

/// A record that is read is written anew, within its bound, and read as the same.
pub(super) fn record<R: Record + Debug + PartialEq>(meter: &Meter, bytes: &[u8]) -> Option<R> {
    let read: R = meter.within(|| codec::decode(bytes)).ok()?;
    let written = match codec::encode(&read) {
        Ok(written) => written,
        // What only a bound keeps from being written again has come with a shorter spelling.
        Err(codec::EncodeError::TooLarge { .. }) => return Some(read),
        Err(error @ codec::EncodeError::Inexpressible { .. }) => panic!("{error}"),
    };
    let again: R = codec::decode(&written).unwrap_or_else(|error| panic!("{error}"));
    assert!(again == read, "{read:?}\n{again:?}");
    let twice = codec::encode(&again).expect("it was written before");
    assert_eq!(twice, written, "it has one spelling");
    Some(read)
}

/// The first byte says what kind of message it is.
pub(super) fn message(meter: &Meter, input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    warm();
    match kind % 6 {
        0 => drop(record::<Rpc>(meter, bytes)),
        1 => drop(record::<RpcReply>(meter, bytes)),
        2 => drop(record::<PeerRequest>(meter, bytes)),
        3 => drop(record::<PeerReply>(meter, bytes)),
        4 => drop(record::<JoinRequest>(meter, bytes)),
        _ => drop(record::<Result<JoinAnswer, JoinRefusal>>(meter, bytes)),
    }
}

/// The lists of older shapes are read once and kept: that is no decoder's doing.
pub(super) fn warm() {
    drop(codec::decode::<PeerRequest>(&[0, 1, 0]));
}

pub(super) fn token(meter: &Meter, input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        read_token(meter, text);
    }
    // The same with a good checksum, or no other than our own would ever be taken.
    let sum = digest(&SHA256, &[PREFIX.as_bytes(), input].concat());
    let body = [input, &sum.as_ref()[..SUM_BYTES]].concat();
    read_token(meter, &format!("{PREFIX}{}", base32(&body)));
}

fn read_token(meter: &Meter, text: &str) {
    let Ok(token) = meter.within(|| text.parse::<JoinToken>()) else {
        return;
    };
    assert_eq!(token.reveal(), text.trim(), "it has one spelling");
    let shown = format!("{token} {token:?}");
    assert!(
        !shown.contains(&text.trim()[50..70]),
        "a secret is not shown"
    );
    assert!(!token.addresses.is_empty());
}

const PREFIX: &str = "farmux1";
const SUM_BYTES: usize = 8;

/// **Source**: RFC 4648, section 6, in small letters and without padding; bit by bit.
fn base32(bytes: &[u8]) -> String {
    let bit = |at: usize| {
        let byte = bytes.get(at / 8).copied().unwrap_or_default();
        usize::from(byte >> (7 - at % 8) & 1)
    };
    let characters = (bytes.len() * 8).div_ceil(5);
    let digit = |place: usize| (0..5).fold(0, |digit, at| digit << 1 | bit(place * 5 + at));
    (0..characters)
        .map(|place| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[digit(place)]))
        .collect()
}
