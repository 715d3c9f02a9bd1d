//! Frames and their shortest payloads, for those who prove these codecs from outside of this
//! crate. It hides what they say; nothing here is used by a node.

use std::fmt::Debug;

use super::frame::{HEADER_BYTES, Header, JOIN_BYTES_MAX, PAYLOAD_BYTES_MAX};
use super::message::{Fault, Greeting};
use crate::codec::{self, Record};

/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: usize = HEADER_BYTES;

/// A header that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader(Header);

impl FrameHeader {
    /// Reads a header; `joining` where the other end has proved nothing yet.
    pub fn read(bytes: &[u8; FRAME_HEADER_BYTES], joining: bool) -> Option<FrameHeader> {
        let bytes_max = match joining {
            true => JOIN_BYTES_MAX,
            false => PAYLOAD_BYTES_MAX,
        };
        Header::from_bytes(bytes, bytes_max).ok().map(FrameHeader)
    }

    /// Writes it anew.
    pub fn write(self) -> [u8; FRAME_HEADER_BYTES] {
        self.0.to_bytes()
    }

    /// Bytes that follow it.
    pub fn length(self) -> u32 {
        self.0.length
    }
}

/// A record that was read, written anew: `None` where it is none.
///
/// **Panics**: what was written is not read as the same.
pub fn greeting_again(bytes: &[u8]) -> Option<Vec<u8>> {
    again::<Greeting>(bytes)
}

/// The same of the frame that stands in place of an answer.
pub fn fault_again(bytes: &[u8]) -> Option<Vec<u8>> {
    again::<Fault>(bytes)
}

fn again<R: Record + Debug + PartialEq>(bytes: &[u8]) -> Option<Vec<u8>> {
    let record: R = codec::decode(bytes).ok()?;
    let written = codec::encode(&record).expect("what was read is within its bound");
    assert_eq!(codec::decode::<R>(&written).ok(), Some(record));
    Some(written)
}
