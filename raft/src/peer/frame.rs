//! PURE. Frames: how one message is told from the next, and to whom it belongs.
//!
//! ```text
//!   0       1     2        18     26    34   42  50      54
//!   | format | kind | cluster | epoch | from | to | id | length | payload … |     all big-endian
//! ```
//!
//! TLS has said who is at the other end; the header says it again, with the epoch, so that a node
//! of another epoch of this cluster is refused although its certificate is still good.

use std::fmt;

use super::refusal::Refusal;
use crate::epoch::{Epoch, Era};
use crate::id::{ClusterId, NodeId};

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 54;

/// The version of the frame's layout.
const FORMAT: u8 = 1;

/// Longest payload between nodes: twice the largest Raft message (4 MiB), so that a bound raised
/// there breaks a test here first.
pub(super) const PAYLOAD_BYTES_MAX: u32 = 8 << 20;

/// Longest payload of a joiner, who has proved nothing: a request has about 700 bytes.
pub(super) const JOIN_BYTES_MAX: u32 = 64 << 10;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// What a payload is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $($(#[$doc])* $name = $number,)* }

        impl Kind {
            #[cfg(test)]
            const ALL: &[Kind] = &[$(Kind::$name,)*];

            fn from_number(number: u8) -> Option<Kind> {
                match number { $($number => Some(Kind::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// The server's first word: who it is, or why it will not talk.
    Greeting = 1;
    /// A Raft question.
    Raft = 2;
    /// The answer to one.
    RaftReply = 3;
    /// Any other question between nodes.
    Ask = 4;
    /// The answer to one.
    Answer = 5;
    /// A joiner's question.
    Join = 6;
    /// The answer to one.
    JoinReply = 7;
    /// In place of an answer: the question was not looked at.
    Fault = 8;
}

/// Between whom a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) cluster: ClusterId,
    pub(super) epoch: u64,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
}

impl Route {
    /// A joiner's: it has no name yet.
    pub(super) const JOIN: Route = Route {
        cluster: ClusterId(0),
        epoch: 0,
        from: NodeId(0),
        to: NodeId(0),
    };

    /// The way back.
    pub(super) fn back(self) -> Route {
        Route {
            from: self.to,
            to: self.from,
            ..self
        }
    }

    /// Whether a frame that arrived belongs on this connection.
    pub(super) fn check(self, arrived: Route) -> Result<(), FrameError> {
        if arrived.cluster != self.cluster {
            return Err(FrameError::OtherCluster);
        }
        if arrived.epoch != self.epoch {
            return Err(FrameError::OtherEpoch {
                ours: self.epoch,
                theirs: arrived.epoch,
            });
        }
        if arrived.from != self.from {
            return Err(FrameError::NotItself {
                said: arrived.from,
                is: self.from,
            });
        }
        if arrived.to != self.to {
            return Err(FrameError::NotForUs { to: arrived.to });
        }
        Ok(())
    }
}

/// The start of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) route: Route,
    /// Ties an answer to its question.
    pub(super) id: u64,
    /// Bytes that follow.
    pub(super) length: u32,
}

/// Why a frame was not obeyed; the connection ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("frame format {0}, where this version reads {FORMAT}")]
    Format(u8),
    #[error("unknown kind of frame {0}")]
    Kind(u8),
    #[error("a frame of {length} bytes, where {bytes_max} are allowed")]
    TooLong { length: u32, bytes_max: u32 },
    #[error("it belongs to another cluster")]
    OtherCluster,
    #[error("{}", other_epoch(*.ours, *.theirs))]
    OtherEpoch { ours: u64, theirs: u64 },
    #[error("{is} spoke in the name of {said}")]
    NotItself { said: NodeId, is: NodeId },
    #[error("it was meant for {to}")]
    NotForUs { to: NodeId },
    #[error("a frame that does not belong here")]
    Unexpected,
    #[error("the frame came too slowly, or could not be sent")]
    Stalled,
    #[error("TLS refused it: {0}")]
    Tls(Refusal),
    #[error("the connection ended: {0}")]
    Ended(String),
}

/// Which of two epochs goes on, as far as that can be told.
fn other_epoch(ours: u64, theirs: u64) -> String {
    let (ours, theirs) = (Epoch(ours), Epoch(theirs));
    match theirs.beside(ours) {
        Era::Newer => format!(
            "the cluster was recovered without this node (epoch {}, here {}): it joins anew, empty",
            theirs.count(),
            ours.count()
        ),
        Era::Older => format!(
            "it is in epoch {} of the cluster, which was recovered without it (here {}): it joins \
             anew, empty",
            theirs.count(),
            ours.count()
        ),
        Era::Rival | Era::Same => format!(
            "it was recovered apart from this node (both in epoch {}): one of the two joins anew, \
             empty",
            ours.count()
        ),
    }
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = FORMAT;
        bytes[1] = self.kind as u8;
        bytes[2..18].copy_from_slice(&self.route.cluster.0.to_be_bytes());
        bytes[18..26].copy_from_slice(&self.route.epoch.to_be_bytes());
        bytes[26..34].copy_from_slice(&self.route.from.0.to_be_bytes());
        bytes[34..42].copy_from_slice(&self.route.to.0.to_be_bytes());
        bytes[42..50].copy_from_slice(&self.id.to_be_bytes());
        bytes[50..54].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    /// Reads a header. It does not check the route: see [`Route::check`].
    ///
    /// **Errors**: `Format`, `Kind`, `TooLong`.
    pub(super) fn from_bytes(
        bytes: &[u8; HEADER_BYTES],
        bytes_max: u32,
    ) -> Result<Header, FrameError> {
        if bytes[0] != FORMAT {
            return Err(FrameError::Format(bytes[0]));
        }
        let kind = Kind::from_number(bytes[1]).ok_or(FrameError::Kind(bytes[1]))?;
        let route = Route {
            cluster: ClusterId(u128::from_be_bytes(part(bytes, 2))),
            epoch: u64::from_be_bytes(part(bytes, 18)),
            from: NodeId(u64::from_be_bytes(part(bytes, 26))),
            to: NodeId(u64::from_be_bytes(part(bytes, 34))),
        };
        let id = u64::from_be_bytes(part(bytes, 42));
        let length = u32::from_be_bytes(part(bytes, 50));
        if length > bytes_max {
            return Err(FrameError::TooLong { length, bytes_max });
        }
        Ok(Header {
            kind,
            route,
            id,
            length,
        })
    }
}

fn part<const N: usize>(bytes: &[u8; HEADER_BYTES], start: usize) -> [u8; N] {
    bytes[start..start + N]
        .try_into()
        .expect("every field lies within the header")
}

/// A message with its header's words.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) id: u64,
    pub(super) payload: Vec<u8>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Frame({:?}, {}, {} bytes)",
            self.kind,
            self.id,
            self.payload.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Route = Route {
        cluster: ClusterId(0x0102),
        epoch: 3,
        from: NodeId(4),
        to: NodeId(5),
    };

    #[test]
    fn headers_are_golden() {
        let header = Header {
            kind: Kind::Raft,
            route: ROUTE,
            id: 6,
            length: 7,
        };
        let mut golden = [0; HEADER_BYTES];
        for (place, byte) in [
            (0, 1),
            (1, 2),
            (16, 1),
            (17, 2),
            (25, 3),
            (33, 4),
            (41, 5),
            (49, 6),
        ] {
            golden[place] = byte;
        }
        golden[53] = 7;
        assert_eq!(header.to_bytes(), golden);
        assert_eq!(Header::from_bytes(&golden, 7), Ok(header));
        let too_long = FrameError::TooLong {
            length: 7,
            bytes_max: 6,
        };
        assert_eq!(Header::from_bytes(&golden, 6), Err(too_long));
        golden[1] = 200;
        assert_eq!(Header::from_bytes(&golden, 7), Err(FrameError::Kind(200)));
        golden[0] = 2;
        assert_eq!(Header::from_bytes(&golden, 7), Err(FrameError::Format(2)));
    }

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(*kind as u8), Some(*kind));
        }
    }

    #[test]
    fn a_frame_of_another_connection_is_named() {
        assert_eq!(ROUTE.check(ROUTE), Ok(()));
        assert_eq!(ROUTE.back().back(), ROUTE);
        let cases = [
            (
                Route {
                    cluster: ClusterId(1),
                    ..ROUTE
                },
                FrameError::OtherCluster,
            ),
            (
                Route { epoch: 2, ..ROUTE },
                FrameError::OtherEpoch { ours: 3, theirs: 2 },
            ),
            (
                Route {
                    from: NodeId(9),
                    ..ROUTE
                },
                FrameError::NotItself {
                    said: NodeId(9),
                    is: NodeId(4),
                },
            ),
            (
                Route {
                    to: NodeId(9),
                    ..ROUTE
                },
                FrameError::NotForUs { to: NodeId(9) },
            ),
        ];
        for (arrived, error) in cases {
            assert_eq!(ROUTE.check(arrived), Err(error));
        }
    }
}
