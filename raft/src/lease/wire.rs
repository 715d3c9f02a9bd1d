//! PURE. The datagram, as bytes and as a value; sealed with HMAC-SHA256.
//!
//! ```text
//!   "FXL" format | kind | legs | cluster | epoch | from | to | nonce of from | nonce of to
//!   | counter | membership index | length, group | body by kind | HMAC over all before it
//! ```
//!
//! Numbers are big-endian. Nothing here panics on bytes from the network, and no byte behind the
//! seal is looked at before the seal is checked.
//!
//! **Source**: `vip-protocol.md`, section 2.

use std::time::Duration;

use ring::hmac;

use super::acceptor::Refusal;
use super::counters::Ignored;
use super::legs::Legs;
use crate::id::{Ballot, ClusterId, NodeId, VipName};

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) header: Header,
    pub(crate) kind: Kind,
}

/// What every datagram begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) cluster: ClusterId,
    pub(crate) epoch: u64,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    /// Drawn by the sender when it started.
    pub(crate) from_nonce: u64,
    /// The receiver's, as last known to the sender; zero while unknown.
    pub(crate) to_nonce: u64,
    /// Only rises within one start of the sender; an answer repeats that of its question.
    pub(crate) counter: u64,
    pub(crate) membership_index: u64,
    pub(crate) legs: Legs,
}

/// What a datagram says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who is there? Or, as an answer: this start of me.
    Hello(HelloKind),
    /// About one group.
    About(VipName, Body),
}

/// The two sides of a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelloKind {
    Question,
    Answer,
}

/// What a datagram says about a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Prepare(Ballot),
    Promise(Ballot),
    Propose(Ballot, Duration),
    Accepted(Ballot),
    /// The ballot of the question, and why not.
    Refuse(Ballot, Refusal),
    Release(Ballot, Option<NodeId>),
    Holding(Ballot),
}

impl Kind {
    /// Whether it answers a question of the receiver, and so repeats a number of the receiver's.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Kind::Hello(HelloKind::Answer)
            | Kind::About(_, Body::Promise(_) | Body::Accepted(_) | Body::Refuse(..)) => true,
            Kind::Hello(HelloKind::Question)
            | Kind::About(
                _,
                Body::Prepare(_) | Body::Propose(..) | Body::Release(..) | Body::Holding(_),
            ) => false,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Kind::Hello(_) => 0,
            Kind::About(_, body) => match body {
                Body::Prepare(_) => 1,
                Body::Promise(_) => 2,
                Body::Propose(..) => 3,
                Body::Accepted(_) => 4,
                Body::Refuse(..) => 5,
                Body::Release(..) => 6,
                Body::Holding(_) => 7,
            },
        }
    }
}

/// The bytes of a datagram, sealed.
pub(crate) fn seal(datagram: &Datagram, key: &hmac::Key) -> Vec<u8> {
    let (header, kind) = (&datagram.header, &datagram.kind);
    let mut out = Writer(Vec::with_capacity(BYTES_MAX));
    out.bytes(&MAGIC);
    out.bytes(&[kind.code(), header.legs.bits()]);
    out.bytes(&header.cluster.0.to_be_bytes());
    let numbers = [
        header.epoch,
        header.from.0,
        header.to.0,
        header.from_nonce,
        header.to_nonce,
        header.counter,
        header.membership_index,
    ];
    numbers.into_iter().for_each(|number| out.number(number));
    match kind {
        Kind::Hello(hello) => out.bytes(&[u8::from(*hello == HelloKind::Answer)]),
        Kind::About(group, body) => {
            let name = group.as_str().as_bytes();
            out.bytes(&[u8::try_from(name.len()).expect("a name has at most 63 bytes")]);
            out.bytes(name);
            out.body(*body);
        }
    }
    let tag = hmac::sign(key, &out.0);
    out.bytes(tag.as_ref());
    out.0
}

/// The datagram that these bytes are.
///
/// **Errors**: why they are to be ignored.
pub(crate) fn open(bytes: &[u8], key: &hmac::Key) -> Result<Datagram, Ignored> {
    if bytes.len() > BYTES_MAX || bytes.len() < MAGIC.len() + SEAL_BYTES {
        return Err(Ignored::Malformed);
    }
    let (sealed, tag) = bytes.split_at(bytes.len() - SEAL_BYTES);
    let (magic, rest) = sealed.split_at(MAGIC.len());
    if magic[..3] != MAGIC[..3] {
        return Err(Ignored::Malformed);
    }
    if magic[3] != MAGIC[3] {
        return Err(Ignored::Format);
    }
    hmac::verify(key, sealed, tag).map_err(|_| Ignored::Unauthenticated)?;
    Reader(rest).datagram().ok_or(Ignored::Malformed)
}

struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    fn ballot(&mut self, ballot: Ballot) {
        self.number(ballot.counter);
        self.number(ballot.node.0);
    }

    fn body(&mut self, body: Body) {
        match body {
            Body::Prepare(ballot)
            | Body::Promise(ballot)
            | Body::Accepted(ballot)
            | Body::Holding(ballot) => self.ballot(ballot),
            Body::Propose(ballot, lease) => {
                self.ballot(ballot);
                let millis = u16::try_from(lease.as_millis()).unwrap_or(u16::MAX);
                self.bytes(&millis.to_be_bytes());
            }
            Body::Refuse(ballot, refusal) => {
                self.ballot(ballot);
                let (code, other) = match refusal {
                    Refusal::HigherBallot(higher) => (0, higher),
                    Refusal::LiveLease(live) => (1, live),
                    Refusal::NotAVoter => (2, Ballot::default()),
                };
                self.bytes(&[code]);
                self.ballot(other);
            }
            Body::Release(ballot, to) => {
                self.ballot(ballot);
                self.bytes(&[u8::from(to.is_some())]);
                self.number(to.unwrap_or_default().0);
            }
        }
    }
}

/// Reads from the front; `None` where there is too little or what is there means nothing.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn ballot(&mut self) -> Option<Ballot> {
        Some(Ballot {
            counter: self.number()?,
            node: NodeId(self.number()?),
        })
    }

    fn datagram(mut self) -> Option<Datagram> {
        let (code, legs) = (self.byte()?, Legs::from_bits(self.byte()?));
        let header = Header {
            cluster: ClusterId(u128::from_be_bytes(self.take(16)?.try_into().ok()?)),
            epoch: self.number()?,
            from: NodeId(self.number()?),
            to: NodeId(self.number()?),
            from_nonce: self.number()?,
            to_nonce: self.number()?,
            counter: self.number()?,
            membership_index: self.number()?,
            legs,
        };
        let kind = match code {
            0 => Kind::Hello(match self.byte()? {
                0 => HelloKind::Question,
                1 => HelloKind::Answer,
                _ => return None,
            }),
            _ => {
                let length = usize::from(self.byte()?);
                let name = std::str::from_utf8(self.take(length)?).ok()?;
                Kind::About(name.parse().ok()?, self.body(code)?)
            }
        };
        let datagram = Datagram { header, kind };
        (self.0.is_empty() && datagram.is_own_ballot()).then_some(datagram)
    }

    fn body(&mut self, code: u8) -> Option<Body> {
        let ballot = self.ballot()?;
        Some(match code {
            1 => Body::Prepare(ballot),
            2 => Body::Promise(ballot),
            3 => {
                let millis = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
                Body::Propose(ballot, Duration::from_millis(millis.into()))
            }
            4 => Body::Accepted(ballot),
            5 => {
                let (code, other) = (self.byte()?, self.ballot()?);
                Body::Refuse(
                    ballot,
                    match code {
                        0 => Refusal::HigherBallot(other),
                        1 => Refusal::LiveLease(other),
                        2 => Refusal::NotAVoter,
                        _ => return None,
                    },
                )
            }
            6 => {
                let (named, to) = (self.byte()?, NodeId(self.number()?));
                Body::Release(ballot, (named == 1).then_some(to))
            }
            7 => Body::Holding(ballot),
            _ => return None,
        })
    }
}

impl Datagram {
    /// Whether the ballot is the asker's own: nobody asks for another, nobody answers for another.
    fn is_own_ballot(&self) -> bool {
        let (asker, ballot) = match &self.kind {
            Kind::Hello(_) => return true,
            Kind::About(_, body) => match *body {
                Body::Prepare(ballot)
                | Body::Propose(ballot, _)
                | Body::Release(ballot, _)
                | Body::Holding(ballot) => (self.header.from, ballot),
                Body::Promise(ballot) | Body::Accepted(ballot) | Body::Refuse(ballot, _) => {
                    (self.header.to, ballot)
                }
            },
        };
        ballot.node == asker
    }
}

/// The last byte is the format: 1, the first.
const MAGIC: [u8; 4] = *b"FXL\x01";
/// HMAC-SHA256.
const SEAL_BYTES: usize = 32;
/// Head 80, group 64, body 33 at most, seal 32; longer ones are not ours.
pub(crate) const BYTES_MAX: usize = 256;
