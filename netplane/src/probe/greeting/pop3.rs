//! PURE. POP3: `+OK`, or `-ERR`. **Source**: RFC 1939, 3 and 4.

use super::failure::{Greeted, GreetingFailure};
use super::{Next, Parsed, begins, line};
use crate::plan::Protocol;

pub(super) fn next(received: &[u8]) -> Parsed {
    let Some((line, _)) = line(received) else {
        return Ok(None);
    };
    if begins(line, "+OK") {
        Ok(Some(Next::Well(Greeted::Greets)))
    } else if begins(line, "-ERR") {
        Err(GreetingFailure::Pop3)
    } else {
        Err(GreetingFailure::Other(Protocol::Pop3))
    }
}
