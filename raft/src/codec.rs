//! Records: how our structs become bytes, on disk and between nodes. The only place that names
//! bincode.
//!
//! ```text
//!   0       2                          n
//!   | format | the struct, by bincode  |        format: big-endian, 1 for the first layout
//! ```
//!
//! It does not know what the structs mean, and it never sees a struct of a foreign library: those
//! change with the library, and ours only when their `FORMAT` does. Golden bytes in `tests/` guard
//! both. bincode 1.3.3 is unmaintained (RUSTSEC-2025-0141); whoever replaces it replaces this file
//! and `shape`.
//!
//! Records that live in the log, in snapshots and between nodes have one format number in common,
//! [`NEWEST`]. Each is written in the oldest format that loses nothing of it, so that nodes of the
//! release before read it; what only a newer one can say is not proposed before every member reads
//! that: `State::format` and `Command::RaiseFormat`. A file's own records have their own number.

use std::sync::OnceLock;

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::shape::{self, WriteError};

/// The newest format that this version writes and reads, of everything that nodes have in common.
/// Raised by one with the release that changes a shape; the one before goes to `shapes/`.
pub const NEWEST: u16 = 2;

/// The oldest that it reads: that of the release before, so that the two serve together.
pub const OLDEST: u16 = 1;

static PINNED: OnceLock<u16> = OnceLock::new();

/// The newest format that this process reads and writes.
pub fn reads() -> u16 {
    PINNED.get().copied().unwrap_or(NEWEST)
}

/// Has this process read and write nothing newer, as the release before does; for rehearsals of an
/// upgrade. Counts once, and before anything was read.
pub fn pin(format: u16) {
    let _ = PINNED.set(format.clamp(OLDEST, NEWEST));
}

/// A struct that is stored or sent.
pub trait Record: Serialize + DeserializeOwned {
    /// Number of this layout; a struct that changes gets the next one, and the old one a reader.
    const FORMAT: u16;
    /// Nodes of two releases read and write it: its number is [`NEWEST`], and it has older forms.
    const SHARED: bool = false;
    /// Longest encoding that is written or accepted, in bytes; bounds what a decoder allocates.
    const BYTES_MAX: u64;
}

/// Why a struct did not become a record.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It is longer than its type allows; the caller refuses whatever it was made from.
    #[error("a record of more than {bytes_max} bytes")]
    TooLarge {
        /// The bound of its type.
        bytes_max: u64,
    },
    /// The format does not have what it says.
    #[error("format {format} does not have it: {what}")]
    Inexpressible {
        /// Which format.
        format: u16,
        /// What it lacks.
        what: String,
    },
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than a format number.
    #[error("a record of {0} bytes")]
    Short(usize),
    /// Longer than its type allows.
    #[error("a record of {bytes} bytes, where {bytes_max} are allowed")]
    TooLarge {
        /// What arrived.
        bytes: usize,
        /// The bound of its type.
        bytes_max: u64,
    },
    /// Written by another version of farmux.
    #[error("record format {found}, where this version reads {expected}")]
    Format {
        /// What it says.
        found: u16,
        /// What we read.
        expected: u16,
    },
    /// The bytes after the format number are not this struct.
    #[error("not a record of this kind: {0}")]
    Content(String),
}

/// Writes a record in the oldest format that loses nothing of it.
///
/// **Errors**: [`EncodeError`].
pub fn encode<R: Record>(record: &R) -> Result<Vec<u8>, EncodeError> {
    if R::SHARED {
        if reads() < R::FORMAT {
            return encode_as(record, reads());
        }
        for format in OLDEST..R::FORMAT {
            if let Some(bytes) = try_older(record, format)? {
                return Ok(bytes);
            }
        }
    }
    encode_newest(record)
}

/// Writes a record in a format; what came with a later one is left out where it is a field.
///
/// **Errors**: [`EncodeError`]: `Inexpressible` where it is a variant.
pub fn encode_as<R: Record>(record: &R, format: u16) -> Result<Vec<u8>, EncodeError> {
    let older = shape::shapes(format).filter(|_| R::SHARED && format < R::FORMAT);
    match older {
        Some(shapes) => {
            let written = shape::write(record, shapes);
            let written = written.map_err(|error| inexpressible(format, &error))?;
            headed::<R>(format, &written.bytes)
        }
        None => encode_newest(record),
    }
}

/// The format in which a record was written.
pub fn format_of(bytes: &[u8]) -> Option<u16> {
    let (format, _) = bytes.split_first_chunk::<2>()?;
    Some(u16::from_be_bytes(*format))
}

/// `None`: the older format would lose something of it.
fn try_older<R: Record>(record: &R, format: u16) -> Result<Option<Vec<u8>>, EncodeError> {
    let Some(shapes) = shape::shapes(format) else {
        return Ok(None);
    };
    let written = match shape::write(record, shapes) {
        Ok(written) => written,
        Err(WriteError::Newer(_)) => return Ok(None),
        Err(error @ WriteError::Shape(_)) => return Err(inexpressible(format, &error)),
    };
    if written.left_out {
        // What was left out may be what a reader of the old bytes takes it for: then nothing is
        // lost. Whether it is, only the reading tells.
        let back = shape::read::<R>(&written.bytes, shapes).ok();
        let newest = encode_newest(record)?;
        let same = back.and_then(|back| encode_newest(&back).ok()) == Some(newest);
        if !same {
            return Ok(None);
        }
    }
    headed::<R>(format, &written.bytes).map(Some)
}

fn headed<R: Record>(format: u16, content: &[u8]) -> Result<Vec<u8>, EncodeError> {
    if u64::try_from(content.len()).is_ok_and(|n| n > R::BYTES_MAX) {
        return Err(EncodeError::TooLarge {
            bytes_max: R::BYTES_MAX,
        });
    }
    Ok([&format.to_be_bytes(), content].concat())
}

fn encode_newest<R: Record>(record: &R) -> Result<Vec<u8>, EncodeError> {
    let too_large = EncodeError::TooLarge {
        bytes_max: R::BYTES_MAX,
    };
    let mut bytes = R::FORMAT.to_be_bytes().to_vec();
    match options(R::BYTES_MAX).serialize_into(&mut bytes, record) {
        Ok(()) => Ok(bytes),
        // Writing to memory fails for its bound only: our structs have no other way to fail.
        Err(_) => Err(too_large),
    }
}

fn inexpressible(format: u16, error: &WriteError) -> EncodeError {
    EncodeError::Inexpressible {
        format,
        what: error.to_string(),
    }
}

/// Reads a record.
///
/// **Errors**: each [`DecodeError`]; the caller drops the connection or reports the file.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, DecodeError> {
    let (format, content) = bytes
        .split_first_chunk::<2>()
        .ok_or(DecodeError::Short(bytes.len()))?;
    let found = u16::from_be_bytes(*format);
    let newest = match R::SHARED {
        true => R::FORMAT.min(reads()),
        false => R::FORMAT,
    };
    let older = shape::shapes(found).filter(|_| R::SHARED && found < R::FORMAT && found <= newest);
    if older.is_none() && found != newest {
        return Err(DecodeError::Format {
            found,
            expected: newest,
        });
    }
    if u64::try_from(content.len()).is_ok_and(|n| n > R::BYTES_MAX) {
        return Err(DecodeError::TooLarge {
            bytes: content.len(),
            bytes_max: R::BYTES_MAX,
        });
    }
    // bincode's own reader makes room for as many things as a length says, up to a megabyte: twelve
    // bytes of anybody who may speak to us are no reason for that.
    let shapes = older.unwrap_or_else(shape::todays);
    shape::read(content, shapes).map_err(|error| DecodeError::Content(error.to_string()))
}

/// bincode's variable-length integers, little-endian, nothing left over.
fn options(bytes_max: u64) -> impl Options {
    bincode::DefaultOptions::new().with_limit(bytes_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: u64,
        words: Vec<String>,
    }

    impl Record for Sample {
        const FORMAT: u16 = 7;
        const BYTES_MAX: u64 = 64;
    }

    fn sample() -> Sample {
        Sample {
            number: 300,
            words: vec!["a".into(), "bc".into()],
        }
    }

    const GOLDEN: [u8; 11] = [0, 7, 251, 44, 1, 2, 1, b'a', 2, b'b', b'c'];

    #[test]
    fn bytes_are_golden() {
        assert_eq!(encode(&sample()).expect("it is short"), GOLDEN);
        assert_eq!(decode::<Sample>(&GOLDEN), Ok(sample()));
    }

    #[test]
    fn another_format_is_named() {
        let mut bytes = GOLDEN;
        bytes[1] = 8;
        let expected = DecodeError::Format {
            found: 8,
            expected: 7,
        };
        assert_eq!(decode::<Sample>(&bytes), Err(expected));
    }

    #[test]
    fn short_long_and_left_over_bytes_are_refused() {
        assert_eq!(decode::<Sample>(&[0]), Err(DecodeError::Short(1)));
        for cut in 2..GOLDEN.len() {
            assert!(matches!(
                decode::<Sample>(&GOLDEN[..cut]),
                Err(DecodeError::Content(_))
            ));
        }
        let left_over = [&GOLDEN[..], &[0]].concat();
        assert!(matches!(
            decode::<Sample>(&left_over),
            Err(DecodeError::Content(_))
        ));
        let long = [&GOLDEN[..], &[0; 64]].concat();
        assert!(matches!(
            decode::<Sample>(&long),
            Err(DecodeError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_length_that_lies_allocates_nothing() {
        // 253: a u64 follows; 2^63 words would not fit into any memory.
        let lie = [0, 7, 1, 253, 0, 0, 0, 0, 0, 0, 0, 128];
        assert!(matches!(
            decode::<Sample>(&lie),
            Err(DecodeError::Content(_))
        ));
    }

    #[test]
    fn room_is_made_for_what_comes_and_not_for_what_a_length_says() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Lengthy(Vec<u64>);
        impl Record for Lengthy {
            const FORMAT: u16 = 1;
            const BYTES_MAX: u64 = 1 << 20;
        }
        let told: Vec<u8> = [&[0, 1, 252, 0, 0, 1, 0][..], &[0; 1 << 16]].concat();
        let read: Lengthy = decode(&told).expect("as many as it says");
        assert_eq!(read.0.len(), 1 << 16);
        assert!(decode::<Lengthy>(&told[..told.len() - 1]).is_err());
    }

    mod twin {
        use super::*;
        use proptest::prelude::*;

        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        enum Any {
            Unit,
            Tuple(i64, Option<u128>),
            Named { words: Vec<String>, deep: Box<Any> },
            Address(std::net::IpAddr, std::time::Duration),
            Outcome(Result<u16, bool>),
        }

        impl Record for Any {
            const FORMAT: u16 = 1;
            const BYTES_MAX: u64 = 4096;
        }

        proptest! {
            /// Whatever bincode reads, our reader reads as the same; what it writes, both read.
            #[test]
            fn both_readers_say_the_same(
                content in prop::collection::vec(
                    prop_oneof![0..6u8, 249..=255u8, any::<u8>()],
                    0..40,
                )
            ) {
                let bytes = [&[0, 1][..], &content].concat();
                let theirs: Option<Any> = options(Any::BYTES_MAX).deserialize(&content).ok();
                if let Some(theirs) = theirs {
                    let ours = decode::<Any>(&bytes);
                    prop_assert_eq!(ours.as_ref(), Ok(&theirs));
                    let written = encode(&theirs).expect("it is short");
                    prop_assert_eq!(decode::<Any>(&written), Ok(theirs));
                }
            }
        }
    }

    #[test]
    fn too_large_a_struct_is_refused() {
        let large = Sample {
            number: 1,
            words: vec!["x".repeat(65)],
        };
        assert!(matches!(
            encode(&large),
            Err(EncodeError::TooLarge { bytes_max: 64 })
        ));
    }
}
