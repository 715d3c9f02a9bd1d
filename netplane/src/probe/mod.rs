//! Probing: asks servers whether they are well, and says so when that changes.
//!
//! ```text
//!   plan --watch--> runner (one thread) --short-lived task each--> tcp, http --> server
//!                     |  schedule: when      verdict: what it means (both PURE)
//!                     +--first--> HealthOverlay      obeyed by the data path at once
//!                     +--then---> Verdict channel    proposed to the log by `node`
//!                     +---------> results            shown to people
//! ```
//!
//! One runtime of its own on one thread: a burst of probes delays neither requests nor the log.

mod answer;
mod connect;
mod http;
mod outcome;
mod runner;
mod schedule;
mod tcp;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};

use crate::health::HealthOverlay;
use crate::plan::{Health, ProbeKey, ProbePlan};

pub use outcome::{Failure, LocalTrouble, Outcome, Phase, Success};

/// The probes of this machine, running.
///
/// Dropping it ends them all.
#[derive(Debug)]
pub struct Probing {
    wish: watch::Sender<Wish>,
    results: Arc<Results>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

/// A server's health changed, as this machine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which check.
    pub key: ProbeKey,
    /// What it says now.
    pub health: Health,
    /// Why, in our own words: never a byte that a server sent.
    pub reason: String,
    /// When the probe that decided it ended.
    pub at: SystemTime,
}

/// How the last probe of a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// What it found.
    pub outcome: Outcome,
    /// From its start to its end.
    pub took: Duration,
    /// When it ended.
    pub at: SystemTime,
    /// The verdict after it.
    pub health: Health,
    /// Results in a row that speak against that verdict.
    pub against: u32,
}

/// What probing has done since the start of this process, and how punctually.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbeCounts {
    /// Probes started.
    pub started: u64,
    /// Probes that ended well.
    pub passed: u64,
    /// Probes that found the server unwell.
    pub failed: u64,
    /// Probes that told nothing of the server, because this machine was in trouble itself.
    pub inconclusive: u64,
    /// Verdicts reached.
    pub verdicts: u64,
    /// Sum of the times by which probes started late; with `started`, the mean.
    pub lag_sum: Duration,
    /// The longest of these times.
    pub lag_worst: Duration,
}

/// What the runner shall do: the newest wins.
#[derive(Debug, Clone, Default)]
struct Wish {
    probes: BTreeMap<ProbeKey, ProbePlan>,
    vips: BTreeSet<IpAddr>,
}

impl Probing {
    /// Starts the thread; nothing is probed until the first [`Self::apply`].
    ///
    /// `own` are this node's own addresses, one of which a probe is bound to where the kernel
    /// would have it leave from a VIP. The receiver gets each change of health; while nobody
    /// reads it, the newest of each check is kept, and probing goes on.
    ///
    /// **Errors**: the thread or its runtime could not be made; the process cannot do its work.
    pub fn start(
        overlay: Arc<HealthOverlay>,
        own: Vec<IpAddr>,
    ) -> io::Result<(Probing, mpsc::Receiver<Verdict>)> {
        let (wish, wishes) = watch::channel(Wish::default());
        let (sender, verdicts) = mpsc::channel(VERDICTS_QUEUED_MAX);
        let results = Arc::new(Results::default());
        let counters = Arc::new(Counters::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let runner = runner::Runner::new(
            overlay,
            own,
            sender,
            Arc::clone(&results),
            Arc::clone(&counters),
        );
        let thread = std::thread::Builder::new()
            .name("farmux-probe".into())
            .spawn(move || runtime.block_on(runner.run(wishes)))?;
        Ok((
            Probing {
                wish,
                results,
                counters,
                thread: Some(thread),
            },
            verdicts,
        ))
    }

    /// Probes this from now on. What did not change goes on as it was; a check whose times
    /// alone changed keeps its counters too.
    ///
    /// No probe leaves from an address in `vips`.
    pub fn apply(&self, probes: BTreeMap<ProbeKey, ProbePlan>, vips: BTreeSet<IpAddr>) {
        self.wish.send_replace(Wish { probes, vips });
    }

    /// How the last probe of each check ended; checks that never ended a probe are missing.
    pub fn results(&self) -> BTreeMap<ProbeKey, ProbeResult> {
        self.results.lock().clone()
    }

    /// What probing has done so far.
    pub fn counts(&self) -> ProbeCounts {
        self.counters.read()
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        // The runner ends when its wishes do.
        self.wish = watch::channel(Wish::default()).0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Last results, written by the runner and read by people; the data path never comes here.
#[derive(Debug, Default)]
struct Results(Mutex<BTreeMap<ProbeKey, ProbeResult>>);

impl Results {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ProbeKey, ProbeResult>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The live side of [`ProbeCounts`].
#[derive(Debug, Default)]
struct Counters {
    started: AtomicU64,
    passed: AtomicU64,
    failed: AtomicU64,
    inconclusive: AtomicU64,
    verdicts: AtomicU64,
    lag_sum_us: AtomicU64,
    lag_worst_us: AtomicU64,
}

impl Counters {
    fn started(&self, lag: Duration) {
        let lag_us = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.started.fetch_add(1, Ordering::Relaxed);
        self.lag_sum_us.fetch_add(lag_us, Ordering::Relaxed);
        self.lag_worst_us.fetch_max(lag_us, Ordering::Relaxed);
    }

    fn ended(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Pass(_) => &self.passed,
            Outcome::Fail(_) => &self.failed,
            Outcome::Inconclusive(_) => &self.inconclusive,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> ProbeCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProbeCounts {
            started: get(&self.started),
            passed: get(&self.passed),
            failed: get(&self.failed),
            inconclusive: get(&self.inconclusive),
            verdicts: get(&self.verdicts),
            lag_sum: Duration::from_micros(get(&self.lag_sum_us)),
            lag_worst: Duration::from_micros(get(&self.lag_worst_us)),
        }
    }
}

/// Verdicts that wait for `node`: a rack of servers that fails at once fits; more than that waits
/// in the runner, the newest of each check.
const VERDICTS_QUEUED_MAX: usize = 256;

#[cfg(test)]
mod tests;
