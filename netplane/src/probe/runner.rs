//! The prober's event loop: starts what is due, counts what ended, tells whom it concerns.
//!
//! ```text
//!   wishes --> apply --> entries + schedule
//!   timer  --> start_due --> a task that lives as long as one probe
//!   task   --> finish: results, tally, overlay, then verdicts (newest of each check)
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::answer::Expected;
use super::connect::Budget;
use super::outcome::{LocalTrouble, Outcome};
use super::schedule::Schedule;
use super::verdict::{Tally, Thresholds};
use super::{Counters, ProbeResult, Results, Verdict, Wish, http, tcp};
use crate::health::HealthOverlay;
use crate::origin::Origin;
use crate::plan::{Health, ProbeKey, ProbeKind, ProbePlan};

/// Everything the loop knows.
pub(super) struct Runner {
    overlay: Arc<HealthOverlay>,
    verdicts: mpsc::Sender<Verdict>,
    results: Arc<Results>,
    counters: Arc<Counters>,
    origin: Arc<Origin>,
    entries: BTreeMap<ProbeKey, Entry>,
    schedule: Schedule<ProbeKey>,
    running: JoinSet<Ended>,
    /// Verdicts for which the channel had no room; at most one a check.
    unread: BTreeMap<ProbeKey, Verdict>,
    runs: u64,
}

/// One check.
struct Entry {
    plan: ProbePlan,
    tally: Tally,
    /// Whether the verdict is our own; until then the log's may replace it.
    decided: bool,
    run: Option<Run>,
}

/// A probe in flight; its number tells it from one that was given up.
struct Run {
    number: u64,
    abort: AbortHandle,
}

/// What a probe's task leaves behind.
struct Ended {
    key: ProbeKey,
    number: u64,
    outcome: Outcome,
    took: Duration,
}

impl Runner {
    pub(super) fn new(
        overlay: Arc<HealthOverlay>,
        own: Vec<std::net::IpAddr>,
        verdicts: mpsc::Sender<Verdict>,
        results: Arc<Results>,
        counters: Arc<Counters>,
    ) -> Runner {
        // Probers of several nodes shall not shake their starts alike.
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), ());
        Runner {
            overlay,
            verdicts,
            results,
            counters,
            origin: Arc::new(Origin {
                own,
                never: std::collections::BTreeSet::new(),
            }),
            entries: BTreeMap::new(),
            schedule: Schedule::new(seed),
            running: JoinSet::new(),
            unread: BTreeMap::new(),
            runs: 0,
        }
    }

    /// Probes until nobody wishes any more.
    pub(super) async fn run(mut self, mut wishes: watch::Receiver<Wish>) {
        let verdicts = self.verdicts.clone();
        loop {
            let room = self.running.len() < PROBES_AT_ONCE_MAX;
            let next = self.schedule.next().filter(|_| room);
            let timer = tokio::time::sleep_until(next.unwrap_or_else(Instant::now).into());
            tokio::select! {
                changed = wishes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let wish = wishes.borrow_and_update().clone();
                    self.apply(wish, Instant::now());
                }
                Some(ended) = self.running.join_next() => {
                    // Whoever was given up meanwhile comes back as cancelled: nothing to count.
                    if let Ok(ended) = ended {
                        self.finish(ended);
                    }
                }
                permit = verdicts.reserve(), if !self.unread.is_empty() => {
                    match (permit, self.unread.pop_first()) {
                        (Ok(permit), Some((_, verdict))) => permit.send(verdict),
                        // Nobody reads any more: the process is going down.
                        (Ok(_) | Err(_), _) => self.unread.clear(),
                    }
                }
                () = timer, if next.is_some() => {}
            }
            self.start_due(Instant::now());
        }
    }

    /// Compares the whole wish with all there is.
    fn apply(&mut self, wish: Wish, now: Instant) {
        if self.origin.never != wish.vips {
            let own = self.origin.own.clone();
            self.origin = Arc::new(Origin {
                own,
                never: wish.vips,
            });
        }
        let mut seen = Vec::new();
        let gone: Vec<ProbeKey> = self
            .entries
            .keys()
            .filter(|key| !wish.probes.contains_key(*key))
            .cloned()
            .collect();
        for key in gone {
            self.forget(&key);
            seen.push((key, None));
        }
        for (key, plan) in wish.probes {
            let health = self.wish_one(&key, plan, now);
            seen.push((key, Some(health)));
        }
        self.overlay.set(seen);
    }

    fn forget(&mut self, key: &ProbeKey) {
        if let Some(Entry { run: Some(run), .. }) = self.entries.remove(key) {
            run.abort.abort();
        }
        self.schedule.remove(key);
        self.unread.remove(key);
        self.results.lock().remove(key);
    }

    /// Takes one plan in; the health to go on with.
    fn wish_one(&mut self, key: &ProbeKey, plan: ProbePlan, now: Instant) -> Health {
        if let Some(entry) = self.entries.get_mut(key)
            && (&entry.plan.target, &entry.plan.kind) == (&plan.target, &plan.kind)
        {
            if !entry.decided && entry.plan.remembered != plan.remembered {
                entry.tally = Tally::from_remembered(plan.remembered);
            }
            let same_times =
                (entry.plan.interval, entry.plan.timeout) == (plan.interval, plan.timeout);
            let interval = plan.interval;
            entry.plan = plan;
            let health = entry.tally.health();
            if !same_times {
                if let Some(run) = entry.run.take() {
                    run.abort.abort();
                }
                self.schedule.add(key.clone(), interval, now);
            }
            return health;
        }
        self.forget(key);
        self.schedule.add(key.clone(), plan.interval, now);
        let tally = Tally::from_remembered(plan.remembered);
        let health = tally.health();
        self.entries.insert(
            key.clone(),
            Entry {
                plan,
                tally,
                decided: false,
                run: None,
            },
        );
        health
    }

    fn start_due(&mut self, now: Instant) {
        while self.running.len() < PROBES_AT_ONCE_MAX {
            let Some((key, planned)) = self.schedule.take(now) else {
                return;
            };
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            self.counters
                .started(now.saturating_duration_since(planned));
            self.runs += 1;
            let number = self.runs;
            let one = probe_once(key, number, entry.plan.clone(), Arc::clone(&self.origin));
            entry.run = Some(Run {
                number,
                abort: self.running.spawn(one),
            });
        }
    }

    fn finish(&mut self, ended: Ended) {
        let Ended {
            key,
            number,
            outcome,
            took,
        } = ended;
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        if entry.run.as_ref().is_none_or(|run| run.number != number) {
            return;
        }
        entry.run = None;
        self.schedule.again(&key, Instant::now());
        self.counters.ended(&outcome);
        let thresholds = Thresholds {
            fall: entry.plan.fall,
            rise: entry.plan.rise,
        };
        let turned = match &outcome {
            Outcome::Pass(_) => entry.tally.count(true, thresholds),
            Outcome::Fail(_) => entry.tally.count(false, thresholds),
            Outcome::Inconclusive(trouble) => {
                tracing::debug!(check = %key, %trouble, "probe tells nothing");
                None
            }
        };
        let at = SystemTime::now();
        let (health, against) = (entry.tally.health(), entry.tally.against());
        entry.decided |= turned.is_some();
        let reason = turned.map(|_| outcome.to_string());
        self.results.lock().insert(
            key.clone(),
            ProbeResult {
                outcome,
                took,
                at,
                health,
                against,
            },
        );
        if let Some(reason) = reason {
            self.tell(Verdict {
                key,
                health,
                reason,
                at,
            });
        }
    }

    /// The data path first, then whoever proposes.
    fn tell(&mut self, verdict: Verdict) {
        let Verdict {
            key,
            health,
            reason,
            ..
        } = &verdict;
        self.overlay.set([(key.clone(), Some(*health))]);
        self.counters
            .verdicts
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tracing::info!(
            check = %key, ?health, reason,
            "health changed"
        );
        // The loop hands it on as soon as there is room; a newer one takes an older one's place.
        self.unread.insert(key.clone(), verdict);
    }
}

async fn probe_once(key: ProbeKey, number: u64, plan: ProbePlan, origin: Arc<Origin>) -> Ended {
    let begun = Instant::now();
    let budget = Budget::begin(plan.timeout);
    let outcome = match plan.kind {
        ProbeKind::Tcp => tcp::probe(plan.target, &origin, &budget).await,
        ProbeKind::Http {
            path,
            host,
            status,
            text,
        } => {
            let expected = Expected { status, text };
            http::probe(plan.target, &path, &host, expected, &origin, &budget).await
        }
        ProbeKind::Ftp { .. } | ProbeKind::Nfs { .. } | ProbeKind::Exec { .. } => {
            Outcome::Inconclusive(LocalTrouble::NotYet)
        }
    };
    Ended {
        key,
        number,
        outcome,
        took: begun.elapsed(),
    }
}

/// Probes in flight: all 5,000 that a large site has, should all of them hang, and as many again.
/// Each costs a file descriptor and a few KiB; beyond it probes start late, and the lag shows it.
const PROBES_AT_ONCE_MAX: usize = 10_000;
