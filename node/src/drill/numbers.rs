//! PURE. The numbers of a run, from what its client measured.

use super::{Numbers, PageCount};
use crate::measure::Tally;

/// Those of a measurement that is closed.
pub fn numbers_of(tally: &Tally, pages: PageCount) -> Numbers {
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

/// Whole milliseconds, the nearest, as `farmux probe` shows them.
pub(super) fn millis(time: std::time::Duration) -> u64 {
    let rounded = time + std::time::Duration::from_micros(500);
    u64::try_from(rounded.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
