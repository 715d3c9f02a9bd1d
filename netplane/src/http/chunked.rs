//! PURE. The chunked coding, decoded strictly and in place.
//!
//! ```text
//!   in:   5;x=1 CRLF hello CRLF 0 CRLF trailers CRLF | next request
//!   out:  hello                                      | consumed up to here
//! ```
//!
//! The data of one call is moved to the front of the given bytes, so that it can be written from
//! there at once; the framing around it, and every chunk extension, is thrown away.
//!
//! **Source**: RFC 9112 section 7.1.

use super::fields::{Known, is_token, is_value_byte, trim};
use super::refusal::Refusal;

/// A chunk of 2^60 - 1 bytes at most: fifteen hex digits, so the size cannot overflow.
const SIZE_DIGITS_MAX: u8 = 15;
/// Nobody is known to use extensions; 256 bytes a chunk lets signatures through and no flood.
const EXTENSION_BYTES_MAX: u16 = 256;
/// Trailers carry checksums and timings; two common header lines' worth of cookies is plenty.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// What one call decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Bytes of the body, now at the front.
    pub data: usize,
    /// Bytes taken, data and framing; what follows belongs to the next message.
    pub consumed: usize,
}

/// A decoder for one body.
#[derive(Debug, Default)]
pub struct Chunked {
    state: State,
    /// The fields after the last chunk, as they came, each with its CRLF.
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size {
        value: u64,
        digits: u8,
    },
    Extension {
        value: u64,
        length: u16,
    },
    SizeLf {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// Within the trailer section; `line` counts the bytes of the current line.
    Trailer {
        line: usize,
    },
    TrailerLf {
        line: usize,
    },
    Done,
}

impl Default for State {
    fn default() -> Self {
        State::Size {
            value: 0,
            digits: 0,
        }
    }
}

impl Chunked {
    /// Whether the whole body, trailers and all, was decoded.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailers that may be passed on, each with its CRLF; complete once it is done.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Decodes what is there.
    ///
    /// **Errors**: the coding is broken; the connection cannot be used any further.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<Step, Refusal> {
        let mut step = Step::default();
        while step.consumed < bytes.len() {
            match self.state {
                State::Done => break,
                State::Data { left } => {
                    let there = bytes.len() - step.consumed;
                    let take = usize::try_from(left).map_or(there, |left| left.min(there));
                    let end = step.consumed + take;
                    bytes.copy_within(step.consumed..end, step.data);
                    step.data += take;
                    step.consumed = end;
                    let left = left - take as u64;
                    self.state = if left == 0 {
                        State::DataCr
                    } else {
                        State::Data { left }
                    };
                }
                State::Size { .. }
                | State::Extension { .. }
                | State::SizeLf { .. }
                | State::DataCr
                | State::DataLf
                | State::Trailer { .. }
                | State::TrailerLf { .. } => {
                    self.state = self.frame(bytes[step.consumed])?;
                    step.consumed += 1;
                }
            }
        }
        Ok(step)
    }

    /// Takes in one byte of framing.
    fn frame(&mut self, byte: u8) -> Result<State, Refusal> {
        match self.state {
            State::Size { value, digits } => size(value, digits, byte),
            State::Extension { value, length } => extension(value, length, byte),
            State::SizeLf { value } => match (byte, value) {
                (b'\n', 0) => Ok(State::Trailer { line: 0 }),
                (b'\n', left) => Ok(State::Data { left }),
                _ => Err(Refusal::ChunkLineEnd),
            },
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::default()),
            State::DataCr | State::DataLf => Err(Refusal::ChunkDataEnd),
            State::Trailer { line } => self.trailer(line, byte),
            State::TrailerLf { line } => match (byte, line) {
                (b'\n', 0) => {
                    self.trailers = filtered(&self.trailers)?;
                    Ok(State::Done)
                }
                (b'\n', _) => {
                    self.trailers.extend_from_slice(b"\r\n");
                    Ok(State::Trailer { line: 0 })
                }
                _ => Err(Refusal::ChunkLineEnd),
            },
            State::Data { .. } | State::Done => Ok(self.state),
        }
    }

    fn trailer(&mut self, line: usize, byte: u8) -> Result<State, Refusal> {
        match byte {
            b'\r' => Ok(State::TrailerLf { line }),
            b'\n' => Err(Refusal::ChunkLineEnd),
            _ if !is_value_byte(byte) => Err(Refusal::Trailer),
            _ if self.trailers.len() >= TRAILER_BYTES_MAX => Err(Refusal::TrailersTooLong),
            _ => {
                self.trailers.push(byte);
                Ok(State::Trailer { line: line + 1 })
            }
        }
    }
}

fn size(value: u64, digits: u8, byte: u8) -> Result<State, Refusal> {
    let hex = char::from(byte).to_digit(16);
    match (hex, byte) {
        (Some(_), _) if digits >= SIZE_DIGITS_MAX => Err(Refusal::ChunkOverflow),
        (Some(digit), _) => Ok(State::Size {
            value: value << 4 | u64::from(digit),
            digits: digits + 1,
        }),
        (None, b'\r') if digits > 0 => Ok(State::SizeLf { value }),
        (None, b';') if digits > 0 => Ok(State::Extension { value, length: 0 }),
        (None, b'\n') if digits > 0 => Err(Refusal::ChunkLineEnd),
        (None, _) => Err(Refusal::ChunkSize),
    }
}

fn extension(value: u64, length: u16, byte: u8) -> Result<State, Refusal> {
    match byte {
        b'\r' => Ok(State::SizeLf { value }),
        b'\n' => Err(Refusal::ChunkLineEnd),
        _ if !is_value_byte(byte) || length >= EXTENSION_BYTES_MAX => Err(Refusal::ChunkExtension),
        _ => Ok(State::Extension {
            value,
            length: length + 1,
        }),
    }
}

/// The trailers without those that a proxy must not merge or pass on; each checked.
///
/// **Source**: RFC 9110 section 6.5.1: nothing about framing, routing or the connection.
fn filtered(trailers: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut kept = Vec::new();
    for line in trailers.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or(Refusal::Trailer)?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        if !is_token(name) {
            return Err(Refusal::Trailer);
        }
        let name = std::str::from_utf8(name).map_err(|_| Refusal::Trailer)?;
        match Known::of(name) {
            Known::Other => {
                kept.extend_from_slice(name.as_bytes());
                kept.extend_from_slice(b": ");
                kept.extend_from_slice(value);
                kept.extend_from_slice(b"\r\n");
            }
            Known::Connection
            | Known::ContentLength
            | Known::TransferEncoding
            | Known::Host
            | Known::Expect
            | Known::Upgrade
            | Known::Te
            | Known::Legacy
            | Known::Forwarded => {}
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes in pieces of `piece` bytes: the data, what is left over, and the trailers.
    fn run(input: &[u8], piece: usize) -> Result<(Vec<u8>, usize, Vec<u8>, bool), Refusal> {
        let mut decoder = Chunked::default();
        let mut data = Vec::new();
        let mut consumed = 0;
        for part in input.chunks(piece) {
            let mut part = part.to_vec();
            let step = decoder.decode(&mut part)?;
            data.extend_from_slice(&part[..step.data]);
            consumed += step.consumed;
            if decoder.is_done() {
                break;
            }
        }
        let trailers = decoder.trailers().to_vec();
        Ok((data, input.len() - consumed, trailers, decoder.is_done()))
    }

    #[test]
    fn what_is_accepted() {
        /// Input, data, bytes left over, trailers.
        type Row<'a> = (&'a [u8], &'a [u8], usize, &'a [u8]);
        let rows: &[Row<'_>] = &[
            (b"0\r\n\r\n", b"", 0, b""),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello", 0, b""),
            (
                b"5;a=\"b c\"\r\nhello\r\n1\r\n!\r\n000\r\n\r\nGET",
                b"hello!",
                3,
                b"",
            ),
            (
                b"A\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
                b"0123456789",
                0,
                b"X: y\r\n",
            ),
            (
                b"a\r\n0123456789\r\n0\r\nX:y \r\nHost: h\r\nZ:\r\n\r\n",
                b"0123456789",
                0,
                b"X: y\r\nZ: \r\n",
            ),
            (b"0\r\nContent-Length: 5\r\n\r\n", b"", 0, b""),
        ];
        for (input, data, left, trailers) in rows {
            for piece in [1, 2, 3, 1000] {
                let got = run(input, piece).expect("well-formed");
                assert_eq!(
                    got,
                    (data.to_vec(), *left, trailers.to_vec(), true),
                    "{input:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_refused() {
        let long_extension = [b"1;", "x".repeat(300).as_bytes(), b"\r\n"].concat();
        let long_trailer = [b"0\r\nX: ", "x".repeat(9000).as_bytes(), b"\r\n\r\n"].concat();
        let rows: &[(&[u8], Refusal)] = &[
            (b"\r\n", Refusal::ChunkSize),
            (b"+5\r\n", Refusal::ChunkSize),
            (b"-5\r\n", Refusal::ChunkSize),
            (b"0x5\r\n", Refusal::ChunkSize),
            (b" 5\r\n", Refusal::ChunkSize),
            (b"5 \r\n", Refusal::ChunkSize),
            (b"5\t;x\r\n", Refusal::ChunkSize),
            (b"5_0\r\n", Refusal::ChunkSize),
            (b"g\r\n", Refusal::ChunkSize),
            (b";x\r\n", Refusal::ChunkSize),
            (b"\n", Refusal::ChunkSize),
            (b"5\nhello\r\n", Refusal::ChunkLineEnd),
            (b"5\r\rhello", Refusal::ChunkLineEnd),
            (b"5;x\nhello", Refusal::ChunkLineEnd),
            (b"5;x\0\r\n", Refusal::ChunkExtension),
            (&long_extension, Refusal::ChunkExtension),
            (b"1000000000000000\r\n", Refusal::ChunkOverflow),
            (b"0000000000000000\r\n", Refusal::ChunkOverflow),
            (b"ffffffffffffffffffff\r\n", Refusal::ChunkOverflow),
            (b"5\r\nhello!\r\n", Refusal::ChunkDataEnd),
            (b"5\r\nhello\n", Refusal::ChunkDataEnd),
            (b"5\r\nhello\r0", Refusal::ChunkDataEnd),
            (b"0\r\nno colon\r\n\r\n", Refusal::Trailer),
            (b"0\r\nX : y\r\n\r\n", Refusal::Trailer),
            (b"0\r\n folded: y\r\n\r\n", Refusal::Trailer),
            (b"0\r\nX: \x01\r\n\r\n", Refusal::Trailer),
            (b"0\r\nX: y\n\r\n", Refusal::ChunkLineEnd),
            (b"0\r\nX: y\r\r\n", Refusal::ChunkLineEnd),
            (&long_trailer, Refusal::TrailersTooLong),
        ];
        for (input, reason) in rows {
            for piece in [1, 7, 100_000] {
                assert_eq!(
                    run(input, piece),
                    Err(*reason),
                    "{:?}",
                    String::from_utf8_lossy(input)
                );
            }
        }
    }

    /// The obvious twin of the decoder: a writer.
    fn encode(chunks: &[Vec<u8>]) -> Vec<u8> {
        let mut coded = Vec::new();
        for chunk in chunks {
            coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            coded.extend_from_slice(chunk);
            coded.extend_from_slice(b"\r\n");
        }
        coded.extend_from_slice(b"0\r\n\r\n");
        coded
    }

    proptest! {
        #[test]
        fn what_was_coded_comes_back_in_any_pieces(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..6),
            piece in 1usize..700,
        ) {
            let got = run(&encode(&chunks), piece).expect("our own coding is well-formed");
            prop_assert_eq!(got, (chunks.concat(), 0, vec![], true));
        }

        #[test]
        fn byte_by_byte_equals_whole_for_anything(
            input in prop::collection::vec(
                prop::sample::select(b"05aF;x=\" :\r\n\r\n\r\n".to_vec()),
                0..60,
            ),
        ) {
            prop_assert_eq!(run(&input, 1), run(&input, 1000));
        }
    }
}
