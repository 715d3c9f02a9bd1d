//! PURE. The answer to an HTTP probe: bytes in, a judgement out as soon as there can be one.
//!
//! ```text
//!   Head --status fits, text wanted--> Body --text found--> well
//!     |  \--status fits-> well          |  \--end, or 64 KiB-> text missing
//!     \--anything else-> failure        \--page obeyed: its first line decides as well
//! ```
//!
//! Much stricter engines serve the clients (`crate::http`); this one only has to understand
//! well-meant answers and to stay within bounds with all others.

use std::sync::Arc;

use super::outcome::{Failure, Success};
use super::page;

/// What an answer must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// The one status that is well.
    pub(super) status: u16,
    /// Text in the first [`BODY_BYTES_MAX`] bytes of the body.
    pub(super) text: Option<Arc<str>>,
    /// Whether the body is a page that is obeyed.
    pub(super) obey: bool,
}

/// An answer as far as it has come.
#[derive(Debug)]
pub(super) struct Answer {
    expected: Expected,
    stage: Stage,
    /// Head bytes taken so far, interim answers included.
    head_bytes: usize,
    /// Bytes that belong to the current stage: a head that is not whole, or the decoded body.
    kept: Vec<u8>,
}

#[derive(Debug)]
enum Stage {
    Head,
    Body(Framing),
}

/// Where a body ends.
#[derive(Debug)]
enum Framing {
    Length(u64),
    Chunked(Chunk),
    UntilClose,
}

/// Where in a chunked body the next byte stands.
#[derive(Debug, Clone, Copy)]
enum Chunk {
    Size { value: u64, digits: u8 },
    Extension { value: u64 },
    Data { left: u64 },
    DataEnd,
}

type Judgement = Option<Result<Success, Failure>>;

impl Answer {
    /// Nothing has come yet.
    pub(super) fn new(expected: Expected) -> Answer {
        Answer {
            expected,
            stage: Stage::Head,
            head_bytes: 0,
            kept: Vec::new(),
        }
    }

    /// Takes some bytes in; the judgement, once there is one.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Judgement {
        match self.stage {
            Stage::Head => self.feed_head(bytes),
            Stage::Body(_) => self.feed_body(bytes),
        }
    }

    /// The connection ended without a judgement.
    pub(super) fn end(&self) -> Result<Success, Failure> {
        Err(match &self.stage {
            Stage::Head if self.head_bytes == 0 && self.kept.is_empty() => Failure::ClosedSilently,
            Stage::Head | Stage::Body(Framing::Length(_) | Framing::Chunked(_)) => {
                Failure::ClosedEarly
            }
            Stage::Body(Framing::UntilClose) => {
                return self
                    .judge_body(0, true)
                    .unwrap_or(Err(Failure::TextMissing));
            }
        })
    }

    fn feed_head(&mut self, bytes: &[u8]) -> Judgement {
        // A head that drips in is parsed at its line ends only, or it would cost its square.
        let first = self.kept.is_empty();
        self.kept.extend_from_slice(bytes);
        if !first && !bytes.contains(&b'\n') {
            return self.head_within_bounds();
        }
        loop {
            let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
            let mut head = httparse::Response::new(&mut fields);
            let (length, status) = match head.parse(&self.kept) {
                Ok(httparse::Status::Complete(length)) => (length, head.code.unwrap_or_default()),
                Ok(httparse::Status::Partial) => return self.head_within_bounds(),
                Err(_) => return Some(Err(Failure::NotHttp)),
            };
            let framing = framing(head.headers);
            self.head_bytes += length;
            self.kept.drain(..length);
            if (100..200).contains(&status) && status != SWITCHING {
                // Interim answers, such as 103, come before the real one.
                match self.head_within_bounds() {
                    None => continue,
                    failure => return failure,
                }
            }
            return self.judge_head(status, framing);
        }
    }

    fn head_within_bounds(&self) -> Judgement {
        (self.head_bytes + self.kept.len() > HEAD_BYTES_MAX).then_some(Err(Failure::HeadTooLong))
    }

    fn judge_head(&mut self, status: u16, framing: Option<Framing>) -> Judgement {
        let expected = self.expected.status;
        if status != expected {
            return Some(Err(Failure::Status {
                got: status,
                expected,
            }));
        }
        if self.expected.text.is_none() && !self.expected.obey {
            return Some(Ok(Success::Status(status)));
        }
        let Some(framing) = framing else {
            return Some(Err(Failure::NotHttp));
        };
        // RFC 9112, 6.3: these have no body, whatever their fields say.
        let bodiless = matches!(status, 204 | 304);
        self.stage = Stage::Body(if bodiless {
            Framing::Length(0)
        } else {
            framing
        });
        let rest = std::mem::take(&mut self.kept);
        self.feed_body(&rest)
    }

    fn feed_body(&mut self, bytes: &[u8]) -> Judgement {
        let Stage::Body(framing) = &mut self.stage else {
            return None;
        };
        let searched = self.kept.len();
        let over = match framing.decode(bytes, &mut self.kept) {
            Ok(over) => over,
            Err(NotChunked) => return Some(Err(Failure::NotHttp)),
        };
        let over = over || self.kept.len() >= BODY_BYTES_MAX;
        self.kept.truncate(BODY_BYTES_MAX);
        self.judge_body(searched, over)
    }

    /// Judges the body as far as it has come; the first `searched` bytes hold no text.
    fn judge_body(&self, searched: usize, over: bool) -> Judgement {
        let status = self.expected.status;
        let advice = match self.expected.obey.then(|| page::read(&self.kept, over)) {
            None => None,
            Some(Some(Ok(advice))) => Some(advice),
            Some(Some(Err(failure))) => return Some(Err(failure)),
            // The line ends within the first bytes, or the body does; until then nothing is found.
            Some(None) => return None,
        };
        let page = advice.map(|advice| Success::Page { status, advice });
        let well = |found: Success| Some(Ok(page.unwrap_or(found)));
        let Some(text) = self.expected.text.as_deref() else {
            return well(Success::Status(status));
        };
        // Bytes that came before the page was decided were not searched.
        let again = text.len().max(page::LINE_BYTES_MAX + 1);
        let from = searched.saturating_sub(again);
        if contains(self.kept.get(from..).unwrap_or_default(), text.as_bytes()) {
            return well(Success::Text(status));
        }
        over.then_some(Err(Failure::TextMissing))
    }
}

/// A chunked body that breaks its own rules.
#[derive(Debug)]
struct NotChunked;

impl Framing {
    /// Moves body bytes to `into`; whether the body is over.
    fn decode(&mut self, bytes: &[u8], into: &mut Vec<u8>) -> Result<bool, NotChunked> {
        match self {
            Framing::UntilClose => {
                into.extend_from_slice(bytes);
                Ok(false)
            }
            Framing::Length(left) => {
                let count = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                into.extend(bytes.iter().take(count));
                *left -= u64::try_from(count).unwrap_or(*left);
                Ok(*left == 0)
            }
            Framing::Chunked(chunk) => {
                for byte in bytes {
                    match chunk.next(*byte, into)? {
                        Some(next) => *chunk = next,
                        None => return Ok(true),
                    }
                }
                Ok(false)
            }
        }
    }
}

impl Chunk {
    const START: Chunk = Chunk::Size {
        value: 0,
        digits: 0,
    };

    /// One byte further; `None` when the last chunk began, after which no text can come.
    fn next(self, byte: u8, into: &mut Vec<u8>) -> Result<Option<Chunk>, NotChunked> {
        let after_size = |value| match value {
            0 => None,
            left => Some(Chunk::Data { left }),
        };
        match (self, byte) {
            (Chunk::Size { digits: 0, .. }, b'\r' | b'\n' | b';' | b' ') => Err(NotChunked),
            (Chunk::Size { value, .. }, b'\n') => Ok(after_size(value)),
            (Chunk::Size { value, .. }, b'\r' | b';' | b' ' | b'\t') => {
                Ok(Some(Chunk::Extension { value }))
            }
            (Chunk::Size { value, digits }, byte) => {
                let digit = char::from(byte).to_digit(16).ok_or(NotChunked)?;
                if digits == CHUNK_DIGITS_MAX {
                    return Err(NotChunked);
                }
                Ok(Some(Chunk::Size {
                    value: value << 4 | u64::from(digit),
                    digits: digits + 1,
                }))
            }
            (Chunk::Extension { value }, b'\n') => Ok(after_size(value)),
            (Chunk::Extension { .. }, _) => Ok(Some(self)),
            (Chunk::Data { left }, byte) => {
                into.push(byte);
                Ok(Some(if left == 1 {
                    Chunk::DataEnd
                } else {
                    Chunk::Data { left: left - 1 }
                }))
            }
            (Chunk::DataEnd, b'\r') => Ok(Some(self)),
            (Chunk::DataEnd, b'\n') => Ok(Some(Chunk::START)),
            (Chunk::DataEnd, _) => Err(NotChunked),
        }
    }
}

/// Where the body of an answer with these fields ends (RFC 9112, 6.3); `None`: it cannot be told.
fn framing(fields: &[httparse::Header<'_>]) -> Option<Framing> {
    let named = |name: &str| {
        let same = move |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name);
        fields
            .iter()
            .rfind(same)
            .map(|field| std::str::from_utf8(field.value))
    };
    if let Some(coding) = named("transfer-encoding") {
        let chunked = coding.ok()?.trim().eq_ignore_ascii_case("chunked");
        return chunked.then_some(Framing::Chunked(Chunk::START));
    }
    match named("content-length") {
        Some(length) => length.ok()?.trim().parse().ok().map(Framing::Length),
        None => Some(Framing::UntilClose),
    }
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

/// Longest head, interim answers included: a health page has no need of more, and 5,000 probes at
/// once stay below 80 MiB whatever servers send.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How much of a body is searched for the text. **Source**: issue 2, as the check documents it.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Most fields of a head: as many as the serving engine takes.
const FIELDS_MAX: usize = 100;

/// Hex digits of a chunk size: 60 bits, so that it cannot overflow.
const CHUNK_DIGITS_MAX: u8 = 15;

/// The one 1xx status that is final.
const SWITCHING: u16 = 101;

#[cfg(test)]
mod tests;
