//! How long an address did not answer, as a client sees it.
//!
//! ```text
//!   every 5 ms  ──connect, GET /──>  VIP      given up after 100 ms, or 900 by a patient one
//!   gap: the longest time between the ends of two good answers
//!   failing: from the first attempt that failed to the last, whatever was answered between them
//! ```
//!
//! Attempts overlap, so that one that hangs hides nothing. A connection alone is no answer: a
//! kernel accepts before anybody serves.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::lab::Host;

/// A new connection this often: the grain of the measurement.
const EVERY: Duration = Duration::from_millis(5);

/// A connection that takes longer is given up: below the kernel's own retry of a SYN (1 s), and
/// many times what a LAN needs.
const GIVE_UP_AFTER: Duration = Duration::from_millis(100);

/// The same where it matters whether any fails: a busy machine stands still for 100 ms at times.
const PATIENT_FOR: Duration = Duration::from_millis(900);

/// What each connection asks; the answer is read to its end.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: farm.test\r\nConnection: close\r\n\r\n";

/// A client that keeps connecting until it is stopped.
#[derive(Debug)]
pub struct Watch {
    stop: oneshot::Sender<()>,
    client: JoinHandle<Result<Seen>>,
}

/// What such a client saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The longest time without a good answer (200, whole), start and end of the watch included.
    pub gap: Duration,
    /// Good answers.
    pub answered: usize,
    /// Connections that were refused, reset or given up, and answers other than 200.
    pub failed: usize,
    /// From the first of them to the last, as they were begun; zero where none or one failed.
    pub failing: Duration,
    /// The longest time between two attempts: beyond 5 ms the client itself had to wait for a CPU,
    /// and `gap` is too long by at most that.
    pub late: Duration,
}

impl Seen {
    /// How long at least nobody answered: without what the client itself may have added.
    pub fn own_gap(&self) -> Duration {
        self.gap.saturating_sub(self.late)
    }
}

impl Watch {
    /// Starts connecting from `client`.
    pub fn start(client: &Host, to: SocketAddr) -> Watch {
        Watch::giving_up_after(GIVE_UP_AFTER, client, to)
    }

    /// The same; an answer may take nearly a second.
    pub fn patient(client: &Host, to: SocketAddr) -> Watch {
        Watch::giving_up_after(PATIENT_FOR, client, to)
    }

    fn giving_up_after(limit: Duration, client: &Host, to: SocketAddr) -> Watch {
        let (stop, stopped) = oneshot::channel();
        let client = client.background(move || watch(to, limit, stopped));
        Watch { stop, client }
    }

    /// Stops and tells.
    ///
    /// **Errors**: the client could not run.
    pub fn stop(self) -> Result<Seen> {
        // It may have failed already; then joining tells why.
        let _ = self.stop.send(());
        self.client
            .join()
            .map_err(|_| anyhow!("the watching client panicked"))?
    }
}

fn watch(to: SocketAddr, limit: Duration, stopped: oneshot::Receiver<()>) -> Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("a runtime for the client")?;
    let tally = Rc::new(RefCell::new(Tally::new(Instant::now())));
    LocalSet::new().block_on(&runtime, ask_until(to, limit, stopped, &tally));
    Ok(tally.borrow_mut().close(Instant::now()))
}

async fn ask_until(
    to: SocketAddr,
    limit: Duration,
    mut stopped: oneshot::Receiver<()>,
    tally: &Rc<RefCell<Tally>>,
) {
    let mut ticks = interval(EVERY);
    // After a pause of this process, many at once would measure nothing.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            _ = ticks.tick() => {}
        }
        let begun = Instant::now();
        tally.borrow_mut().attempt(begun);
        let tally = tally.clone();
        tokio::task::spawn_local(async move {
            let answered = matches!(timeout(limit, ask(to)).await, Ok(Ok(true)));
            tally.borrow_mut().count(answered, begun, Instant::now());
        });
    }
}

async fn ask(to: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

/// PURE but for its caller's clock: answers in, longest gap out.
#[derive(Debug)]
struct Tally {
    last_answer: Instant,
    last_attempt: Instant,
    /// When the first that failed was begun, and the last.
    failing: Option<(Instant, Instant)>,
    seen: Seen,
}

impl Tally {
    fn new(start: Instant) -> Tally {
        Tally {
            last_answer: start,
            last_attempt: start,
            failing: None,
            seen: Seen {
                gap: Duration::ZERO,
                answered: 0,
                failed: 0,
                failing: Duration::ZERO,
                late: Duration::ZERO,
            },
        }
    }

    fn attempt(&mut self, now: Instant) {
        self.seen.late = self.seen.late.max(now.duration_since(self.last_attempt));
        self.last_attempt = now;
    }

    fn count(&mut self, answered: bool, begun: Instant, now: Instant) {
        if answered {
            self.seen.answered += 1;
            self.answered(now);
        } else {
            self.seen.failed += 1;
            // They end in another order.
            let (first, last) = self.failing.unwrap_or((begun, begun));
            let (first, last) = (first.min(begun), last.max(begun));
            self.failing = Some((first, last));
            self.seen.failing = last.duration_since(first);
        }
    }

    fn close(&mut self, now: Instant) -> Seen {
        self.answered(now);
        self.seen.clone()
    }

    fn answered(&mut self, now: Instant) {
        self.seen.gap = self.seen.gap.max(now.duration_since(self.last_answer));
        self.last_answer = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silence_counts_and_so_do_both_ends() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut tally = Tally::new(start);
        for (ms, answered) in [(5, true), (10, true), (60, false), (150, true), (155, true)] {
            tally.attempt(at(ms));
            tally.count(answered, at(ms), at(ms));
        }
        let seen = tally.close(at(160));
        let expected = Seen {
            gap: Duration::from_millis(140),
            answered: 4,
            failed: 1,
            failing: Duration::ZERO,
            late: Duration::from_millis(90),
        };
        assert_eq!(seen, expected);
        assert_eq!(tally.close(at(400)).gap, Duration::from_millis(240));
    }

    #[test]
    fn what_fails_here_and_there_failed_from_the_first_begun_to_the_last() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut tally = Tally::new(start);
        for (begun, ended, answered) in [
            (20, 30, false),
            (25, 26, true),
            // Given up late, and begun before all others.
            (10, 110, false),
            (50, 60, false),
            (200, 201, true),
        ] {
            tally.count(answered, at(begun), at(ended));
        }
        assert_eq!(tally.close(at(210)).failing, Duration::from_millis(40));
    }
}
