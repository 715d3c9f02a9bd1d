//! Slots, and the line of clients before them: limits that hold over all runtimes of a node.
//!
//! ```text
//!   runtime 0 ──take──▶ Slots of the service and of a server ◀──take── runtime 1
//!       └─ all taken: join ──▶ Line: in order; only the first tries ◀── join ─┘
//!                                ▲ called when a slot is given back
//! ```
//!
//! Only the runtimes take the lock in here, for a few instructions, and only where clients wait.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::counters::ServerCounters;

/// Work in hand that was given under a limit.
#[derive(Debug, Default)]
pub(crate) struct Slots(AtomicU32);

impl Slots {
    fn take(&self, limit: Option<NonZeroU32>) -> bool {
        let next = |taken| {
            limit
                .is_none_or(|limit| taken < limit.get())
                .then(|| taken + 1)
        };
        self.0.fetch_update(SeqCst, SeqCst, next).is_ok()
    }

    fn give_back(&self) {
        self.0.fetch_sub(1, SeqCst);
    }

    /// Whether one is free; `active` also counts what was given before there was a limit.
    pub(crate) fn has_room(&self, limit: Option<NonZeroU32>, active: impl Fn() -> u64) -> bool {
        limit.is_none_or(|limit| {
            self.0.load(SeqCst) < limit.get() && active() < u64::from(limit.get())
        })
    }
}

/// The slots of a service as a whole, and the clients that wait.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) slots: Slots,
    /// As many as `order` holds, for those who need not know more.
    length: AtomicU32,
    order: Mutex<Order>,
}

#[derive(Debug, Default)]
struct Order {
    next: u64,
    /// By ticket, so in the order in which they came.
    waiting: BTreeMap<u64, Option<Waker>>,
}

impl Line {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    pub(crate) fn length(&self) -> u32 {
        self.length.load(SeqCst)
    }

    /// Joins at the end, unless `most` wait already.
    pub(crate) fn join(self: &Arc<Self>, most: u32) -> Option<Turn> {
        let mut order = self.order();
        if self.length() >= most {
            return None;
        }
        let ticket = order.next;
        order.next += 1;
        order.waiting.insert(ticket, None);
        self.length.fetch_add(1, SeqCst);
        drop(order);
        Some(Turn {
            line: self.clone(),
            ticket,
        })
    }

    /// Has the first look again: a slot may be free, or the servers may be others.
    pub(crate) fn call(&self) {
        if self.length() == 0 {
            return;
        }
        let first = self
            .order()
            .waiting
            .first_key_value()
            .and_then(|(_, waker)| waker.clone());
        if let Some(waker) = first {
            waker.wake();
        }
    }
}

/// A place in the line; given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    line: Arc<Line>,
    ticket: u64,
}

impl Turn {
    /// Whether it is the first. `waker` is called when it should look again, from now on: so
    /// whoever asks before looking for a slot misses none.
    pub(crate) fn is_first(&self, waker: &Waker) -> bool {
        let mut order = self.line.order();
        if let Some(mine) = order.waiting.get_mut(&self.ticket) {
            *mine = Some(waker.clone());
        }
        order.waiting.first_key_value().map(|(ticket, _)| *ticket) == Some(self.ticket)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.line.order().waiting.remove(&self.ticket);
        self.line.length.fetch_sub(1, SeqCst);
        self.line.call();
    }
}

/// A slot of the service and one of a server; given back, and the first in line called, when this
/// is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    line: Arc<Line>,
    server: Arc<ServerCounters>,
}

impl Permit {
    /// Takes both, or neither. Without a limit a slot is counted and always free.
    pub(crate) fn take(
        line: &Arc<Line>,
        of_service: Option<NonZeroU32>,
        server: &Arc<ServerCounters>,
        of_server: Option<NonZeroU32>,
    ) -> Option<Permit> {
        if !line.slots.take(of_service) {
            return None;
        }
        if !server.slots.take(of_server) {
            line.slots.give_back();
            // Somebody may just have found that one taken.
            line.call();
            return None;
        }
        Some(Permit {
            line: line.clone(),
            server: server.clone(),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.server.slots.give_back();
        self.line.slots.give_back();
        self.line.call();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(of: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(of)
    }

    #[test]
    fn permits_are_strict_over_threads() {
        let line = Arc::new(Line::default());
        let server = Arc::new(ServerCounters::new(1));
        let (now, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut got = 0;
                    while got < 2000 {
                        let Some(permit) = Permit::take(&line, limit(3), &server, limit(2)) else {
                            std::thread::yield_now();
                            continue;
                        };
                        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                        now.fetch_sub(1, SeqCst);
                        drop(permit);
                        got += 1;
                    }
                });
            }
        });
        assert!(most.load(SeqCst) <= 2);
        assert!(line.slots.has_room(limit(1), || 0), "all were given back");
        assert!(server.slots.has_room(limit(1), || 0), "all were given back");
    }

    #[test]
    fn what_was_given_without_a_limit_counts() {
        let slots = Slots::default();
        assert!(slots.has_room(None, || u64::MAX));
        assert!(slots.has_room(limit(2), || 1));
        assert!(!slots.has_room(limit(2), || 2));
        assert!(slots.take(None) && slots.take(None));
        assert!(!slots.has_room(limit(2), || 0));
        assert!(!slots.take(limit(2)));
    }

    #[test]
    fn the_line_keeps_its_order_and_its_bound() {
        let line = Arc::new(Line::default());
        let waker = Waker::noop();
        assert!(line.join(0).is_none());
        let first = line.join(2).expect("there is room");
        let second = line.join(2).expect("there is room");
        assert!(line.join(2).is_none());
        assert!(first.is_first(waker) && !second.is_first(waker));
        drop(first);
        assert!(second.is_first(waker));
        let third = line.join(2).expect("there is room again");
        drop(second);
        assert!(third.is_first(waker));
        drop(third);
        assert_eq!(line.length(), 0);
    }
}
