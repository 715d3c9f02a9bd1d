//! Probing: asks servers whether they are well, and says so when that changes.
//!
//! ```text
//!   plan --watch--> runner (one thread) --short-lived task each--> tcp, http(s), … --> server
//!   plan --watch--> runner (one thread) --short-lived task each--> tcp, http, dns, ... --> server
//!                     |                                            exec --> plugin
//!                     |  schedule: when; inquiry: at once; verdict: what it means (all PURE)
//!                     +--first--> HealthOverlay      obeyed by the data path at once
//!                     +--then---> Verdict channel    proposed to the log by `node`
//!                     +---------> results            shown to people
//!   plan --watch--> opinion: one probe, for another node
//!   single: one attempt outside of a plan, for whoever measures
//!   runner -> suspicion, guard (PURE): is it we, and who may believe us
//! ```
//!
//! One runtime of its own on one thread: a burst of probes delays neither requests nor the log.

mod answer;
mod attempt;
mod connect;
mod dns;
mod entries;
mod exec;
mod ftp;
mod greeting;
mod guard;
mod history;
mod http;
pub(crate) mod icmp;
mod inquiry;
mod lag;
mod nfs;
#[doc(hidden)]
pub mod offline;
mod opinion;
mod outcome;
mod page;
mod reckon;
mod results;
mod runner;
mod schedule;
#[doc(hidden)]
pub mod seam;
mod shortage;
mod single;
mod suspicion;
mod tcp;
mod tls;
mod udp;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};

use crate::health::HealthOverlay;
use crate::plan::{Advice, Health, ProbeKey, ProbePlan, SuspicionPlan};
use crate::sys;
use results::Results;
use shortage::Need;

pub use dns::DnsFailure;
pub use exec::{ExecUser, PluginLine, PluginTrouble, UnsafeFile};
pub use ftp::{FtpFailure, FtpStep};
pub use greeting::{Greeted, GreetingFailure, GreetingStep, RedisError, SqlState};
pub use history::{Ending, Probed};
pub use lag::Lag;
pub use nfs::RpcFailure;
pub use opinion::{Found, Opinion};
pub use outcome::{Failure, LocalTrouble, Outcome, Phase, Place, Success, Unreachable};
pub use shortage::{Scarce, Shortage};
pub use single::{FtpErrand, Single};
pub use suspicion::Suspicion;
pub use tls::{Alert, CertificateDays, TlsFailure, Trust};

/// What is this machine's own and does not change while it probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    /// This node's own addresses, one of which a probe is bound to where the kernel would have it
    /// leave from a VIP.
    pub own: Vec<IpAddr>,
    /// Where the plugins of `exec` checks are; without it there are no such checks here.
    pub exec_dir: Option<PathBuf>,
    /// As whom they run.
    pub exec_user: ExecUser,
    /// Whose certificates `https` checks trust.
    pub trust: Trust,
}

impl ProbeSettings {
    /// Without `exec` checks.
    pub fn plain(own: Vec<IpAddr>) -> ProbeSettings {
        ProbeSettings {
            own,
            exec_dir: None,
            exec_user: ExecUser::NOBODY,
            trust: Trust::system(),
        }
    }
}

/// The probes of this machine, running.
///
/// Dropping it ends them all.
#[derive(Debug)]
pub struct Probing {
    wish: watch::Sender<Arc<Wish>>,
    results: Arc<Results>,
    counters: Arc<Counters>,
    shortages: Mutex<Vec<Shortage>>,
    opinions: Mutex<Option<mpsc::Receiver<Opinion>>>,
    suspicion: watch::Receiver<Option<Arc<Suspicion>>>,
    thread: Option<JoinHandle<()>>,
}

/// What a check says, because it says something else than before, or because it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which check.
    pub key: ProbeKey,
    /// What it says now.
    pub health: Health,
    /// What the server asks for; a change of this alone is a verdict too.
    pub advice: Advice,
    /// What the probe that decided it found, in our own words: never a byte that a server sent,
    /// but where a plugin spoke, its line, made harmless.
    pub reason: String,
    /// Whether that probe got to its target at all.
    pub reached: bool,
    /// When the probe that decided it ended.
    pub at: SystemTime,
    /// Whose question it answers: [`ProbePlan::asked`] as it was when the question was taken up;
    /// `None`: nobody asked, the health changed by itself. Either way the health is the present
    /// one, and one that answers may be the same as before.
    pub answers: Option<u64>,
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
    /// By how much probes started late.
    pub lag: Lag,
}

/// What the runner shall do: the newest wins.
#[derive(Debug, Default)]
struct Wish {
    probes: BTreeMap<ProbeKey, ProbePlan>,
    vips: BTreeSet<IpAddr>,
    beside: Arc<Beside>,
}

/// What concerns other nodes too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Beside {
    opinions: BTreeMap<ProbeKey, ProbePlan>,
    suspicion: Option<SuspicionPlan>,
}

impl Wish {
    /// Whether both probe the same targets.
    fn has_targets_of(&self, other: &Wish) -> bool {
        let targets =
            |wish: &Wish| -> Vec<_> { wish.probes.values().map(|plan| plan.target).collect() };
        self.vips.is_empty() == other.vips.is_empty() && targets(self) == targets(other)
    }
}

impl Probing {
    /// Starts the thread; nothing is probed until the first [`Self::apply`].
    ///
    /// The receiver gets each change of health, and the answer to each question; while nobody
    /// reads it, the newest of each check is kept, and probing goes on.
    ///
    /// **Errors**: the thread or its runtime could not be made; the process cannot do its work.
    pub fn start(
        overlay: Arc<HealthOverlay>,
        settings: ProbeSettings,
    ) -> io::Result<(Probing, mpsc::Receiver<Verdict>)> {
        let (wish, wishes) = watch::channel(Arc::default());
        let (sender, verdicts) = mpsc::channel(VERDICTS_QUEUED_MAX);
        let results = Arc::new(Results::default());
        let counters = Arc::new(Counters::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (doubting, suspicion) = watch::channel(None);
        let runner = runner::Runner::new(
            overlay,
            settings,
            sender,
            Arc::clone(&results),
            Arc::clone(&counters),
            guard::Guard::new(doubting),
        );
        let (sender, opinions) = mpsc::channel(OPINIONS_QUEUED_MAX);
        let giving = opinion::give(runner.means(), wishes.clone(), sender);
        let thread = std::thread::Builder::new()
            .name("farmux-probe".into())
            .spawn(move || {
                runtime.block_on(async { tokio::join!(runner.run(wishes), giving) });
                runtime.shutdown_timeout(SHUTDOWN_WITHIN);
            })?;
        Ok((
            Probing {
                wish,
                results,
                counters,
                shortages: Mutex::default(),
                opinions: Mutex::new(Some(opinions)),
                suspicion,
                thread: Some(thread),
            },
            verdicts,
        ))
    }

    /// Probes this from now on. What did not change goes on as it was; a check whose times
    /// alone changed keeps its counters too. One whose `asked` rose, or is not 0 where the
    /// check is new, is probed at once; where that tells anything, a verdict follows within 1.25 s.
    ///
    /// No probe leaves from an address in `vips`.
    pub fn apply(&self, probes: BTreeMap<ProbeKey, ProbePlan>, vips: BTreeSet<IpAddr>) {
        let last = Arc::clone(&self.wish.borrow());
        let next = Arc::new(Wish {
            probes,
            vips,
            beside: Arc::clone(&last.beside),
        });
        self.wish.send_replace(Arc::clone(&next));
        if !next.has_targets_of(&last) {
            self.find_shortages(&next);
        }
    }

    /// Looks whether there is room for all of it, and says so once where there is not.
    fn find_shortages(&self, wish: &Wish) {
        let room = sys::room::Room::read();
        let targets = wish.probes.values().map(|plan| plan.target);
        let need = Need::of(targets, &room, !wish.vips.is_empty());
        let found = shortage::shortages(&need, &room);
        let mut known = self.lock_shortages();
        let said = |of| known.iter().any(|old| old.of == of);
        for new in found.iter().filter(|new| !said(new.of)) {
            tracing::warn!(scarce = new.of.word(), "{new}");
        }
        *known = found;
    }

    /// Of what this machine has too little for its checks, as it was when they last changed.
    pub fn shortages(&self) -> Vec<Shortage> {
        self.lock_shortages().clone()
    }

    fn lock_shortages(&self) -> MutexGuard<'_, Vec<Shortage>> {
        self.shortages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Probes each of these once, whose `asked` is a new one for its key, and changes no verdict by
    /// it: [`Self::opinions`] has what was found. And suspects itself by this rule from now on.
    pub fn apply_beside(
        &self,
        opinions: BTreeMap<ProbeKey, ProbePlan>,
        suspicion: Option<SuspicionPlan>,
    ) {
        let beside = Beside {
            opinions,
            suspicion,
        };
        self.wish.send_if_modified(|wish| {
            let differs = *wish.beside != beside;
            if differs {
                *wish = Arc::new(Wish {
                    probes: wish.probes.clone(),
                    vips: wish.vips.clone(),
                    beside: Arc::new(beside),
                });
            }
            differs
        });
    }

    /// What was found of the checks of others; whoever comes first has it all.
    pub fn opinions(&self) -> Option<mpsc::Receiver<Opinion>> {
        let mut opinions = self.opinions.lock().unwrap_or_else(PoisonError::into_inner);
        opinions.take()
    }

    /// Whether this machine suspects itself.
    pub fn suspicion(&self) -> watch::Receiver<Option<Arc<Suspicion>>> {
        self.suspicion.clone()
    }

    /// How the last probe of each check ended; checks that never ended a probe are missing.
    pub fn results(&self) -> BTreeMap<ProbeKey, ProbeResult> {
        self.results.by_key()
    }

    /// Checks that cannot be made here, and why: their probes have told nothing of the server for
    /// longer than five intervals and a minute, so that the verdict which stands is an old one.
    pub fn blind(&self) -> Vec<(ProbeKey, String)> {
        self.results.blind(Instant::now())
    }

    /// The last 20 probes of one check, the newest first.
    pub fn history(&self, key: &ProbeKey) -> Vec<Probed> {
        self.results.history(key)
    }

    /// What probing has done so far.
    pub fn counts(&self) -> ProbeCounts {
        self.counters.read()
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        // The runner ends when its wishes do.
        self.wish = watch::channel(Arc::default()).0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
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
    lag: lag::LagCounter,
}

impl Counters {
    fn started(&self, lag: Duration) {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.lag.count(lag);
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
            lag: self.lag.read(),
        }
    }
}

/// Verdicts that wait for `node`: a rack of servers that fails at once fits; more than that waits
/// in the runner, the newest of each check.
const VERDICTS_QUEUED_MAX: usize = 256;

/// Opinions that wait for `node`: twice what is probed at once. Those for which there is no room
/// are not given: whoever asked goes on without.
const OPINIONS_QUEUED_MAX: usize = 4_000;

/// How long the end waits for a plugin that is just being started: longer than a fork takes, and a
/// disk that hangs holds nothing up.
const SHUTDOWN_WITHIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
