//! The prober's event loop: starts what is due, counts what ended, tells whom it concerns.
//!
//! ```text
//!   wishes --> apply --> entries + schedule
//!   timer  --> start_due --> a task that lives as long as one probe, or one inquiry
//!   task   --> finish: results, tally, overlay, then verdicts (newest of each check)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::attempt::{self, Means};
use super::connect::Budget;
use super::entries::{Check, Entries, Entry, Id, Run};
use super::exec::Plugins;
use super::guard::Guard;
use super::inquiry::{Answer, Inquiry};
use super::outcome::Outcome;
use super::reckon::Reckoned;
use super::results::Results;
use super::schedule::Schedule;
use super::tls::Clients;
use super::{Counters, ProbeResult, ProbeSettings, Verdict, Wish, tcp};
use crate::health::{HealthOverlay, Seen};
use crate::origin::Origin;
use crate::plan::{Health, ProbeKey, ProbeKind, ProbePlan};

/// Everything the loop knows.
pub(super) struct Runner {
    overlay: Arc<HealthOverlay>,
    verdicts: mpsc::Sender<Verdict>,
    results: Arc<Results>,
    counters: Arc<Counters>,
    means: Arc<Means>,
    entries: Entries,
    schedule: Schedule<Id>,
    /// What somebody wants to know at once; before all that is due.
    asked: BTreeSet<Id>,
    running: JoinSet<Ended>,
    /// Verdicts for which the channel had no room; at most one a check.
    unread: BTreeMap<Id, Verdict>,
    /// Whether what fails is to be believed.
    guard: Guard,
    runs: u64,
}

/// What a task leaves behind.
struct Ended {
    id: Id,
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
        guard: Guard,
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
            verdicts,
            results,
            counters,
            means: Arc::new(Means {
                origin: Arc::new(Origin {
                    own,
                    never: BTreeSet::new(),
                }),
                plugins: Arc::new(Plugins::new(exec_dir, exec_user)),
                clients: Arc::new(Clients::new(trust)),
                overlay: Arc::clone(&overlay),
            }),
            overlay,
            entries: Entries::default(),
            schedule: Schedule::new(seed),
            asked: BTreeSet::new(),
            running: JoinSet::new(),
            unread: BTreeMap::new(),
            guard,
            runs: 0,
        }
    }

    /// What its probes use of this machine, to begin with.
    pub(super) fn means(&self) -> Arc<Means> {
        Arc::clone(&self.means)
    }

    /// Probes until nobody wishes any more.
    pub(super) async fn run(mut self, mut wishes: watch::Receiver<Arc<Wish>>) {
        let verdicts = self.verdicts.clone();
        // One timer, set anew only where the next start is another: a new one with each turn of
        // this loop would cost more than the turn.
        let mut set_to = Instant::now();
        let mut timer = pin!(tokio::time::sleep_until(set_to.into()));
        loop {
            let room = self.running.len() < PROBES_AT_ONCE_MAX;
            let next = self.schedule.next().filter(|_| room);
            let next = next.into_iter().chain(self.guard.thaws_at()).min();
            if let Some(next) = next.filter(|next| *next != set_to) {
                timer.as_mut().reset(next.into());
                set_to = next;
            }
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
                    ended.map_or_else(drop, |ended| self.finish(ended));
                    while let Some(more) = self.running.try_join_next() {
                        more.map_or_else(drop, |ended| self.finish(ended));
                    }
                }
                permit = verdicts.reserve(), if !self.unread.is_empty() => {
                    match (permit, self.unread.pop_first()) {
                        (Ok(permit), Some((_, verdict))) => permit.send(verdict),
                        // Nobody reads any more: the process is going down.
                        (Ok(_) | Err(_), _) => self.unread.clear(),
                    }
                }
                () = timer.as_mut(), if next.is_some() => {}
            }
            self.thaw(Instant::now());
            self.start_due(Instant::now());
        }
    }

    /// Tells what was held back and shall be no longer.
    fn thaw(&mut self, now: Instant) {
        for (verdict, changed) in self.guard.thaw(now) {
            if let Some(id) = self.entries.id(&verdict.key) {
                self.tell(id, verdict, changed, false);
            }
        }
    }

    /// Compares the whole wish with all there is.
    fn apply(&mut self, wish: &Wish, now: Instant) {
        if self.means.origin.never != wish.vips {
            self.means = Arc::new(self.means.avoiding(&wish.vips));
        }
        self.guard.wish(wish.beside.suspicion, wish.probes.len());
        let differing = self.entries.differing(&wish.probes);
        let mut seen = Vec::new();
        for id in differing.gone {
            let key = self.forget(id);
            seen.extend(key.map(|key| (key, None)));
        }
        for (key, plan) in differing.changed {
            let seen_now = self.wish_one(key, plan.clone(), now);
            if !self.guard.holds(key) {
                seen.push((key.clone(), Some(seen_now)));
            }
        }
        self.overlay.set(seen);
    }

    fn forget(&mut self, id: Id) -> Option<ProbeKey> {
        self.schedule.remove(&id);
        self.asked.remove(&id);
        self.unread.remove(&id);
        self.results.forget(id);
        let gone = self.entries.remove(id)?;
        if let Some(run) = gone.run {
            run.abort.abort();
        }
        self.guard.forget(&gone.check.key);
        Some(gone.check.key.clone())
    }

    /// Takes one plan in; what to go on with.
    fn wish_one(&mut self, key: &ProbeKey, plan: ProbePlan, now: Instant) -> Seen {
        if let Some(id) = self.entries.id(key) {
            let entry = self.entries.get_mut(id);
            if let Some(entry) = entry.filter(|entry| entry.is_same_probe(&plan)) {
                let old = entry.plan();
                let same_times = (old.interval, old.timeout) == (plan.interval, plan.timeout);
                let mut asked = plan.asked > old.asked;
                let interval = plan.interval;
                entry.replan(plan);
                let seen = entry.seen();
                if !same_times {
                    if let Some(run) = entry.run.take() {
                        run.abort.abort();
                        entry.again = false;
                        asked |= run.answers.is_some();
                    }
                    self.schedule.add(id, interval, now);
                }
                if asked {
                    self.ask(id);
                }
                return seen;
            }
            self.forget(id);
        }
        // Somebody waits, whoever probed this before.
        let asked = plan.asked > 0;
        let interval = plan.interval;
        let entry = Entry::new(key.clone(), plan);
        let seen = entry.seen();
        let id = self.entries.insert(entry);
        self.schedule.add(id, interval, now);
        if asked {
            self.ask(id);
        }
        seen
    }

    /// Somebody wants to know at once. A probe in flight began before that and makes way; an
    /// inquiry in flight ends first, or those who ask often would never hear an answer.
    fn ask(&mut self, id: Id) {
        let Some(entry) = self.entries.get_mut(id) else {
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
        self.asked.insert(id);
    }

    fn start_due(&mut self, now: Instant) {
        self.start_asked();
        while self.running.len() < PROBES_AT_ONCE_MAX {
            let Some((id, planned)) = self.schedule.take(now) else {
                return;
            };
            let Some(entry) = self.entries.get_mut(id) else {
                continue;
            };
            self.counters
                .started(now.saturating_duration_since(planned));
            self.runs += 1;
            let (check, means) = (Arc::clone(&entry.check), Arc::clone(&self.means));
            let number = self.runs;
            let abort = match check.plan.kind == ProbeKind::Tcp {
                true => self
                    .running
                    .spawn(connect_in_turn(id, number, check, means)),
                false => self.running.spawn(probe_in_turn(id, number, check, means)),
            };
            entry.run = Some(Run {
                number,
                abort,
                answers: None,
            });
        }
    }

    fn start_asked(&mut self) {
        while self.running.len() < PROBES_AT_ONCE_MAX {
            let Some(id) = self.asked.pop_first() else {
                return;
            };
            let Some(entry) = self.entries.get_mut(id) else {
                continue;
            };
            self.schedule.hold(&id);
            self.runs += 1;
            let (timeout, asked) = (entry.plan().timeout, entry.plan().asked);
            let inquiry = Inquiry::new(entry.tally, entry.thresholds(), timeout, entry.usual);
            let inquiry = inquire(
                id,
                self.runs,
                Arc::clone(&entry.check),
                inquiry,
                Arc::clone(&self.means),
                Arc::clone(&self.counters),
            );
            entry.run = Some(Run {
                number: self.runs,
                abort: self.running.spawn(inquiry),
                answers: Some(asked),
            });
        }
    }

    fn finish(&mut self, ended: Ended) {
        let Ended {
            id,
            number,
            answer,
            outcome,
            took,
        } = ended;
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let Some(run) = entry.run.take_if(|run| run.number == number) else {
            return;
        };
        let now = Instant::now();
        self.schedule.again(&id, now);
        if run.answers.is_none() {
            self.counters.ended(&outcome);
            if matches!(outcome, Outcome::Pass(_)) {
                entry.usual = Some(took);
            }
        }
        let at = SystemTime::now();
        let Reckoned {
            verdict,
            turned,
            advised,
            sight,
        } = entry.reckon(answer, run.answers, &outcome, (now, at));
        let (health, against) = (entry.tally.health(), entry.tally.against());
        let interval = entry.plan().interval;
        if std::mem::take(&mut entry.again) {
            self.asked.insert(id);
        }
        let result = ProbeResult {
            outcome,
            took,
            at,
            health,
            against,
        };
        self.guard.see(now, at, &entry.check.key, interval, sight);
        self.results.put(id, &entry.check, result, now);
        let believed = verdict.and_then(|verdict| self.guard.pass(verdict, turned));
        if let Some((verdict, changed)) = believed {
            self.tell(id, verdict, changed, advised);
        }
    }

    /// The data path first, then whoever proposes.
    fn tell(&mut self, id: Id, mut verdict: Verdict, turned: bool, advised: bool) {
        let Verdict {
            key,
            health,
            advice,
            reason,
            ..
        } = &verdict;
        if turned || advised {
            let (health, advice) = (*health, *advice);
            let seen = Seen { health, advice };
            self.overlay.set([(key.clone(), Some(seen))]);
        }
        // One that goes down takes its word with it; that is no news beside the failure.
        if advised && *health == Health::Up {
            tracing::info!(check = %key, %advice, "the server's own page says otherwise");
        }
        if turned {
            tracing::info!(check = %key, ?health, reason, "health changed");
        } else if !advised {
            tracing::debug!(check = %key, ?health, reason, "health confirmed");
        }
        self.counters
            .verdicts
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // The loop hands it on as soon as there is room; a newer one takes an older one's place,
        // and answers what that one answered.
        if let Some(older) = self.unread.remove(&id) {
            verdict.answers = verdict.answers.max(older.answers);
        }
        self.unread.insert(id, verdict);
    }
}

/// The same for a check that connects and no more, of which a site has thousands: its task has no
/// room for the dialogues of the others, which take some KiB.
async fn connect_in_turn(id: Id, number: u64, check: Arc<Check>, means: Arc<Means>) -> Ended {
    let begun = Instant::now();
    let Check { key, plan } = &*check;
    let outcome = match means.pretended(key, plan.timeout).await {
        Some(pretended) => pretended,
        None => {
            let budget = Budget::begin(plan.timeout);
            tcp::probe(plan.target, plan.proxy, &means.origin, &budget).await
        }
    };
    Ended {
        id,
        number,
        answer: None,
        outcome,
        took: begun.elapsed(),
    }
}

async fn probe_in_turn(id: Id, number: u64, check: Arc<Check>, means: Arc<Means>) -> Ended {
    let begun = Instant::now();
    let Check { key, plan } = &*check;
    let outcome = attempt::once(key, plan, plan.timeout, &means).await;
    Ended {
        id,
        number,
        answer: None,
        outcome,
        took: begun.elapsed(),
    }
}

async fn inquire(
    id: Id,
    number: u64,
    check: Arc<Check>,
    inquiry: Inquiry,
    means: Arc<Means>,
    counters: Arc<Counters>,
) -> Ended {
    let begun = Instant::now();
    let Check { key, plan } = &*check;
    let (answer, outcome) = attempt::inquire(key, plan, inquiry, &means, &counters).await;
    Ended {
        id,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Advice;
    use crate::probe::{ExecUser, Trust};

    /// Five thousand tasks a second are made and thrown away.
    #[test]
    fn a_task_that_only_connects_is_small() {
        let plan = ProbePlan {
            target: ([127, 0, 0, 1], 9).into(),
            kind: ProbeKind::Tcp,
            proxy: None,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            fall: 3,
            rise: 2,
            remembered: Health::Unknown,
            advised: Advice::None,
            asked: 0,
        };
        let check = Arc::new(Check {
            key: ProbeKey::Watch("w".into()),
            plan,
        });
        let means = Arc::new(Means {
            origin: Arc::default(),
            plugins: Arc::new(Plugins::new(None, ExecUser::NOBODY)),
            clients: Arc::new(Clients::new(Trust::system())),
            overlay: Arc::default(),
        });
        let one = connect_in_turn(Id(0), 1, check, means);
        let bytes = size_of_val(&one);
        assert!(bytes <= 1024, "{bytes} bytes");
    }
}
