//! PURE. IMAP: `* OK` or `* PREAUTH`; `* BYE` is a server that does not want us. **Source**:
//! RFC 9051, 7.1.

use super::failure::{Greeted, GreetingFailure};
use super::{Next, Parsed, begins, line};
use crate::plan::Protocol;

pub(super) fn next(received: &[u8]) -> Parsed {
    let Some((line, _)) = line(received) else {
        return Ok(None);
    };
    if begins(line, "* OK") || begins(line, "* PREAUTH") {
        Ok(Some(Next::Well(Greeted::Greets)))
    } else if begins(line, "* BYE") {
        Err(GreetingFailure::Imap)
    } else {
        Err(GreetingFailure::Other(Protocol::Imap))
    }
}
