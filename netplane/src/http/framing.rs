//! PURE. Where a body ends, decided once from the head, and the decoder and coder that follow it.
//!
//! **Source**: RFC 9112 section 6.3.

use super::chunked::{Chunked, Step};
use super::fields::trim;
use super::refusal::Refusal;

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// Everything until the sender closes; answers only.
    UntilClose,
}

/// What a head says about its body, field by field.
#[derive(Debug, Clone, Copy, Default)]
pub struct Declared {
    length: Option<u64>,
    chunked: bool,
}

impl Declared {
    /// Takes in a `Content-Length`.
    pub fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::LengthRepeated);
        }
        self.length = Some(parse_length(value)?);
        Ok(())
    }

    /// Takes in a `Transfer-Encoding`.
    pub fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked {
            return Err(Refusal::CodingRepeated);
        }
        if !trim(value).eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::CodingUnknown);
        }
        self.chunked = true;
        Ok(())
    }

    /// The framing of a message that has a body if it declares one.
    ///
    /// **Errors**: it declares two, or a coding that its version does not have.
    pub fn framing(self, http10: bool) -> Result<Option<Framing>, Refusal> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Refusal::LengthWithCoding),
            (None, true) if http10 => Err(Refusal::CodingIn10),
            (None, true) => Ok(Some(Framing::Chunked)),
            (Some(length), false) => Ok(Some(Framing::Length(length))),
            (None, false) => Ok(None),
        }
    }

    /// The declared length; an answer to `HEAD` passes it on without a body.
    pub fn declared_length(self) -> Option<u64> {
        self.length
    }
}

/// `1*DIGIT`, at most 2^63 - 1 so that sums of two never overflow.
fn parse_length(value: &[u8]) -> Result<u64, Refusal> {
    let digits = trim(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::LengthInvalid);
    }
    let length = digits.iter().try_fold(0u64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    length
        .filter(|length| *length <= i64::MAX.unsigned_abs())
        .ok_or(Refusal::LengthOverflow)
}

/// Takes a body off a stream.
#[derive(Debug)]
pub enum Decoder {
    /// So many bytes are left; zero of them is the end.
    Length(u64),
    /// The chunked coding.
    Chunked(Chunked),
    /// Until [`Decoder::close`].
    UntilClose,
}

impl Decoder {
    /// A decoder for a body framed like this.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::None => Decoder::Length(0),
            Framing::Length(length) => Decoder::Length(length),
            Framing::Chunked => Decoder::Chunked(Chunked::default()),
            Framing::UntilClose => Decoder::UntilClose,
        }
    }

    /// Whether the body is over.
    pub fn is_done(&self) -> bool {
        match self {
            Decoder::Length(left) => *left == 0,
            Decoder::Chunked(chunked) => chunked.is_done(),
            Decoder::UntilClose => false,
        }
    }

    /// Decodes what is there, in place; see [`Chunked::decode`].
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<Step, Refusal> {
        let all = |count| Step {
            data: count,
            consumed: count,
        };
        match self {
            Decoder::Length(left) => {
                let take = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= take as u64;
                Ok(all(take))
            }
            Decoder::Chunked(chunked) => chunked.decode(bytes),
            Decoder::UntilClose => Ok(all(bytes.len())),
        }
    }

    /// The sender closed: whether that is a proper end of the body.
    pub fn close(&mut self) -> bool {
        match self {
            Decoder::UntilClose => {
                *self = Decoder::Length(0);
                true
            }
            Decoder::Length(_) | Decoder::Chunked(_) => false,
        }
    }

    /// The trailers that came with the body.
    pub fn trailers(&self) -> &[u8] {
        match self {
            Decoder::Chunked(chunked) => chunked.trailers(),
            Decoder::Length(_) | Decoder::UntilClose => b"",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (value, wanted) in [
            (&b"0"[..], Ok(0)),
            (b" 42\t", Ok(42)),
            (b"0042", Ok(42)),
            (b"9223372036854775807", Ok(i64::MAX.unsigned_abs())),
            (b"9223372036854775808", Err(Refusal::LengthOverflow)),
            (b"99999999999999999999999", Err(Refusal::LengthOverflow)),
            (b"", Err(Refusal::LengthInvalid)),
            (b"+1", Err(Refusal::LengthInvalid)),
            (b"-1", Err(Refusal::LengthInvalid)),
            (b"0x1", Err(Refusal::LengthInvalid)),
            (b"1,1", Err(Refusal::LengthInvalid)),
            (b"1 1", Err(Refusal::LengthInvalid)),
            (b"1.0", Err(Refusal::LengthInvalid)),
        ] {
            assert_eq!(parse_length(value), wanted, "{}", value.escape_ascii());
        }
    }

    /// Every combination of length, coding and version.
    #[test]
    fn declarations() {
        let declared = |length: bool, chunked: bool| {
            let mut declared = Declared::default();
            if length {
                declared.length(b"5").expect("a length");
            }
            if chunked {
                declared.coding(b"Chunked ").expect("a coding");
            }
            declared
        };
        for (length, chunked, http10, wanted) in [
            (false, false, false, Ok(None)),
            (false, false, true, Ok(None)),
            (true, false, false, Ok(Some(Framing::Length(5)))),
            (true, false, true, Ok(Some(Framing::Length(5)))),
            (false, true, false, Ok(Some(Framing::Chunked))),
            (false, true, true, Err(Refusal::CodingIn10)),
            (true, true, false, Err(Refusal::LengthWithCoding)),
            (true, true, true, Err(Refusal::LengthWithCoding)),
        ] {
            let got = declared(length, chunked).framing(http10);
            assert_eq!(
                got, wanted,
                "length {length} chunked {chunked} 1.0 {http10}"
            );
        }
        assert_eq!(
            declared(true, false).length(b"5"),
            Err(Refusal::LengthRepeated)
        );
        assert_eq!(
            declared(false, true).coding(b"chunked"),
            Err(Refusal::CodingRepeated)
        );
        for coding in [
            "gzip",
            "gzip, chunked",
            "chunked, chunked",
            "identity",
            "",
            "xchunked",
            "chunked;q=1",
        ] {
            assert_eq!(
                declared(false, false).coding(coding.as_bytes()),
                Err(Refusal::CodingUnknown)
            );
        }
    }

    #[test]
    fn decoders_stop_where_the_body_does() {
        let mut bytes = *b"hello world";
        let mut five = Decoder::new(Framing::Length(5));
        assert_eq!(
            five.decode(&mut bytes),
            Ok(Step {
                data: 5,
                consumed: 5
            })
        );
        assert!(five.is_done());
        assert!(Decoder::new(Framing::None).is_done());
        let mut close = Decoder::new(Framing::UntilClose);
        assert_eq!(
            close.decode(&mut bytes),
            Ok(Step {
                data: 11,
                consumed: 11
            })
        );
        assert!(!close.is_done() && close.close() && close.is_done());
        assert!(
            !Decoder::new(Framing::Length(1)).close(),
            "a body cut short"
        );
        assert!(!Decoder::new(Framing::Chunked).close(), "a body cut short");
    }
}
