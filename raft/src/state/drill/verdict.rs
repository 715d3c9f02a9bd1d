//! What a run proves: its numbers against what it may cost.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kind::Bounds;
use super::numbers::Numbers;

/// What a run proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The hypothesis held.
    Pass,
    /// It did not; at least one lapse.
    Fail(Vec<Lapse>),
    /// Nothing was proved.
    Aborted(Aborted),
}

/// One thing that was worse than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lapse {
    /// An outage was too long.
    Outage {
        /// It lasted so long.
        ms: u64,
        /// It may last so long.
        bound_ms: u64,
    },
    /// Too many requests failed beside it.
    Failed {
        /// Of a thousand.
        permille: u64,
        /// May fail.
        bound_permille: u64,
    },
    /// Nothing answered when it ended.
    Silent,
    /// More or fewer pages than there must be.
    Pages {
        /// Were sent.
        sent: u64,
        /// Must be.
        bound: u64,
    },
    /// Pages came twice.
    Doubled(u64),
    /// Pages came late, or never.
    Late(u64),
    /// Nobody took the page on in time.
    Unacknowledged,
    /// After the undo all was not well again in time.
    Unsteady,
    /// It was ended by its stop condition.
    Stopped,
    /// The undo was not confirmed; its timer has run out since.
    NotUndone,
    /// Nobody measured anything.
    Unmeasured,
}

/// Why nothing was proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aborted {
    /// Somebody aborted it.
    By {
        /// Who.
        who: String,
    },
    /// Somebody locked drills.
    Locked {
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// It was not well before anything was injected.
    NotSteady,
    /// What shall be injected could not be.
    NotInjected {
        /// Why.
        why: String,
    },
    /// When it was to begin something stood in its way.
    Refused {
        /// What.
        why: String,
    },
    /// Whoever conducted it led no more, or was gone.
    LeaderLost,
    /// No node of the cluster measured what it is about.
    Unmeasured,
}

/// Compares what it came to with what it may cost; `more`: what only the run itself knows.
pub fn judge(numbers: &Numbers, bounds: &Bounds, more: &[Lapse]) -> Verdict {
    let mut lapses = more.to_vec();
    let mut lapse = |is: bool, lapse: Lapse| {
        if is {
            lapses.push(lapse);
        }
    };
    let Numbers {
        outage_ms,
        answers_again,
        pages,
        ..
    } = numbers;
    lapse(
        *outage_ms > bounds.outage_ms,
        Lapse::Outage {
            ms: *outage_ms,
            bound_ms: bounds.outage_ms,
        },
    );
    let permille = numbers.failed_permille();
    lapse(
        permille > bounds.failed_permille,
        Lapse::Failed {
            permille,
            bound_permille: bounds.failed_permille,
        },
    );
    lapse(!answers_again, Lapse::Silent);
    if let Some(bound) = bounds.pages {
        let sent = pages.sent;
        lapse(sent != bound, Lapse::Pages { sent, bound });
    }
    lapse(pages.doubled > 0, Lapse::Doubled(pages.doubled));
    lapse(pages.late > 0, Lapse::Late(pages.late));
    match lapses.is_empty() {
        true => Verdict::Pass,
        false => Verdict::Fail(lapses),
    }
}

impl Verdict {
    /// `PASS`, `FAIL` or `ABORTED`.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Fail(_) => "FAIL",
            Verdict::Aborted(_) => "ABORTED",
        }
    }

    /// Why, a line each; nothing where it passed.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Verdict::Pass => vec![],
            Verdict::Fail(lapses) => lapses.iter().map(Lapse::to_string).collect(),
            Verdict::Aborted(why) => vec![why.to_string()],
        }
    }
}

impl fmt::Display for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lapse::Outage { ms, bound_ms } => {
                write!(f, "an outage of {ms} ms, {bound_ms} ms allowed")
            }
            Lapse::Failed {
                permille,
                bound_permille,
            } => write!(
                f,
                "{permille} of a thousand requests failed beside the outage, {bound_permille} \
                 allowed"
            ),
            Lapse::Silent => f.write_str("nothing answered when it ended"),
            Lapse::Pages { sent, bound } => write!(f, "{sent} pages were sent, not {bound}"),
            Lapse::Doubled(count) => write!(f, "{count} pages came twice"),
            Lapse::Late(count) => write!(f, "{count} pages came late"),
            Lapse::Unacknowledged => f.write_str("nobody acknowledged the page in time"),
            Lapse::Unsteady => f.write_str("it was not steady again after the undo"),
            Lapse::Stopped => f.write_str("the stop condition ended it"),
            Lapse::NotUndone => f.write_str("the undo was not confirmed before its timer ran out"),
            Lapse::Unmeasured => f.write_str("nothing was measured"),
        }
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aborted::By { who } => write!(f, "aborted by {who}"),
            Aborted::Locked { who, why } => write!(f, "locked by {who}: {why}"),
            Aborted::NotSteady => f.write_str("it was not steady before anything was injected"),
            Aborted::NotInjected { why } => write!(f, "nothing was injected: {why}"),
            Aborted::Refused { why } => write!(f, "refused: {why}"),
            Aborted::LeaderLost => f.write_str("the leader that conducted it was lost"),
            Aborted::Unmeasured => f.write_str("no node of the cluster measured it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::PageCount;
    use super::*;

    const GOOD: Numbers = Numbers {
        requests: 4_000,
        failed: 14,
        cut: 0,
        failed_in_outage: 14,
        outage_ms: 141,
        resolution_ms: 10,
        outages: 1,
        answers_again: true,
        gap_ms: 151,
        half_us: 600,
        ninety_nine_us: 2_000,
        pages: PageCount {
            sent: 1,
            doubled: 0,
            late: 0,
            acknowledged: 0,
        },
    };

    const BOUNDS: Bounds = Bounds {
        outage_ms: 300,
        failed_permille: 0,
        pages: Some(1),
        page_ms: 30_000,
    };

    #[test]
    fn each_bound_is_one_lapse() {
        assert_eq!(judge(&GOOD, &BOUNDS, &[]), Verdict::Pass);
        let table: [(Numbers, Bounds, Lapse); 7] = [
            (
                GOOD,
                Bounds {
                    outage_ms: 140,
                    ..BOUNDS
                },
                Lapse::Outage {
                    ms: 141,
                    bound_ms: 140,
                },
            ),
            (
                Numbers { failed: 15, ..GOOD },
                BOUNDS,
                Lapse::Failed {
                    permille: 1,
                    bound_permille: 0,
                },
            ),
            (
                Numbers {
                    answers_again: false,
                    ..GOOD
                },
                BOUNDS,
                Lapse::Silent,
            ),
            (
                GOOD,
                Bounds {
                    pages: Some(0),
                    ..BOUNDS
                },
                Lapse::Pages { sent: 1, bound: 0 },
            ),
            (
                GOOD,
                Bounds {
                    pages: Some(2),
                    ..BOUNDS
                },
                Lapse::Pages { sent: 1, bound: 2 },
            ),
            (
                Numbers {
                    pages: PageCount {
                        doubled: 1,
                        ..GOOD.pages
                    },
                    ..GOOD
                },
                BOUNDS,
                Lapse::Doubled(1),
            ),
            (
                Numbers {
                    pages: PageCount {
                        late: 2,
                        ..GOOD.pages
                    },
                    ..GOOD
                },
                BOUNDS,
                Lapse::Late(2),
            ),
        ];
        for (numbers, bounds, lapse) in table {
            let verdict = judge(&numbers, &bounds, &[]);
            assert_eq!(verdict, Verdict::Fail(vec![lapse]), "{numbers:?}");
        }
        let unsteady = judge(&GOOD, &BOUNDS, &[Lapse::Unsteady]);
        assert_eq!(unsteady, Verdict::Fail(vec![Lapse::Unsteady]));
        let uncounted = Bounds {
            pages: None,
            ..BOUNDS
        };
        assert_eq!(judge(&GOOD, &uncounted, &[]), Verdict::Pass);
    }
}
