//! PURE. Suspicion: whether so much began to fail at once that it may be this machine.
//!
//! ```text
//!   a check that was well fails once ──▶ failing since ──more than a share of all, and not few──▶
//!   it is well again ──────────────────▶ forgotten          within one interval: suspicion
//! ```
//! It counts from the first failure, and not from the verdict that takes several: so it is found
//! out whose fault it is before the first verdict turns. What never was well says nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::plan::{ProbeKey, SuspicionPlan};

/// What speaks against this machine itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// Tells it from other suspicions of this node: when it arose, in ms since 1970.
    pub id: u64,
    /// Checks that began to fail.
    pub failed: usize,
    /// Checks that this machine makes.
    pub total: usize,
    /// Within this time.
    pub within: Duration,
    /// Some of those that fail, spread over all of them; at most 20.
    pub sample: Vec<ProbeKey>,
}

/// The checks that were well and fail now.
#[derive(Debug, Default)]
pub(super) struct Detector {
    failing: BTreeMap<ProbeKey, Failing>,
}

#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Instant,
    interval: Duration,
}

impl Detector {
    /// A check that was well fails.
    pub(super) fn fails(&mut self, key: &ProbeKey, since: Instant, interval: Duration) {
        let failing = Failing { since, interval };
        self.failing.entry(key.clone()).or_insert(failing);
    }

    /// It is well, or not made any more.
    pub(super) fn forget(&mut self, key: &ProbeKey) {
        self.failing.remove(key);
    }

    /// Whether so many fail, since whenever.
    pub(super) fn is_much(&self, total: usize, rule: &SuspicionPlan) -> bool {
        is_much(self.failing.len(), total, rule)
    }

    /// What speaks against this machine now, if that is enough.
    pub(super) fn look(
        &self,
        now: Instant,
        id: u64,
        total: usize,
        rule: &SuspicionPlan,
    ) -> Option<Suspicion> {
        if !self.is_much(total, rule) {
            return None;
        }
        let ago = |failing: &Failing| now.saturating_duration_since(failing.since);
        let recent = || {
            self.failing
                .iter()
                .filter(move |(_, failing)| ago(failing) <= WITHIN_MAX)
        };
        let longest = recent().map(|(_, failing)| failing.interval).max()?;
        let within = longest.min(WITHIN_MAX);
        let failed: Vec<&ProbeKey> = recent()
            .filter(|(_, failing)| ago(failing) <= within)
            .map(|(key, _)| key)
            .collect();
        is_much(failed.len(), total, rule).then(|| Suspicion {
            id,
            failed: failed.len(),
            total,
            within,
            sample: spread(&failed),
        })
    }
}

fn is_much(failed: usize, total: usize, rule: &SuspicionPlan) -> bool {
    let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let (failed, total) = (wide(failed), wide(total));
    failed >= u64::from(rule.least)
        && failed.saturating_mul(100) > total.saturating_mul(u64::from(rule.percent))
}

/// At most [`SAMPLE_MAX`] of them, evenly spread, so that no farm or rack stands for all.
fn spread(keys: &[&ProbeKey]) -> Vec<ProbeKey> {
    let count = keys.len().min(SAMPLE_MAX);
    let picked = (0..count).filter_map(|nth| keys.get(nth * keys.len() / count));
    picked.map(|key| (*key).clone()).collect()
}

/// What fails farther apart than this has not failed at once, however seldom it is looked at.
const WITHIN_MAX: Duration = Duration::from_secs(5);

/// Enough to tell a path from its targets, and few enough to be probed in a moment.
const SAMPLE_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: SuspicionPlan = SuspicionPlan {
        percent: 33,
        least: 10,
        wait: Duration::from_secs(5),
        told: None,
    };

    fn key(number: usize) -> ProbeKey {
        ProbeKey::Watch(format!("w{number:04}").into())
    }

    /// Failed of total, so many ms apart from first to last -> is it this machine?
    #[test]
    fn every_number_and_span() {
        for (failed, total, interval, apart, wanted) in [
            (9, 9, 1_000, 0, false),
            (10, 10, 1_000, 0, true),
            (10, 30, 1_000, 0, true),
            (10, 31, 1_000, 0, false),
            (33, 100, 1_000, 0, false),
            (34, 100, 1_000, 0, true),
            (34, 100, 1_000, 1_000, true),
            (34, 100, 1_000, 1_100, false),
            (34, 100, 4_000, 4_000, true),
            (34, 100, 60_000, 5_000, true),
            (34, 100, 60_000, 5_100, false),
            (5_000, 5_000, 5_000, 5_000, true),
        ] {
            let mut detector = Detector::default();
            let start = Instant::now();
            for number in 0..failed {
                let after = u64::try_from(apart * number / (failed - 1)).expect("small");
                let since = start + Duration::from_millis(after);
                detector.fails(&key(number), since, Duration::from_millis(interval));
            }
            let now = start + Duration::from_millis(u64::try_from(apart).expect("small"));
            let found = detector.look(now, 7, total, &RULE);
            let row = format!("{failed} of {total}, {apart} ms of {interval}");
            assert_eq!(found.is_some(), wanted, "{row}");
            if let Some(found) = found {
                assert_eq!(
                    (found.failed, found.total, found.id),
                    (failed, total, 7),
                    "{row}"
                );
                assert_eq!(found.sample.len(), failed.min(20), "{row}");
                let distinct: std::collections::BTreeSet<_> = found.sample.iter().collect();
                assert_eq!(distinct.len(), found.sample.len(), "{row}");
            }
        }
    }

    /// Every failure as it came, and nothing remembered: counted anew each time.
    fn slow_twin(
        story: &[(usize, bool, u64)],
        start: Instant,
        total: usize,
        interval: impl Fn(usize) -> Duration,
    ) -> Option<usize> {
        let now = Duration::from_millis(story.last()?.2);
        let mut failing = Vec::new();
        for number in 0..total {
            let own: Vec<_> = story.iter().filter(|(one, _, _)| *one == number).collect();
            let well = own.iter().rposition(|(_, fails, _)| !fails);
            let row = own.get(well.map_or(0, |well| well + 1)..)?;
            if let Some((_, _, at)) = row.first() {
                failing.push((number, Duration::from_millis(*at)));
            }
        }
        let _ = start;
        failing.retain(|(_, at)| now - *at <= Duration::from_secs(5));
        let longest = failing.iter().map(|(number, _)| interval(*number)).max()?;
        let within = longest.min(Duration::from_secs(5));
        failing.retain(|(_, at)| now - *at <= within);
        let enough = failing.len() >= 10 && failing.len() * 100 > total * 33;
        enough.then_some(failing.len())
    }

    proptest! {
        #[test]
        fn it_finds_what_its_slow_twin_finds(
            total in 8..40_usize,
            steps in prop::collection::vec((0..40_usize, 0..5_u8, 0..400_u64), 1..120),
        ) {
            let interval = |number: usize| match number % 3 {
                0 => Duration::from_millis(500),
                1 => Duration::from_secs(2),
                _ => Duration::from_secs(60),
            };
            let start = Instant::now();
            let (mut at, mut story) = (0, Vec::new());
            let mut detector = Detector::default();
            for (number, dice, later) in steps {
                let number = number % total;
                at += later;
                let fails = dice > 0;
                story.push((number, fails, at));
                let now = start + Duration::from_millis(at);
                match fails {
                    true => detector.fails(&key(number), now, interval(number)),
                    false => detector.forget(&key(number)),
                }
                let found = detector.look(now, 1, total, &RULE).map(|found| found.failed);
                prop_assert_eq!(found, slow_twin(&story, start, total, interval));
            }
        }
    }
}
