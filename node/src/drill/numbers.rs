//! PURE. What a run came to, in numbers.

use farmux_raft::id::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::measure::Tally;

/// What a run came to.
///
/// **Units**: milliseconds; microseconds where the name ends so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Numbers {
    /// Requests that were answered or failed, from the steady state to the verdict.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those of them whose connection was torn down.
    pub cut: u64,
    /// Those that failed within the longest outage.
    pub failed_in_outage: u64,
    /// The longest outage: first failed to first good again.
    pub outage_ms: u64,
    /// By how much that may be wrong.
    pub resolution_ms: u64,
    /// How many outages there were.
    pub outages: u64,
    /// Whether the last one was over when the run ended.
    pub answers_again: bool,
    /// The longest time between two good answers.
    pub gap_ms: u64,
    /// Half of all good answers took no longer.
    pub half_us: u64,
    /// Ninety-nine of a hundred took no longer.
    pub ninety_nine_us: u64,
    /// What became of its pages.
    pub pages: PageCount,
}

/// What became of the pages of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PageCount {
    /// Pages with ids of their own.
    pub sent: u64,
    /// Deliveries of a page that its contact had already.
    pub doubled: u64,
    /// Pages that took longer than they may.
    pub late: u64,
}

impl Numbers {
    /// Those of a measurement that is closed.
    pub fn of(tally: &Tally, pages: PageCount) -> Numbers {
        let outages = tally.outages();
        let longest = outages.longest();
        let latency = tally.latency();
        let over = |outage: &crate::measure::tally::Outage| outage.ended.is_some();
        Numbers {
            requests: tally.requests(),
            failed: tally.failed(),
            cut: tally.misses().cut(),
            failed_in_outage: longest.map_or(0, |outage| outage.failed),
            outage_ms: longest.map_or(0, |outage| millis(outage.length())),
            resolution_ms: longest.map_or(0, |outage| millis(outage.resolution)),
            outages: outages.count(),
            answers_again: outages.last().as_ref().is_none_or(over),
            gap_ms: millis(tally.longest_gap()),
            half_us: micros(latency.within(500)),
            ninety_nine_us: micros(latency.within(990)),
            pages,
        }
    }

    /// Of a thousand requests, so many failed beside the longest outage; rounded up.
    pub fn failed_permille(&self) -> u64 {
        let beside = self.failed.saturating_sub(self.failed_in_outage);
        match self.requests {
            0 => 0,
            requests => beside.saturating_mul(1_000).div_ceil(requests),
        }
    }
}

/// How long ago a time was, for people who plan the next drill: whole days.
pub(super) fn days_between(then: UnixMillis, now: UnixMillis) -> u64 {
    now.0.saturating_sub(then.0) / 86_400_000
}

/// Whole milliseconds, the nearest, as `farmux probe` shows them.
pub(super) fn millis(time: std::time::Duration) -> u64 {
    let rounded = time + std::time::Duration::from_micros(500);
    u64::try_from(rounded.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
