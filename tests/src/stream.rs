//! A stream of requests that must not lose one: over connections that are kept, or over a new one
//! for each.
//!
//! ```text
//!   Kept       4 connections, a request every 2 ms on each; one that is told to close comes again
//!   NewEach    every 5 ms a new connection with one request; many are under way at once
//! ```
//!
//! A request failed if its connection was refused, reset or cut, or its answer was not 200 and
//! whole. A connection whose kernel had to send its SYN again (after 1 s) is counted apart: it was
//! late, and nothing of it failed.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::lab::Host;

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// On connections that are kept until the server wants them closed.
    Kept,
    /// Each on a connection of its own.
    NewEach,
}

/// Clients that ask until they are stopped.
#[derive(Debug)]
pub struct Stream {
    stop: watch::Sender<bool>,
    client: JoinHandle<Result<Seen>>,
}

/// What they saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Good answers.
    pub answered: usize,
    /// Requests without one.
    pub failed: usize,
    /// Those of them before whose end the client itself stood still for as long as farmux waits
    /// for a client.
    pub starved: usize,
    /// Why the first of them had none.
    pub first_failure: Option<String>,
    /// Connections that were made.
    pub connections: usize,
    /// Those of them whose SYN was sent again.
    pub retried: usize,
    /// The longest time between the ends of two good answers.
    pub gap: Duration,
    /// The longest time between two requests of one client: what exceeds its pause the client
    /// itself waited for a CPU, or for an answer.
    pub late: Duration,
}

impl Stream {
    /// Starts asking from `client`.
    pub fn start(client: &Host, to: SocketAddr, manner: Manner) -> Stream {
        let (stop, stopped) = watch::channel(false);
        let client = client.background(move || run(to, manner, stopped));
        Stream { stop, client }
    }

    /// Stops when every request has its answer, and tells.
    ///
    /// **Errors**: the client could not run.
    pub fn stop(self) -> Result<Seen> {
        self.stop.send_replace(true);
        self.client
            .join()
            .map_err(|_| anyhow!("the asking client panicked"))?
    }
}

type Tally = Rc<RefCell<Tallied>>;

/// PURE but for its caller's clock.
struct Tallied {
    seen: Seen,
    last_answer: Instant,
    /// When the client was seen running.
    ran: Instant,
    /// How long a client may stand still before it is cut off, and rightly.
    waited_for: Duration,
    /// When it last went on after it had stood still for longer.
    starved: Option<Instant>,
}

impl Tallied {
    fn new(now: Instant, waited_for: Duration) -> Tallied {
        Tallied {
            seen: Seen::default(),
            last_answer: now,
            ran: now,
            waited_for,
            starved: None,
        }
    }

    fn runs(&mut self, now: Instant) {
        if now.duration_since(self.ran) >= self.waited_for {
            self.starved = Some(now);
        }
        self.ran = now;
    }

    fn answers(&mut self, now: Instant) {
        self.seen.answered += 1;
        self.seen.gap = self.seen.gap.max(now.duration_since(self.last_answer));
        self.last_answer = now;
    }

    /// `since`: when its connection last had all it waited for.
    fn fails(&mut self, since: Instant, now: Instant, why: &anyhow::Error) {
        self.runs(now);
        self.seen.failed += 1;
        // One that was never answered is farmux's fault, whatever the client did meanwhile.
        let in_time = now.duration_since(since) < PATIENCE;
        let stood_still = self.starved.is_some_and(|at| at >= since);
        self.seen.starved += usize::from(in_time && stood_still);
        let why = || format!("{why:#}");
        self.seen.first_failure.get_or_insert_with(why);
    }
}

fn run(to: SocketAddr, manner: Manner, stopped: watch::Receiver<bool>) -> Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("a runtime for the client")?;
    let waited_for = match manner {
        Manner::Kept => KEPT_FOR,
        Manner::NewEach => NEW_WAITED_FOR,
    };
    let tally = Tallied::new(Instant::now(), waited_for);
    let tally: Tally = Rc::new(RefCell::new(tally));
    let tasks = LocalSet::new();
    tasks.spawn_local(run_all_the_while(stopped.clone(), tally.clone()));
    match manner {
        Manner::Kept => {
            for _ in 0..KEPT {
                tasks.spawn_local(keep_asking(to, stopped.clone(), tally.clone()));
            }
        }
        Manner::NewEach => {
            tasks.spawn_local(ask_anew(to, stopped, tally.clone()));
        }
    }
    runtime.block_on(tasks);
    let tally = tally.borrow();
    let mut seen = tally.seen.clone();
    seen.gap = seen.gap.max(tally.last_answer.elapsed());
    Ok(seen)
}

async fn run_all_the_while(stopped: watch::Receiver<bool>, tally: Tally) {
    let mut ticks = interval(NEW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        ticks.tick().await;
        tally.borrow_mut().runs(Instant::now());
    }
}

async fn ask_anew(to: SocketAddr, stopped: watch::Receiver<bool>, tally: Tally) {
    let mut ticks = interval(NEW_EVERY);
    // After a pause of this process, many at once would measure nothing.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    while !*stopped.borrow() {
        ticks.tick().await;
        lateness(&tally, &mut last);
        let (tally, begun) = (tally.clone(), Instant::now());
        tokio::task::spawn_local(async move {
            let asked = async {
                let mut stream = connect(to, &tally).await?;
                ask(&mut stream, CLOSING).await
            };
            count(&tally, begun, within(asked).await);
        });
    }
}

async fn keep_asking(to: SocketAddr, stopped: watch::Receiver<bool>, tally: Tally) {
    let mut kept = None;
    let (mut last, mut since) = (Instant::now(), Instant::now());
    while !*stopped.borrow() {
        lateness(&tally, &mut last);
        let asked = async {
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => connect(to, &tally).await?,
            };
            let closes = ask(&mut stream, KEEPING).await?;
            kept = (!closes).then_some(stream);
            Ok(closes)
        };
        count(&tally, since, within(asked).await);
        since = Instant::now();
        sleep(PAUSE).await;
    }
}

async fn within(asked: impl Future<Output = Result<bool>>) -> Result<bool> {
    match timeout(PATIENCE, asked).await {
        Ok(asked) => asked,
        Err(_) => Err(anyhow!("no answer within {PATIENCE:?}")),
    }
}

async fn connect(to: SocketAddr, tally: &Tally) -> Result<BufReader<TcpStream>> {
    let start = Instant::now();
    let stream = TcpStream::connect(to).await.context("connect")?;
    let seen = &mut tally.borrow_mut().seen;
    seen.connections += 1;
    if start.elapsed() >= SYN_AGAIN {
        seen.retried += 1;
    }
    Ok(BufReader::new(stream))
}

/// Asks once; whether the server closes the connection.
async fn ask(stream: &mut BufReader<TcpStream>, request: &[u8]) -> Result<bool> {
    stream.write_all(request).await.context("send")?;
    let (mut line, mut length, mut closes) = (String::new(), 0_usize, false);
    let mut first = true;
    loop {
        line.clear();
        let read = stream.read_line(&mut line).await.context("head")?;
        anyhow::ensure!(read > 0, "closed within the head");
        let text = line.trim_end().to_ascii_lowercase();
        if std::mem::replace(&mut first, false) {
            anyhow::ensure!(text.starts_with("http/1.1 200"), "{text}");
            continue;
        }
        match text.split_once(':') {
            None if text.is_empty() => break,
            Some(("content-length", value)) => length = value.trim().parse()?,
            Some(("connection", value)) => closes = value.trim() == "close",
            Some(_) | None => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.context("body")?;
    Ok(closes)
}

fn lateness(tally: &Tally, last: &mut Instant) {
    let late = last.elapsed();
    *last = Instant::now();
    let seen = &mut tally.borrow_mut().seen;
    seen.late = seen.late.max(late);
}

fn count(tally: &Tally, since: Instant, asked: Result<bool>) {
    let (mut tally, now) = (tally.borrow_mut(), Instant::now());
    match asked {
        Ok(_) => tally.answers(now),
        Err(error) => tally.fails(since, now, &error),
    }
}

/// Clients at work, each with a connection.
const KEPT: usize = 4;

/// Before its owner hands a VIP over, it waits 200 ms for what a kept connection may still ask.
const KEPT_FOR: Duration = Duration::from_millis(150);

/// And 20 ms for the request of a new one.
const NEW_WAITED_FOR: Duration = Duration::from_millis(15);

/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(2);

/// A new connection this often: the grain of the measurement.
const NEW_EVERY: Duration = Duration::from_millis(5);

/// Longer than three SYNs (at 0, 1 and 3 s), so that being late is no failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// Linux sends a SYN again after 1 s; nothing else on this LAN takes half of that.
const SYN_AGAIN: Duration = Duration::from_millis(800);

const CLOSING: &[u8] = b"GET / HTTP/1.1\r\nHost: farm.test\r\nConnection: close\r\n\r\n";
const KEEPING: &[u8] = b"GET / HTTP/1.1\r\nHost: farm.test\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_after_the_client_stood_still_is_counted_apart() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let why = anyhow!("reset");
        let mut tally = Tallied::new(start, Duration::from_millis(15));
        tally.runs(at(5));
        tally.fails(at(1), at(10), &why);
        // It is noticed by whoever runs first.
        tally.fails(at(8), at(30), &why);
        tally.runs(at(31));
        tally.fails(at(20), at(40), &why);
        tally.fails(at(35), at(44), &why);
        assert_eq!((tally.seen.failed, tally.seen.starved), (4, 2));
        tally.fails(at(50), at(50) + PATIENCE, &why);
        assert_eq!((tally.seen.failed, tally.seen.starved), (5, 2));
    }
}
