//! The checks of this prober: what is known of each, under a small number of its own.
//!
//! ```text
//!   wish ──differing──▶ places: key ─▶ number ─▶ slots: entry
//!                                        └── schedule, tasks, results: no key is compared there
//! ```
//!
//! Five thousand probes a second look their check up several times each; names are compared only
//! when the wish changes. A number is used again after its check is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::inquiry::Answer;
use super::outcome::Outcome;
use super::verdict::{Tally, Thresholds};
use crate::health::Seen;
use crate::plan::{Advice, Health, ProbeKey, ProbePlan};

/// The number of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub(super) usize);

/// What is probed: shared with the probes in flight.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) key: ProbeKey,
    pub(super) plan: ProbePlan,
}

/// One check, and how it stands.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) check: Arc<Check>,
    pub(super) tally: Tally,
    /// What the server asked for last.
    pub(super) advice: Advice,
    /// Whether the verdict is our own; until then the log's may replace it.
    pub(super) decided: bool,
    /// When it was said last.
    pub(super) said: Option<Instant>,
    pub(super) run: Option<Run>,
    /// How long the last probe in its turn took that passed.
    pub(super) usual: Option<Duration>,
    /// Asked again while an inquiry was in flight.
    pub(super) again: bool,
}

/// A probe or an inquiry in flight; its number tells it from one that was given up.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) abort: AbortHandle,
    /// How often it had been asked when this inquiry began; `None`: a probe in its turn.
    pub(super) answers: Option<u64>,
}

impl Entry {
    /// Goes on from what the log remembers.
    pub(super) fn new(key: ProbeKey, plan: ProbePlan) -> Entry {
        Entry {
            tally: Tally::from_remembered(plan.remembered),
            advice: plan.advised,
            check: Arc::new(Check { key, plan }),
            decided: false,
            said: None,
            run: None,
            usual: None,
            again: false,
        }
    }

    /// What the data path goes by.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            health: self.tally.health(),
            advice: self.advice,
        }
    }

    pub(super) fn plan(&self) -> &ProbePlan {
        &self.check.plan
    }

    /// Another plan for the same check; until the verdict is our own, what the log remembers is
    /// taken over with it.
    pub(super) fn replan(&mut self, plan: ProbePlan) {
        if !self.decided {
            if self.plan().remembered != plan.remembered {
                self.tally = Tally::from_remembered(plan.remembered);
            }
            self.advice = plan.advised;
        }
        let key = self.check.key.clone();
        self.check = Arc::new(Check { key, plan });
    }

    /// Whether what was found so far speaks for another plan as well.
    pub(super) fn is_same_probe(&self, other: &ProbePlan) -> bool {
        let own = self.plan();
        (own.target, own.proxy, &own.kind) == (other.target, other.proxy, &other.kind)
    }

    pub(super) fn thresholds(&self) -> Thresholds {
        Thresholds {
            fall: self.plan().fall,
            rise: self.plan().rise,
        }
    }

    /// Counts in what was found; the new verdict, if it turned.
    pub(super) fn count(&mut self, answer: Option<Answer>, outcome: &Outcome) -> Option<Health> {
        let thresholds = self.thresholds();
        match (answer, outcome) {
            (Some(Answer::Well), _) | (None, Outcome::Pass(_)) => {
                self.tally.count(true, thresholds)
            }
            (None, Outcome::Fail(_)) => self.tally.count(false, thresholds),
            (Some(Answer::Unwell), _) => self.tally.condemn(),
            (Some(Answer::Nothing), _) | (None, Outcome::Inconclusive(_)) => {
                tracing::debug!(check = %self.check.key, %outcome, "probe tells nothing");
                None
            }
        }
    }

    /// Takes in what the server asks for; whether that is news. A probe that failed says nothing of
    /// it, and a server that is down has nothing to ask for.
    pub(super) fn advise(&mut self, outcome: &Outcome) -> bool {
        let advice = match (self.tally.health(), outcome) {
            (Health::Up, Outcome::Pass(success)) => success.advice(),
            (Health::Down, _) => Advice::None,
            (Health::Up | Health::Unknown, _) => self.advice,
        };
        std::mem::replace(&mut self.advice, advice) != advice
    }
}

/// All checks.
#[derive(Debug, Default)]
pub(super) struct Entries {
    slots: Vec<Option<Entry>>,
    places: BTreeMap<ProbeKey, Id>,
    free: Vec<Id>,
}

/// How a wish differs from what there is.
#[derive(Debug, Default)]
pub(super) struct Differing<'a> {
    /// Not wished any more.
    pub(super) gone: Vec<Id>,
    /// New, or with another plan.
    pub(super) changed: Vec<(&'a ProbeKey, &'a ProbePlan)>,
}

impl Entries {
    pub(super) fn id(&self, key: &ProbeKey) -> Option<Id> {
        self.places.get(key).copied()
    }

    pub(super) fn get(&self, Id(place): Id) -> Option<&Entry> {
        self.slots.get(place)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, Id(place): Id) -> Option<&mut Entry> {
        self.slots.get_mut(place)?.as_mut()
    }

    /// Takes in a check that is not in here.
    pub(super) fn insert(&mut self, entry: Entry) -> Id {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            Id(self.slots.len() - 1)
        });
        self.places.insert(entry.check.key.clone(), id);
        if let Some(slot) = self.slots.get_mut(id.0) {
            *slot = Some(entry);
        }
        id
    }

    /// Forgets a check; its number may be used again.
    pub(super) fn remove(&mut self, id: Id) -> Option<Entry> {
        let entry = self.slots.get_mut(id.0)?.take()?;
        self.places.remove(&entry.check.key);
        self.free.push(id);
        Some(entry)
    }

    /// Compares a whole wish with all there is, both in the order of their keys.
    pub(super) fn differing<'a>(&self, wish: &'a BTreeMap<ProbeKey, ProbePlan>) -> Differing<'a> {
        let mut found = Differing::default();
        let mut have = self.places.iter().peekable();
        for (key, plan) in wish {
            while let Some((_, id)) = have.next_if(|(old, _)| *old < key) {
                found.gone.push(*id);
            }
            let same = have
                .next_if(|(old, _)| *old == key)
                .and_then(|(_, id)| self.get(*id));
            if same.is_none_or(|entry| entry.plan() != plan) {
                found.changed.push((key, plan));
            }
        }
        found.gone.extend(have.map(|(_, id)| *id));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ProbeKind;

    fn key(name: &str) -> ProbeKey {
        ProbeKey::Watch(name.into())
    }

    fn plan(fall: u32) -> ProbePlan {
        ProbePlan {
            target: ([127, 0, 0, 1], 9).into(),
            kind: ProbeKind::Tcp,
            proxy: None,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            fall,
            rise: 2,
            remembered: Health::Unknown,
            advised: Advice::None,
            asked: 0,
        }
    }

    fn wish(checks: &[(&str, u32)]) -> BTreeMap<ProbeKey, ProbePlan> {
        let checks = checks.iter();
        checks
            .map(|(name, fall)| (key(name), plan(*fall)))
            .collect()
    }

    #[test]
    fn a_wish_is_compared_as_a_whole() {
        let mut entries = Entries::default();
        for (key, plan) in wish(&[("b", 1), ("c", 1), ("e", 1), ("f", 1)]) {
            entries.insert(Entry::new(key, plan));
        }
        let next = wish(&[("a", 1), ("c", 1), ("d", 1), ("e", 9)]);
        let Differing { gone, changed } = entries.differing(&next);
        let gone: Vec<String> = gone
            .iter()
            .filter_map(|id| Some(entries.get(*id)?.check.key.to_string()))
            .collect();
        let changed: Vec<String> = changed.iter().map(|(key, _)| key.to_string()).collect();
        assert_eq!(gone, ["b", "f"]);
        assert_eq!(changed, ["a", "d", "e"]);
    }

    #[test]
    fn a_number_is_used_again_and_names_one_check() {
        let mut entries = Entries::default();
        let first = entries.insert(Entry::new(key("a"), plan(1)));
        let second = entries.insert(Entry::new(key("b"), plan(1)));
        assert!(entries.remove(first).is_some());
        assert!(entries.remove(first).is_none(), "removed once");
        assert_eq!(entries.id(&key("a")), None);
        assert_eq!(entries.insert(Entry::new(key("c"), plan(1))), first);
        assert_eq!(entries.id(&key("c")), Some(first));
        assert_eq!(entries.id(&key("b")), Some(second));
    }
}
