//! Normal clients: some that keep their connection, some with a new one for each request, at a
//! steady pace; and how long each waited for its whole answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use farmux_tests::lab::Host;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, timeout};

/// Clients of either kind.
const CLIENTS: u32 = 4;
/// Between two requests of one client: together 400 a second, far below what the machine can do.
const PACE: Duration = Duration::from_millis(20);
/// Longer than a SYN that is sent again twice.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than the answer has.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// What clients of one kind saw.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// For each good answer, in the end in order.
    pub(crate) took: Vec<Duration>,
    /// Requests without one.
    pub(crate) failed: usize,
    /// Why the first of them had none.
    pub(crate) why: Option<String>,
}

impl Waits {
    /// How long so many in a hundred waited at most.
    pub(crate) fn within(&self, percent: usize) -> Duration {
        let place = (self.took.len() * percent).div_ceil(100).saturating_sub(1);
        self.took.get(place).copied().unwrap_or(PATIENCE)
    }

    fn add(&mut self, other: Waits) {
        self.took.extend(other.took);
        self.took.sort();
        self.failed += other.failed;
        self.why = self.why.take().or(other.why);
    }
}

/// What both kinds saw.
#[derive(Debug, Default)]
pub(crate) struct Both {
    pub(crate) kept: Waits,
    pub(crate) new: Waits,
}

/// Asks for a while.
pub(crate) fn waits(from: &Host, to: SocketAddr, span: Duration) -> Result<Both> {
    let asking = from.background(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("a runtime for the clients")?;
        Ok(runtime.block_on(all(to, span)))
    });
    asking
        .join()
        .map_err(|_| anyhow!("the asking clients panicked"))?
}

async fn all(to: SocketAddr, span: Duration) -> Both {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS * 2 {
        let keeps = number % 2 == 0;
        // Each in a moment of its own: what holds up one does not hold up all.
        let first = Instant::now() + PACE * number / (CLIENTS * 2);
        clients.spawn(async move { (keeps, client(to, keeps, first, span).await) });
    }
    let mut both = Both::default();
    while let Some(Ok((keeps, seen))) = clients.join_next().await {
        match keeps {
            true => both.kept.add(seen),
            false => both.new.add(seen),
        }
    }
    both
}

async fn client(to: SocketAddr, keeps: bool, begun: Instant, span: Duration) -> Waits {
    let (mut seen, mut kept) = (Waits::default(), None);
    let mut ticks = interval_at(begun.into(), PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while begun.elapsed() < span {
        ticks.tick().await;
        let asked = Instant::now();
        let stream = kept.take().filter(|_| keeps);
        match timeout(PATIENCE, ask(to, stream)).await {
            Ok(Ok(stream)) => {
                kept = Some(stream);
                seen.took.push(asked.elapsed());
            }
            Ok(Err(error)) => {
                seen.failed += 1;
                seen.why.get_or_insert_with(|| format!("{error:#}"));
            }
            Err(_) => {
                seen.failed += 1;
                seen.why
                    .get_or_insert_with(|| format!("no answer within {PATIENCE:?}"));
            }
        }
    }
    seen
}

/// Asks once and takes the whole answer, over a connection that is there or a new one.
async fn ask(to: SocketAddr, stream: Option<TcpStream>) -> Result<TcpStream> {
    let mut stream = match stream {
        Some(stream) => stream,
        None => TcpStream::connect(to).await.context("connect")?,
    };
    stream.write_all(REQUEST).await.context("send")?;
    let mut answer = Vec::new();
    loop {
        let read = stream.read_buf(&mut answer).await.context("receive")?;
        ensure!(read > 0, "closed within the answer");
        ensure!(answer.len() < ANSWER_BYTES_MAX, "an answer without end");
        if is_whole(&answer)? {
            return Ok(stream);
        }
    }
}

fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .context("a length")?;
    let length: usize = length.trim().parse().context("a length")?;
    Ok(answer.len() >= end + 4 + length)
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: farm.test\r\n\r\n";
