//! PURE. What a server says that is meant for whoever repeats it in a mail: line ends and SMTP,
//! header fields, dots that end a letter, control characters, and lines without end.

use super::kind::Kind;

/// What a server of this kind says instead of its greeting or answer, after which it hangs up; each
/// `number` may have another.
///
/// Each says no in its protocol, so that a check fails and whoever is told reads why.
pub(super) fn words(kind: Kind, number: usize) -> Vec<u8> {
    let evil: &[u8] = match number % 3 {
        0 => {
            b"\rBcc: thief@example.com\r\n\r\n.\r\nMAIL FROM:<thief@example.com>\r\n\
               RCPT TO:<thief@example.com>\r\nDATA\r\nSubject: [UP] prod all is well\r\n.\r\n"
        }
        1 => b"\x00\x07\x1b[2J\x1b]0;thief\x07\x7f\xff\xfe\xc3 \xe2\x80\xae flipped\r\n",
        _ => &[],
    };
    let without_end = match number % 3 {
        2 => vec![b'x'; LINE_BYTES],
        _ => vec![],
    };
    let head: &[u8] = match kind {
        Kind::Http => b"HTTP/1.1 500 Out of",
        Kind::Ftp => b"421 Out of",
        Kind::Smtp => b"554 Out of",
        Kind::Dns | Kind::Tcp => b"",
    };
    let tail: &[u8] = match kind {
        Kind::Http => b" order\r\nConnection: close\r\n\r\nNOT OK\r\n.\r\n",
        Kind::Ftp | Kind::Smtp | Kind::Dns | Kind::Tcp => b" order\r\n.\r\n",
    };
    [head, evil, &without_end, tail, evil, &without_end, b"\r\n"].concat()
}

/// The megabyte.
const LINE_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_says_no_first() {
        for number in 0..3 {
            assert!(words(Kind::Http, number).starts_with(b"HTTP/1.1 500 "));
            assert!(words(Kind::Ftp, number).starts_with(b"421 "));
            assert!(words(Kind::Smtp, number).starts_with(b"554 "));
        }
        assert!(words(Kind::Http, 2).len() > 2 * LINE_BYTES);
    }
}
