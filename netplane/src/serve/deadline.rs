//! One timer for each connection, which is seldom touched.
//!
//! Putting a deadline off is a store: the timer goes off at the old time, sees that there is time
//! left, and is set anew. Only a deadline that moves *closer* touches the timer wheel at once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::plan::Limits;

/// The deadline of one connection.
#[derive(Debug)]
pub(crate) struct Deadline {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
    /// The longest silence that is tolerated now.
    idle: Duration,
    /// No amount of activity puts the deadline off beyond this.
    until: Instant,
}

impl Deadline {
    pub(crate) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        let at = now + limits.header;
        Deadline {
            sleep: Box::pin(sleep_until(at)),
            at,
            idle: limits.idle,
            until: now + limits.total,
        }
    }

    /// From now on silence of `idle` ends it, and `total` does in any case.
    pub(crate) fn begin(&mut self, idle: Duration, total: Duration) {
        let now = Instant::now();
        self.idle = idle;
        self.until = now + total;
        self.set(now + idle.min(total));
    }

    /// There was activity.
    pub(crate) fn touch(&mut self) {
        self.set((Instant::now() + self.idle).min(self.until));
    }

    fn set(&mut self, at: Instant) {
        self.at = at;
        if at < self.sleep.deadline() {
            self.sleep.as_mut().reset(at);
        }
    }

    /// Ready when the time is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.at);
        }
        Poll::Pending
    }
}
