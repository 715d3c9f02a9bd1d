//! PURE. Lines from the client: Telnet taken out, everything odd refused.
//!
//! What is refused here ends the session: whoever sends it speaks something else, and the rest of
//! what it sends could be taken for commands (an HTTP request's body, for instance).
//!
//! **Source**: RFC 959 section 5.3, RFC 854, RFC 1123 section 4.1.2.12, RFC 2577.

use super::refusal::FtpRefusal;

/// The longest line with its end: a path of Linux's longest length would not be a sane name.
pub(crate) const LINE_BYTES_MAX: usize = 4096;

/// Telnet: interpret the next byte as a command.
const IAC: u8 = 255;
/// Telnet: a subnegotiation of any length follows.
const SUBNEGOTIATION: u8 = 250;
/// Telnet: the lowest byte that is a command.
const COMMANDS_FROM: u8 = 240;

/// A line, and how many bytes of the input it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Without Telnet commands and without the end of line.
    pub(crate) text: Vec<u8>,
    pub(crate) length: usize,
}

/// The first line of `input`; `None` where its end has not come yet.
///
/// **Errors**: it is too long, or holds what no FTP client sends.
pub(crate) fn take(input: &[u8]) -> Result<Option<Line>, FtpRefusal> {
    let within = &input[..input.len().min(LINE_BYTES_MAX)];
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        if input.len() >= LINE_BYTES_MAX {
            return Err(FtpRefusal::LineTooLong);
        }
        // A TLS handshake would wait for us for ever, as we for its end of line.
        let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\r';
        return match input.first().is_some_and(control) {
            true => Err(FtpRefusal::Control),
            false => Ok(None),
        };
    };
    let text = without_telnet(&within[..end])?;
    let text = text.strip_suffix(b"\r").ok_or(FtpRefusal::BareLf)?;
    if text.iter().any(u8::is_ascii_control) {
        return Err(FtpRefusal::Control);
    }
    Ok(Some(Line {
        text: text.to_vec(),
        length: end + 1,
    }))
}

/// Drops Telnet commands, which clients send before `ABOR`; an escaped 255 stays escaped.
fn without_telnet(raw: &[u8]) -> Result<Vec<u8>, FtpRefusal> {
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != IAC {
            text.push(byte);
            continue;
        }
        match bytes.next() {
            Some(IAC) => text.extend([IAC, IAC]),
            // WILL, WONT, DO, DONT and the option they are about.
            Some(251..=254) => {
                bytes.next().ok_or(FtpRefusal::Telnet)?;
            }
            Some(SUBNEGOTIATION) | Some(..COMMANDS_FROM) | None => return Err(FtpRefusal::Telnet),
            Some(COMMANDS_FROM..) => {}
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(input: &[u8]) -> Result<Option<(String, usize)>, FtpRefusal> {
        let text = |line: Line| {
            (
                String::from_utf8_lossy(&line.text).into_owned(),
                line.length,
            )
        };
        take(input).map(|line| line.map(text))
    }

    #[test]
    fn lines_one_by_one() {
        type Row = (
            &'static [u8],
            Result<Option<(&'static str, usize)>, FtpRefusal>,
        );
        let rows: &[Row] = &[
            (b"", Ok(None)),
            (b"NOOP", Ok(None)),
            (b"NOOP\r", Ok(None)),
            (b"NOOP\r\n", Ok(Some(("NOOP", 6)))),
            (b"NOOP\r\nQUIT\r\n", Ok(Some(("NOOP", 6)))),
            (b"\r\n", Ok(Some(("", 2)))),
            (b"RETR a b \r\n", Ok(Some(("RETR a b ", 11)))),
            ("RETR grün\r\n".as_bytes(), Ok(Some(("RETR grün", 12)))),
            // Telnet "interrupt process" and "data mark" before ABOR, as clients send them
            (b"\xff\xf4\xff\xf2ABOR\r\n", Ok(Some(("ABOR", 10)))),
            (b"\xff\xfb\x01NOOP\r\n", Ok(Some(("NOOP", 9)))),
            (b"\xff\xfa\x01NOOP\r\n", Err(FtpRefusal::Telnet)),
            (b"NOOP\xff\r\n", Err(FtpRefusal::Telnet)),
            (b"NOOP\r\xff\xf1\n", Ok(Some(("NOOP", 8)))),
            (b"NOOP\xff\n", Err(FtpRefusal::Telnet)),
            (b"NOOP\n", Err(FtpRefusal::BareLf)),
            (b"\n", Err(FtpRefusal::BareLf)),
            (b"RETR a\rb\r\n", Err(FtpRefusal::Control)),
            (b"RETR a\0b\r\n", Err(FtpRefusal::Control)),
            (b"RETR a\tb\r\n", Err(FtpRefusal::Control)),
            (b"RETR a\x7f\r\n", Err(FtpRefusal::Control)),
            (b"\x16\x03\x01\x02\x00", Err(FtpRefusal::Control)),
        ];
        for (input, wanted) in rows {
            let wanted = wanted.map(|line| line.map(|(text, length)| (text.to_owned(), length)));
            assert_eq!(text(input), wanted, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_line_of_4096_bytes_is_the_longest() {
        let line = |length: usize| [vec![b'x'; length - 2], b"\r\n".to_vec()].concat();
        assert!(matches!(take(&line(4096)), Ok(Some(_))));
        assert_eq!(take(&line(4097)), Err(FtpRefusal::LineTooLong));
        assert_eq!(take(&[b'x'; 4095]), Ok(None));
        assert_eq!(take(&[b'x'; 4096]), Err(FtpRefusal::LineTooLong));
    }

    proptest! {
        /// However the bytes arrive, the same line comes out or the same refusal.
        #[test]
        fn pieces_do_not_matter(input in prop::collection::vec(
            prop::sample::select(b"AB \r\n\n\xff\xf4\xfb\0".to_vec()), 0..24)) {
            let whole = take(&input);
            let mut prefixes = (0..=input.len()).map(|end| take(&input[..end]));
            let first = prefixes.find(|got| *got != Ok(None));
            match first {
                // Nothing else may come out of a prefix, but for the early word on a control byte.
                Some(Err(FtpRefusal::Control)) => prop_assert!(whole.is_err()),
                Some(first) => prop_assert_eq!(first, whole),
                None => prop_assert_eq!(Ok(None), whole),
            }
        }

        #[test]
        fn no_line_holds_what_would_split_it(input in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some(line)) = take(&input) {
                prop_assert!(!line.text.iter().any(u8::is_ascii_control));
                prop_assert!(line.length <= input.len());
            }
        }
    }
}
