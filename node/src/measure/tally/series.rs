//! PURE. Answered and failed over time: buckets of 10 ms, by the time of sending.
//!
//! When there would be too many, two become one and each is twice as wide: a measurement of any
//! length is kept whole, and the short ones that drills make keep their grain.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What was sent within one bucket's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bucket {
    /// Answered as it should be.
    pub answered: u32,
    /// Not so.
    pub failed: u32,
}

/// Buckets, from the beginning on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    width: Duration,
    buckets: Vec<Bucket>,
}

impl Default for Series {
    fn default() -> Series {
        Series {
            width: GRAIN,
            buckets: Vec::new(),
        }
    }
}

impl Series {
    /// One more request.
    pub fn add(&mut self, sent: Duration, good: bool) {
        let mut place = self.place(sent);
        while place >= BUCKETS_MAX {
            self.widen();
            place = self.place(sent);
        }
        if self.buckets.len() <= place {
            self.buckets.resize(place + 1, Bucket::default());
        }
        if let Some(bucket) = self.buckets.get_mut(place) {
            let count = match good {
                true => &mut bucket.answered,
                false => &mut bucket.failed,
            };
            *count = count.saturating_add(1);
        }
    }

    /// The width of a bucket.
    pub fn width(&self) -> Duration {
        self.width
    }

    /// The buckets; the first begins with the measurement.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// The same in at most so many buckets, for whoever has no more room.
    #[must_use]
    pub fn within(mut self, buckets: usize) -> Series {
        while self.buckets.len() > buckets.max(1) {
            self.widen();
        }
        self
    }

    fn place(&self, sent: Duration) -> usize {
        let place = sent.as_micros() / self.width.as_micros().max(1);
        usize::try_from(place).unwrap_or(usize::MAX)
    }

    fn widen(&mut self) {
        let pairs = self.buckets.chunks(2);
        let sum = |pair: &[Bucket]| {
            pair.iter().fold(Bucket::default(), |sum, bucket| Bucket {
                answered: sum.answered.saturating_add(bucket.answered),
                failed: sum.failed.saturating_add(bucket.failed),
            })
        };
        self.buckets = pairs.map(sum).collect();
        self.width *= 2;
    }
}

/// The width in the beginning: an outage is told in steps of it.
pub(super) const GRAIN: Duration = Duration::from_millis(10);

/// A minute at the finest grain, and 48 KiB.
pub(super) const BUCKETS_MAX: usize = 6_000;
