//! The datagram: golden bytes, every kind there and back, and what is refused before it is read.

use std::time::Duration;

use ring::hmac;

use super::front;
use crate::id::{Ballot, ClusterId, NodeId};
use crate::lease::acceptor::Refusal;
use crate::lease::wire::{Body, Datagram, Header, HelloKind, Kind, open, seal};
use crate::lease::{Ignored, Legs};

fn key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &[9; 32])
}

fn header() -> Header {
    Header {
        cluster: ClusterId(0x0102),
        epoch: 3,
        from: NodeId(1),
        to: NodeId(2),
        from_nonce: 4,
        to_nonce: 5,
        counter: 6,
        membership_index: 7,
        legs: Legs::ALL,
    }
}

fn kinds() -> Vec<Kind> {
    let (ours, theirs) = (ballot(8, 1), ballot(8, 2));
    let bodies = [
        Body::Prepare(ours),
        Body::Promise(theirs),
        Body::Propose(ours, Duration::from_millis(150)),
        Body::Accepted(theirs),
        Body::Refuse(theirs, Refusal::HigherBallot(ballot(9, 3))),
        Body::Refuse(theirs, Refusal::LiveLease(ballot(9, 3))),
        Body::Refuse(theirs, Refusal::NotAVoter),
        Body::Release(ours, None),
        Body::Release(ours, Some(NodeId(3))),
        Body::Holding(ours),
    ];
    let hellos = [HelloKind::Question, HelloKind::Answer].map(Kind::Hello);
    hellos
        .into_iter()
        .chain(bodies.map(|body| Kind::About(front(), body)))
        .collect()
}

fn ballot(counter: u64, node: u64) -> Ballot {
    Ballot {
        counter,
        node: NodeId(node),
    }
}

#[test]
fn every_kind_there_and_back() {
    for kind in kinds() {
        let datagram = Datagram {
            header: header(),
            kind,
        };
        assert_eq!(open(&seal(&datagram, &key()), &key()), Ok(datagram));
    }
}

#[test]
fn golden_bytes_of_a_propose() {
    let body = Body::Propose(ballot(8, 1), Duration::from_millis(150));
    let bytes = seal(
        &Datagram {
            header: header(),
            kind: Kind::About(front(), body),
        },
        &key(),
    );
    let mut expected = b"FXL\x01\x03\x0f".to_vec();
    expected.extend(0x0102_u128.to_be_bytes());
    [3_u64, 1, 2, 4, 5, 6, 7]
        .iter()
        .for_each(|n| expected.extend(n.to_be_bytes()));
    expected.extend(b"\x05front");
    [8_u64, 1]
        .iter()
        .for_each(|n| expected.extend(n.to_be_bytes()));
    expected.extend([0, 150]);
    let tag = hmac::sign(&key(), &expected);
    expected.extend(tag.as_ref());
    assert_eq!(bytes, expected);
}

#[test]
fn every_changed_bit_and_every_cut_is_refused() {
    for kind in kinds() {
        let bytes = seal(
            &Datagram {
                header: header(),
                kind,
            },
            &key(),
        );
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0..3 => Ignored::Malformed,
                3 => Ignored::Format,
                _ => Ignored::Unauthenticated,
            };
            assert_eq!(open(&bytes, &key()), Err(expected), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(open(&bytes[..length], &key()).is_err(), "{length} bytes");
        }
    }
    assert_eq!(open(&[0; 2_000], &key()), Err(Ignored::Malformed));
}

#[test]
fn another_key_is_refused() {
    let bytes = seal(
        &Datagram {
            header: header(),
            kind: kinds().remove(0),
        },
        &key(),
    );
    let other = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
    assert_eq!(open(&bytes, &other), Err(Ignored::Unauthenticated));
}

#[test]
fn sealed_nonsense_is_refused() {
    let sealed = |mut bytes: Vec<u8>| {
        let tag = hmac::sign(&key(), &bytes);
        bytes.extend(tag.as_ref());
        open(&bytes, &key())
    };
    let body = Body::Prepare(ballot(8, 1));
    let whole = seal(
        &Datagram {
            header: header(),
            kind: Kind::About(front(), body),
        },
        &key(),
    );
    let good = whole[..whole.len() - 32].to_vec();
    assert!(sealed(good.clone()).is_ok());
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let longer = [good.clone(), vec![0]].concat();
    for (what, bytes) in [
        ("an unknown kind", changed(4, 8)),
        ("a byte too many", longer),
        ("a name longer than the rest", changed(78, 200)),
        ("a name that is none", changed(79, b'!')),
        ("a ballot of somebody else", changed(good.len() - 1, 2)),
    ] {
        assert_eq!(sealed(bytes), Err(Ignored::Malformed), "{what}");
    }
}
