//! PURE. PostgreSQL: a `StartupMessage`, and the first message that answers it.
//!
//! `R` (it lets us in, or wants a password) and an error of class 28 (it does not know `farmux`,
//! or not from here) or 3D000 (no such database) come from a server that works; `57P03` comes from
//! one that starts, stops or recovers. No `SSLRequest` is sent: a server answers that before it
//! knows whether it takes connections at all, and where it demands TLS it says so with a 28000.
//! This is what `pg_isready` does. A server that lets nobody in unknown writes a line about it
//! into its log; with a role `farmux` that may log in, or a password method, it does not.
//!
//! Poolers answer for themselves: what pgbouncer says (`08P01`) tells nothing of a database, and
//! is a failure; check them with `tcp`. **Source**: PostgreSQL 17, 55.2.1, 55.7 and appendix A.

use super::failure::{Greeted, GreetingFailure, SqlState};
use super::{Next, Parsed};
use crate::plan::Protocol;

/// Length, protocol 3.0, and whom we would be. The database is one that every server has.
pub(super) const OPENING: &[u8] =
    b"\0\0\0\x3f\0\x03\0\0user\0farmux\0database\0postgres\0application_name\0farmux\0\0";

/// `Terminate`.
pub(super) const FAREWELL: &[u8] = b"X\0\0\0\x04";

pub(super) fn next(received: &[u8]) -> Parsed {
    let other = Err(GreetingFailure::Other(Protocol::Postgres));
    let Some((kind, rest)) = received.split_first() else {
        return Ok(None);
    };
    if !matches!(kind, b'R' | b'E') {
        return other;
    }
    let Some((length, rest)) = rest.split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if !LENGTHS.contains(&length) {
        // Servers that cannot even start a process say it in the words of protocol 2: a text.
        let text = *kind == b'E' && received.iter().skip(1).take(4).all(u8::is_ascii_graphic);
        return match text {
            true => Err(GreetingFailure::PostgresEarly),
            false => other,
        };
    }
    let Some(message) = rest.get(..length - LENGTH_BYTES) else {
        return Ok(None);
    };
    if *kind == b'E' {
        return judge(message);
    }
    match message.first_chunk() {
        Some([0, 0, 0, 0]) => Ok(Some(Next::Well(Greeted::LetIn))),
        Some(_) => Ok(Some(Next::Well(Greeted::LoginWanted))),
        None => other,
    }
}

/// An error: fields of one letter and a text each.
fn judge(message: &[u8]) -> Parsed {
    let fields = message.split(|byte| *byte == 0);
    let mut states = fields.filter_map(|field| field.strip_prefix(b"C"));
    let Some(state) = states.next().and_then(SqlState::new) else {
        return Err(GreetingFailure::Other(Protocol::Postgres));
    };
    match state.as_str() {
        "57P03" => Err(GreetingFailure::PostgresNotNow),
        "3D000" => Ok(Some(Next::Well(Greeted::LoginRefused))),
        text if text.starts_with("28") => Ok(Some(Next::Well(Greeted::LoginRefused))),
        _ => Err(GreetingFailure::Postgres(state)),
    }
}

/// The length counts itself.
const LENGTH_BYTES: usize = 4;

/// Of a message before the login: the shortest are 8, and an error's text is short.
const LENGTHS: std::ops::Range<usize> = 8..6000;
