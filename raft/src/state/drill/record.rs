//! What is kept of a run for ever: bounded in every part.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kind::{Bounds, DrillKind};
use super::numbers::Numbers;
use super::verdict::{Aborted, Verdict};
use crate::id::{NodeName, UnixMillis};
use crate::state::revision::AUTHOR_CHARS_MAX;
use crate::state::{REASON_CHARS_MAX, clean};

/// The number of a run, for ever.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RunId(pub u64);

/// What is kept of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// Which run.
    pub id: RunId,
    /// Which drill.
    pub kind: DrillKind,
    /// Whom it hit.
    pub target: String,
    /// What was done, in words.
    pub injection: String,
    /// Who ran it.
    pub by: String,
    /// Whether a schedule did.
    pub scheduled: bool,
    /// When it began.
    pub began: UnixMillis,
    /// When it was over.
    pub ended: UnixMillis,
    /// The newest revision of the configuration when it began.
    pub revision: u64,
    /// What was asked; empty: nothing was.
    pub url: String,
    /// Who asked; `None`: somebody outside, or nobody.
    pub client: Option<NodeName>,
    /// What it might cost.
    pub bounds: Bounds,
    /// What it proved.
    pub verdict: Verdict,
    /// What it came to.
    pub numbers: Numbers,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl DrillRecord {
    /// The same with every text made harmless and short enough to be kept.
    #[must_use]
    pub fn bounded(mut self) -> DrillRecord {
        for text in [&mut self.target, &mut self.injection, &mut self.url] {
            *text = clean(text, TEXT_CHARS_MAX);
        }
        self.by = clean(&self.by, NAME_CHARS_MAX);
        match &mut self.verdict {
            Verdict::Pass => {}
            Verdict::Fail(lapses) => lapses.truncate(LAPSES_MAX),
            Verdict::Aborted(Aborted::By { who }) => *who = clean(who, NAME_CHARS_MAX),
            Verdict::Aborted(Aborted::Locked { who, why }) => {
                *who = clean(who, NAME_CHARS_MAX);
                *why = clean(why, REASON_CHARS_MAX);
            }
            Verdict::Aborted(Aborted::NotInjected { why } | Aborted::Refused { why }) => {
                *why = clean(why, REASON_CHARS_MAX);
            }
            Verdict::Aborted(Aborted::NotSteady | Aborted::LeaderLost | Aborted::Unmeasured) => {}
        }
        self
    }
}

/// A target, an injection or a URL; names have 63 characters, addresses 45.
pub(super) const TEXT_CHARS_MAX: usize = 160;

/// As authors of revisions have it.
pub(super) const NAME_CHARS_MAX: usize = AUTHOR_CHARS_MAX;

/// Each kind of lapse once, and some to spare.
const LAPSES_MAX: usize = 16;
