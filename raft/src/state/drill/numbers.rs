//! What a run came to, in numbers.

use serde::{Deserialize, Serialize};

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
    /// Pages that took longer than they may, or never came.
    pub late: u64,
    /// Pages that somebody took on.
    pub acknowledged: u64,
}

impl Numbers {
    /// Of a thousand requests, so many failed beside the longest outage; rounded up.
    pub fn failed_permille(&self) -> u64 {
        let beside = self.failed.saturating_sub(self.failed_in_outage);
        match self.requests {
            0 => 0,
            requests => beside.saturating_mul(1_000).div_ceil(requests),
        }
    }
}
