//! PURE. The guard between what probes find and whoever believes it.
//!
//! ```text
//!            much fails at once                     found out, or `wait` is over
//!   calm ───────────────────────▶ suspects, frozen ──────────────────────────────▶ suspects
//!    ▲                              │ down: held back        down: told as ever      │
//!    └──────────────────────────────┴──────── little fails any more ─────────────────┘
//! ```
//! While it is frozen no server is taken out of a farm and no human is called, for a few seconds at
//! most by this machine's own clock, whatever becomes of the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::Verdict;
use super::suspicion::{Detector, Suspicion};
use super::verdict::Tally;
use crate::plan::{Health, ProbeKey, SuspicionPlan};

/// Holds back what may be this machine's own fault.
#[derive(Debug)]
pub(super) struct Guard {
    rule: Option<SuspicionPlan>,
    /// Checks that this machine makes.
    total: usize,
    detector: Detector,
    suspects: Option<Suspects>,
    held: BTreeMap<ProbeKey, (Verdict, bool)>,
    tell: watch::Sender<Option<Arc<Suspicion>>>,
}

#[derive(Debug)]
struct Suspects {
    id: u64,
    /// `None`: found out, or waited for long enough.
    frozen_until: Option<Instant>,
}

/// What a probe that ended means for its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Well.
    Well,
    /// It was well, and fails.
    Fails,
    /// It never was well, or is down as before.
    Nothing,
}

impl Sight {
    /// By a check's tally after the probe was counted, and whether its verdict turned with it.
    pub(super) fn of(tally: Tally, turned: bool) -> Sight {
        match (tally.health(), tally.against()) {
            (Health::Up, 0) => Sight::Well,
            (Health::Up, _) => Sight::Fails,
            (Health::Down, _) if turned => Sight::Fails,
            (Health::Down | Health::Unknown, _) => Sight::Nothing,
        }
    }
}

impl Guard {
    /// Suspects nothing; tells here when that changes.
    pub(super) fn new(tell: watch::Sender<Option<Arc<Suspicion>>>) -> Guard {
        Guard {
            rule: None,
            total: 0,
            detector: Detector::default(),
            suspects: None,
            held: BTreeMap::new(),
            tell,
        }
    }

    /// Goes by this rule from now on, for so many checks.
    pub(super) fn wish(&mut self, rule: Option<SuspicionPlan>, total: usize) {
        self.rule = rule;
        self.total = total;
        match (&rule, &mut self.suspects) {
            (None, Some(_)) => self.calm(),
            (Some(rule), Some(suspects)) if rule.told == Some(suspects.id) => {
                suspects.frozen_until = None;
            }
            (Some(_), Some(_)) | (_, None) => {}
        }
    }

    /// Takes in how a probe of a check ended.
    pub(super) fn see(
        &mut self,
        now: Instant,
        at: SystemTime,
        key: &ProbeKey,
        interval: Duration,
        sight: Sight,
    ) {
        match sight {
            Sight::Well => self.forget(key),
            Sight::Fails => {
                self.detector.fails(key, now, interval);
                self.look(now, at);
            }
            Sight::Nothing => {}
        }
    }

    fn look(&mut self, now: Instant, at: SystemTime) {
        let (Some(rule), None) = (&self.rule, &self.suspects) else {
            return;
        };
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        let id = u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let Some(suspicion) = self.detector.look(now, id, self.total, rule) else {
            return;
        };
        tracing::warn!(
            failed = suspicion.failed,
            total = suspicion.total,
            "so much fails at once that it may be this node"
        );
        self.suspects = Some(Suspects {
            id,
            frozen_until: Some(now + rule.wait),
        });
        self.tell.send_replace(Some(Arc::new(suspicion)));
    }

    /// A check is well, or not made any more.
    pub(super) fn forget(&mut self, key: &ProbeKey) {
        self.detector.forget(key);
        self.held.remove(key);
        let much = |rule: &SuspicionPlan| self.detector.is_much(self.total, rule);
        if self.suspects.is_some() && !self.rule.as_ref().is_some_and(much) {
            self.calm();
        }
    }

    fn calm(&mut self) {
        self.suspects = None;
        self.tell.send_replace(None);
    }

    /// Whether a verdict on this check is held back.
    pub(super) fn holds(&self, key: &ProbeKey) -> bool {
        self.held.contains_key(key)
    }

    /// Lets a verdict through, and whether it is another than before; or keeps it for now.
    pub(super) fn pass(&mut self, verdict: Verdict, changed: bool) -> Option<(Verdict, bool)> {
        let frozen = self.thaws_at().is_some();
        match verdict.health {
            Health::Down if frozen => {
                let changed = changed || self.holds(&verdict.key);
                self.held.insert(verdict.key.clone(), (verdict, changed));
                None
            }
            Health::Up | Health::Down | Health::Unknown => {
                self.held.remove(&verdict.key);
                Some((verdict, changed))
            }
        }
    }

    /// When what is held back goes through at the latest; `None`: nothing is.
    pub(super) fn thaws_at(&self) -> Option<Instant> {
        self.suspects.as_ref()?.frozen_until
    }

    /// What goes through now.
    pub(super) fn thaw(&mut self, now: Instant) -> Vec<(Verdict, bool)> {
        if let Some(suspects) = &mut self.suspects {
            suspects.frozen_until = suspects.frozen_until.filter(|until| now < *until);
        }
        match self.thaws_at() {
            Some(_) => vec![],
            None => std::mem::take(&mut self.held).into_values().collect(),
        }
    }
}
