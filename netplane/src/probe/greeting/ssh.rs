//! PURE. SSH: the identification line, `SSH-2.0-` or `SSH-1.99-`, perhaps after lines of another
//! kind. **Source**: RFC 4253, 4.2 and 5.1.
//!
//! We identify ourselves too and say goodbye in the protocol's own words: a sshd then notes at
//! level info that we left, and nothing of a broken banner. OpenSSH from 9.8 on counts one second
//! against whoever never logs in (`PerSourcePenalties`), and bars who has 15 of them: checks that
//! come more often than once a second want this node in its `PerSourcePenaltyExemptList`.

use super::failure::{Greeted, GreetingFailure};
use super::{Next, Parsed, line};
use crate::plan::Protocol;

/// Our identification, and `SSH_MSG_DISCONNECT` by application (11): length, padding, message,
/// reason, the text "probe", no language, nine bytes of padding. **Source**: RFC 4253, 6 and 11.1.
pub(super) const FAREWELL: &[u8] =
    b"SSH-2.0-farmux\r\n\0\0\0\x1c\x09\x01\0\0\0\x0b\0\0\0\x05probe\0\0\0\0\0\0\0\0\0\0\0\0\0";

pub(super) fn next(received: &[u8]) -> Parsed {
    let mut rest = received;
    for _ in 0..LINES_MAX {
        let Some((line, length)) = line(rest) else {
            return match rest.len() > LINE_BYTES_MAX {
                true => Err(GreetingFailure::Other(Protocol::Ssh)),
                false => Ok(None),
            };
        };
        if line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-") {
            return Ok(Some(Next::Well(Greeted::Greets)));
        }
        if line.starts_with(b"SSH-") {
            return Err(GreetingFailure::SshVersion);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Err(GreetingFailure::Other(Protocol::Ssh))
}

/// Lines before the identification: real servers send none, or a short warning.
const LINES_MAX: usize = 50;

/// The identification has 255 at most; other lines are as long as a server likes.
const LINE_BYTES_MAX: usize = 1024;
