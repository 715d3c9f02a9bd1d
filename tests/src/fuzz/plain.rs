//! A second reader of HTTP heads: no cleverness, nothing forgiven, none of the engine's code. What
//! the engine writes must say the same to it.
//!
//! **Source**: RFC 9112, 2.2, 3, 5; RFC 9110, 5.6.2.

/// A head in its lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// The first line.
    pub(super) first: &'a [u8],
    /// Name in small letters, and value.
    pub(super) fields: Vec<(String, &'a [u8])>,
}

/// Reads a head, which ends where its bytes do.
///
/// **Panics**: it is none, or one that could be taken for something else.
pub(super) fn head(bytes: &[u8]) -> Head<'_> {
    let shown = bytes.escape_ascii();
    let lines = bytes.strip_suffix(b"\r\n\r\n");
    let lines = lines.unwrap_or_else(|| panic!("it has no end: {shown}"));
    let mut rest = lines;
    let mut split = Vec::new();
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        split.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    split.push(rest);
    for line in &split {
        let odd = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
        assert!(!line.is_empty(), "an empty line within: {shown}");
        assert!(!line.iter().any(odd), "a control byte: {shown}");
    }
    let (first, fields) = split.split_first().expect("one line at least");
    let fields = fields.iter().map(|line| field(line)).collect();
    Head { first, fields }
}

fn field(line: &[u8]) -> (String, &[u8]) {
    let shown = line.escape_ascii();
    let colon = line.iter().position(|byte| *byte == b':');
    let colon = colon.unwrap_or_else(|| panic!("no colon: {shown}"));
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    assert!(
        !name.is_empty() && name.iter().all(good),
        "not a name: {shown}"
    );
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    (name, value.trim_ascii())
}

impl<'a> Head<'a> {
    /// The values of all fields of this name.
    pub(super) fn all(&self, name: &str) -> Vec<&'a [u8]> {
        let named = self.fields.iter().filter(|(have, _)| have == name);
        named.map(|(_, value)| *value).collect()
    }

    /// The value of the only field of this name; `None`: there is none.
    ///
    /// **Panics**: there are several.
    pub(super) fn only(&self, name: &str) -> Option<&'a [u8]> {
        let all = self.all(name);
        assert!(all.len() <= 1, "several {name}: {all:?}");
        all.first().copied()
    }

    /// Where the body ends: a length, chunks, or neither.
    ///
    /// **Panics**: it says so twice, or in two ways.
    pub(super) fn body(&self) -> Body {
        let length = self.only("content-length");
        let coding = self.only("transfer-encoding");
        match (length, coding) {
            (None, None) => Body::Unsaid,
            (Some(length), None) => {
                let text = std::str::from_utf8(length).expect("digits");
                assert!(text.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
                Body::Length(text.parse().expect("a number"))
            }
            (None, Some(coding)) => {
                assert_eq!(coding, b"chunked");
                Body::Chunked
            }
            (Some(_), Some(_)) => panic!("a length and a coding"),
        }
    }
}

/// Where a head says that its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Unsaid,
    Length(u64),
    Chunked,
}

/// A body in chunks, whole: its data and its trailers.
///
/// **Panics**: it is none, or something is left over.
pub(super) fn chunked(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut data = Vec::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n");
        let (size, rest) = bytes.split_at(end.expect("a line with a size"));
        let size = std::str::from_utf8(size).expect("hex digits");
        let size = usize::from_str_radix(size, 16).expect("a size");
        bytes = &rest[2..];
        if size == 0 {
            let trailers = bytes.strip_suffix(b"\r\n").expect("an empty line");
            return (data, trailers.to_vec());
        }
        data.extend_from_slice(&bytes[..size]);
        assert_eq!(&bytes[size..size + 2], b"\r\n");
        bytes = &bytes[size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn it_reads_what_is_plain() {
        let read = head(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(read.first, b"GET / HTTP/1.1");
        assert_eq!(read.only("host"), Some(&b"h"[..]));
        assert_eq!(read.body(), Body::Length(5));
        let whole = chunked(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n");
        assert_eq!(whole, (b"hello".to_vec(), b"X: y\r\n".to_vec()));
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_found() {
        for bad in [
            &b"GET / HTTP/1.1\r\nHost: h\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
            b"GET / HTTP/1.1\r\n folded: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        ] {
            let read = catch_unwind(|| head(bad).body());
            assert!(read.is_err(), "{}", bad.escape_ascii());
        }
    }
}
