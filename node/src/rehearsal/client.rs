//! The client of a run: `farmux probe`'s engine on a thread of its own, so that nothing of this
//! node's other work is measured with it.
//!
//! ```text
//!   Measure ──▶ thread: measure ──look, 5 a second──▶ Reading ──▶ Look
//!   Close ──stop──▶ what is under way ends ──▶ Measured
//! ```
//!
//! It ends by itself when its time or its run is over, when nobody has looked for ten seconds, or
//! when it is dropped: whoever ordered it may be dead, and nobody says `Close` then.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::word::Answer;
use crate::drill::{PageCount, RunId, numbers_of};
use crate::measure::client::look_up;
use crate::measure::tally::Bucket;
use crate::measure::{Asking, Tally, Target, measure};

/// The client of one run.
#[derive(Debug)]
pub(super) struct Client {
    run: RunId,
    seen: Seen,
    /// Told so, or dropped, it stops.
    wish: watch::Sender<Wish>,
}

/// What whoever ordered it wants.
#[derive(Debug, Clone, Copy)]
struct Wish {
    /// It shall stop.
    stop: bool,
    /// When somebody looked last.
    looked: Instant,
}

/// How it stands, as both sides see it.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Stand>>);

#[derive(Debug, Clone)]
enum Stand {
    /// It asks.
    Asking(Reading),
    /// It is over.
    Over(Reading, Box<Answer>),
}

/// How a measurement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reading {
    requests: u64,
    failed: u64,
    silent_ms: u64,
    longest_silent_ms: u64,
    failed_permille: u64,
}

impl Client {
    /// Begins to ask; `is_over`: the run is, looked at ten times a second.
    ///
    /// **Errors**: the URL is none, or the system has no thread; in words.
    pub(super) fn start(
        run: RunId,
        url: &str,
        lasts: Duration,
        is_over: impl Fn() -> bool + Send + 'static,
    ) -> Result<Client, String> {
        let target: Target = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let asking = asking(target, lasts.min(LASTS_MAX));
        let (wish, wished) = watch::channel(Wish::now());
        let seen = Seen::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let told = seen.clone();
        std::thread::Builder::new()
            .name("farmux-drill".to_owned())
            .spawn(move || runtime.block_on(ask(&asking, &told, wished, is_over)))
            .map_err(|error| error.to_string())?;
        Ok(Client { run, seen, wish })
    }

    /// Which run it measures.
    pub(super) fn run(&self) -> RunId {
        self.run
    }

    /// How it stands.
    pub(super) fn look(&self) -> Answer {
        self.wish.send_modify(|wish| wish.looked = Instant::now());
        match &*self.seen.lock() {
            Stand::Over(_, answer) if matches!(**answer, Answer::Failed { .. }) => {
                Answer::clone(answer)
            }
            Stand::Asking(reading) | Stand::Over(reading, _) => reading.answer(),
        }
    }

    /// What it came to, once what is under way has ended; until then how it stands.
    pub(super) fn close(&self) -> Answer {
        self.wish.send_modify(|wish| wish.stop = true);
        match &*self.seen.lock() {
            Stand::Asking(reading) => reading.answer(),
            Stand::Over(_, answer) => Answer::clone(answer),
        }
    }
}

impl Wish {
    fn now() -> Wish {
        Wish {
            stop: false,
            looked: Instant::now(),
        }
    }
}

impl Default for Stand {
    fn default() -> Stand {
        Stand::Asking(Reading::default())
    }
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Stand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, reading: Reading, answer: Answer) {
        *self.lock() = Stand::Over(reading, Box::new(answer));
    }
}

impl Reading {
    fn of(tally: &Tally, now: Duration) -> Reading {
        let silent = tally.silent_for(now);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Reading {
            requests: tally.requests(),
            failed: tally.failed(),
            silent_ms: ms(silent),
            longest_silent_ms: ms(silent.max(tally.longest_gap())),
            failed_permille: failed_permille(tally.series().buckets(), LAST_REQUESTS),
        }
    }

    fn answer(self) -> Answer {
        Answer::Reading {
            requests: self.requests,
            failed: self.failed,
            silent_ms: self.silent_ms,
            longest_silent_ms: self.longest_silent_ms,
            failed_permille: self.failed_permille,
        }
    }
}

/// As `farmux probe` asks where nobody says otherwise; whose certificate it is, is no affair of a
/// drill.
fn asking(target: Target, lasts: Duration) -> Asking {
    Asking {
        target,
        every: EVERY,
        timeout: TIMEOUT,
        lasts: Some(lasts),
        keep_alive: false,
        status: None,
        host: None,
        verify: false,
        until_outage: false,
    }
}

async fn ask(
    asking: &Asking,
    seen: &Seen,
    wished: watch::Receiver<Wish>,
    is_over: impl Fn() -> bool,
) {
    let address = match look_up(&asking.target).await {
        Ok(address) => address,
        Err(error) => {
            let why = error.to_string();
            seen.end(Reading::default(), Answer::Failed { why });
            return;
        }
    };
    let stop = unwanted(wished, UNSEEN_MAX, is_over);
    let look = |tally: &Tally, now: Duration| {
        *seen.lock() = Stand::Asking(Reading::of(tally, now));
    };
    let done = measure(asking, address, stop, look).await;
    let measured = Answer::Measured {
        numbers: numbers_of(&done.tally, PageCount::default()),
        series: done.tally.series().clone(),
    };
    seen.end(Reading::of(&done.tally, done.lasted), measured);
}

/// Until nobody wants it any more: it shall stop, is dropped, its run is over, or nobody looks.
async fn unwanted(
    mut wished: watch::Receiver<Wish>,
    unseen_max: Duration,
    is_over: impl Fn() -> bool,
) {
    loop {
        let wish = *wished.borrow_and_update();
        if wish.stop || is_over() || wish.looked.elapsed() >= unseen_max {
            return;
        }
        if let Ok(Err(_dropped)) = timeout(OVER_EVERY, wished.changed()).await {
            return;
        }
    }
}

/// PURE. Of the last so many requests, how many of a thousand failed; those of a bucket that
/// reaches beyond count in their share, rounded up.
fn failed_permille(buckets: &[Bucket], last: u64) -> u64 {
    let (mut asked, mut failed) = (0_u64, 0_u64);
    for bucket in buckets.iter().rev() {
        let of_bucket = u64::from(bucket.answered) + u64::from(bucket.failed);
        let wanted = (last - asked).min(of_bucket);
        if of_bucket > 0 {
            failed += (u64::from(bucket.failed) * wanted).div_ceil(of_bucket);
        }
        asked += wanted;
        if asked == last {
            break;
        }
    }
    match asked {
        0 => 0,
        asked => (failed * 1_000).div_ceil(asked),
    }
}

/// **Source**: `farmux probe`: a takeover of 150 ms is told within 7 %.
const EVERY: Duration = Duration::from_millis(10);

/// **Source**: `farmux probe`: below the second after which the kernel sends a lost SYN again.
const TIMEOUT: Duration = Duration::from_millis(500);

/// **Source**: `drill::Stop`: of the last thousand requests.
const LAST_REQUESTS: u64 = 1_000;

/// Who conducts it looks five times a second, and gives up on a client that is deaf for three.
const UNSEEN_MAX: Duration = Duration::from_secs(10);

/// Nobody sees a tenth of a second of requests more.
const OVER_EVERY: Duration = Duration::from_millis(100);

/// The longest drill waits 15 minutes for a human, between two steady states.
const LASTS_MAX: Duration = Duration::from_mins(20);

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::measure::tally::End;
    use crate::reserved::reserve;

    #[test]
    fn the_last_thousand_are_those_of_the_last_buckets() {
        let of = |pairs: &[(u32, u32)], last| {
            let bucket = |&(answered, failed): &(u32, u32)| Bucket { answered, failed };
            let buckets: Vec<Bucket> = pairs.iter().map(bucket).collect();
            failed_permille(&buckets, last)
        };
        // Buckets of (answered, failed), the last so many -> of a thousand
        assert_eq!(of(&[], 1_000), 0);
        assert_eq!(of(&[(0, 0)], 1_000), 0);
        assert_eq!(of(&[(1, 1)], 1_000), 500, "what there is counts as all");
        assert_eq!(of(&[(0, 1_000), (1_000, 0)], 1_000), 0, "long ago");
        assert_eq!(of(&[(0, 1_000), (500, 0)], 1_000), 500);
        assert_eq!(of(&[(500, 500), (500, 0)], 1_000), 250, "in its share");
        assert_eq!(of(&[(999, 1), (0, 0), (999, 0)], 1_000), 1, "rounded up");
        assert_eq!(of(&[(0, 7)], 1_000), 1_000);
        assert_eq!(of(&[(u32::MAX, u32::MAX); 3], 1_000), 500);
    }

    #[test]
    fn a_silence_that_was_over_before_anybody_looked_is_told() {
        let ms = Duration::from_millis;
        let mut tally = Tally::new();
        for at in [10, 20, 171, 180] {
            let number = tally.asked(ms(at));
            tally.ended(number, ms(at), End::Good);
        }
        let silences = |at| {
            let reading = Reading::of(&tally, ms(at));
            (reading.silent_ms, reading.longest_silent_ms)
        };
        assert_eq!(silences(183), (3, 151));
        assert_eq!(silences(400), (220, 220), "it lasts");
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < end, "never came true: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn requests(answer: &Answer) -> u64 {
        let Answer::Reading { requests, .. } = answer else {
            return 0;
        };
        *requests
    }

    /// A service that answers for as long as it is there.
    fn serve(listener: TcpListener) {
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut heard = [0; 1024];
                let _ = stream.read(&mut heard);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        });
    }

    #[test]
    fn it_measures_until_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("it has one"));
        serve(listener);
        let client = Client::start(RunId(7), &url, MINUTE, || false).expect("it starts");
        until("it asks", || (requests(&client.look()) > 5).then_some(()));
        let measured = until("it is over", || {
            let Answer::Measured { numbers, series } = client.close() else {
                return None;
            };
            Some((numbers, series))
        });
        let (numbers, series) = measured;
        let of_series: u32 = series.buckets().iter().map(|one| one.answered).sum();
        assert!(of_series > 5);
        // On a machine that stands still for a while, one may be late.
        assert!(numbers.failed <= 1);
        assert_eq!(u64::from(of_series) + numbers.failed, numbers.requests);
        assert!(requests(&client.look()) > 5, "asked late");
    }

    #[test]
    fn it_ends_with_its_run() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("it has one"));
        serve(listener);
        let over = Arc::new(AtomicBool::new(false));
        let recorded = Arc::clone(&over);
        let is_over = move || recorded.load(Ordering::Relaxed);
        let client = Client::start(RunId(7), &url, MINUTE, is_over).expect("it starts");
        until("it asks", || (requests(&client.look()) > 5).then_some(()));
        over.store(true, Ordering::Relaxed);
        let ended = || matches!(*client.seen.lock(), Stand::Over(..)).then_some(());
        until("it has ended, and nobody said so", ended);
    }

    #[test]
    fn it_ends_when_nobody_looks() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let (wish, wished) = watch::channel(Wish::now());
        let unseen = Duration::from_millis(600);
        let begun = Instant::now();
        let (looked, ended) = runtime.block_on(async {
            let looks = async {
                // Looked at for longer than it may be unseen, it goes on.
                while begun.elapsed() < 2 * unseen {
                    wish.send_modify(|wish| wish.looked = Instant::now());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Instant::now()
            };
            let ends = async {
                unwanted(wished, unseen, || false).await;
                Instant::now()
            };
            // After a moment in which nothing ran, both are due: whoever looks is first.
            tokio::join!(biased; looks, ends)
        });
        assert!(ended > looked, "it was looked at");
    }

    #[test]
    fn it_ends_by_itself_and_what_cannot_be_asked_is_said() {
        let url = format!("tcp://{}", reserve(Ipv4Addr::LOCALHOST.into()));
        let lasts = Duration::from_millis(300);
        let client = Client::start(RunId(1), &url, lasts, || false).expect("it starts");
        let failed = until("it is over", || match &*client.seen.lock() {
            Stand::Over(reading, _) => Some(reading.failed_permille),
            Stand::Asking(_) => None,
        });
        assert_eq!(failed, 1_000);
        assert!(Client::start(RunId(1), "no URL", Duration::ZERO, || false).is_err());
        let lost = "http://no.such.name.invalid/";
        let lost = Client::start(RunId(1), lost, Duration::ZERO, || false);
        let lost = lost.expect("it starts");
        until("it is told", || {
            matches!(lost.look(), Answer::Failed { .. }).then_some(())
        });
    }
}
