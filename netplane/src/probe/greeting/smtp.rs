//! PURE. SMTP: `220`, then `EHLO` and `250`; each may have several lines.
//!
//! A server that is overloaded or out of disk says so in its greeting (421, 554) or after `EHLO`
//! (452), and is not well. **Source**: RFC 5321, 3.1, 4.2 and 4.3.2.

use super::failure::{Greeted, GreetingFailure, GreetingStep};
use super::{Next, Parsed};
use crate::ftp::refusal::FtpRefusal;
use crate::ftp::reply;
use crate::plan::Protocol;

/// How we call ourselves: a name that is nobody's (RFC 2606), equal on every node, and easily
/// told from clients in a mail server's log. No mail follows, so nobody checks it.
const EHLO: &[u8] = b"EHLO farmux.invalid\r\n";

pub(super) fn next(step: GreetingStep, received: &[u8]) -> Parsed {
    // Replies are formed as in FTP, which had them first.
    let reply = match reply::take(received) {
        Ok(Some(reply)) => reply,
        Ok(None) => return Ok(None),
        Err(FtpRefusal::ReplyTooLong) => return Err(GreetingFailure::Endless(Protocol::Smtp)),
        Err(_) => return Err(GreetingFailure::Other(Protocol::Smtp)),
    };
    match (step, reply.code) {
        (GreetingStep::Greeting, 220) => Ok(Some(Next::Say(EHLO.into(), reply.length))),
        (GreetingStep::Answer, 250) => Ok(Some(Next::Well(Greeted::Greets))),
        (GreetingStep::Greeting | GreetingStep::Answer, code) => {
            Err(GreetingFailure::Smtp { step, code })
        }
    }
}
