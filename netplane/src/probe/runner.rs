//! The prober's event loop: starts what is due, counts what ended, tells whom it concerns.
//!
//! ```text
//!   wishes --> apply --> entries + schedule
//!   timer  --> start_due --> a task that lives as long as one probe, or one inquiry
//!   task   --> finish: results, tally, overlay, then verdicts (newest of each check)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::attempt::{self, Means};
use super::exec::Plugins;
use super::inquiry::{Answer, Inquiry};
use super::outcome::Outcome;
use super::schedule::Schedule;
use super::tls::Clients;
use super::verdict::{Tally, Thresholds};
use super::{Counters, ProbeResult, ProbeSettings, Results, Verdict, Wish};
use crate::health::HealthOverlay;
use crate::origin::Origin;
use crate::plan::{Health, ProbeKey, ProbePlan};

/// Everything the loop knows.
pub(super) struct Runner {
    overlay: Arc<HealthOverlay>,
    verdicts: mpsc::Sender<Verdict>,
    results: Arc<Results>,
    counters: Arc<Counters>,
    means: Means,
    entries: BTreeMap<ProbeKey, Entry>,
    schedule: Schedule<ProbeKey>,
    /// What somebody wants to know at once; before all that is due.
    asked: BTreeSet<ProbeKey>,
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
    /// How long the last probe in its turn took that passed.
    usual: Option<Duration>,
    /// Asked again while an inquiry was in flight.
    again: bool,
}

/// A probe or an inquiry in flight; its number tells it from one that was given up.
struct Run {
    number: u64,
    abort: AbortHandle,
    /// How often it had been asked when this inquiry began; `None`: a probe in its turn.
    answers: Option<u64>,
}

/// What a task leaves behind.
struct Ended {
    key: ProbeKey,
    number: u64,
    /// What an inquiry found; `None`: a probe in its turn.
    answer: Option<Answer>,
    outcome: Outcome,
    took: Duration,
}

impl Runner {
    pub(super) fn new(
        overlay: Arc<HealthOverlay>,
        settings: ProbeSettings,
        verdicts: mpsc::Sender<Verdict>,
        results: Arc<Results>,
        counters: Arc<Counters>,
    ) -> Runner {
        let ProbeSettings {
            own,
            exec_dir,
            exec_user,
            trust,
        } = settings;
        // Probers of several nodes shall not shake their starts alike.
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), ());
        Runner {
            overlay,
            verdicts,
            results,
            counters,
            means: Means {
                origin: Arc::new(Origin {
                    own,
                    never: BTreeSet::new(),
                }),
                plugins: Arc::new(Plugins::new(exec_dir, exec_user)),
                clients: Arc::new(Clients::new(trust)),
            },
            entries: BTreeMap::new(),
            schedule: Schedule::new(seed),
            asked: BTreeSet::new(),
            running: JoinSet::new(),
            unread: BTreeMap::new(),
            runs: 0,
        }
    }

    /// Probes until nobody wishes any more.
    pub(super) async fn run(mut self, mut wishes: watch::Receiver<Arc<Wish>>) {
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
                    let wish = Arc::clone(&wishes.borrow_and_update());
                    self.apply(&wish, Instant::now());
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
    fn apply(&mut self, wish: &Wish, now: Instant) {
        if self.means.origin.never != wish.vips {
            let own = self.means.origin.own.clone();
            self.means.origin = Arc::new(Origin {
                own,
                never: wish.vips.clone(),
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
        for (key, plan) in &wish.probes {
            if self
                .entries
                .get(key)
                .is_none_or(|entry| entry.plan != *plan)
            {
                let health = self.wish_one(key, plan.clone(), now);
                seen.push((key.clone(), Some(health)));
            }
        }
        self.overlay.set(seen);
    }

    fn forget(&mut self, key: &ProbeKey) {
        if let Some(Entry { run: Some(run), .. }) = self.entries.remove(key) {
            run.abort.abort();
        }
        self.schedule.remove(key);
        self.asked.remove(key);
        self.unread.remove(key);
        self.results.lock().remove(key);
    }

    /// Takes one plan in; the health to go on with.
    fn wish_one(&mut self, key: &ProbeKey, plan: ProbePlan, now: Instant) -> Health {
        if let Some(entry) = self.entries.get_mut(key)
            && is_same_probe(&entry.plan, &plan)
        {
            if !entry.decided && entry.plan.remembered != plan.remembered {
                entry.tally = Tally::from_remembered(plan.remembered);
            }
            let same_times =
                (entry.plan.interval, entry.plan.timeout) == (plan.interval, plan.timeout);
            let mut asked = plan.asked > entry.plan.asked;
            let interval = plan.interval;
            entry.plan = plan;
            let health = entry.tally.health();
            if !same_times {
                if let Some(run) = entry.run.take() {
                    run.abort.abort();
                    entry.again = false;
                    asked |= run.answers.is_some();
                }
                self.schedule.add(key.clone(), interval, now);
            }
            if asked {
                self.ask(key);
            }
            return health;
        }
        self.forget(key);
        self.schedule.add(key.clone(), plan.interval, now);
        // Somebody waits, whoever probed this before.
        let asked = plan.asked > 0;
        let tally = Tally::from_remembered(plan.remembered);
        let health = tally.health();
        self.entries.insert(
            key.clone(),
            Entry {
                plan,
                tally,
                decided: false,
                run: None,
                usual: None,
                again: false,
            },
        );
        if asked {
            self.ask(key);
        }
        health
    }

    /// Somebody wants to know at once. A probe in flight began before that and makes way; an
    /// inquiry in flight ends first, or those who ask often would never hear an answer.
    fn ask(&mut self, key: &ProbeKey) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        match entry.run.take_if(|run| run.answers.is_none()) {
            Some(in_turn) => in_turn.abort.abort(),
            None if entry.run.is_some() => {
                entry.again = true;
                return;
            }
            None => {}
        }
        self.asked.insert(key.clone());
    }

    fn start_due(&mut self, now: Instant) {
        self.start_asked();
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
            let (number, plan) = (self.runs, entry.plan.clone());
            let one = probe_in_turn(key, number, plan, self.means.clone());
            entry.run = Some(Run {
                number,
                abort: self.running.spawn(one),
                answers: None,
            });
        }
    }

    fn start_asked(&mut self) {
        while self.running.len() < PROBES_AT_ONCE_MAX {
            let Some(key) = self.asked.pop_first() else {
                return;
            };
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            self.schedule.hold(&key);
            self.runs += 1;
            let plan = &entry.plan;
            let inquiry = Inquiry::new(entry.tally, thresholds(plan), plan.timeout, entry.usual);
            let inquiry = inquire(
                key,
                self.runs,
                entry.plan.clone(),
                inquiry,
                self.means.clone(),
                Arc::clone(&self.counters),
            );
            entry.run = Some(Run {
                number: self.runs,
                abort: self.running.spawn(inquiry),
                answers: Some(entry.plan.asked),
            });
        }
    }

    fn finish(&mut self, ended: Ended) {
        let Ended {
            key,
            number,
            answer,
            outcome,
            took,
        } = ended;
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let Some(run) = entry.run.take_if(|run| run.number == number) else {
            return;
        };
        self.schedule.again(&key, Instant::now());
        if run.answers.is_none() {
            self.counters.ended(&outcome);
            if matches!(outcome, Outcome::Pass(_)) {
                entry.usual = Some(took);
            }
        }
        let turned = count(entry, answer, &outcome);
        let spoke = !matches!(answer, Some(Answer::Nothing));
        let at = SystemTime::now();
        let (health, against) = (entry.tally.health(), entry.tally.against());
        let answers = run.answers.filter(|_| spoke);
        let verdict = (turned.is_some() || answers.is_some()).then(|| Verdict {
            key: key.clone(),
            health,
            reason: reason(health, &outcome),
            at,
            answers,
        });
        entry.decided |= verdict.is_some();
        if std::mem::take(&mut entry.again) {
            self.asked.insert(key.clone());
        }
        let result = ProbeResult {
            outcome,
            took,
            at,
            health,
            against,
        };
        self.results.lock().insert(key, result);
        if let Some(verdict) = verdict {
            self.tell(verdict, turned.is_some());
        }
    }

    /// The data path first, then whoever proposes.
    fn tell(&mut self, mut verdict: Verdict, changed: bool) {
        let Verdict {
            key,
            health,
            reason,
            ..
        } = &verdict;
        if changed {
            self.overlay.set([(key.clone(), Some(*health))]);
            tracing::info!(check = %key, ?health, reason, "health changed");
        } else {
            tracing::debug!(check = %key, ?health, reason, "health confirmed");
        }
        self.counters
            .verdicts
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // The loop hands it on as soon as there is room; a newer one takes an older one's place,
        // and answers what that one answered.
        let key = key.clone();
        if let Some(older) = self.unread.remove(&key) {
            verdict.answers = verdict.answers.max(older.answers);
        }
        self.unread.insert(key, verdict);
    }
}

/// Counts in what was found; the new verdict, if it turned.
fn count(entry: &mut Entry, answer: Option<Answer>, outcome: &Outcome) -> Option<Health> {
    let thresholds = thresholds(&entry.plan);
    match (answer, outcome) {
        (Some(Answer::Well), _) | (None, Outcome::Pass(_)) => entry.tally.count(true, thresholds),
        (None, Outcome::Fail(_)) => entry.tally.count(false, thresholds),
        (Some(Answer::Unwell), _) => entry.tally.condemn(),
        (Some(Answer::Nothing), _) | (None, Outcome::Inconclusive(_)) => {
            tracing::debug!(check = %entry.plan.target, %outcome, "probe tells nothing");
            None
        }
    }
}

/// Whether what was found by the one speaks for the other.
fn is_same_probe(one: &ProbePlan, other: &ProbePlan) -> bool {
    (one.target, one.proxy, &one.kind) == (other.target, other.proxy, &other.kind)
}

/// Why a check has this health after this outcome.
fn reason(health: Health, outcome: &Outcome) -> String {
    match health == Health::Down && matches!(outcome, Outcome::Pass(_)) {
        true => format!("{outcome}, but not often enough yet"),
        false => outcome.to_string(),
    }
}

fn thresholds(plan: &ProbePlan) -> Thresholds {
    Thresholds {
        fall: plan.fall,
        rise: plan.rise,
    }
}

async fn probe_in_turn(key: ProbeKey, number: u64, plan: ProbePlan, means: Means) -> Ended {
    let begun = Instant::now();
    let outcome = attempt::once(&key, &plan, plan.timeout, &means).await;
    Ended {
        key,
        number,
        answer: None,
        outcome,
        took: begun.elapsed(),
    }
}

async fn inquire(
    key: ProbeKey,
    number: u64,
    plan: ProbePlan,
    inquiry: Inquiry,
    means: Means,
    counters: Arc<Counters>,
) -> Ended {
    let begun = Instant::now();
    let (answer, outcome) = attempt::inquire(&key, &plan, inquiry, &means, &counters).await;
    Ended {
        key,
        number,
        answer: Some(answer),
        outcome,
        took: begun.elapsed(),
    }
}

/// Probes in flight: all 5,000 that a large site has, should all of them hang, and as many again.
/// Each costs a file descriptor and a few KiB; beyond it probes start late, and the lag shows it.
/// An inquiry counts as one, though it may have five probes in flight for a second.
const PROBES_AT_ONCE_MAX: usize = 10_000;
