//! A real client: a request at every tick, many under way at once, until it is enough.
//!
//! ```text
//!   every 10 ms ──asked──▶ tally ◀──ended── tasks ──▶ the service
//!                            │                └ at most 512 at once; one that is due beyond that
//!                            ▼                  is counted, not asked
//!                          look(tally, now), five times a second
//! ```
//!
//! Requests overlap, so that one that hangs hides nothing. The name is looked up once, before the
//! first: name servers are measured by asking them. The process's own delays are told, not hidden.

mod http;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_netplane::probe::{FtpErrand, Outcome, Single, Trust};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::tally::{End, Miss, Tally};
use super::url::{Scheme, Target};

/// How a service is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// What is asked.
    pub target: Target,
    /// A request this often; from [`EVERY_MIN`] on.
    pub every: Duration,
    /// A request that takes longer has failed; up to [`TIMEOUT_MAX`].
    pub timeout: Duration,
    /// For how long; `None`: until it is told to stop.
    pub lasts: Option<Duration>,
    /// Keep connections open between requests, as browsers do; else each request has its own.
    pub keep_alive: bool,
    /// The status that is good; `None`: whatever is below 400.
    pub status: Option<u16>,
    /// The name that is asked for, in the `Host` field and in TLS; `None`: the URL's.
    pub host: Option<String>,
    /// Whether a certificate must be good.
    pub verify: bool,
    /// Stop when the first outage is over.
    pub until_outage: bool,
}

/// Why nothing can be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// The name leads nowhere.
    #[error("looking up {host}: {why}")]
    LookUp {
        /// The name.
        host: String,
        /// The resolver's words.
        why: String,
    },
}

/// A measurement that is over.
#[derive(Debug)]
pub struct Done {
    /// The address that was asked.
    pub address: SocketAddr,
    /// The book.
    pub tally: Tally,
    /// For how long it was asked.
    pub lasted: Duration,
}

/// The address behind a target, the first that the system names.
///
/// **Errors**: there is none.
pub async fn look_up(target: &Target) -> Result<SocketAddr, MeasureError> {
    let wrong = |why: String| MeasureError::LookUp {
        host: target.host.clone(),
        why,
    };
    let place = (target.host.as_str(), target.port.get());
    let found = tokio::time::timeout(LOOK_UP_MAX, tokio::net::lookup_host(place)).await;
    let found = found.map_err(|_elapsed| wrong("no answer in time".to_owned()))?;
    let mut found = found.map_err(|error| wrong(error.to_string()))?;
    found.next().ok_or_else(|| wrong("no address".to_owned()))
}

/// Asks until it is enough or `stop` is done, then waits for what is under way; `look` is shown
/// the book while it grows.
pub async fn measure(
    asking: &Asking,
    address: SocketAddr,
    stop: impl Future<Output = ()>,
    mut look: impl FnMut(&Tally, Duration),
) -> Done {
    let begun = Instant::now();
    let asker = Arc::new(Asker::new(asking, address));
    let mut tally = Tally::new();
    let mut under_way = JoinSet::new();
    let mut ticks = interval(asking.every.max(EVERY_MIN));
    // After a pause of this process, many at once would measure nothing.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = interval(LOOK_EVERY);
    tokio::pin!(stop);
    let lasted = loop {
        let now = begun.elapsed();
        let enough = asking.lasts.is_some_and(|lasts| now >= lasts);
        if enough || (asking.until_outage && is_over(&tally, now)) {
            break now;
        }
        tokio::select! {
            biased;
            () = &mut stop => break begun.elapsed(),
            Some(ended) = under_way.join_next() => enter(&mut tally, ended),
            _ = ticks.tick() => {
                if under_way.len() >= UNDER_WAY_MAX {
                    tally.unasked(TOO_MANY);
                    continue;
                }
                let number = tally.asked(begun.elapsed());
                let asker = Arc::clone(&asker);
                under_way.spawn(async move {
                    let end = asker.ask().await;
                    (number, begun.elapsed(), end)
                });
            }
            _ = looks.tick() => look(&tally, begun.elapsed()),
        }
    };
    // Each ends by its timeout.
    while let Some(ended) = under_way.join_next().await {
        enter(&mut tally, ended);
    }
    tally.close(lasted);
    Done {
        address,
        tally,
        lasted,
    }
}

type Ended = (u64, Duration, End);

fn enter(tally: &mut Tally, ended: Result<Ended, tokio::task::JoinError>) {
    // A task that panicked has ended the process; none is aborted.
    if let Ok((number, at, end)) = ended {
        tally.ended(number, at, end);
    }
}

/// Whether an outage has begun and ended.
fn is_over(tally: &Tally, now: Duration) -> bool {
    let outages = tally.outages();
    let over = |outage: super::tally::Outage| outage.ended.is_some_and(|ended| ended <= now);
    outages.longest().is_some() || outages.present().is_some_and(over)
}

/// Asks once, in whatever protocol.
struct Asker {
    address: SocketAddr,
    timeout: Duration,
    single: Single,
    how: How,
}

enum How {
    Tcp,
    Ftp {
        user: String,
        password: farmux_raft::state::Secret,
        fetch: Option<String>,
    },
    Http(http::Session),
}

impl Asker {
    fn new(asking: &Asking, address: SocketAddr) -> Asker {
        let Asking {
            target, timeout, ..
        } = asking;
        let how = match &target.scheme {
            Scheme::Tcp => How::Tcp,
            Scheme::Ftp { user, password } => How::Ftp {
                user: user.clone(),
                password: password.clone(),
                fetch: (!target.path.is_empty()).then(|| target.path.clone()),
            },
            Scheme::Http | Scheme::Https => How::Http(http::Session::new(asking)),
        };
        Asker {
            address,
            timeout: (*timeout).min(TIMEOUT_MAX),
            single: Single::new(Trust::system()),
            how,
        }
    }

    async fn ask(&self) -> End {
        let asked = match &self.how {
            How::Tcp => self.single.tcp(self.address, self.timeout).await,
            How::Ftp {
                user,
                password,
                fetch,
            } => {
                let errand = FtpErrand {
                    user,
                    password: password.reveal(),
                    fetch: fetch.as_deref(),
                };
                self.single.ftp(self.address, errand, self.timeout).await
            }
            How::Http(session) => {
                return session.ask(&self.single, self.address, self.timeout).await;
            }
        };
        end_of(asked)
    }
}

/// What became of an attempt, as a client counts it.
fn end_of(outcome: Outcome) -> End {
    match outcome {
        Outcome::Pass(_) => End::Good,
        Outcome::Fail(failure) => End::Missed(Miss::from(&failure)),
        Outcome::Inconclusive(trouble) => End::Unasked(trouble.to_string()),
    }
}

/// The shortest interval: the runtime's timers are no finer.
pub const EVERY_MIN: Duration = Duration::from_millis(1);

/// The longest timeout: with [`EVERY_MIN`] it bounds how many requests wait for an older one.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// Requests under way at once: half of the file descriptors that a process usually has.
pub const UNDER_WAY_MAX: usize = 512;

const TOO_MANY: &str = "512 requests were under way already";

/// How often somebody who watches is shown the book.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A resolver asks two servers twice within this.
const LOOK_UP_MAX: Duration = Duration::from_secs(10);
