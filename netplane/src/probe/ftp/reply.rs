//! PURE. FTP replies: bytes in, a code and the text of its last line out.
//!
//! ```text
//!   220-Welcome        opens a reply of several lines (RFC 959, 4.2)
//!    what ever
//!   220 Go ahead       ends it: the same code, and a space
//! ```
//!
//! Only what a probe needs is understood, and all of it within bounds.

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// 100 to 599.
    pub(super) code: u16,
    /// What follows the code in its last line, without the line's end.
    pub(super) text: Vec<u8>,
}

/// Something that no FTP server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAReply {
    /// No code where there must be one.
    Garbage,
    /// A line or a whole reply beyond all measure.
    TooLong,
}

/// What came and was not taken yet; one for a whole control connection.
#[derive(Debug, Default)]
pub(super) struct Replies {
    kept: Vec<u8>,
    /// How much of `kept` is known to hold no line end.
    searched: usize,
    /// The code of a reply of several lines that is not over, and its bytes so far.
    open: Option<(u16, usize)>,
}

impl Replies {
    /// Takes some bytes in.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
    }

    /// The next reply, once all of it is there.
    ///
    /// **Errors**: this is no FTP server, or one that talks without end.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, NotAReply> {
        while let Some(line) = self.line()? {
            if let Some(reply) = self.take(&line)? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, NotAReply> {
        let fresh = self.kept.get(self.searched..).unwrap_or_default();
        let end = fresh.iter().position(|byte| *byte == b'\n');
        let length = self.searched + end.unwrap_or(fresh.len());
        if length > LINE_BYTES_MAX {
            return Err(NotAReply::TooLong);
        }
        if end.is_none() {
            self.searched = length;
            return Ok(None);
        }
        let mut line: Vec<u8> = self.kept.drain(..=length).collect();
        self.searched = 0;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<Reply>, NotAReply> {
        let opening = opening(line);
        let last = |code, text: &[u8]| {
            let text = text.to_vec();
            Ok(Some(Reply { code, text }))
        };
        match (self.open, opening) {
            (None, Some((code, Some(b'-'), _))) => {
                self.open = Some((code, line.len()));
                Ok(None)
            }
            (None, Some((code, Some(b' ') | None, text))) => last(code, text),
            (None, _) => Err(NotAReply::Garbage),
            (Some((code, _)), Some((same, Some(b' ') | None, text))) if same == code => {
                self.open = None;
                last(code, text)
            }
            (Some((code, bytes)), _) => {
                let bytes = bytes + line.len();
                self.open = Some((code, bytes));
                match bytes > REPLY_BYTES_MAX {
                    true => Err(NotAReply::TooLong),
                    false => Ok(None),
                }
            }
        }
    }
}

/// The code that a line begins with, the byte after it, and the rest.
fn opening(line: &[u8]) -> Option<(u16, Option<u8>, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !matches!(digits, [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']) {
        return None;
    }
    let code = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match rest.split_first() {
        None => Some((code, None, rest)),
        Some((byte, text)) => Some((code, Some(*byte), text)),
    }
}

/// The port in the text of a 227, wherever the six numbers stand in it (RFC 1123, 4.1.2.6). The
/// address among them is nobody's business: data comes from the server that is probed.
pub(super) fn passive_port(text: &[u8]) -> Option<u16> {
    let six = text
        .split(|byte| !byte.is_ascii_digit() && *byte != b',')
        .find(|run| run.iter().filter(|byte| **byte == b',').count() == 5)?;
    let six = std::str::from_utf8(six).ok()?;
    let numbers: Vec<u8> = six.split(',').filter_map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [_, _, _, _, high, low] => port(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// The port in the text of a 229: `(|||6446|)`, with any delimiter (RFC 2428, 3).
pub(super) fn extended_port(text: &[u8]) -> Option<u16> {
    let start = text.iter().position(|byte| *byte == b'(')?;
    let (mark, rest) = text.get(start + 1..)?.split_first()?;
    if !matches!(mark, 33..=126) || mark.is_ascii_digit() {
        return None;
    }
    let digits = rest.strip_prefix(&[*mark, *mark])?;
    let end = digits.iter().position(|byte| byte == mark)?;
    if digits.get(end + 1) != Some(&b')') {
        return None;
    }
    let digits = digits.get(..end)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    port(std::str::from_utf8(digits).ok()?.parse().ok()?)
}

/// No data port lies below 1024 (RFC 2577, 3).
fn port(port: u16) -> Option<u16> {
    (port >= 1024).then_some(port)
}

/// Longest line. **Source**: issue 3: what the serving engine takes as well.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// Longest reply of several lines. **Source**: issue 3: what the serving engine takes as well.
const REPLY_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], step: usize) -> Result<Vec<(u16, String)>, NotAReply> {
        let mut replies = Replies::default();
        let mut seen = Vec::new();
        for piece in bytes.chunks(step) {
            replies.feed(piece);
            while let Some(Reply { code, text }) = replies.next()? {
                seen.push((code, String::from_utf8_lossy(&text).into_owned()));
            }
        }
        Ok(seen)
    }

    /// Each conversation, whole and byte by byte, is understood the same.
    #[test]
    fn replies_of_one_line_and_of_many() {
        type Row = (
            &'static str,
            Result<&'static [(u16, &'static str)], NotAReply>,
        );
        let rows: &[Row] = &[
            ("220 (vsFTPd 3.0.3)\r\n", Ok(&[(220, "(vsFTPd 3.0.3)")])),
            ("220\r\n", Ok(&[(220, "")])),
            ("220 bare end\n", Ok(&[(220, "bare end")])),
            (
                "120 wait\r\n220 now\r\n",
                Ok(&[(120, "wait"), (220, "now")]),
            ),
            ("220-a\r\n b\r\n220 c\r\n", Ok(&[(220, "c")])),
            (
                "220-a\r\n221 other\r\n220-b\r\n220 c\r\n",
                Ok(&[(220, "c")]),
            ),
            (
                "220-a\r\nfree text\r\n\r\n220\r\n331 x\r\n",
                Ok(&[(220, ""), (331, "x")]),
            ),
            ("220 no end", Ok(&[])),
            ("220-no end\r\n", Ok(&[])),
            ("", Ok(&[])),
            ("\r\n", Err(NotAReply::Garbage)),
            ("22 x\r\n", Err(NotAReply::Garbage)),
            ("22", Ok(&[])),
            ("620 x\r\n", Err(NotAReply::Garbage)),
            ("020 x\r\n", Err(NotAReply::Garbage)),
            ("220x\r\n", Err(NotAReply::Garbage)),
            ("SSH-2.0-OpenSSH_9.2\r\n", Err(NotAReply::Garbage)),
            ("HTTP/1.1 400 Bad Request\r\n", Err(NotAReply::Garbage)),
        ];
        for (bytes, wanted) in rows {
            let wanted = wanted.map(|list| {
                let owned = |(code, text): &(u16, &str)| (*code, (*text).to_owned());
                list.iter().map(owned).collect::<Vec<_>>()
            });
            for step in [usize::MAX, 5, 1] {
                assert_eq!(parse(bytes.as_bytes(), step), wanted, "{bytes:?} by {step}");
            }
        }
    }

    #[test]
    fn bounds_hold() {
        let line = "x".repeat(LINE_BYTES_MAX);
        let endless = format!("220 {line}");
        let lines = format!("220-a\r\n{}", format!("{}\r\n", &line[..4000]).repeat(17));
        for step in [usize::MAX, 1000, 1] {
            assert_eq!(parse(endless.as_bytes(), step), Err(NotAReply::TooLong));
            assert_eq!(parse(lines.as_bytes(), step), Err(NotAReply::TooLong));
        }
    }

    #[test]
    fn ports_of_passive_replies() {
        for (text, wanted) in [
            ("Entering Passive Mode (127,0,0,1,156,64).", Some(40_000)),
            ("Entering Passive Mode 10,0,0,1,4,0", Some(1024)),
            ("=127,0,0,1,255,255", Some(65_535)),
            ("Mode (127,0,0,1,3,255).", None),
            ("Mode (127,0,0,1,256,0).", None),
            ("Mode (127,0,0,1,156).", None),
            ("Mode (127,0,0,1,156,64,1).", None),
            ("Mode (127,0,0,,156,64).", None),
            ("", None),
        ] {
            assert_eq!(passive_port(text.as_bytes()), wanted, "{text:?}");
        }
    }

    #[test]
    fn ports_of_extended_replies() {
        for (text, wanted) in [
            ("Entering Extended Passive Mode (|||40000|)", Some(40_000)),
            ("Mode (!!!1024!).", Some(1024)),
            ("Mode (|||1023|)", None),
            ("Mode (|||70000|)", None),
            ("Mode (|||+4000|)", None),
            ("Mode (||40000|)", None),
            ("Mode (|||40000)", None),
            ("Mode (|||40000!)", None),
            ("Mode (111400001)", None),
            ("(", None),
            ("", None),
        ] {
            assert_eq!(extended_port(text.as_bytes()), wanted, "{text:?}");
        }
    }
}
