//! Last results, written by the runner and read by people; the data path never comes here.
//!
//! Written with every probe, so by number; put into order only when somebody reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ProbeResult;
use super::entries::{Check, Id};
use super::history::{Probed, Ring};
use super::outcome::Outcome;
use crate::plan::ProbeKey;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Results(Mutex<Vec<Option<Last>>>);

/// The last result of one check.
#[derive(Debug)]
struct Last {
    check: Arc<Check>,
    result: ProbeResult,
    /// This one, and those before it.
    ring: Ring,
    /// When a probe last told anything of the server, or else when the first one did not.
    told: Instant,
}

impl Results {
    fn lock(&self) -> MutexGuard<'_, Vec<Option<Last>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, id: Id, check: &Arc<Check>, result: ProbeResult, now: Instant) {
        let mut all = self.lock();
        let Id(place) = id;
        if all.len() <= place {
            all.resize_with(place + 1, || None);
        }
        let Some(slot) = all.get_mut(place) else {
            return;
        };
        let told = match (&result.outcome, slot.as_ref()) {
            (Outcome::Inconclusive(_), Some(last)) => last.told,
            (Outcome::Inconclusive(_), None) | (Outcome::Pass(_) | Outcome::Fail(_), _) => now,
        };
        let mut ring = slot.take().map(|last| last.ring).unwrap_or_default();
        ring.note(&result);
        *slot = Some(Last {
            check: Arc::clone(check),
            result,
            ring,
            told,
        });
    }

    pub(super) fn forget(&self, Id(place): Id) {
        if let Some(slot) = self.lock().get_mut(place) {
            *slot = None;
        }
    }

    /// The last probes of one check, the newest first.
    pub(super) fn history(&self, key: &ProbeKey) -> Vec<Probed> {
        let all = self.lock();
        let found = all.iter().flatten().find(|last| last.check.key == *key);
        found
            .map(|last| last.ring.newest_first())
            .unwrap_or_default()
    }

    pub(super) fn by_key(&self) -> BTreeMap<ProbeKey, ProbeResult> {
        let all = self.lock();
        let each = |last: &Last| (last.check.key.clone(), last.result.clone());
        all.iter().flatten().map(each).collect()
    }

    /// Checks whose probes have told nothing for so long that nobody should rely on their verdict
    /// any more; with what keeps them from it.
    pub(super) fn blind(&self, now: Instant) -> Vec<(ProbeKey, String)> {
        let all = self.lock();
        let blind = all.iter().flatten().filter_map(|last| {
            let Outcome::Inconclusive(_) = last.result.outcome else {
                return None;
            };
            let patience = (last.check.plan.interval * BLIND_AFTER_INTERVALS).max(BLIND_AFTER);
            let late = now.saturating_duration_since(last.told) > patience;
            late.then(|| (last.check.key.clone(), last.result.outcome.to_string()))
        });
        blind.collect()
    }
}

/// Probes in a row that tell nothing: more than a moment without descriptors takes.
const BLIND_AFTER_INTERVALS: u32 = 5;

/// And at least so long: short intervals shall not cry at each restart of something.
const BLIND_AFTER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::plan::{Advice, Health, ProbeKind, ProbePlan};
    use crate::probe::{Failure, LocalTrouble, Success};

    fn check(interval: Duration) -> Arc<Check> {
        let plan = ProbePlan {
            target: ([127, 0, 0, 1], 9).into(),
            kind: ProbeKind::Tcp,
            proxy: None,
            interval,
            timeout: interval,
            fall: 3,
            rise: 2,
            remembered: Health::Up,
            advised: Advice::None,
            asked: 0,
        };
        let key = ProbeKey::Watch("w".into());
        Arc::new(Check { key, plan })
    }

    fn result(outcome: Outcome) -> ProbeResult {
        ProbeResult {
            outcome,
            took: Duration::ZERO,
            at: SystemTime::UNIX_EPOCH,
            health: Health::Up,
            against: 0,
        }
    }

    /// What is found second by second, and since which second the check is blind.
    #[test]
    fn blind_after_a_minute_or_five_intervals_without_a_word() {
        let trouble = || Outcome::Inconclusive(LocalTrouble::NoOwnAddress);
        let begin = Instant::now();
        for (interval_s, patience_s) in [(1, 60), (10, 60), (20, 100)] {
            let (results, check) = (Results::default(), check(Duration::from_secs(interval_s)));
            let at = |second| begin + Duration::from_secs(second);
            let put = |outcome, second| results.put(Id(3), &check, result(outcome), at(second));
            put(Outcome::Pass(Success::Connected), 0);
            put(trouble(), 1);
            put(trouble(), patience_s);
            assert_eq!(results.blind(at(patience_s)), [], "{interval_s} s");
            let blind = results.blind(at(patience_s + 1));
            let reason = trouble().to_string();
            assert_eq!(blind, [(ProbeKey::Watch("w".into()), reason)]);
            put(Outcome::Fail(Failure::Refused), patience_s + 2);
            assert_eq!(results.blind(at(patience_s * 9)), [], "down is a word");
            put(trouble(), patience_s * 9);
            results.forget(Id(3));
            assert_eq!(results.blind(at(patience_s * 99)), [], "gone");
            put(trouble(), patience_s * 99);
            assert_eq!(results.blind(at(patience_s * 99 + 1)), [], "anew");
        }
    }
}
