//! Bodies that trickle in: where thousands of clients send a piece each at the same moment, after a
//! long silence, they are read in turns, so that whoever asks in earnest is not behind all of them.
//!
//! ```text
//!   half a second of silence ─ socket readable ─▶ turn ─▶ read
//!     Turns, one a runtime   └ free ──────────────────────────────────────▶ at once
//!                            └ taken: half a millisecond behind the last ─▶ later, within a second
//! ```
//!
//! Few that trickle find every turn free and wait for nothing; so does a body that comes without
//! such silences. What waits meanwhile lies in the kernel, bounded by the socket's buffer.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// The turns of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// When the next one is free; `None`: it always was.
    next: Cell<Option<Instant>>,
}

impl Turns {
    /// Takes a turn; `None`: now, because it is free, or because the line is so long that waiting
    /// would hurt whoever waits.
    fn take(&self, now: Instant) -> Option<Instant> {
        let turn = self.next.get().map_or(now, |next| next.max(now));
        let wait = turn.saturating_duration_since(now);
        if wait > WAIT_MAX {
            return None;
        }
        self.next.set(Some(turn + STEP));
        (wait > AT_ONCE).then_some(turn)
    }
}

/// One body, as far as it trickles.
#[derive(Debug)]
pub(crate) struct Trickle {
    turns: Rc<Turns>,
    /// Since when there is nothing to read.
    silent: Option<Instant>,
    /// Only those that have waited once have one.
    sleep: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl Trickle {
    pub(crate) fn new(turns: Rc<Turns>) -> Trickle {
        Trickle {
            turns,
            silent: None,
            sleep: None,
            waits: false,
        }
    }

    /// Another body begins.
    pub(crate) fn begin(&mut self) {
        self.silent = None;
        self.sleep = None;
        self.waits = false;
    }

    /// Ready when the next piece may be read: as soon as it is there, where it does not trickle.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, source: &TcpStream) -> Poll<()> {
        if !self.waits {
            // A socket that failed says so when it is read.
            if source.poll_read_ready(cx).is_pending() {
                self.silent.get_or_insert_with(Instant::now);
                return Poll::Pending;
            }
            let Some(turn) = self.turn(Instant::now()) else {
                return Poll::Ready(());
            };
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(turn),
                None => self.sleep = Some(Box::pin(sleep_until(turn))),
            }
            self.waits = true;
        }
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
        }
        self.waits = false;
        Poll::Ready(())
    }

    /// When a piece that has just come may be read; `None`: now.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        let silent = self.silent.take()?;
        match now.saturating_duration_since(silent) >= SILENCE {
            true => self.turns.take(now),
            false => None,
        }
    }
}

/// What is lost on an ordinary way is sent again sooner.
const SILENCE: Duration = Duration::from_millis(500);

/// One a runtime in so long: with their server's part, a tenth of a core.
const STEP: Duration = Duration::from_micros(500);

/// A timer knows whole milliseconds.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Two thousand that trickle are in line then; nobody behind them waits at all.
const WAIT_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_each_other_and_a_long_line_is_passed_by() {
        let (turns, now) = (Turns::default(), Instant::now());
        let waits: Vec<Option<Duration>> = (0..2_003)
            .map(|_| turns.take(now).map(|turn| turn.duration_since(now)))
            .collect();
        assert_eq!(waits[..3], [None; 3], "what a timer cannot tell apart");
        assert_eq!(waits[3], Some(3 * STEP));
        assert_eq!(waits[2_000], Some(WAIT_MAX));
        assert_eq!(waits[2_001..], [None, None], "the line is too long");
        let later = now + Duration::from_secs(2);
        assert_eq!(turns.take(later), None, "all turns are free again");
    }

    #[test]
    fn only_what_comes_after_a_long_silence_takes_a_turn() {
        let (turns, begun) = (Rc::new(Turns::default()), Instant::now());
        let free = begun + Duration::from_millis(900);
        turns.next.set(Some(free));
        let mut trickle = Trickle::new(turns);
        assert_eq!(trickle.turn(begun), None, "it was there at once");
        trickle.silent = Some(begun);
        let soon = begun + SILENCE - AT_ONCE;
        assert_eq!(trickle.turn(soon), None, "as from any client far away");
        trickle.silent = Some(begun);
        let late = begun + SILENCE;
        assert_eq!(trickle.turn(late), Some(free));
        assert_eq!(trickle.turn(late), None, "what follows it is read at once");
    }
}
