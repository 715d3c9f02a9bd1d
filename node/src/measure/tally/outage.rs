//! PURE. Outages: from the first request that failed to the first good answer again.
//!
//! ```text
//!   sent       g  g  F  F  F  g  g          F: fails, whenever that turns out; g: is answered
//!   answered    |  |           |  |
//!                    <-------->             outage
//!                 <-->      <-->            by so much it may be wrong: the resolution
//! ```
//!
//! A request that hangs through an outage and is answered long after it does not lengthen it: of
//! those sent after the last that failed, the first to be answered ends it.

use std::time::Duration;

/// A time without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When the first request that failed was sent.
    pub began: Duration,
    /// When the first good answer came again; `None`: none came while it was measured.
    pub ended: Option<Duration>,
    /// Requests that failed.
    pub failed: u64,
    /// By how much the length may be wrong: the longer of the pauses between two requests at its
    /// beginning and at its end.
    pub resolution: Duration,
    last_failed: Duration,
}

impl Outage {
    /// How long it lasted, to its last failed request where it is not over.
    pub fn length(&self) -> Duration {
        let ended = self.ended.unwrap_or(self.last_failed);
        ended.saturating_sub(self.began)
    }
}

/// All outages of a measurement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outages {
    present: Option<Outage>,
    first: Vec<Outage>,
    last: Option<Outage>,
    longest: Option<Outage>,
    count: u64,
    total: Duration,
    last_sent: Duration,
}

impl Outages {
    /// Takes the next request in the order of sending.
    pub fn add(&mut self, sent: Duration, ended: Duration, good: bool) {
        let pause = sent.saturating_sub(self.last_sent);
        self.last_sent = sent;
        // Whoever was sent after the first good answer came belongs to what follows.
        if let Some(over) = self.present.and_then(|outage| outage.ended)
            && sent >= over
        {
            self.close();
        }
        match (&mut self.present, good) {
            (None, true) => {}
            (Some(outage), true) => {
                if outage.ended.is_none() {
                    outage.resolution = outage.resolution.max(pause);
                }
                outage.ended = Some(outage.ended.map_or(ended, |before| before.min(ended)));
            }
            (Some(outage), false) => {
                outage.ended = None;
                outage.failed += 1;
                outage.last_failed = sent;
            }
            (None, false) => {
                self.present = Some(Outage {
                    began: sent,
                    ended: None,
                    failed: 1,
                    resolution: pause,
                    last_failed: sent,
                });
            }
        }
    }

    /// Nothing follows: the last one is what it is.
    pub fn close(&mut self) {
        let Some(outage) = self.present.take() else {
            return;
        };
        self.count += 1;
        self.last = Some(outage);
        self.total += outage.length();
        if self.first.len() < LISTED_MAX {
            self.first.push(outage);
        }
        let longer = |longest: Outage| outage.length() > longest.length();
        if self.longest.is_none_or(longer) {
            self.longest = Some(outage);
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count + u64::from(self.present.is_some())
    }

    /// The longest of those that are closed.
    pub fn longest(&self) -> Option<Outage> {
        self.longest
    }

    /// All of those that are closed, together.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The first of those that are closed, in order.
    pub fn listed(&self) -> &[Outage] {
        &self.first
    }

    /// The last one.
    pub fn last(&self) -> Option<Outage> {
        self.present.or(self.last)
    }

    /// The one that is not closed yet; it may be over.
    pub fn present(&self) -> Option<Outage> {
        self.present
    }
}

/// Whoever has more of them looks at the count: a list that is longer is read by nobody.
const LISTED_MAX: usize = 32;
