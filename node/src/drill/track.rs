//! PURE. What happened over time: requests per 10 ms, who owned the VIP, pages, and the steps of
//! the run itself. Bounded, whatever happens.

use std::time::Duration;

use farmux_raft::id::NodeName;
use serde::{Deserialize, Serialize};

use crate::measure::tally::{Bucket, Series};

/// What happened over time; times are counted from the beginning of the run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Track {
    bucket_ms: u64,
    answered: Vec<u32>,
    failed: Vec<u32>,
    owners: Vec<(u64, Option<NodeName>)>,
    marks: Vec<(u64, Mark)>,
}

/// Something that happened at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// The failure began.
    Injected,
    /// It was ended.
    Undone,
    /// A page was opened; what it says.
    Page(String),
}

impl Track {
    /// Takes the requests of a measurement, in as many buckets as it may keep.
    pub fn set_series(&mut self, series: &Series) {
        let series = series.clone().within(BUCKETS_MAX);
        self.bucket_ms = super::numbers::millis(series.width());
        self.answered = series
            .buckets()
            .iter()
            .map(|bucket| bucket.answered)
            .collect();
        self.failed = series
            .buckets()
            .iter()
            .map(|bucket| bucket.failed)
            .collect();
    }

    /// Who owns the VIP from now on, as far as anybody says so; the same as before is nothing new.
    pub fn owned(&mut self, at: Duration, owner: Option<NodeName>) {
        let same = self.owners.last().is_some_and(|(_, last)| *last == owner);
        if !same && self.owners.len() < OWNERS_MAX {
            self.owners.push((super::numbers::millis(at), owner));
        }
    }

    /// Something happens.
    pub fn mark(&mut self, at: Duration, mark: Mark) {
        if self.marks.len() < MARKS_MAX {
            self.marks.push((super::numbers::millis(at), mark));
        }
    }

    /// The width of a bucket.
    pub fn bucket_ms(&self) -> u64 {
        self.bucket_ms
    }

    /// The buckets, from the beginning on.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = Bucket> {
        let both = self.answered.iter().zip(&self.failed);
        both.map(|(&answered, &failed)| Bucket { answered, failed })
    }

    /// Who owned the VIP from when on, in milliseconds.
    pub fn owners(&self) -> &[(u64, Option<NodeName>)] {
        &self.owners
    }

    /// What happened when, in milliseconds.
    pub fn marks(&self) -> &[(u64, Mark)] {
        &self.marks
    }

    /// How long it is.
    pub fn length_ms(&self) -> u64 {
        let buckets = u64::try_from(self.answered.len()).unwrap_or(u64::MAX);
        let marks = self.marks.last().map_or(0, |(at, _)| *at);
        let owners = self.owners.last().map_or(0, |(at, _)| *at);
        buckets
            .saturating_mul(self.bucket_ms)
            .max(marks)
            .max(owners)
    }
}

/// A minute in steps of 10 ms: longer runs have coarser ones.
pub(super) const BUCKETS_MAX: usize = 6_000;

/// A VIP that changes its owner more often in one run has another fault than the one rehearsed.
pub(super) const OWNERS_MAX: usize = 64;

/// As many marks as a picture can show.
pub(super) const MARKS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_no_more_than_it_may() {
        let mut track = Track::default();
        let at = Duration::from_millis;
        let owner = |text: &str| Some(text.parse().expect("a name"));
        track.owned(at(0), owner("lb1"));
        track.owned(at(5), owner("lb1"));
        track.owned(at(9), None);
        assert_eq!(track.owners(), [(0, owner("lb1")), (9, None)]);
        for ms in 0..1_000 {
            track.owned(at(10 + ms), owner(if ms % 2 == 0 { "lb1" } else { "lb2" }));
            track.mark(at(ms), Mark::Injected);
        }
        assert_eq!(track.owners().len(), OWNERS_MAX);
        assert_eq!(track.marks().len(), MARKS_MAX);
        let mut series = Series::default();
        for second in 0..600 {
            series.add(Duration::from_secs(second), second != 7);
        }
        track.set_series(&series);
        assert!(track.buckets().len() <= BUCKETS_MAX);
        assert_eq!(
            track.buckets().map(|bucket| bucket.answered).sum::<u32>(),
            599
        );
        assert_eq!(track.buckets().map(|bucket| bucket.failed).sum::<u32>(), 1);
        assert!(track.length_ms() >= 599_000);
    }
}
