//! PURE. The book of a measurement: what was asked, what became of it, and what follows from that.
//!
//! ```text
//!   asked(at) ─▶ number          ended(number, at, end)
//!                    └──▶ order ◀──┘   back into the order of sending
//!                           ├─▶ outages   first failed to first good again
//!                           └─▶ series    answered and failed by time of sending
//!   good answers, as they come ─▶ gap, latency
//! ```
//!
//! Times are counted from the beginning of the measurement. All of it is bounded, however long a
//! measurement lasts.

mod latency;
mod miss;
mod order;
mod outage;
mod series;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use latency::{Latency, Percentiles};
pub use miss::{Miss, MissKind, Misses};
pub use outage::{Outage, Outages};
pub use series::{Bucket, Series};

use order::Order;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Answered as it should be, whole and in time.
    Good,
    /// Not so.
    Missed(Miss),
    /// This machine could not ask; that says nothing of the service.
    Unasked(String),
}

/// The book of one measurement.
#[derive(Debug)]
pub struct Tally {
    order: Order,
    outages: Outages,
    series: Series,
    latency: Latency,
    misses: Misses,
    last_good: Duration,
    gap: Duration,
    last_asked: Duration,
    late: Duration,
    answered: u64,
    unasked: u64,
    why_unasked: Option<String>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally::new()
    }
}

impl Tally {
    /// An empty one.
    pub fn new() -> Tally {
        Tally {
            order: Order::default(),
            outages: Outages::default(),
            series: Series::default(),
            latency: Latency::default(),
            misses: Misses::default(),
            last_good: Duration::ZERO,
            gap: Duration::ZERO,
            last_asked: Duration::ZERO,
            late: Duration::ZERO,
            answered: 0,
            unasked: 0,
            why_unasked: None,
        }
    }

    /// A request leaves; the number by which its end is told.
    pub fn asked(&mut self, at: Duration) -> u64 {
        self.late = self.late.max(at.saturating_sub(self.last_asked));
        self.last_asked = at;
        self.order.asked(at)
    }

    /// A request was due and did not leave.
    pub fn unasked(&mut self, why: &str) {
        self.unasked += 1;
        if self.why_unasked.is_none() {
            self.why_unasked = Some(why.to_owned());
        }
    }

    /// A request has ended; a number that is not under way is left alone.
    pub fn ended(&mut self, number: u64, at: Duration, end: End) {
        let Some(sent) = self.order.sent(number) else {
            return;
        };
        let good = match end {
            End::Good => {
                self.answered += 1;
                self.latency.add(at.saturating_sub(sent));
                self.good_at(at);
                Some(true)
            }
            End::Missed(miss) => {
                self.misses.add(miss);
                Some(false)
            }
            End::Unasked(why) => {
                self.unasked(&why);
                None
            }
        };
        self.order.ended(number, at, good);
        while let Some(next) = self.order.next() {
            if let Some(good) = next.good {
                self.series.add(next.sent, good);
                self.outages.add(next.sent, next.ended, good);
            }
        }
    }

    /// Nothing more is asked since `at`: the silence until then counts as well.
    pub fn close(&mut self, at: Duration) {
        self.good_at(at.max(self.last_good));
        self.outages.close();
    }

    fn good_at(&mut self, at: Duration) {
        self.gap = self.gap.max(at.saturating_sub(self.last_good));
        self.last_good = self.last_good.max(at);
    }

    /// Requests that have ended.
    pub fn requests(&self) -> u64 {
        self.answered + self.failed()
    }

    /// Those of them that were not answered as they should be.
    pub fn failed(&self) -> u64 {
        self.misses.count()
    }

    /// How they failed.
    pub fn misses(&self) -> &Misses {
        &self.misses
    }

    /// Those that this machine could not ask, and why the first could not.
    pub fn not_asked(&self) -> (u64, Option<&str>) {
        (self.unasked, self.why_unasked.as_deref())
    }

    /// When it did not answer.
    pub fn outages(&self) -> &Outages {
        &self.outages
    }

    /// The longest time between the ends of two good answers, beginning and end included.
    pub fn longest_gap(&self) -> Duration {
        self.gap
    }

    /// How long it is since the last good answer.
    pub fn silent_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_good)
    }

    /// The longest time between two requests: beyond the interval this machine itself was late.
    pub fn longest_pause(&self) -> Duration {
        self.late
    }

    /// How long good answers took.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Answered and failed over time.
    pub fn series(&self) -> &Series {
        &self.series
    }
}
