//! PURE. What was measured, as programs read it.

use std::time::Duration;

use farmux_raft::id::UnixMillis;
use serde::{Deserialize, Serialize};

use super::client::{Asking, Done};
use super::tally::{Outage, Percentiles, Series, Tally};
use crate::api::types::Moment;

/// What was measured.
///
/// **Shape** (JSON): as the fields say; times in the unit at the end of their name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// What was asked, without user and password.
    pub url: String,
    /// The address behind it.
    pub address: String,
    /// When the first request was sent.
    pub began: Moment,
    /// For how long it was asked.
    pub lasted_ms: u64,
    /// A request was sent this often.
    pub every_ms: u64,
    /// One that took longer had failed.
    pub timeout_ms: u64,
    /// Requests that were answered or failed.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those of them whose connection was torn down.
    pub cut: u64,
    /// Those that were due and that this machine could not ask; why the first could not.
    pub unasked: u64,
    /// May be empty.
    pub why_unasked: String,
    /// How they failed, the first kind first.
    pub failures: Vec<FailureCount>,
    /// The longest outage: first failed to first good again; 0: there was none.
    pub outage_ms: u64,
    /// By how much that may be wrong.
    pub resolution_ms: u64,
    /// How many outages there were.
    pub outages: u64,
    /// All of them together.
    pub out_ms: u64,
    /// The first of them, in order.
    pub listed: Vec<OutageReport>,
    /// The longest time between the ends of two good answers, beginning and end included.
    pub longest_gap_ms: u64,
    /// The longest time between two requests: beyond `every_ms` this machine itself was late.
    pub longest_pause_ms: u64,
    /// How long good answers took; nothing where there was none.
    pub latency: Option<LatencyReport>,
    /// Answered and failed over time.
    pub series: SeriesReport,
}

/// A way to fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    /// In words.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// One outage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageReport {
    /// When the first request that failed was sent.
    pub at: Moment,
    /// To the first good answer again; to the last failed request where it is not over.
    pub ms: u64,
    /// By how much that may be wrong.
    pub resolution_ms: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Whether a good answer followed.
    pub over: bool,
}

/// How long good answers took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyReport {
    /// The shortest.
    pub min_us: u64,
    /// Half of them took no longer.
    pub p50_us: u64,
    /// Of ten, nine.
    pub p90_us: u64,
    /// Of a hundred, 99.
    pub p99_us: u64,
    /// Of a thousand, 999.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Answered and failed over time, by the time of sending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesReport {
    /// The width of a bucket: 10, and twice that as often as there would be more than 6,000.
    pub bucket_ms: u64,
    /// Answered, in each bucket.
    pub answered: Vec<u32>,
    /// Failed, in each bucket.
    pub failed: Vec<u32>,
}

impl Measured {
    /// What came of a measurement that began then.
    pub fn new(asking: &Asking, done: &Done, began: UnixMillis) -> Measured {
        let Done {
            address,
            tally,
            lasted,
        } = done;
        let outages = tally.outages();
        let longest = outages.longest();
        let (unasked, why) = tally.not_asked();
        Measured {
            url: asking.target.to_string(),
            address: address.to_string(),
            began: began.into(),
            lasted_ms: ms(*lasted),
            every_ms: ms(asking.every),
            timeout_ms: ms(asking.timeout),
            requests: tally.requests(),
            failed: tally.failed(),
            cut: tally.misses().cut(),
            unasked,
            why_unasked: why.unwrap_or_default().to_owned(),
            failures: failures(tally),
            outage_ms: longest.map_or(0, |outage| ms(outage.length())),
            resolution_ms: longest.map_or(0, |outage| ms(outage.resolution)),
            outages: outages.count(),
            out_ms: ms(outages.total()),
            listed: outages
                .listed()
                .iter()
                .map(|one| told(one, began))
                .collect(),
            longest_gap_ms: ms(tally.longest_gap()),
            longest_pause_ms: ms(tally.longest_pause()),
            latency: tally.latency().percentiles().map(LatencyReport::from),
            series: SeriesReport::from(tally.series()),
        }
    }
}

fn failures(tally: &Tally) -> Vec<FailureCount> {
    let told = tally.misses().told().into_iter();
    told.map(|(reason, count)| FailureCount { reason, count })
        .collect()
}

fn told(outage: &Outage, began: UnixMillis) -> OutageReport {
    OutageReport {
        at: UnixMillis(began.0.saturating_add(ms(outage.began))).into(),
        ms: ms(outage.length()),
        resolution_ms: ms(outage.resolution),
        failed: outage.failed,
        over: outage.ended.is_some(),
    }
}

impl From<Percentiles> for LatencyReport {
    fn from(all: Percentiles) -> LatencyReport {
        LatencyReport {
            min_us: us(all.shortest),
            p50_us: us(all.half),
            p90_us: us(all.ninety),
            p99_us: us(all.ninety_nine),
            p999_us: us(all.thousandth),
            max_us: us(all.longest),
        }
    }
}

impl From<&Series> for SeriesReport {
    fn from(series: &Series) -> SeriesReport {
        let buckets = series.buckets().iter();
        SeriesReport {
            bucket_ms: ms(series.width()),
            answered: buckets.clone().map(|bucket| bucket.answered).collect(),
            failed: buckets.map(|bucket| bucket.failed).collect(),
        }
    }
}

/// Whole milliseconds, the nearest.
fn ms(time: Duration) -> u64 {
    u64::try_from((time + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX)
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
