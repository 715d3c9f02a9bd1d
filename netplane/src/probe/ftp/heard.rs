//! A session without sockets: what the replies of a server alone lead to, for those who prove the
//! dialogue from outside of this crate.

use super::dialog::{self, FtpFailure, FtpStep, Next};
use super::{REPLIES_MAX, fail};
use crate::ftp::refusal::FtpRefusal;
use crate::ftp::reply;
use crate::probe::outcome::{Failure, Outcome, Phase, Success};

/// What a session of a server that sent these pieces ends with; its data connections are empty.
pub(in crate::probe) fn heard<'a>(
    ipv4: bool,
    mut pieces: impl Iterator<Item = &'a [u8]>,
) -> Outcome {
    let mut received = Vec::new();
    let (mut step, mut opened) = (FtpStep::Greeting, false);
    for _ in 0..REPLIES_MAX {
        let reply = loop {
            match reply::take(&received) {
                Ok(Some(reply)) => {
                    received.drain(..reply.length);
                    break reply;
                }
                Ok(None) => {}
                Err(FtpRefusal::ReplyTooLong) => return fail(FtpFailure::ReplyTooLong),
                Err(_) => return fail(FtpFailure::NotFtp),
            }
            match pieces.next() {
                Some(piece) => received.extend_from_slice(piece),
                None => return Outcome::Fail(Failure::Closed(Phase::Ftp(step))),
            }
        };
        step = match dialog::next(step, ipv4, &reply) {
            Err(failure) => return fail(failure),
            Ok(Next::Wait) => continue,
            Ok(Next::Go(next)) => next,
            Ok(Next::Open(port)) => {
                assert!(port >= 1024, "no well-known port is a data port");
                opened = true;
                FtpStep::List
            }
            Ok(Next::Transfer) if opened => FtpStep::End,
            Ok(Next::Done) if opened => return Outcome::Pass(Success::Listed { bytes: 0 }),
            Ok(Next::Transfer | Next::Done) => return fail(FtpFailure::NotFtp),
        };
    }
    fail(FtpFailure::ReplyTooLong)
}
