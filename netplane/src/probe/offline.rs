//! The prober's decisions without its sockets, clocks and tasks, for a simulator that answers the
//! probes itself. Nothing here is used by a node.
//!
//! ```text
//!   plan --wish--> entries     outcomes --ended--> reckon --guard--> verdicts
//!   plan --take_up--> questions of others          outcome --opinion--> what is said of it
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::entries::{Entries, Entry};
use super::guard::Guard;
use super::outcome::Outcome;
use super::reckon::Reckoned;
use super::{Opinion, Suspicion, Verdict, opinion};
use crate::plan::{ProbeKey, ProbePlan, SuspicionPlan};

/// What a prober knows, and decides.
#[derive(Debug)]
pub struct Prober {
    entries: Entries,
    guard: Guard,
    suspicion: watch::Receiver<Option<Arc<Suspicion>>>,
    taken: BTreeMap<ProbeKey, u64>,
}

impl Default for Prober {
    fn default() -> Prober {
        let (tell, suspicion) = watch::channel(None);
        Prober {
            entries: Entries::default(),
            guard: Guard::new(tell),
            suspicion,
            taken: BTreeMap::new(),
        }
    }
}

impl Prober {
    /// Whether this machine suspects itself.
    pub fn suspicion(&self) -> watch::Receiver<Option<Arc<Suspicion>>> {
        self.suspicion.clone()
    }

    /// Makes these checks from now on, and suspects itself by this rule.
    pub fn wish(&mut self, probes: &BTreeMap<ProbeKey, ProbePlan>, rule: Option<SuspicionPlan>) {
        self.guard.wish(rule, probes.len());
        let differing = self.entries.differing(probes);
        for id in differing.gone {
            if let Some(gone) = self.entries.remove(id) {
                self.guard.forget(&gone.check.key);
            }
        }
        for (key, plan) in differing.changed {
            let known = self.entries.id(key);
            let entry = known.and_then(|id| self.entries.get_mut(id));
            match entry.filter(|entry| entry.is_same_probe(plan)) {
                Some(entry) => entry.replan(plan.clone()),
                None => {
                    if let Some(id) = known {
                        self.entries.remove(id);
                        self.guard.forget(key);
                    }
                    self.entries.insert(Entry::new(key.clone(), plan.clone()));
                }
            }
        }
    }

    /// A probe of a check in its turn ended so; what is said of it, if anything.
    pub fn ended(
        &mut self,
        key: &ProbeKey,
        outcome: &Outcome,
        now: Instant,
        at: SystemTime,
    ) -> Option<Verdict> {
        let id = self.entries.id(key)?;
        let entry = self.entries.get_mut(id)?;
        let Reckoned {
            verdict,
            turned,
            sight,
            ..
        } = entry.reckon(None, None, outcome, (now, at));
        let interval = entry.plan().interval;
        self.guard.see(now, at, key, interval, sight);
        let (verdict, _) = self.guard.pass(verdict?, turned)?;
        Some(verdict)
    }

    /// What was held back, and shall be no longer.
    pub fn thaw(&mut self, now: Instant) -> Vec<Verdict> {
        let thawed = self.guard.thaw(now).into_iter();
        thawed.map(|(verdict, _)| verdict).collect()
    }

    /// What others ask that is asked anew.
    pub fn take_up(&mut self, asked: &BTreeMap<ProbeKey, ProbePlan>) -> Vec<(ProbeKey, ProbePlan)> {
        let mut queue = VecDeque::new();
        opinion::take_up(asked, &mut self.taken, &mut queue);
        queue.into()
    }
}

/// What is said of another's check whose one probe ended so.
pub fn opinion(key: ProbeKey, plan: &ProbePlan, outcome: &Outcome) -> Opinion {
    opinion::of(key, plan, outcome)
}

/// How long a probe may take that is made for another.
pub fn patience(plan: &ProbePlan) -> Duration {
    opinion::patience(plan)
}
