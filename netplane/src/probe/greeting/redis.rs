//! PURE. Redis, and what speaks like it: `PING`, and `+PONG`.
//!
//! One that wants a password (`-NOAUTH`) or does not let strangers ask (`-NOPERM`) lives. One that
//! still loads, has lost its master or cannot save says so, and is not well. **Source**: the RESP
//! protocol; error words as Redis 7 writes them.

use super::failure::{Greeted, GreetingFailure, RedisError};
use super::{Next, Parsed, begins, line};
use crate::plan::Protocol;

/// An inline command, which every version takes.
pub(super) const OPENING: &[u8] = b"PING\r\n";

pub(super) fn next(received: &[u8]) -> Parsed {
    let Some((line, _)) = line(received) else {
        return Ok(None);
    };
    if begins(line, "+PONG") {
        return Ok(Some(Next::Well(Greeted::Answers)));
    }
    let Some(error) = line.strip_prefix(b"-") else {
        return Err(GreetingFailure::Other(Protocol::Redis));
    };
    if begins(error, "NOAUTH") || begins(error, "NOPERM") {
        return Ok(Some(Next::Well(Greeted::LoginWanted)));
    }
    let known = ERRORS.iter().find(|(word, _)| begins(error, word));
    Err(GreetingFailure::Redis(
        known.map_or(RedisError::Other, |(_, error)| *error),
    ))
}

const ERRORS: [(&str, RedisError); 6] = [
    ("LOADING", RedisError::Loading),
    ("MASTERDOWN", RedisError::MasterDown),
    ("BUSY", RedisError::Busy),
    ("MISCONF", RedisError::Misconf),
    ("DENIED", RedisError::Denied),
    ("ERR", RedisError::Error),
];
