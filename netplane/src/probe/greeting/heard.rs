//! A greeting without a socket: what the bytes of a server alone lead to, for those who prove the
//! parsers from outside of this crate.

use super::failure::{GreetingFailure, GreetingStep};
use super::{Next, RECEIVED_BYTES_MAX, SAID_MAX, next, opening};
use crate::plan::Protocol;
use crate::probe::outcome::{Failure, Outcome, Phase, Success};

/// What a probe ends with where a server sent these pieces.
pub(in crate::probe) fn heard<'a>(
    protocol: Protocol,
    mut pieces: impl Iterator<Item = &'a [u8]>,
) -> Outcome {
    let fail = |failure| Outcome::Fail(Failure::Greeting(failure));
    let mut step = match opening(protocol) {
        [] => GreetingStep::Greeting,
        _ => GreetingStep::Answer,
    };
    let mut received = Vec::new();
    let mut said = 0;
    loop {
        match next(protocol, step, &received) {
            Ok(Some(Next::Well(greeted))) => {
                return Outcome::Pass(Success::Greeted(protocol, greeted));
            }
            Ok(Some(Next::Say(..))) if said == SAID_MAX => {
                return fail(GreetingFailure::Endless(protocol));
            }
            Ok(Some(Next::Say(words, done))) => {
                assert!(!words.is_empty() && done <= received.len());
                said += 1;
                step = GreetingStep::Answer;
                received.drain(..done);
                continue;
            }
            Ok(None) if received.len() >= RECEIVED_BYTES_MAX => {
                return fail(GreetingFailure::Endless(protocol));
            }
            Ok(None) => {}
            Err(failure) => return fail(failure),
        }
        match pieces.next() {
            Some(piece) => received.extend_from_slice(piece),
            None => {
                let phase = Phase::Greeting(protocol, step);
                return Outcome::Fail(Failure::Closed(phase));
            }
        }
    }
}
