//! PURE. Replies of the server: one line or several, with one code.
//!
//! ```text
//!   211-Features:\r\n          the code and a hyphen open a reply of several lines
//!    UTF8\r\n                  anything
//!   211 End\r\n                the same code and a space end it
//! ```
//!
//! **Source**: RFC 959 section 4.2, RFC 2389 section 3.2.

use std::borrow::Cow;

use super::refusal::FtpRefusal;

/// The longest reply: ten times what `STAT` of a large folder needs, and little enough to hold.
pub(crate) const REPLY_BYTES_MAX: usize = 64 * 1024;

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// 100 to 599.
    pub(crate) code: u16,
    /// All its lines, each ending in CR LF.
    pub(crate) text: Vec<u8>,
    /// How many bytes of the input it was.
    pub(crate) length: usize,
}

/// The first reply of `input`; `None` where its end has not come yet.
///
/// A line feed alone ends a line too: old servers write it, and what we pass on is mended. So is a
/// line with more carriage returns than the one before its end.
///
/// **Errors**: it is too long, or begins with no code; the session cannot go on.
pub(crate) fn take(input: &[u8]) -> Result<Option<Reply>, FtpRefusal> {
    let within = &input[..input.len().min(REPLY_BYTES_MAX)];
    let mut reply: Option<Reply> = None;
    let mut rest = within;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &without_returns(&rest[..end])[..];
        rest = &rest[end + 1..];
        let said = code(line);
        let (reply, last) = match &mut reply {
            None => {
                let (code, last) = said.ok_or(FtpRefusal::ReplyInvalid)?;
                let begun = Reply {
                    code,
                    text: Vec::new(),
                    length: 0,
                };
                (reply.insert(begun), last)
            }
            Some(begun) => {
                let last = said == Some((begun.code, true));
                (begun, last)
            }
        };
        reply.text.extend_from_slice(line);
        reply.text.extend_from_slice(b"\r\n");
        if last {
            let length = within.len() - rest.len();
            return Ok(Some(Reply {
                length,
                ..std::mem::replace(
                    reply,
                    Reply {
                        code: 0,
                        text: Vec::new(),
                        length: 0,
                    },
                )
            }));
        }
    }
    match input.len() >= REPLY_BYTES_MAX {
        true => Err(FtpRefusal::ReplyTooLong),
        false => Ok(None),
    }
}

/// A line without its carriage returns: one in its middle would end it for some clients, and what
/// follows would be a reply of its own to them.
fn without_returns(line: &[u8]) -> Cow<'_, [u8]> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.contains(&b'\r') {
        false => Cow::Borrowed(line),
        true => Cow::Owned(line.iter().copied().filter(|byte| *byte != b'\r').collect()),
    }
}

/// The code at the beginning of a line, and whether nothing follows this line.
fn code(line: &[u8]) -> Option<(u16, bool)> {
    let [
        hundreds @ b'1'..=b'5',
        tens @ b'0'..=b'9',
        ones @ b'0'..=b'9',
        rest @ ..,
    ] = line
    else {
        return None;
    };
    let digit = |byte: &u8| u16::from(byte - b'0');
    let code = digit(hundreds) * 100 + digit(tens) * 10 + digit(ones);
    match rest.first() {
        None | Some(b' ') => Some((code, true)),
        Some(b'-') => Some((code, false)),
        Some(_) => None,
    }
}

/// A reply to `FEAT` without what is refused where TLS is not passed through.
pub(crate) fn without_tls(text: &[u8]) -> Vec<u8> {
    let is_tls = |line: &[u8]| {
        let feature = line.trim_ascii_start().to_ascii_uppercase();
        let words: &[&[u8]] = &[b"AUTH", b"PBSZ", b"PROT", b"CCC", b"SSCN", b"CPSV"];
        line.starts_with(b" ") && words.iter().any(|word| feature.starts_with(word))
    };
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter(|line| !is_tls(line))
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(input: &str) -> Result<Option<(u16, String, usize)>, FtpRefusal> {
        let show = |reply: Reply| {
            let text = String::from_utf8_lossy(&reply.text).into_owned();
            (reply.code, text, reply.length)
        };
        take(input.as_bytes()).map(|reply| reply.map(show))
    }

    #[test]
    fn replies_one_by_one() {
        type Row = (
            &'static str,
            Result<Option<(u16, &'static str, usize)>, FtpRefusal>,
        );
        let rows: &[Row] = &[
            ("", Ok(None)),
            ("220 hello", Ok(None)),
            ("220 hello\r\n", Ok(Some((220, "220 hello\r\n", 11)))),
            ("220 a\r\n331 b\r\n", Ok(Some((220, "220 a\r\n", 7)))),
            ("226\r\n", Ok(Some((226, "226\r\n", 5)))),
            ("220 hello\n", Ok(Some((220, "220 hello\r\n", 10)))),
            // a client that takes a carriage return for an end reads no other reply than we do
            ("220 a\r\r\n", Ok(Some((220, "220 a\r\n", 8)))),
            (
                "230-a\r221 bye\r\n230 b\r\n",
                Ok(Some((230, "230-a221 bye\r\n230 b\r\n", 22))),
            ),
            ("230-a\r\n b\r\n", Ok(None)),
            (
                "230-a\r\nb\r\n230 c\r\n",
                Ok(Some((230, "230-a\r\nb\r\n230 c\r\n", 17))),
            ),
            // another code, or the same with a hyphen, ends nothing
            ("230-a\r\n220 b\r\n230-c\r\n", Ok(None)),
            ("230-a\r\n2300 b\r\n", Ok(None)),
            ("hello\r\n", Err(FtpRefusal::ReplyInvalid)),
            ("\r\n", Err(FtpRefusal::ReplyInvalid)),
            ("020 a\r\n", Err(FtpRefusal::ReplyInvalid)),
            ("620 a\r\n", Err(FtpRefusal::ReplyInvalid)),
            ("22 a\r\n", Err(FtpRefusal::ReplyInvalid)),
            ("2200 a\r\n", Err(FtpRefusal::ReplyInvalid)),
            ("220a\r\n", Err(FtpRefusal::ReplyInvalid)),
        ];
        for (input, wanted) in rows {
            let wanted = wanted.map(|one| one.map(|(code, text, at)| (code, text.to_owned(), at)));
            assert_eq!(taken(input), wanted, "{input:?}");
        }
    }

    #[test]
    fn sixty_four_kilobytes_are_the_most() {
        let reply = |length: usize| {
            let middle = "x".repeat(length - "211-\r\n\r\n211 \r\n".len());
            format!("211-\r\n{middle}\r\n211 \r\n")
        };
        assert!(matches!(
            taken(&reply(REPLY_BYTES_MAX)),
            Ok(Some((211, _, REPLY_BYTES_MAX)))
        ));
        let over = taken(&reply(REPLY_BYTES_MAX + 1));
        assert_eq!(over, Err(FtpRefusal::ReplyTooLong));
        let endless = taken(&"2".repeat(REPLY_BYTES_MAX));
        assert_eq!(endless, Err(FtpRefusal::ReplyTooLong));
    }

    #[test]
    fn features_without_tls() {
        let text =
            b"211-Features:\r\n AUTH TLS\r\n EPRT\r\n auth SSL\r\n PBSZ\r\n UTF8\r\n211 End\r\n";
        let wanted = b"211-Features:\r\n EPRT\r\n UTF8\r\n211 End\r\n";
        assert_eq!(without_tls(text), wanted);
        assert_eq!(without_tls(b"500 AUTH?\r\n"), b"500 AUTH?\r\n");
    }

    proptest! {
        /// What comes out, put in again, comes out the same; and pieces do not matter.
        #[test]
        fn replies_survive_and_pieces_do_not_matter(
            input in "(21[01][ -]|[ a]|\r?\n){0,12}") {
            if let Ok(Some(reply)) = take(input.as_bytes()) {
                let again = take(&reply.text);
                let length = reply.text.len();
                prop_assert_eq!(again, Ok(Some(Reply { length, ..reply.clone() })));
                for end in 0..reply.length {
                    prop_assert_eq!(take(&input.as_bytes()[..end]), Ok(None));
                }
            }
        }
    }
}
