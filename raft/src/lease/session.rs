//! PURE. One peer's start as proved to us, so that nothing from before a restart is believed.
//!
//! ```text
//!   peer, restarted: Prepare (old nonce of ours, or none)   -> Hello answer: this start of us
//!   peer:            Prepare (right nonce, its new nonce)   -> Hello question, number n
//!   peer:            Hello answer, number n                 -> its new nonce is proved
//! ```
//!
//! A nonce is believed when it answers a number that we sent after we came to believe the last
//! one: no recording from an earlier start can do that.
//!
//! **Source**: `vip-protocol.md`, section 2.

use super::counters::Ignored;
use super::time::{BootTime, RESEND};
use super::wire::{Header, HelloKind, Kind};

/// What we know of one peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// The nonce of its present start; zero while unknown.
    theirs: u64,
    /// The highest number that it asked with in that start.
    last_counter: u64,
    /// The highest number that we had used when we came to believe `theirs`.
    believed_at: u64,
    /// When we last asked who is there because of a nonce that was not proved.
    asked: Option<BootTime>,
}

/// What to do with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Act on it.
    Take,
    /// Ignore it, and say which start of ours is the present one.
    TellNonce(Ignored),
    /// Ignore it, and ask for a proof.
    AskNonce(Ignored),
    /// Ignore it.
    Ignore(Ignored),
}

impl Session {
    /// The peer's nonce as last known.
    pub(crate) fn theirs(&self) -> u64 {
        self.theirs
    }

    /// Judges a datagram; `ours` is our nonce, `used` the highest number that we have used.
    pub(crate) fn judge(
        &mut self,
        now: BootTime,
        header: &Header,
        kind: &Kind,
        (ours, used): (u64, u64),
    ) -> Verdict {
        if header.to_nonce != ours {
            // An answer to an earlier start of ours needs no answer, and Hellos must not echo.
            return match kind.is_answer() {
                true => Verdict::Ignore(Ignored::ReceiverNonce),
                false => Verdict::TellNonce(Ignored::ReceiverNonce),
            };
        }
        if *kind == Kind::Hello(HelloKind::Answer) {
            return self.judge_proof(header, used);
        }
        if header.from_nonce != self.theirs {
            if self.asked.is_some_and(|asked| now < asked + RESEND) {
                return Verdict::Ignore(Ignored::SenderNonce);
            }
            self.asked = Some(now);
            return Verdict::AskNonce(Ignored::SenderNonce);
        }
        if !kind.is_answer() {
            if header.counter <= self.last_counter {
                return Verdict::Ignore(Ignored::Counter);
            }
            self.last_counter = header.counter;
        }
        Verdict::Take
    }

    fn judge_proof(&mut self, header: &Header, used: u64) -> Verdict {
        if header.from_nonce == self.theirs {
            return Verdict::Take;
        }
        if header.counter <= self.believed_at || header.counter > used {
            return Verdict::Ignore(Ignored::StaleAnswer);
        }
        *self = Session {
            theirs: header.from_nonce,
            last_counter: 0,
            believed_at: used,
            asked: None,
        };
        Verdict::Take
    }
}
