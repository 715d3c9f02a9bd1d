//! PURE. Finding the end of a head, with the line discipline that httparse is too kind to enforce.
//!
//! A head is scanned once, as it arrives: every line ends in CR LF, nothing in it is a control
//! character, and it ends within [`HEAD_BYTES_MAX`]. Only a whole head is parsed, so that a client
//! that sends one byte at a time costs one look at each byte.

use super::refusal::Refusal;

/// The issue's bound on a head: four times what browsers and servers commonly accept.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The issue's bound on fields, and Apache's default.
pub const FIELDS_MAX: usize = 100;
/// The longest registered method, `UPDATEREDIRECTREF`, has 17.
pub const METHOD_BYTES_MAX: usize = 32;

/// The first byte of every TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Looks on for the empty line; `scanned` is how far earlier calls looked.
///
/// Returns the length of the head, empty line included, once all of it is there.
///
/// **Errors**: what is there can never become a head.
pub fn find_end(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, Refusal> {
    let mut at = *scanned;
    while let Some(&byte) = bytes.get(at) {
        if PLAIN[usize::from(byte)] {
            at += 1;
            continue;
        }
        match byte {
            b'\r' => match bytes.get(at + 1) {
                None => break,
                Some(b'\n') if at == 0 => return Err(Refusal::RequestLine),
                Some(b'\n') if bytes[at - 1] == b'\n' => return within(at + 2).map(Some),
                Some(b'\n') => at += 2,
                Some(_) => return Err(Refusal::BareCr),
            },
            b'\n' => return Err(Refusal::BareLf),
            0 => return Err(Refusal::Nul),
            TLS_HANDSHAKE if at == 0 => return Err(Refusal::TlsHandshake),
            _ => return Err(Refusal::Control),
        }
    }
    *scanned = at;
    within(bytes.len()).map(|_| None)
}

fn within(length: usize) -> Result<usize, Refusal> {
    if length > HEAD_BYTES_MAX {
        Err(Refusal::HeadTooLong)
    } else {
        Ok(length)
    }
}

/// The bytes that need no second look: all but controls; tab is none here.
static PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 32 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'\t' as usize] = true;
    plain[0x7f] = false;
    plain
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        find_end(bytes, &mut 0)
    }

    #[test]
    fn ends_and_refusals() {
        assert_eq!(whole(b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest"), Ok(Some(24)));
        assert_eq!(whole(b"GET / HTTP/1.1\r\nA: b\r\n\r"), Ok(None));
        assert_eq!(whole(b""), Ok(None));
        for (bytes, reason) in [
            (&b"\r\nGET"[..], Refusal::RequestLine),
            (b"GET / HTTP/1.1\n", Refusal::BareLf),
            (b"GET / HTTP/1.1\r\nA: b\n\r\n", Refusal::BareLf),
            (b"GET / HTTP/1.1\r\nA: b\rc\r\n", Refusal::BareCr),
            (b"GET / HTTP/1.1\r\r\n", Refusal::BareCr),
            (b"GET /\0 HTTP/1.1\r\n", Refusal::Nul),
            (b"GET / HTTP/1.1\r\nA: \x7f\r\n", Refusal::Control),
            (b"\x16\x03\x01\x02", Refusal::TlsHandshake),
            (b"G\x16", Refusal::Control),
        ] {
            assert_eq!(whole(bytes), Err(reason), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_bound_is_exact() {
        let head = |length: usize| {
            let mut head = b"GET / HTTP/1.1\r\nA: ".to_vec();
            head.resize(length - 4, b'a');
            head.extend_from_slice(b"\r\n\r\n");
            head
        };
        assert_eq!(whole(&head(HEAD_BYTES_MAX)), Ok(Some(HEAD_BYTES_MAX)));
        assert_eq!(whole(&head(HEAD_BYTES_MAX + 1)), Err(Refusal::HeadTooLong));
        assert_eq!(whole(&vec![b'a'; HEAD_BYTES_MAX]), Ok(None));
        assert_eq!(
            whole(&vec![b'a'; HEAD_BYTES_MAX + 1]),
            Err(Refusal::HeadTooLong)
        );
    }

    proptest! {
        /// The obvious twin: fed byte by byte it says the same as fed whole.
        #[test]
        fn pieces_do_not_matter(
            bytes in prop::collection::vec(
                prop::sample::select(b"ab: \r\n\r\n\r\n\r\n\0\t".to_vec()),
                0..40,
            ),
        ) {
            let mut scanned = 0;
            let mut got = Ok(None);
            for end in 0..=bytes.len() {
                got = find_end(&bytes[..end], &mut scanned);
                if got != Ok(None) {
                    break;
                }
            }
            prop_assert_eq!(got, whole(&bytes));
        }
    }
}
