//! PURE. Requests end as they like; here they are put back into the order in which they were sent.
//!
//! Its length is bounded by whoever asks: requests under way at once, and those that are behind
//! the oldest of them, which ends by its timeout.

use std::collections::VecDeque;
use std::time::Duration;

/// Requests that are under way or wait for an older one.
#[derive(Debug, Default)]
pub(super) struct Order {
    first: u64,
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    sent: Duration,
    ended: Option<(Duration, Option<bool>)>,
}

/// One that has ended, as have all that were sent before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) sent: Duration,
    pub(super) ended: Duration,
    /// `None`: nothing can be said.
    pub(super) good: Option<bool>,
}

impl Order {
    pub(super) fn asked(&mut self, at: Duration) -> u64 {
        let number = self.first + u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        self.slots.push_back(Slot {
            sent: at,
            ended: None,
        });
        number
    }

    /// When one that is under way was sent.
    pub(super) fn sent(&self, number: u64) -> Option<Duration> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let slot = self.slots.get(place)?;
        slot.ended.is_none().then_some(slot.sent)
    }

    pub(super) fn ended(&mut self, number: u64, at: Duration, good: Option<bool>) {
        let place = number.checked_sub(self.first);
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some(slot) = place.and_then(|place| self.slots.get_mut(place)) {
            slot.ended = Some((at, good));
        }
    }

    /// The oldest, once it has ended.
    pub(super) fn next(&mut self) -> Option<Sent> {
        let Slot { sent, ended } = self.slots.front()?;
        let (ended, good) = (*ended)?;
        let next = Sent {
            sent: *sent,
            ended,
            good,
        };
        self.slots.pop_front();
        self.first += 1;
        Some(next)
    }
}
